/* SPDX-License-Identifier: Apache-2.0 */
/* The table of models: what every part of a run takes for granted about each. */
#include "cmocka_headers.h"
#include "run/model.h"
#include "run/weights/weights.h"

static void known_models_fit_the_panels_of_the_pool(void **state)
{
    static const char *const names[] = { "deepseek-v2-lite", "deepseek-v3", "glm-4.5",   "gpt-oss-120b", "kimi-k2",
                                         "mixtral-8x7b",     "qwen3-235b",  "qwen3-30b", "step-3" };
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const run_model *model = run_model_find(names[i]);
        assert_non_null(model);
        assert_int_equal(model->hidden % RUN_PANEL_OUTPUTS, 0);
        assert_int_equal(model->expert_width % RUN_PANEL_OUTPUTS, 0);
        assert_true(model->top_k <= model->routed_expert_num);
    }
    assert_int_equal(run_model_find("deepseek-v3")->expert_width, 2048);
    assert_int_equal(run_model_find("mixtral-8x7b")->expert_width, 14336);
    assert_null(run_model_find("deepseek"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_models_fit_the_panels_of_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
