/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of weights: how many experts it has, whose matrices are whose, and that nobody can change them. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "run/weights/weights.h"
#include "small_model.h"

enum { LAYERS = 3, EXPERTS = 7 };
#define EXPERT_BYTES ((uint64_t)3 * 320 * 192 * 2)

static run_weights made(uint64_t byte_max, uint64_t seed)
{
    run_weights weights;
    run_failure failure = { "" };
    if (!run_weights_create(&weights, &small_model, LAYERS, seed, byte_max, UINT64_MAX, &failure)) {
        fail_msg("%s", failure.text);
    }
    return weights;
}

static void as_many_experts_as_fit_are_distinct(void **state)
{
    static const struct {
        uint64_t byte_max;
        uint64_t distinct_num;
    } cases[] = {
        { 0, 1 },
        { EXPERT_BYTES - 1, 1 },
        { 2 * EXPERT_BYTES - 1, 1 },
        { 2 * EXPERT_BYTES, 2 },
        { 1000 * EXPERT_BYTES, LAYERS * EXPERTS },
        { RUN_WEIGHTS_FULL, LAYERS * EXPERTS },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run_weights weights = made(cases[i].byte_max, 1);
        assert_int_equal(weights.distinct_num, cases[i].distinct_num);
        assert_int_equal(weights.expert_bytes, EXPERT_BYTES);
        run_weights_destroy(&weights);
    }
}

/* Where every expert has matrices of its own, no two share any; and no two ever have the same factors. */
static void no_two_experts_are_alike(void **state)
{
    run_weights weights = made(RUN_WEIGHTS_FULL, 1);
    run_expert seen[LAYERS * EXPERTS];
    (void)state;
    for (uint32_t i = 0; i < LAYERS * EXPERTS; i++) {
        seen[i] = run_weights_expert(&weights, i / EXPERTS, i % EXPERTS);
        assert_in_range(seen[i].up - weights.pool, 0, (LAYERS * EXPERTS - 1) * EXPERT_BYTES / 2);
        assert_true(seen[i].up_scale >= 0.5F && seen[i].up_scale < 1.5F);
        assert_true(seen[i].output_scale >= 0.5F && seen[i].output_scale < 1.5F);
        for (uint32_t j = 0; j < i; j++) {
            assert_ptr_not_equal(seen[i].up, seen[j].up);
            assert_true(seen[i].up_scale != seen[j].up_scale && seen[i].output_scale != seen[j].output_scale);
            assert_memory_not_equal(seen[i].up, seen[j].up, 64);
            assert_memory_not_equal(seen[i].down, seen[j].down, 64);
        }
    }
    run_weights_destroy(&weights);
}

static void a_small_pool_is_shared_by_all_and_used_in_full(void **state)
{
    run_weights weights = made(4 * EXPERT_BYTES, 1);
    bool used[4] = { false };
    (void)state;
    for (uint32_t i = 0; i < LAYERS * EXPERTS; i++) {
        run_expert expert = run_weights_expert(&weights, i / EXPERTS, i % EXPERTS);
        size_t number = (size_t)(expert.up - weights.pool) * sizeof(uint16_t) / EXPERT_BYTES;
        assert_in_range(number, 0, 3);
        used[number] = true;
    }
    assert_true(used[0] && used[1] && used[2] && used[3]);
    run_weights_destroy(&weights);
}

static void the_seed_alone_decides(void **state)
{
    run_weights first = made(EXPERT_BYTES, 7);
    run_weights same = made(EXPERT_BYTES, 7);
    run_weights other = made(EXPERT_BYTES, 8);
    (void)state;
    assert_memory_equal(first.pool, same.pool, EXPERT_BYTES);
    assert_memory_not_equal(first.pool, other.pool, EXPERT_BYTES);
    run_weights_destroy(&first);
    run_weights_destroy(&same);
    run_weights_destroy(&other);
}

/* A mean square within a factor of four below 1/inputs, and no lean to either sign. */
static void check_values(const uint16_t *values, uint32_t input_num, uint32_t output_num)
{
    double sum = 0.0;
    double squares = 0.0;
    size_t num = (size_t)input_num * output_num;
    for (size_t i = 0; i < num; i++) {
        double value = of_bf16(values[i]);
        sum += value;
        squares += value * value;
    }
    double variance = squares / (double)num * input_num;
    assert_true(variance > 0.24 && variance < 1.01);
    assert_true(fabs(sum) < 6.0 * sqrt(squares));
}

static void values_keep_sums_of_order_one(void **state)
{
    run_weights weights = made(EXPERT_BYTES, 3);
    run_expert expert = run_weights_expert(&weights, 0, 0);
    (void)state;
    check_values(expert.up, small_model.hidden, 2 * small_model.expert_width);
    check_values(expert.down, small_model.expert_width, small_model.hidden);
    run_weights_destroy(&weights);
}

static void nobody_can_write(void **state)
{
    run_weights weights = made(EXPERT_BYTES, 1);
    int status = 0;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka and sanitizers have handlers of their own */
        *(volatile uint16_t *)(uintptr_t)weights.pool = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    run_weights_destroy(&weights);
}

static void refused(const run_model *model, uint32_t layer_num, uint64_t available, const char *sentence)
{
    run_weights weights = { .seed = 99 };
    run_failure failure = { "" };
    assert_false(run_weights_create(&weights, model, layer_num, 1, 2 * EXPERT_BYTES, available, &failure));
    assert_string_equal(failure.text, sentence);
    assert_int_equal(weights.seed, 99);
}

static void what_cannot_be_is_refused_before_anything_is_made(void **state)
{
    run_model odd = small_model;
    (void)state;
    refused(&small_model, LAYERS, 2 * EXPERT_BYTES - 1,
            "the weights need 720.0 KiB of memory and 719.9 KiB are available; --weights asks for less");
    refused(&small_model, 0, UINT64_MAX, "layers are 0, must be in [1, 3] for small");
    refused(&small_model, 4, UINT64_MAX, "layers are 4, must be in [1, 3] for small");
    odd.hidden = 96;
    refused(&odd, 1, UINT64_MAX, "hidden is 96 and the expert width 192, both must be positive multiples of 64");
    odd.hidden = 0;
    refused(&odd, 1, UINT64_MAX, "hidden is 0 and the expert width 192, both must be positive multiples of 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_experts_as_fit_are_distinct),
        cmocka_unit_test(no_two_experts_are_alike),
        cmocka_unit_test(a_small_pool_is_shared_by_all_and_used_in_full),
        cmocka_unit_test(the_seed_alone_decides),
        cmocka_unit_test(values_keep_sums_of_order_one),
        cmocka_unit_test(nobody_can_write),
        cmocka_unit_test(what_cannot_be_is_refused_before_anything_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
