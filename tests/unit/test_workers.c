/* SPDX-License-Identifier: Apache-2.0 */
/* Workers of both sides in one thread, when all goes well: who is told what, and when, and what is counted. */
#include <math.h>

#include "cmocka_headers.h"
#include "plain_half.h"
#include "random_numbers.h"
#include "worker_world.h"

static void expect_events(const stage_record *record, const stage_event *expected, uint32_t num)
{
    assert_int_equal(record->event_num, num);
    for (uint32_t i = 0; i < num; i++) {
        assert_int_equal(record->events[i].stage, expected[i].stage);
        assert_int_equal(record->events[i].begins, expected[i].begins);
        assert_int_equal(record->events[i].micro_batch, expected[i].micro_batch);
        assert_int_equal(record->events[i].layer_id, expected[i].layer_id);
    }
}

static void every_stage_is_told_of_with_its_micro_batch_and_layer(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    worker_world *world = world_new(&c);
    world_connect(world);
    world_dispatch_to(world, 1, 1, 2, 3);
    world_answer(world);
    world_collect(world, 1, 1);
    const stage_event attention[] = {
        { AFD_STAGE_WAIT, true, 1, 2 },     { AFD_STAGE_WAIT, false, 1, 2 },
        { AFD_STAGE_DISPATCH, true, 1, 2 }, { AFD_STAGE_DISPATCH, false, 1, 2 },
        { AFD_STAGE_WAIT, true, 1, 2 },     { AFD_STAGE_WAIT, false, 1, 2 },
        { AFD_STAGE_COMBINE, true, 1, 2 },  { AFD_STAGE_COMBINE, false, 1, 2 },
    };
    /* The last look finds nothing, and so does not end. */
    const stage_event ffn[] = {
        { AFD_STAGE_SCHEDULE, true, AFD_MICRO_BATCH_ANY, -1 },
        { AFD_STAGE_SCHEDULE, false, 1, 2 },
        { AFD_STAGE_BATCH, true, 1, 2 },
        { AFD_STAGE_BATCH, false, 1, 2 },
        { AFD_STAGE_EXPERTS, true, 1, 2 },
        { AFD_STAGE_EXPERTS, false, 1, 2 },
        { AFD_STAGE_REPLY, true, 1, 2 },
        { AFD_STAGE_REPLY, false, 1, 2 },
        { AFD_STAGE_SCHEDULE, true, AFD_MICRO_BATCH_ANY, -1 },
    };
    expect_events(&world->sessions[1].stages, attention, sizeof(attention) / sizeof(attention[0]));
    expect_events(&world->ranks[0].stages, ffn, sizeof(ffn) / sizeof(ffn[0]));
    world_free(world);
}

static void a_stage_about_several_names_none_of_them(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    worker_world *world = world_new(&c);
    world_connect(world);
    world_dispatch_to(world, 0, 0, 3, 1);
    world_dispatch_to(world, 1, 1, 2, 1);
    world_answer(world);
    assert_int_equal(world->ranks[0].stages.events[4].stage, AFD_STAGE_EXPERTS);
    assert_int_equal(world->ranks[0].stages.events[4].micro_batch, AFD_MICRO_BATCH_ANY);
    assert_int_equal(world->ranks[0].stages.events[4].layer_id, -1);
    world_collect(world, 0, 0);
    world_collect(world, 1, 1);
    world_free(world);
}

/* What was sent in a larger round must not be seen in a smaller one after it, and a smaller one must not be waited for
 * as if it were full. */
static void the_batch_size_changes_from_round_to_round(void **state)
{
    static const uint32_t sizes[] = { 8, 1, 8, 0, 8, 1, 0, 1, 8, 3, 8 };
    (void)state;
    layer_case c = world_case();
    c.micro_batch_size = 8;
    worker_world *world = world_new(&c);
    world_connect(world);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int32_t layer_id = (int32_t)(i % c.layer_num);
        world_dispatch_tokens(world, 0, 0, layer_id, sizes[i]);
        world_dispatch_tokens(world, 1, 0, layer_id, 8 - sizes[i]);
        world_answer(world);
        world_collect(world, 0, 0);
        world_collect(world, 1, 0);
    }
    world_free(world);
}

