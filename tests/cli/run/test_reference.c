/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: that it is the formula, and that it notices what it is there to notice. */
#include <math.h>

#include "cmocka_headers.h"
#include "run/reference/reference.h"
#include "small_model.h"

enum { LAYERS = 3, HIDDEN = 320, WIDTH = 192 };

typedef struct fixture {
    run_weights weights;
    run_reference reference;
    uint16_t token[HIDDEN];
    int32_t experts[2];
    float routing[2];
    run_reference_case given;
} fixture;

static int set_up(void **state)
{
    fixture *made = calloc(1, sizeof(*made));
    random_numbers numbers = random_case();
    run_failure failure;
    if (made == NULL || !run_weights_create(&made->weights, &small_model, LAYERS, 1, RUN_WEIGHTS_FULL, UINT64_MAX,
                                            &failure)) {
        return -1;
    }
    run_reference_create(&made->reference, &made->weights);
    for (int i = 0; i < HIDDEN; i++) {
        made->token[i] = bf16_of(1.7 * random_unit(&numbers));
    }
    memcpy(made->experts, (int32_t[]){ 4, 1 }, sizeof(made->experts));
    memcpy(made->routing, (float[]){ 0.75F, 0.25F }, sizeof(made->routing));
    made->given = (run_reference_case){
        .layer = 1, .token = made->token, .type = AFD_TOKEN_BF16, .experts = made->experts, .weights = made->routing,
    };
    *state = made;
    return 0;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    run_reference_destroy(&made->reference);
    run_weights_destroy(&made->weights);
    free(made);
    return 0;
}

/* Element (output, input), by the formula in weights.h. */
static double element(const uint16_t *matrix, size_t input_num, size_t output, size_t input)
{
    return of_bf16(matrix[output / 64 * 64 * input_num + input / 2 * 128 + output % 64 * 2 + input % 2]);
}

/* Output i of one expert, written down as the formula says it, without any rounding. */
static double output_of(const fixture *made, run_expert expert, size_t i)
{
    double sum = 0.0;
    for (size_t inner = 0; inner < WIDTH; inner++) {
        double gate = 0.0;
        double up = 0.0;
        for (size_t k = 0; k < HIDDEN; k++) {
            gate += element(expert.up, HIDDEN, inner, k) * of_bf16(made->token[k]);
            up += element(expert.up, HIDDEN, WIDTH + inner, k) * of_bf16(made->token[k]);
        }
        double silu = gate / (1.0 + exp(-gate));
        sum += element(expert.down, WIDTH, i, inner) * silu * (double)expert.up_scale * up;
    }
    return (double)expert.output_scale * sum;
}

static void it_is_the_formula(void **state)
{
    fixture *made = *state;
    run_reference_compute(&made->reference, &made->given);
    for (size_t i = 0; i < HIDDEN; i += 13) {
        double exact = 0.0;
        double slack = 0.0;
        for (int slot = 0; slot < 3; slot++) { /* the last is the shared expert, number 6, as it is */
            uint32_t number = slot < 2 ? (uint32_t)made->experts[slot] : 6;
            double weight = slot < 2 ? (double)made->routing[slot] : 1.0;
            double output = output_of(made, run_weights_expert(&made->weights, 1, number), i);
            exact += weight * output;
            slack += weight * fabs(output) / 256.0; /* a result goes over the wire as bf16 */
        }
        double row = made->reference.row[i];
        assert_true(fabs(row - exact) <= slack + 1e-12);
    }
}

/* What a worker that made no mistake at all would send back. */
static void round_row(const fixture *made, uint16_t *row)
{
    for (int i = 0; i < HIDDEN; i++) {
        row[i] = bf16_of(made->reference.row[i]);
    }
}

static void it_takes_what_is_right_but_for_rounding(void **state)
{
    fixture *made = *state;
    uint16_t row[HIDDEN];
    run_reference_compute(&made->reference, &made->given);
    round_row(made, row);
    double error = run_reference_error(&made->reference, row, AFD_TOKEN_BF16);
    assert_true(error > 0.0 && error < RUN_REFERENCE_TOLERANCE);
}

