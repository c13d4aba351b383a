/* SPDX-License-Identifier: Apache-2.0 */
/* What an FFN worker finds wrong in a batch: the expert, the layer, the token, the row. The batch is made here from
 * what a flight sent. */
#include "run/arrival.h"
#include "run/flight.h"
#include "run/hidden/hidden.h"
#include "run/quantized.h"
#include "run/sheet.h"
#include "small_job.h"

enum { HIDDEN = 320, SLOTS = 3, ROW_MAX = 4 * SLOTS, FFN = 1, SESSION = 0, MICRO_BATCH = 1 };

typedef struct world {
    run_job job;
    run_flight flight;
    run_findings findings;
    afd_experts_call call;
    uint16_t tokens[ROW_MAX][HIDDEN];
    uint16_t results[ROW_MAX][HIDDEN];
    int8_t quantized[ROW_MAX][HIDDEN];
    float scales[ROW_MAX];
    int64_t groups[8][2];
    int32_t session_ids[ROW_MAX];
    int32_t micro_batch_ids[ROW_MAX];
    int32_t token_ids[ROW_MAX];
    int32_t offsets[ROW_MAX];
} world;

/* The expert of a slot as its token was routed. */
static int32_t expert_of(const run_flight *flight, uint32_t token, uint32_t slot)
{
    return slot < small_model.top_k ? flight->experts[token * small_model.top_k + slot]
                                    : (int32_t)(small_model.routed_expert_num + slot - small_model.top_k);
}

/* All rows that are for one local expert of the worker. */
static void add_group(world *at, uint32_t layer, uint32_t local)
{
    const run_placement *placement = &at->job.placement;
    int64_t count = 0;
    for (uint32_t token = 0; token < at->flight.token_num; token++) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            if (expert_of(&at->flight, token, slot) != (int32_t)placement->local_experts[FFN][local]) {
                continue;
            }
            uint64_t row = at->call.row_num++;
            memcpy(at->tokens[row], &at->flight.states[(size_t)token * HIDDEN], sizeof(at->tokens[row]));
            at->scales[row] = run_quantize(at->tokens[row], HIDDEN, at->quantized[row]);
            at->session_ids[row] = SESSION;
            at->micro_batch_ids[row] = MICRO_BATCH;
            at->token_ids[row] = (int32_t)token;
            at->offsets[row] = (int32_t)slot;
            count++;
        }
    }
    if (count > 0) {
        at->groups[at->call.group_num][0] = (int64_t)layer * placement->local_nums[FFN] + local;
        at->groups[at->call.group_num++][1] = count;
    }
}

/* A batch of the second layer, of a round that is full, as it must arrive. */
static world *begin_with(bool quantize)
{
    static world the_world;
    world *at = &the_world;
    run_options options = small_options();
    memset(at, 0, sizeof(*at));
    options.quantize = quantize;
    small_job_create(&at->job, &options);
    run_flight_create(&at->flight, &at->job.traffic, SESSION, MICRO_BATCH);
    do {
        run_flight_next(&at->flight);
        run_sheet_fill(&at->job, &at->flight);
    } while (at->flight.token_num < 4 || run_flight_layer(&at->flight) != 1);
    at->call = (afd_experts_call){
        .tokens = quantize ? (const void *)at->quantized : at->tokens,
        .type = quantize ? AFD_TOKEN_INT8 : AFD_TOKEN_BF16,
        .dynamic_scale = quantize ? at->scales : NULL,
        .hidden = HIDDEN,
        .group_list = &at->groups[0][0],
        .session_ids = at->session_ids,
        .micro_batch_ids = at->micro_batch_ids,
        .token_ids = at->token_ids,
        .expert_offsets = at->offsets,
        .results = at->results,
        .result_type = AFD_TOKEN_BF16,
    };
    for (uint32_t local = 0; local < at->job.placement.local_nums[FFN]; local++) {
        add_group(at, 1, local);
    }
    assert_true(at->call.row_num >= 4); /* the shared expert alone has four */
    return at;
}

static world *begin(void)
{
    return begin_with(false);
}

static void end(world *at)
{
    run_flight_destroy(&at->flight);
    run_job_destroy(&at->job);
}

