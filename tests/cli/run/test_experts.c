/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's experts against the reference: whole batches, every token type, every way to multiply. */
#include <math.h>

#include "cmocka_headers.h"
#include "run/experts/experts.h"
#include "run/experts/number.h"
#include "run/reference/reference.h"
#include "small_model.h"

enum { LAYERS = 3, LOCAL = 3, HIDDEN = 320, ROW_MAX = 400 };

/* One routed expert of weight 1 and no shared one: then the combined row is the expert's result. */
static const run_model one_expert = { "one", HIDDEN, LAYERS, 6, 0, 1, 192 };
static const uint32_t local_experts[LOCAL] = { 4, 0, 5 };

typedef struct batch {
    uint16_t *sent;      /* [row_num][HIDDEN], before quantisation */
    int8_t *bytes;       /* int8 alone */
    float *scales;
    uint16_t *results;
    int64_t groups[LAYERS * LOCAL][2];
    afd_experts_call call;
} batch;

static void quantise(batch *made, uint64_t row, afd_token_type type)
{
    float largest = 0.0F;
    for (int i = 0; i < HIDDEN; i++) {
        uint16_t value = made->sent[row * HIDDEN + (uint64_t)i];
        float magnitude = fabsf(type == AFD_TOKEN_F16 ? run_f16_widen(value) : run_bf16_widen(value));
        largest = magnitude > largest ? magnitude : largest;
    }
    float factor = 127.0F / largest;
    made->scales[row] = 1.0F / factor;
    for (int i = 0; i < HIDDEN; i++) {
        uint16_t value = made->sent[row * HIDDEN + (uint64_t)i];
        float number = type == AFD_TOKEN_F16 ? run_f16_widen(value) : run_bf16_widen(value);
        made->bytes[row * HIDDEN + (uint64_t)i] = (int8_t)nearbyintf(number * factor);
    }
}

/* Groups of no rows, of one, of a few and of more than a chunk. */
static uint64_t random_groups(batch *made, random_numbers *numbers)
{
    static const uint32_t counts[] = { 0, 1, 1, 2, 3, 5, 9, 33, RUN_EXPERTS_ROW_MAX + 7 };
    uint64_t row_num = 0;
    uint32_t group_num = 0;
    for (int64_t id = 0; id < LAYERS * LOCAL; id++) {
        uint32_t count = counts[random_below(numbers, 9)];
        if (count == 0 || row_num + count > ROW_MAX) {
            continue;
        }
        made->groups[group_num][0] = id;
        made->groups[group_num++][1] = count;
        row_num += count;
    }
    made->call.group_num = group_num;
    return row_num;
}

static batch *random_batch(random_numbers *numbers, afd_token_type type, bool quantised)
{
    batch *made = calloc(1, sizeof(*made));
    assert_non_null(made);
    size_t element_num = (size_t)ROW_MAX * HIDDEN;
    made->sent = malloc(element_num * sizeof(uint16_t));
    made->bytes = malloc(element_num);
    made->scales = malloc(ROW_MAX * sizeof(float));
    made->results = malloc(element_num * sizeof(uint16_t));
    assert_true(made->sent != NULL && made->bytes != NULL && made->scales != NULL && made->results != NULL);
    made->call.row_num = random_groups(made, numbers);
    for (size_t i = 0; i < element_num; i++) {
        double value = 1.7 * random_unit(numbers);
        made->sent[i] = type == AFD_TOKEN_F16 ? f16_of(value) : bf16_of(value);
    }
    for (uint64_t row = 0; quantised && row < made->call.row_num; row++) {
        quantise(made, row, type);
    }
    made->call.tokens = quantised ? (const void *)made->bytes : made->sent;
    made->call.type = quantised ? AFD_TOKEN_INT8 : type;
    made->call.dynamic_scale = quantised ? made->scales : NULL;
    made->call.hidden = HIDDEN;
    made->call.group_list = &made->groups[0][0];
    made->call.results = made->results;
    made->call.result_type = type;
    return made;
}

static void drop(batch *made)
{
    free(made->sent);
    free(made->bytes);
    free(made->scales);
    free(made->results);
    free(made);
}

static void check_row(run_reference *reference, const batch *made, uint64_t row, int64_t id)
{
    static const float one = 1.0F;
    const int32_t expert = (int32_t)local_experts[id % LOCAL];
    const run_reference_case given = {
        .layer = (uint32_t)(id / LOCAL),
        .token = made->sent + row * HIDDEN,
        .type = made->call.result_type,
        .quantize = made->call.type == AFD_TOKEN_INT8,
        .experts = &expert,
        .weights = &one,
    };
    run_reference_compute(reference, &given);
    double error = run_reference_error(reference, made->results + row * HIDDEN, made->call.result_type);
    if (!(error <= RUN_REFERENCE_TOLERANCE)) {
        fail_msg("row %" PRIu64 " of expert id %" PRId64 " is off by %g", row, id, error);
    }
}

static void check_batch(run_reference *reference, const batch *made)
{
    uint64_t row = 0;
    for (uint32_t group = 0; group < made->call.group_num; group++) {
        int64_t count = made->groups[group][1];
        /* The first, the last, and those around the end of a chunk. */
        for (int64_t i = 0; i < count; i += i < 2 || (i > RUN_EXPERTS_ROW_MAX - 3 && i < count - 2) ? 1 : 9) {
            check_row(reference, made, row + (uint64_t)i, made->groups[group][0]);
        }
        check_row(reference, made, row + (uint64_t)count - 1, made->groups[group][0]);
        row += (uint64_t)count;
    }
}

