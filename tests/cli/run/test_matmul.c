/* SPDX-License-Identifier: Apache-2.0 */
/* One product, by each way that is there, against plain sums in f64 by the pool's formula. */
#include <dirent.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "run/experts/matmul.h"
#include "small_model.h"

enum { ROW_MAX = 40, GUARD = 0x5A };

typedef struct product {
    run_matmul_shape shape;
    uint16_t *x;
    uint16_t *weights;
    float *y; /* one float longer than it has to be */
} product;

static product random_product(random_numbers *numbers)
{
    product made = { .shape = { 32 * (1 + random_below(numbers, 12)), 64 * (1 + random_below(numbers, 6)), ROW_MAX } };
    size_t x_num = (size_t)ROW_MAX * made.shape.input_num;
    size_t weight_num = (size_t)made.shape.input_num * made.shape.output_num;
    made.x = malloc(x_num * sizeof(uint16_t));
    made.weights = malloc(weight_num * sizeof(uint16_t));
    made.y = malloc(((size_t)ROW_MAX * made.shape.output_num + 1) * sizeof(float));
    assert_true(made.x != NULL && made.weights != NULL && made.y != NULL);
    for (size_t i = 0; i < x_num; i++) {
        made.x[i] = bf16_of(random_unit(numbers));
    }
    for (size_t i = 0; i < weight_num; i++) {
        made.weights[i] = bf16_of(random_unit(numbers));
    }
    return made;
}

static void drop(product *made)
{
    free(made->x);
    free(made->weights);
    free(made->y);
}

static void check_rows(const product *made, uint32_t row_num)
{
    uint32_t input_num = made->shape.input_num;
    for (uint32_t row = 0; row < row_num; row++) {
        for (uint32_t j = 0; j < made->shape.output_num; j++) {
            double sum = 0.0;
            double magnitude = 0.0;
            for (uint32_t i = 0; i < input_num; i++) {
                size_t at = (size_t)(j / 64) * 64 * input_num + (size_t)(i / 2) * 128 + (j % 64) * 2 + i % 2;
                double term = of_bf16(made->weights[at]) * of_bf16(made->x[(size_t)row * input_num + i]);
                sum += term;
                magnitude += fabs(term);
            }
            double got = (double)made->y[(size_t)row * made->shape.output_num + j];
            /* Every addition in f32 is off by at most 2^-24 of the sum so far; input_num of them, in any order. */
            if (!(fabs(got - sum) <= magnitude * input_num / 16777216.0)) {
                fail_msg("row %" PRIu32 " of %" PRIu32 ", output %" PRIu32 ": %g, must be %g", row, row_num, j, got,
                         sum);
            }
        }
    }
}

static void multiplies_right(run_matmul_kind kind)
{
    random_numbers numbers = random_case();
    for (int repeat = 0; repeat < 8; repeat++) {
        product made = random_product(&numbers);
        run_matmul *matmul = run_matmul_create(kind, &made.shape);
        if (matmul == NULL) {
            drop(&made);
            print_message("oneDNN is not in this build or has nothing for this processor\n");
            skip();
        }
        for (uint32_t row_num = 1; row_num <= ROW_MAX; row_num += 1 + random_below(&numbers, 4)) {
            uint32_t padded = run_matmul_padded_rows(matmul, row_num);
            assert_in_range(padded, row_num, ROW_MAX);
            size_t end = (size_t)padded * made.shape.output_num;
            memset(&made.y[end], GUARD, sizeof(float));
            assert_true(run_matmul_apply(matmul, row_num, made.x, made.weights, made.y));
            check_rows(&made, row_num);
            for (size_t byte = 0; byte < sizeof(float); byte++) {
                assert_int_equal(((unsigned char *)&made.y[end])[byte], GUARD);
            }
        }
        run_matmul_destroy(matmul);
        drop(&made);
    }
}

static void portable_loops_multiply(void **state)
{
    (void)state;
    multiplies_right(RUN_MATMUL_PORTABLE);
}

static void onednn_multiplies(void **state)
{
    (void)state;
    multiplies_right(RUN_MATMUL_ONEDNN);
}

static void there_is_always_a_way(void **state)
{
    const run_matmul_shape shape = { 64, 64, 8 };
    (void)state;
    run_matmul *matmul = run_matmul_create(RUN_MATMUL_AUTO, &shape);
    assert_non_null(matmul);
    print_message("auto is %s\n", run_matmul_name(matmul));
    run_matmul_destroy(matmul);
    matmul = run_matmul_create(RUN_MATMUL_PORTABLE, &shape);
    assert_string_equal(run_matmul_name(matmul), "portable loops");
    run_matmul_destroy(matmul);
    run_matmul_destroy(NULL);
}

static int thread_num(void)
{
    int num = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        num += entry->d_name[0] != '.';
    }
    (void)closedir(tasks);
    return num;
}

/* A library that had started threads would have lost them in the child, and would wait for them there. */
static void a_product_starts_no_thread_and_survives_a_fork(void **state)
{
    random_numbers numbers = random_case();
    product made = random_product(&numbers);
    int before = thread_num(); /* a sanitizer may have one of its own */
    int status = -1;
    (void)state;
    run_matmul *matmul = run_matmul_create(RUN_MATMUL_AUTO, &made.shape);
    assert_true(run_matmul_apply(matmul, ROW_MAX, made.x, made.weights, made.y));
    assert_int_equal(thread_num(), before);
    memset(made.y, 0, (size_t)ROW_MAX * made.shape.output_num * sizeof(float));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(30);
        bool good = run_matmul_apply(matmul, ROW_MAX, made.x, made.weights, made.y);
        check_rows(&made, ROW_MAX);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    run_matmul_destroy(matmul);
    drop(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(portable_loops_multiply),
        cmocka_unit_test(onednn_multiplies),
        cmocka_unit_test(there_is_always_a_way),
        cmocka_unit_test(a_product_starts_no_thread_and_survives_a_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