static void counters_add_up(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    worker_world *world = world_new(&c);
    afd_worker_counters attention;
    afd_worker_counters ffn;
    uint64_t slots = 0;
    world_connect(world);
    for (uint32_t i = 0; i < 3; i++) {
        world_dispatch(world, 0, 0, 1);
        world_dispatch(world, 0, 1, 2);
        for (uint32_t m = 0; m < 2; m++) {
            slots += (uint64_t)layer_case_token_num(&world->c, &world->sessions[0].rounds[m]) * 3;
        }
        world_answer(world);
        world_collect(world, 0, 1);
        world_collect(world, 0, 0);
    }
    afd_attention_worker_count(world->sessions[0].worker, &attention);
    afd_ffn_worker_count(world->ranks[0].worker, &ffn);
    assert_true(slots > 0);
    assert_int_equal(attention.micro_batch_num, 6);
    assert_int_equal(attention.step_num, 6);
    assert_int_equal(attention.row_num, slots);
    assert_int_equal(attention.byte_num, slots * (2 * c.hidden + 4));
    assert_int_equal(ffn.row_num, slots);
    assert_int_equal(ffn.byte_num, slots * (2 * c.hidden + 4));
    assert_int_equal(ffn.wild_num, 0);
    /* A group of one is not told of a round without tokens. */
    assert_true(ffn.micro_batch_num <= 6 && ffn.micro_batch_num == ffn.step_num);
    afd_attention_worker_count(world->sessions[1].worker, &attention);
    assert_int_equal(attention.micro_batch_num, 0);
    world_free(world);
}

/* Two sessions at different layers choose the same expert; one call serves both, in two groups. */
static void check_layers_stay_apart(uint32_t group_size, bool quantize)
{
    layer_case c = world_case();
    c.ffn_num = 1;
    c.shared_num = 0;
    c.sync_group_size = group_size;
    c.quantize = quantize;
    worker_world *world = world_new(&c);
    world_connect(world);
    world_dispatch_to(world, 0, 0, 3, 4);
    world_dispatch_to(world, 1, 0, 1, 4);
    world_answer(world);
    assert_int_equal(world->ranks[0].call_num, 1);
    assert_int_equal(world->ranks[0].last_group_num, 2);
    world_collect(world, 0, 0);
    world_collect(world, 1, 0);
    world_free(world);
}

static void sessions_at_different_layers_keep_apart_in_one_call(void **state)
{
    (void)state;
    check_layers_stay_apart(1, false);
    check_layers_stay_apart(1, true);
    check_layers_stay_apart(2, false);
    check_layers_stay_apart(2, true);
}