static run_experts *experts_of(const run_weights *weights, run_matmul_kind kind)
{
    const run_experts_options options = { weights, local_experts, LOCAL, kind };
    return run_experts_create(&options);
}

static run_weights pool(void)
{
    run_weights weights;
    run_failure failure;
    assert_true(run_weights_create(&weights, &one_expert, LAYERS, 5, 1 << 20, UINT64_MAX, &failure));
    return weights;
}

static void batches_are_right(run_matmul_kind kind)
{
    static const afd_token_type types[] = { AFD_TOKEN_BF16, AFD_TOKEN_F16 };
    random_numbers numbers = random_case();
    run_weights weights = pool();
    run_reference reference;
    run_experts *experts = experts_of(&weights, kind);
    if (experts == NULL) {
        run_weights_destroy(&weights);
        print_message("oneDNN is not in this build or has nothing for this processor\n");
        skip();
    }
    run_reference_create(&reference, &weights);
    for (int repeat = 0; repeat < 12; repeat++) {
        batch *made = random_batch(&numbers, types[repeat % 2], repeat % 4 >= 2);
        if (made->call.row_num > 0) {
            assert_int_equal(run_experts_compute(experts, &made->call), AFD_OK);
            check_batch(&reference, made);
        }
        drop(made);
    }
    run_reference_destroy(&reference);
    run_experts_destroy(experts);
    run_weights_destroy(&weights);
}

static void batches_by_portable_loops_are_right(void **state)
{
    (void)state;
    batches_are_right(RUN_MATMUL_PORTABLE);
}

static void batches_by_onednn_are_right(void **state)
{
    (void)state;
    batches_are_right(RUN_MATMUL_ONEDNN);
}

static void refuses(run_experts *experts, const batch *made, afd_experts_call call)
{
    memset(made->results, 0x77, HIDDEN * sizeof(uint16_t));
    assert_int_equal(run_experts_compute(experts, &call), AFD_ERR_INVALID);
    assert_int_equal(made->results[0], 0x7777);
    assert_int_equal(made->results[HIDDEN - 1], 0x7777);
}

static void calls_that_are_not_the_workers_are_refused(void **state)
{
    random_numbers numbers = random_case();
    run_weights weights = pool();
    run_experts *experts = experts_of(&weights, RUN_MATMUL_AUTO);
    batch *made = random_batch(&numbers, AFD_TOKEN_BF16, false);
    (void)state;
    static const int64_t bad_groups[][2] = { { -1, 3 }, { (int64_t)LAYERS * LOCAL, 3 }, { 0, 2 }, { 0, 4 }, { 0, -3 } };
    made->call.row_num = 3;
    made->call.group_num = 1;
    for (size_t i = 0; i < sizeof(bad_groups) / sizeof(bad_groups[0]); i++) {
        memcpy(made->groups[0], bad_groups[i], sizeof(bad_groups[i]));
        refuses(experts, made, made->call);
    }
    made->groups[0][0] = LAYERS * LOCAL - 1;
    made->groups[0][1] = 3;
    afd_experts_call call = made->call;
    call.hidden = HIDDEN - 16;
    refuses(experts, made, call);
    call = made->call;
    call.type = AFD_TOKEN_INT8; /* without scales */
    refuses(experts, made, call);
    call = made->call;
    call.result_type = AFD_TOKEN_INT8;
    refuses(experts, made, call);
    assert_int_equal(run_experts_compute(experts, &made->call), AFD_OK);
    drop(made);
    run_experts_destroy(experts);
    run_experts_destroy(NULL);
    run_weights_destroy(&weights);
}

/* Every one of the 65536 numbers is what it was after widening and narrowing; and what lies between rounds to even. */
static void numbers_go_there_and_back(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits <= 0xFFFF; bits++) {
        uint16_t value = (uint16_t)bits;
        float f16 = run_f16_widen(value);
        float bf16 = run_bf16_widen(value);
        assert_true(isnan(f16) ? isnan(run_f16_widen(run_f16_narrow(f16))) : run_f16_narrow(f16) == value);
        assert_true(isnan(bf16) ? isnan(run_bf16_widen(run_bf16_narrow(bf16))) : run_bf16_narrow(bf16) == value);
    }
    for (uint32_t bits = 0; bits < 0x7BFF; bits++) {
        /* The middle of two neighbours is exact in f32. */
        float middle = 0.5F * (run_f16_widen((uint16_t)bits) + run_f16_widen((uint16_t)(bits + 1)));
        assert_int_equal(run_f16_narrow(middle), bits + (bits & 1));
    }
    assert_int_equal(run_f16_narrow(65519.0F), 0x7BFF);
    assert_int_equal(run_f16_narrow(65520.0F), 0x7C00);
    assert_int_equal(run_f16_narrow(-1e10F), 0xFC00);
    assert_int_equal(run_bf16_narrow(1.00390625F), 0x3F80); /* 1 + 2^-8, between 0x3F80 and 0x3F81 */
    assert_int_equal(run_bf16_narrow(1.01171875F), 0x3F82); /* 1 + 3 * 2^-8 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_by_portable_loops_are_right),
        cmocka_unit_test(batches_by_onednn_are_right),
        cmocka_unit_test(calls_that_are_not_the_workers_are_refused),
        cmocka_unit_test(numbers_go_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