static double error_against(fixture *made, const uint16_t *row)
{
    run_reference_compute(&made->reference, &made->given);
    return run_reference_error(&made->reference, row, AFD_TOKEN_BF16);
}

static void it_notices_whatever_is_wrong(void **state)
{
    fixture *made = *state;
    const run_reference_case right = made->given;
    uint16_t row[HIDDEN];
    run_reference_compute(&made->reference, &made->given);
    round_row(made, row);

    made->given.layer = 2;
    assert_true(error_against(made, row) > RUN_REFERENCE_TOLERANCE);
    made->given = right;
    made->experts[1] = 2;
    assert_true(error_against(made, row) > RUN_REFERENCE_TOLERANCE);
    made->experts[1] = 1;
    made->routing[0] = 0.70F;
    assert_true(error_against(made, row) > RUN_REFERENCE_TOLERANCE);
    made->routing[0] = 0.75F;
    made->token[11] ^= 0x8000; /* one channel of the token with the wrong sign */
    assert_true(error_against(made, row) > RUN_REFERENCE_TOLERANCE);
    made->token[11] ^= 0x8000;
    assert_true(error_against(made, row) < RUN_REFERENCE_TOLERANCE);

    uint16_t kept = row[HIDDEN - 1];
    row[HIDDEN - 1] = bf16_of(made->reference.row[HIDDEN - 1] + 0.1); /* one element */
    assert_true(error_against(made, row) > RUN_REFERENCE_TOLERANCE);
    row[HIDDEN - 1] = 0x7FC0;
    assert_true(isinf(error_against(made, row)));
    row[HIDDEN - 1] = 0xFF80;
    assert_true(isinf(error_against(made, row)));
    row[HIDDEN - 1] = kept;
    memset(row, 0, sizeof(row));
    assert_true(error_against(made, row) > RUN_REFERENCE_TOLERANCE);
}

/* A token of int8 steps of its largest value is what it was; any other is not, and by about half a step. */
static void quantising_changes_what_it_must(void **state)
{
    fixture *made = *state;
    uint16_t row[HIDDEN];
    for (int i = 0; i < HIDDEN; i++) {
        made->token[i] = bf16_of((i % 3 - 1) * (i % 128 == 127 ? 127.0 : i % 128) / 64.0);
    }
    made->token[0] = bf16_of(127.0 / 64.0);
    run_reference_compute(&made->reference, &made->given);
    round_row(made, row);
    made->given.quantize = true;
    assert_true(error_against(made, row) < RUN_REFERENCE_TOLERANCE);
    made->token[0] = bf16_of(127.0); /* now everything else is one step or none */
    assert_true(made->reference.token[5] != 0.0);
    run_reference_compute(&made->reference, &made->given);
    for (int i = 1; i < HIDDEN; i++) {
        double steps = made->reference.token[i];
        assert_true(fabs(steps - nearbyint(steps)) < 1e-6 && fabs(steps - of_bf16(made->token[i])) <= 0.5 + 1e-6);
    }
}

static void f16_tokens_are_read_as_f16(void **state)
{
    fixture *made = *state;
    uint16_t halves[HIDDEN];
    run_reference_compute(&made->reference, &made->given);
    double *bf16_row = malloc(HIDDEN * sizeof(double));
    assert_non_null(bf16_row);
    memcpy(bf16_row, made->reference.row, HIDDEN * sizeof(double));
    for (int i = 0; i < HIDDEN; i++) {
        halves[i] = f16_of(of_bf16(made->token[i]));
    }
    made->given.token = halves;
    made->given.type = AFD_TOKEN_F16;
    run_reference_compute(&made->reference, &made->given);
    for (int i = 0; i < HIDDEN; i++) {
        assert_true(fabs(bf16_row[i] - made->reference.row[i]) < 0.02);
        halves[i] = f16_of(made->reference.row[i]);
    }
    assert_true(run_reference_error(&made->reference, halves, AFD_TOKEN_F16) < RUN_REFERENCE_TOLERANCE);
    free(bf16_row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_the_formula, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_takes_what_is_right_but_for_rounding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_notices_whatever_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quantising_changes_what_it_must, set_up, tear_down),
        cmocka_unit_test_setup_teardown(f16_tokens_are_read_as_f16, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
