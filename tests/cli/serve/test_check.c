/* SPDX-License-Identifier: Apache-2.0 */
/* The experts whose results are known: all of them different, and whatever is off by a bit is found. */
#include "cmocka_headers.h"
#include "run/hidden/hidden.h"
#include "run/quantized.h"
#include "serve/check.h"
#include "small_model.h"

enum { HIDDEN = 320, SLOTS = 3, LAYERS = 3, BATCH = 4 };

typedef struct world {
    run_router router;
    run_traffic traffic;
    run_placement placement;
    run_flight flight;
    run_findings findings;
    serve_checker checker;
    serve_check_experts experts;
} world;

static void begin(world *at, bool quantize)
{
    *at = (world){ .traffic = { &small_model, LAYERS, 1, BATCH, quantize, 5, &at->router, NULL } };
    run_router_create(&at->router, &small_model, LAYERS, 5);
    run_placement_create(&at->placement, &small_model, LAYERS, 1, 1);
    run_flight_create(&at->flight, &at->traffic, 0, 0);
    serve_checker_create(&at->checker, &at->findings, HIDDEN);
    serve_check_experts_create(&at->experts, &at->placement, 0, HIDDEN);
}

static void end(world *at)
{
    serve_check_experts_destroy(&at->experts);
    serve_checker_destroy(&at->checker);
    run_flight_destroy(&at->flight);
    run_placement_destroy(&at->placement);
    run_router_destroy(&at->router);
}

/* What an FFN worker's expert makes of one row. */
static void compute(world *at, uint32_t layer, uint32_t expert, const uint16_t *token, uint16_t *result)
{
    int64_t group[2] = { 0, 1 };
    int8_t values[HIDDEN];
    float scale = run_quantize(token, HIDDEN, values);
    uint32_t local = 0;
    while (at->placement.local_experts[0][local] != expert) {
        local++;
    }
    group[0] = (int64_t)layer * at->placement.local_nums[0] + local;
    const afd_experts_call call = {
        .tokens = at->traffic.quantize ? (const void *)values : token,
        .type = at->traffic.quantize ? AFD_TOKEN_INT8 : AFD_TOKEN_BF16,
        .dynamic_scale = at->traffic.quantize ? &scale : NULL,
        .hidden = HIDDEN,
        .row_num = 1,
        .group_list = group,
        .group_num = 1,
        .results = result,
        .result_type = AFD_TOKEN_BF16,
    };
    assert_int_equal(serve_check_experts_compute(&at->experts, &call), AFD_OK);
}

/* A sum of f32 in the order of the slots, rounded once at the end: what combining is documented to do. */
static void combine(world *at, uint32_t token)
{
    uint32_t layer = run_flight_layer(&at->flight);
    float sums[HIDDEN] = { 0.0F };
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        uint16_t result[HIDDEN];
        size_t choice = (size_t)token * small_model.top_k + slot;
        bool is_routed = slot < small_model.top_k;
        compute(at, layer, is_routed ? (uint32_t)at->flight.experts[choice] : small_model.routed_expert_num,
                &at->flight.states[(size_t)token * HIDDEN], result);
        for (uint32_t i = 0; i < HIDDEN; i++) {
            volatile float product = (is_routed ? at->flight.weights[choice] : 1.0F) * (float)of_bf16(result[i]);
            sums[i] += product;
        }
    }
    for (uint32_t i = 0; i < HIDDEN; i++) {
        uint32_t bits;
        memcpy(&bits, &sums[i], sizeof(bits));
        at->flight.combined[(size_t)token * HIDDEN + i] = (uint16_t)((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
    }
}

static void go_on(world *at)
{
    run_flight_next(&at->flight);
    for (uint32_t token = 0; token < at->flight.token_num; token++) {
        combine(at, token);
    }
}

static void what_is_right_is_counted_and_nothing_else(void **state)
{
    (void)state;
    for (int quantize = 0; quantize < 2; quantize++) {
        world at;
        uint64_t token_num = 0;
        begin(&at, quantize == 1);
        for (int round = 0; round < 12; round++) {
            go_on(&at);
            token_num += at.flight.token_num;
            serve_checker_look(&at.checker, &at.flight);
        }
        assert_int_equal(at.findings.wrong_num, 0);
        assert_int_equal(at.findings.verified_num, token_num);
        assert_int_equal(at.findings.token_num, token_num);
        end(&at);
    }
}

static void one_bit_of_any_number_is_found(void **state)
{
    world at;
    (void)state;
    begin(&at, false);
    do {
        go_on(&at);
    } while (at.flight.token_num < 2);
    for (uint32_t i = 0; i < HIDDEN; i++) {
        at.findings = (run_findings){ .wrong_num = 0 };
        at.flight.combined[HIDDEN + i] ^= 1;
        serve_checker_look(&at.checker, &at.flight);
        assert_int_equal(at.findings.wrong_num, 1);
        assert_non_null(strstr(at.findings.first_mismatch, "session 0, micro-batch 0, layer "));
        assert_non_null(strstr(at.findings.first_mismatch, ", token 1: the row is not the one that its experts make"));
        at.flight.combined[HIDDEN + i] ^= 1;
    }
    end(&at);
}

/* Of the same token: more experts than channels, so that factors differ, too. */
static void no_two_experts_of_any_layer_make_the_same_row(void **state)
{
    enum { EXPERTS = 40, MANY_LAYERS = 20, NUM = EXPERTS * MANY_LAYERS };
    static uint16_t rows[NUM][HIDDEN];
    static const run_model many = { "many", HIDDEN, MANY_LAYERS, EXPERTS, 0, 2, 192 };
    uint16_t token[HIDDEN];
    world at;
    (void)state;
    begin(&at, false);
    run_placement_destroy(&at.placement);
    run_placement_create(&at.placement, &many, MANY_LAYERS, 1, 1);
    run_hidden_begin(77, HIDDEN, token);
    for (uint32_t i = 0; i < NUM; i++) {
        compute(&at, i / EXPERTS, i % EXPERTS, token, rows[i]);
        for (uint32_t j = 0; j < i; j++) {
            assert_memory_not_equal(rows[i], rows[j], sizeof(rows[i]));
        }
    }
    end(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_is_counted_and_nothing_else),
        cmocka_unit_test(one_bit_of_any_number_is_found),
        cmocka_unit_test(no_two_experts_of_any_layer_make_the_same_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