static void check(world *at)
{
    run_arrival_check(&at->job, FFN, &at->findings, &at->call);
}

static void what_arrives_as_sent_is_counted_and_nothing_else(void **state)
{
    world *at = begin();
    (void)state;
    check(at);
    assert_int_equal(at->findings.wrong_num, 0);
    assert_int_equal(at->findings.id_num, at->call.row_num);
    assert_int_equal(at->findings.row_num, at->call.row_num);
    end(at);
}

static void a_quantised_row_or_scale_that_is_another_is_found(void **state)
{
    world *at = begin_with(true);
    (void)state;
    check(at);
    assert_int_equal(at->findings.wrong_num, 0);
    assert_int_equal(at->findings.row_num, at->call.row_num);
    at->quantized[1][HIDDEN - 1]++;
    at->scales[2] *= 1.5F;
    check(at);
    assert_int_equal(at->findings.wrong_num, 2);
    assert_non_null(strstr(at->findings.first_mismatch, ": the row is not the one that was sent"));
    end(at);
}

static void every_row_for_another_expert_or_layer_is_found(void **state)
{
    world *at = begin();
    uint32_t local_num = at->job.placement.local_nums[FFN];
    (void)state;
    for (uint32_t group = 0; group < at->call.group_num; group++) {
        int64_t right = at->groups[group][0];
        for (int64_t wrong = 0; wrong < (int64_t)local_num * 3; wrong++) {
            at->findings = (run_findings){ .wrong_num = 0 };
            at->groups[group][0] = wrong;
            check(at);
            assert_int_equal(at->findings.wrong_num, wrong == right ? 0 : at->groups[group][1]);
            assert_true(wrong == right || strstr(at->findings.first_mismatch, ": came out for layer ") != NULL);
        }
        at->groups[group][0] = right;
    }
    end(at);
}

static void a_row_that_is_not_the_one_that_was_sent_is_found(void **state)
{
    (void)state;
    for (size_t byte = 0; byte < HIDDEN * sizeof(uint16_t); byte += 213) {
        world *at = begin();
        uint64_t row = at->call.row_num - 1;
        ((unsigned char *)at->tokens[row])[byte] ^= 1;
        check(at);
        assert_int_equal(at->findings.wrong_num, 1);
        assert_non_null(strstr(at->findings.first_mismatch, ": the row is not the one that was sent"));
        end(at);
    }
}

static void a_token_that_was_not_sent_is_found(void **state)
{
    world *at = begin();
    run_board_sheet(&at->job.board, SESSION, MICRO_BATCH)->token_num = 3;
    (void)state;
    check(at);
    assert_true(at->findings.wrong_num > 0);
    assert_string_equal(at->findings.first_mismatch, "session 0, micro-batch 1: token 3 came out, 3 were sent");
    end(at);
}

static void each_result_has_its_mark_where_its_row_came_from(void **state)
{
    world *at = begin();
    const run_sheet *sheet = run_board_sheet(&at->job.board, SESSION, MICRO_BATCH);
    uint64_t marked_num = 0;
    (void)state;
    for (uint64_t row = 0; row < at->call.row_num; row++) {
        run_hidden_begin(row, HIDDEN, at->results[row]);
    }
    run_arrival_mark_results(&at->job, &at->call);
    for (uint64_t row = 0; row < at->call.row_num; row++) {
        assert_int_equal(sheet->row_marks[(size_t)at->token_ids[row] * SLOTS + (size_t)at->offsets[row]],
                         run_mark_of(at->results[row], sizeof(at->results[row])));
    }
    for (size_t i = 0; i < ROW_MAX; i++) {
        marked_num += sheet->row_marks[i] != 0;
    }
    assert_int_equal(marked_num, at->call.row_num);
    end(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_arrives_as_sent_is_counted_and_nothing_else),
        cmocka_unit_test(a_quantised_row_or_scale_that_is_another_is_found),
        cmocka_unit_test(every_row_for_another_expert_or_layer_is_found),
        cmocka_unit_test(a_row_that_is_not_the_one_that_was_sent_is_found),
        cmocka_unit_test(a_token_that_was_not_sent_is_found),
        cmocka_unit_test(each_result_has_its_mark_where_its_row_came_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
