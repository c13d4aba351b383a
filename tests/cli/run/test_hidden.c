/* SPDX-License-Identifier: Apache-2.0 */
/* The hidden state over all layers of a model, and the router that looks at it. */
#include <math.h>

#include "cmocka_headers.h"
#include "run/hidden/hidden.h"
#include "run/router.h"
#include "small_model.h"

enum { HIDDEN = 2048, LAYERS = 61 };

static double rms_of(const uint16_t *state)
{
    double squares = 0.0;
    for (int i = 0; i < HIDDEN; i++) {
        squares += of_bf16(state[i]) * of_bf16(state[i]);
    }
    return sqrt(squares / HIDDEN);
}

static void random_row(random_numbers *numbers, double size, uint16_t *row)
{
    for (int i = 0; i < HIDDEN; i++) {
        row[i] = bf16_of(size * random_unit(numbers));
    }
}

static void states_stay_of_order_one_over_all_layers(void **state)
{
    static const double sizes[] = { 0.0, 0.01, 1.0, 50.0 };
    random_numbers numbers = random_case();
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint16_t row[HIDDEN];
        uint16_t next[HIDDEN];
        uint16_t combined[HIDDEN];
        run_hidden_begin(7 + i, HIDDEN, row);
        assert_true(fabs(rms_of(row) - 1.0) < 0.1);
        for (uint32_t layer = 0; layer < LAYERS; layer++) {
            random_row(&numbers, sizes[i], combined);
            run_hidden_advance(layer, HIDDEN, row, combined, next);
            assert_true(fabs(rms_of(next) - 1.0) < 0.01);
            memcpy(row, next, sizeof(row));
        }
    }
}

/* The reference of a run computes the same again, so equal arguments give equal bits. */
static void equal_arguments_give_equal_bits(void **state)
{
    random_numbers numbers = random_case();
    uint16_t row[HIDDEN];
    uint16_t combined[HIDDEN];
    uint16_t first[HIDDEN];
    uint16_t second[HIDDEN];
    float features[2][RUN_ROUTER_WIDTH];
    (void)state;
    run_hidden_begin(1, HIDDEN, row);
    random_row(&numbers, 1.0, combined);
    memset(second, 0xFF, sizeof(second));
    run_hidden_advance(5, HIDDEN, row, combined, first);
    run_hidden_advance(5, HIDDEN, row, combined, second);
    assert_memory_equal(first, second, sizeof(first));
    run_hidden_features(HIDDEN, first, features[0]);
    run_hidden_features(HIDDEN, second, features[1]);
    assert_memory_equal(features[0], features[1], sizeof(features[0]));
}

/* A result in the wrong place of the row, in a wrong layer or token shows in the next layer's input. */
static void what_is_different_stays_different(void **state)
{
    random_numbers numbers = random_case();
    uint16_t row[HIDDEN];
    uint16_t other[HIDDEN];
    uint16_t combined[HIDDEN];
    uint16_t first[HIDDEN];
    uint16_t second[HIDDEN];
    (void)state;
    run_hidden_begin(1, HIDDEN, row);
    run_hidden_begin(2, HIDDEN, other);
    assert_memory_not_equal(row, other, sizeof(row));
    random_row(&numbers, 1.0, combined);
    run_hidden_advance(0, HIDDEN, row, combined, first);
    run_hidden_advance(1, HIDDEN, row, combined, second);
    assert_memory_not_equal(first, second, sizeof(first));
    run_hidden_advance(0, HIDDEN, other, combined, second);
    assert_memory_not_equal(first, second, sizeof(first));
    uint16_t moved = combined[3];
    combined[3] = combined[HIDDEN - 4];
    combined[HIDDEN - 4] = moved;
    run_hidden_advance(0, HIDDEN, row, combined, second);
    assert_memory_not_equal(first, second, sizeof(first));
}

static void a_result_that_is_not_finite_is_not_lost(void **state)
{
    uint16_t row[HIDDEN];
    uint16_t combined[HIDDEN] = { 0 };
    uint16_t next[HIDDEN];
    (void)state;
    run_hidden_begin(1, HIDDEN, row);
    combined[17] = 0x7FC0;
    run_hidden_advance(0, HIDDEN, row, combined, next);
    for (int i = 0; i < HIDDEN; i++) {
        assert_true(isnan(of_bf16(next[i])));
    }
}

static void choices_are_the_best_and_weights_their_softmax(void **state)
{
    const run_model *model = run_model_find("deepseek-v2-lite");
    run_router router;
    (void)state;
    run_router_create(&router, model, 2, 3);
    for (uint64_t token = 0; token < 200; token++) {
        uint16_t row[HIDDEN];
        float features[RUN_ROUTER_WIDTH];
        int32_t experts[8];
        float weights[8];
        double logits[64];
        double sum = 0.0;
        uint32_t layer = (uint32_t)(token % 2);
        run_hidden_begin(token, HIDDEN, row);
        run_hidden_features(HIDDEN, row, features);
        run_router_choose(&router, layer, features, experts, weights);
        for (uint32_t e = 0; e < 64; e++) {
            const float *gate = &router.gate[(layer * 64 + e) * (RUN_ROUTER_WIDTH + 1)];
            logits[e] = (double)gate[RUN_ROUTER_WIDTH];
            for (int i = 0; i < RUN_ROUTER_WIDTH; i++) {
                logits[e] += (double)gate[i] * (double)features[i];
            }
        }
        for (int k = 0; k < 6; k++) {
            sum += exp(logits[experts[k]]);
        }
        for (int k = 0; k < 6; k++) {
            assert_in_range(experts[k], 0, 63);
            assert_true(fabs((double)weights[k] - exp(logits[experts[k]]) / sum) < 1e-5);
            for (uint32_t e = 0; e < 64; e++) { /* who is better than the k-th stands before it */
                bool before = false;
                for (int earlier = 0; earlier < k; earlier++) {
                    before |= experts[earlier] == (int32_t)e;
                }
                assert_true(before || logits[e] <= logits[experts[k]] + 1e-5);
            }
        }
    }
    run_router_destroy(&router);
}

static void loads_are_skewed_and_no_expert_takes_all(void **state)
{
    const run_model *model = run_model_find("deepseek-v2-lite");
    enum { TOKENS = 2000 };
    uint32_t loads[64] = { 0 };
    uint32_t most = 0;
    run_router router;
    (void)state;
    run_router_create(&router, model, 1, 1);
    for (uint64_t token = 0; token < TOKENS; token++) {
        uint16_t row[HIDDEN];
        float features[RUN_ROUTER_WIDTH];
        int32_t experts[8];
        float weights[8];
        run_hidden_begin(token, HIDDEN, row);
        run_hidden_features(HIDDEN, row, features);
        run_router_choose(&router, 0, features, experts, weights);
        for (int k = 0; k < 6; k++) {
            loads[experts[k]]++;
        }
    }
    for (int e = 0; e < 64; e++) {
        most = loads[e] > most ? loads[e] : most;
    }
    double skew = (double)most * 64 / (6.0 * TOKENS);
    assert_true(skew > 1.5 && skew < 6.0);
    run_router_destroy(&router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_stay_of_order_one_over_all_layers),
        cmocka_unit_test(equal_arguments_give_equal_bits),
        cmocka_unit_test(what_is_different_stays_different),
        cmocka_unit_test(a_result_that_is_not_finite_is_not_lost),
        cmocka_unit_test(choices_are_the_best_and_weights_their_softmax),
        cmocka_unit_test(loads_are_skewed_and_no_expert_takes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