static void micro_batches_are_collected_in_any_order(void **state)
{
    (void)state;
    static const uint32_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                           { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    layer_case c = world_case();
    c.micro_batch_num = 3;
    worker_world *world = world_new(&c);
    world_connect(world);
    for (uint32_t i = 0; i < 6; i++) {
        for (uint32_t m = 0; m < 3; m++) {
            world_dispatch(world, 0, orders[5 - i][m], 0); /* groups: any order, too */
        }
        world_answer(world);
        for (uint32_t m = 0; m < 3; m++) {
            world_collect(world, 0, orders[i][m]);
        }
    }
    world_free(world);
}

/* One session is all sessions, and a rank that gets no token is told of its round, or it would wait for it for ever. */
static void a_single_session_goes_on_past_a_rank_without_tokens(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.attention_num = 1;
    c.shared_num = 0;
    worker_world *world = world_new(&c);
    world_connect(world);
    for (int32_t expert = 0; expert < 6; expert++) {
        world_dispatch_to(world, 0, (uint32_t)expert % 2, 0, expert);
        world_answer(world);
        world_collect(world, 0, (uint32_t)expert % 2);
    }
    assert_true(world->ranks[0].call_num > 0 && world->ranks[1].call_num > 0);
    world_free(world);
}

static void an_empty_micro_batch_is_no_call_of_the_experts(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.attention_num = 1;
    worker_world *world = world_new(&c);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_worker_counters counters;
    wait.deadline_ns = 1;
    world_connect(world);
    assert_int_equal(afd_attention_worker_dispatch(world->sessions[0].worker, 0, 0, NULL, 0, NULL, NULL, NULL), AFD_OK);
    world_answer(world);
    assert_int_equal(afd_attention_worker_collect(world->sessions[0].worker, 0, NULL, NULL, &wait, NULL), AFD_OK);
    assert_int_equal(world->ranks[0].call_num, 0);
    afd_ffn_worker_count(world->ranks[0].worker, &counters);
    assert_int_equal(counters.micro_batch_num, 1);
    assert_int_equal(counters.step_num, 1);
    assert_int_equal(counters.row_num, 0);
    world_free(world);
}

static void the_rank_of_a_slot_is_known_while_its_round_is_open(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.copy_max = 2;
    worker_world *world = world_new(&c);
    world_connect(world);
    for (uint32_t s = 0; s < 2; s++) {
        afd_attention_worker *worker = world->sessions[s].worker;
        for (int32_t expert = 0; expert < 6; expert++) {
            assert_int_equal(afd_attention_worker_late_rank(worker, 0, 0, 0), -1);
            world_dispatch_to(world, s, 0, 3, expert);
            uint32_t token_num = layer_case_token_num(&world->c, &world->sessions[s].rounds[0]);
            uint32_t rank = layer_case_rank_of(&world->c, s, (uint32_t)expert);
            assert_int_equal(afd_attention_worker_late_rank(worker, 0, token_num - 1, 0), rank);
            assert_int_equal(afd_attention_worker_late_rank(worker, 0, 0, 1), rank);
            assert_int_equal(afd_attention_worker_late_rank(worker, 0, 0, 2), layer_case_rank_of(&world->c, s, 6));
            assert_int_equal(afd_attention_worker_late_rank(worker, 0, token_num, 0), -1);
            assert_int_equal(afd_attention_worker_late_rank(worker, 0, 0, 3), -1);
            assert_int_equal(afd_attention_worker_late_rank(worker, 1, 0, 0), -1);
            assert_int_equal(afd_attention_worker_late_rank(worker, 2, 0, 0), -1);
            world_answer(world);
            world_collect(world, s, 0);
        }
    }
    world_free(world);
}

static void who_leaves_waits_for_all_rounds_and_may_begin_again(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[1].worker;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = 1;
    world_connect(world);
    assert_int_equal(afd_attention_worker_leave(worker, &wait, NULL), AFD_OK);
    world_dispatch_to(world, 1, 1, 0, 2);
    assert_int_equal(afd_attention_worker_leave(worker, &wait, NULL), AFD_DEADLINE);
    assert_true(wait.late_num > 0);
    world_answer(world);
    assert_int_equal(afd_attention_worker_leave(worker, &wait, NULL), AFD_OK);
    assert_int_equal(afd_attention_worker_late_rank(worker, 1, 0, 0), -1);
    world_dispatch_to(world, 1, 1, 0, 2);
    world_answer(world);
    world_collect(world, 1, 1);
    world_free(world);
}

/* In all-sync a session that left is dropped, and the others go on; it comes back where it likes. */
static void a_session_that_was_dropped_can_be_accepted_again(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.sync_group_size = 2;
    worker_world *world = world_new(&c);
    world_connect(world);
    for (uint32_t m = 0; m < 2; m++) {
        world_dispatch(world, 0, m, 0);
        world_dispatch(world, 1, m, 1);
    }
    world_answer(world);
    for (uint32_t m = 0; m < 2; m++) {
        world_collect(world, 0, m);
        world_collect(world, 1, m);
    }
    for (uint32_t rank = 0; rank < 2; rank++) {
        assert_int_equal(afd_ffn_worker_drop(world->ranks[rank].worker, 1, NULL), AFD_OK);
    }
    world_dispatch(world, 0, 0, 2); /* alone */
    world_answer(world);
    world_collect(world, 0, 0);
    for (uint32_t rank = 0; rank < 2; rank++) {
        assert_int_equal(afd_ffn_worker_accept(world->ranks[rank].worker, 1, world_writer_to_session(world, 1), NULL),
                         AFD_OK);
    }
    world_dispatch(world, 1, 0, 3); /* joins; the worker is at micro-batch 1, which session 0 has in its turn */
    world_dispatch(world, 0, 1, 2);
    world_answer(world);
    world_collect(world, 0, 1);
    world_dispatch(world, 0, 0, 3);
    world_answer(world);
    world_collect(world, 0, 0);
    world_collect(world, 1, 0);
    world_free(world);
}

/* The model of a layer is run often, so it has floats of its own that are faster than those by definition. */
static void the_two_plain_floats_agree(void **state)
{
    (void)state;
    random_numbers numbers = { 11 };
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        for (int type = AFD_TOKEN_F16; type <= AFD_TOKEN_BF16; type++) {
            const plain_half_format *format = type == AFD_TOKEN_F16 ? &plain_f16 : &plain_bf16;
            float value = plain_half_value(format, (uint16_t)bits);
            if (isfinite(value)) {
                assert_true(plain_widen((afd_token_type)type, (uint16_t)bits) == value);
                assert_int_equal(plain_narrow((afd_token_type)type, value), bits);
            }
        }
    }
    for (uint32_t i = 0; i < 10000; i++) {
        float value = ldexpf((float)(random_u64(&numbers) >> 32) - 2147483648.0F, (int)random_below(&numbers, 80) - 70);
        assert_int_equal(plain_narrow(AFD_TOKEN_F16, value), plain_half_nearest(&plain_f16, value));
        assert_int_equal(plain_narrow(AFD_TOKEN_BF16, value), plain_half_nearest(&plain_bf16, value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_plain_floats_agree),
        cmocka_unit_test(every_stage_is_told_of_with_its_micro_batch_and_layer),
        cmocka_unit_test(a_stage_about_several_names_none_of_them),
        cmocka_unit_test(the_batch_size_changes_from_round_to_round),
        cmocka_unit_test(counters_add_up),
        cmocka_unit_test(sessions_at_different_layers_keep_apart_in_one_call),
        cmocka_unit_test(micro_batches_are_collected_in_any_order),
        cmocka_unit_test(a_single_session_goes_on_past_a_rank_without_tokens),
        cmocka_unit_test(an_empty_micro_batch_is_no_call_of_the_experts),
        cmocka_unit_test(the_rank_of_a_slot_is_known_while_its_round_is_open),
        cmocka_unit_test(who_leaves_waits_for_all_rounds_and_may_begin_again),
        cmocka_unit_test(a_session_that_was_dropped_can_be_accepted_again),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
