/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler object: its size, its checks, the live set, the fair choice. */
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "cmocka_headers.h"
#include "ffn_world.h"

/* A world with a scheduler object. */
typedef struct served {
    ffn_world *world;
    afd_ffn_scheduler *scheduler;
    afd_ffn_schedule_args args;
    afd_wait wait;
} served;

static served serve(uint32_t session_num, uint32_t micro_batch_num, int32_t group_size, bool fair, bool start_empty)
{
    served t = { .world = ffn_world_new(session_num, micro_batch_num, 3, 1, 4) };
    afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    options.fair = fair;
    options.start_empty = start_empty;
    uint64_t bytes = afd_ffn_scheduler_footprint(session_num, micro_batch_num);
    void *memory = malloc(bytes);
    assert_non_null(memory);
    assert_int_equal(afd_ffn_scheduler_new(session_num, micro_batch_num, &options, memory, bytes, &t.scheduler, NULL),
                     AFD_OK);
    assert_ptr_equal(t.scheduler, memory);
    t.args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT(group_size);
    t.args.scheduler = t.scheduler;
    t.wait = (afd_wait)AFD_WAIT_INIT(AFD_WAIT_YIELD);
    return t;
}

static void end_service(served *t)
{
    free(t->scheduler);
    ffn_world_free(t->world);
}

static void admit(served *t, uint32_t session)
{
    assert_int_equal(afd_ffn_scheduler_admit(t->scheduler, session, NULL), AFD_OK);
}

static void drop(served *t, uint32_t session)
{
    assert_int_equal(afd_ffn_scheduler_drop(t->scheduler, session, NULL), AFD_OK);
}

static void arm(served *t, uint32_t session, uint32_t micro_batch)
{
    ffn_world_arm(t->world, session, micro_batch, 1, AFD_FLAG_READY);
}

static afd_status poll_once(served *t)
{
    return afd_ffn_schedule_poll(t->world->context, &t->args, NULL, NULL);
}

static void expect_state(const served *t, uint32_t session, afd_session_state expected)
{
    assert_int_equal(afd_ffn_scheduler_state(t->scheduler, session), expected);
}

/* One call that takes exactly these sessions, in this order, with that micro-batch. */
static void expect_taken(served *t, const uint32_t *sessions, uint32_t session_num, uint32_t micro_batch)
{
    uint32_t taken_num = 0;
    assert_int_equal(afd_ffn_schedule(t->world->context, &t->args, &t->wait, &taken_num, NULL), AFD_OK);
    assert_int_equal(taken_num, session_num);
    for (uint32_t k = 0; k < session_num; k++) {
        assert_true(ffn_world_row_is(t->world, k, sessions[k], micro_batch, 1));
    }
}

/* ---- making one ---- */

static void the_object_is_at_most_64_bytes_a_session_and_micro_batch(void **state)
{
    (void)state;
    for (uint32_t s = 1; s <= 300; s++) {
        for (uint32_t m = 1; m <= 16; m++) {
            uint64_t bytes = afd_ffn_scheduler_footprint(s, m);
            assert_true(bytes > 0);
            assert_true(bytes <= 64 * (uint64_t)s * m);
        }
    }
    assert_int_equal(afd_ffn_scheduler_footprint(0, 1), 0);
    assert_int_equal(afd_ffn_scheduler_footprint(1, 0), 0);
    assert_true(afd_ffn_scheduler_footprint(UINT32_MAX, UINT32_MAX) > UINT32_MAX);
    assert_true(afd_ffn_scheduler_footprint(UINT32_MAX, 1) <= 64 * (uint64_t)UINT32_MAX);
}

static void making_one_writes_nothing_past_its_footprint(void **state)
{
    (void)state;
    for (uint32_t s = 1; s < 20; s++) {
        _Alignas(8) unsigned char memory[64 * 20 * 2];
        afd_ffn_scheduler *scheduler = NULL;
        uint64_t bytes = afd_ffn_scheduler_footprint(s, 2);
        memset(memory, 0xA5, sizeof(memory));
        assert_int_equal(afd_ffn_scheduler_new(s, 2, NULL, memory, sizeof(memory), &scheduler, NULL), AFD_OK);
        for (uint64_t i = bytes; i < sizeof(memory); i++) {
            assert_int_equal(memory[i], 0xA5);
        }
    }
}

static void what_cannot_be_made_is_refused_and_writes_nothing(void **state)
{
    (void)state;
    _Alignas(8) unsigned char memory[256];
    unsigned char before[256];
    afd_ffn_scheduler *scheduler = NULL;
    afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    uint64_t bytes = afd_ffn_scheduler_footprint(2, 2);
    afd_error error;
    memset(memory, 0xA5, sizeof(memory));
    memset(before, 0xA5, sizeof(before));
    assert_int_equal(afd_ffn_scheduler_new(0, 2, NULL, memory, 256, &scheduler, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "session_num");
    assert_int_equal(afd_ffn_scheduler_new(2, 0, NULL, memory, 256, &scheduler, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "micro_batch_num");
    options.size--;
    assert_int_equal(afd_ffn_scheduler_new(2, 2, &options, memory, 256, &scheduler, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "options.size");
    assert_int_equal(afd_ffn_scheduler_new(2, 2, NULL, NULL, 256, &scheduler, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "memory");
    assert_int_equal(afd_ffn_scheduler_new(2, 2, NULL, memory + 4, 252, &scheduler, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "memory");
    assert_int_equal(error.bound, 8);
    assert_int_equal(afd_ffn_scheduler_new(2, 2, NULL, memory, bytes - 1, &scheduler, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "bytes");
    assert_int_equal(error.value, bytes - 1);
    assert_int_equal(error.bound, bytes);
    assert_null(scheduler);
    assert_memory_equal(memory, before, sizeof(memory));
}

static void an_object_for_other_counts_or_none_at_all_is_refused(void **state)
{
    (void)state;
    served t = serve(4, 2, 2, false, false);
    afd_error error;
    t.world->context->common.session_num = 2;
    assert_int_equal(afd_ffn_schedule_check(t.world->context, &t.args, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.scheduler.session_num");
    assert_int_equal(error.value, 4);
    assert_int_equal(error.bound, 2);
    t.world->context->common.session_num = 4;
    t.world->context->common.micro_batch_num = 1;
    assert_int_equal(afd_ffn_schedule_check(t.world->context, &t.args, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.scheduler.micro_batch_num");
    t.world->context->common.micro_batch_num = 2;
    uint8_t *before = ffn_world_copy(t.world);
    memset(t.scheduler, 0, 8); /* no longer what afd_ffn_scheduler_new() made */
    arm(&t, 0, 0);
    arm(&t, 1, 0);
    free(before);
    before = ffn_world_copy(t.world);
    assert_int_equal(afd_ffn_schedule(t.world->context, &t.args, &t.wait, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.scheduler");
    assert_true(ffn_world_equals(t.world, before));
    free(before);
    end_service(&t);
}

/* ---- the live set ---- */

static void at_first_all_are_live_or_none_is(void **state)
{
    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        served t = serve(3, 1, 3, false, empty);
        for (uint32_t s = 0; s < 3; s++) {
            expect_state(&t, s, empty ? AFD_SESSION_AWAY : AFD_SESSION_LIVE);
        }
        end_service(&t);
    }
}

static void admitting_and_dropping_move_a_session_between_its_states(void **state)
{
    (void)state;
    served t = serve(2, 1, 1, false, true);
    afd_error error;
    admit(&t, 0);
    expect_state(&t, 0, AFD_SESSION_JOINING);
    admit(&t, 0);
    expect_state(&t, 0, AFD_SESSION_JOINING);
    arm(&t, 0, 0);
    expect_taken(&t, (const uint32_t[]){ 0 }, 1, 0);
    expect_state(&t, 0, AFD_SESSION_LIVE);
    admit(&t, 0); /* changes nothing */
    expect_state(&t, 0, AFD_SESSION_LIVE);
    drop(&t, 0);
    expect_state(&t, 0, AFD_SESSION_AWAY);
    drop(&t, 0);
    expect_state(&t, 0, AFD_SESSION_AWAY);
    assert_int_equal(afd_ffn_scheduler_admit(t.scheduler, 2, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "session");
    assert_int_equal(error.value, 2);
    assert_int_equal(error.bound, 2);
    assert_int_equal(afd_ffn_scheduler_drop(t.scheduler, UINT32_MAX, &error), AFD_ERR_INVALID);
    expect_state(&t, 2, AFD_SESSION_AWAY);
    end_service(&t);
}

static void who_is_away_is_neither_awaited_nor_taken(void **state)
{
    (void)state;
    for (int32_t group_size = 2; group_size <= 4; group_size += 2) {
        served t = serve(4, 1, group_size, false, false);
        drop(&t, 0);
        drop(&t, 2);
        arm(&t, 0, 0); /* ready, but away: its desc stays as it is */
        arm(&t, 1, 0);
        arm(&t, 3, 0);
        expect_taken(&t, (const uint32_t[]){ 1, 3 }, 2, 0); /* the k-th taken is in row k */
        assert_int_equal(ffn_world_desc(t.world, 0, 0)->flag, AFD_FLAG_READY);
        end_service(&t);
    }
}

static void who_joins_is_not_awaited_until_it_was_taken_and_then_it_is(void **state)
{
    (void)state;
    served t = serve(3, 2, 3, false, false);
    drop(&t, 1);
    admit(&t, 1);
    arm(&t, 0, 0);
    arm(&t, 2, 0);
    expect_taken(&t, (const uint32_t[]){ 0, 2 }, 2, 0); /* not there yet: not waited for */
    expect_state(&t, 1, AFD_SESSION_JOINING);
    arm(&t, 0, 1);
    arm(&t, 1, 1);
    assert_int_equal(poll_once(&t), AFD_NOT_YET); /* there, but session 2 is awaited */
    arm(&t, 2, 1);
    expect_taken(&t, (const uint32_t[]){ 0, 1, 2 }, 3, 1);
    expect_state(&t, 1, AFD_SESSION_LIVE);
    arm(&t, 0, 0);
    arm(&t, 2, 0);
    assert_int_equal(poll_once(&t), AFD_NOT_YET); /* now it is waited for */
    arm(&t, 1, 0);
    expect_taken(&t, (const uint32_t[]){ 0, 1, 2 }, 3, 0);
    end_service(&t);
}

static void a_group_of_joining_sessions_is_taken_as_far_as_it_is_there(void **state)
{
    (void)state;
    served t = serve(4, 1, 2, false, true);
    admit(&t, 0);
    admit(&t, 1);
    admit(&t, 2);
    assert_int_equal(poll_once(&t), AFD_NOT_YET); /* somebody may come, so nobody-live is not the answer */
    arm(&t, 1, 0);
    arm(&t, 3, 0);
    expect_taken(&t, (const uint32_t[]){ 1 }, 1, 0);
    expect_state(&t, 0, AFD_SESSION_JOINING);
    expect_state(&t, 1, AFD_SESSION_LIVE);
    expect_state(&t, 3, AFD_SESSION_AWAY);
    end_service(&t);
}

/* ---- what poll may change ---- */

typedef struct change {
    served *served;
    uint32_t session;
    uint32_t poll_num;
} change;

static void drop_in_poll(void *arg)
{
    change *c = arg;
    c->poll_num++;
    drop(c->served, c->session);
}

static void admit_in_poll(void *arg)
{
    change *c = arg;
    c->poll_num++;
    admit(c->served, c->session);
}

static void do_nothing_in_poll(void *arg)
{
    ((change *)arg)->poll_num++;
}

static void dropping_the_last_awaited_session_in_poll_completes_its_group(void **state)
{
    (void)state;
    for (int32_t group_size = 3; group_size <= 6; group_size += 3) {
        for (uint32_t missing = 0; missing < 3; missing++) {
            served t = serve(6, 1, group_size, false, false);
            change c = { .served = &t, .session = missing };
            uint32_t expected[6];
            uint32_t expected_num = 0;
            t.wait.poll = drop_in_poll;
            t.wait.poll_arg = &c;
            for (uint32_t s = 0; s < (uint32_t)group_size; s++) {
                if (s != missing) {
                    arm(&t, s, 0);
                    expected[expected_num++] = s;
                }
            }
            expect_taken(&t, expected, expected_num, 0);
            assert_int_equal(c.poll_num, 1);
            end_service(&t);
        }
    }
}

static void a_session_that_poll_admits_is_taken(void **state)
{
    (void)state;
    served t = serve(2, 1, 2, false, true);
    change c = { .served = &t, .session = 1 };
    t.wait.poll = admit_in_poll;
    t.wait.poll_arg = &c;
    arm(&t, 1, 0);
    expect_taken(&t, (const uint32_t[]){ 1 }, 1, 0);
    assert_int_equal(c.poll_num, 1);
    end_service(&t);
}

static void with_nobody_live_the_call_says_so_after_one_poll(void **state)
{
    (void)state;
    for (int32_t group_size = 1; group_size <= 2; group_size++) {
        served t = serve(2, 1, group_size, false, true);
        change c = { .served = &t };
        uint32_t taken_num = 77;
        t.wait.poll = do_nothing_in_poll;
        t.wait.poll_arg = &c;
        arm(&t, 0, 0);
        t.world->context->ffn.out_num = 9;
        assert_int_equal(poll_once(&t), AFD_NOBODY_LIVE);
        assert_int_equal(t.world->context->ffn.out_num, 0);
        assert_int_equal(afd_ffn_schedule(t.world->context, &t.args, &t.wait, &taken_num, NULL), AFD_NOBODY_LIVE);
        assert_int_equal(taken_num, 0);
        assert_int_equal(c.poll_num, 1);
        assert_int_equal(ffn_world_desc(t.world, 0, 0)->flag, AFD_FLAG_READY);
        afd_context_stop(t.world->context); /* and stopped goes before it */
        assert_int_equal(poll_once(&t), AFD_STOPPED);
        end_service(&t);
    }
}

static void dropping_everybody_in_poll_ends_the_wait(void **state)
{
    (void)state;
    served t = serve(1, 1, 1, false, false);
    change c = { .served = &t, .session = 0 };
    t.wait.poll = drop_in_poll;
    t.wait.poll_arg = &c;
    assert_int_equal(afd_ffn_schedule(t.world->context, &t.args, &t.wait, NULL, NULL), AFD_NOBODY_LIVE);
    end_service(&t);
}

/* ---- fairness ---- */

/* Four micro-batches that are ready all the time: how often each of them is delivered in so many calls. */
static void count_deliveries(bool fair, uint32_t call_num, uint32_t counts[4])
{
    served t = serve(4, 4, 2, fair, false);
    memset(counts, 0, 4 * sizeof(*counts));
    for (uint32_t i = 0; i < call_num; i++) {
        for (uint32_t s = 0; s < 4; s++) {
            for (uint32_t m = 0; m < 4; m++) {
                arm(&t, s, m);
            }
        }
        assert_int_equal(afd_ffn_schedule(t.world->context, &t.args, &t.wait, NULL, NULL), AFD_OK);
        assert_int_equal(t.world->context->ffn.out_num, 4);
        counts[t.world->micro_batch_ids[0]]++;
        assert_int_equal(t.world->micro_batch_ids[0], t.world->micro_batch_ids[1]);
        assert_int_equal(t.world->micro_batch_ids[0], t.world->micro_batch_ids[2]); /* the second group goes along */
    }
    end_service(&t);
}

static void a_fair_choice_delivers_always_ready_micro_batches_evenly(void **state)
{
    (void)state;
    uint32_t counts[4];
    count_deliveries(true, 400, counts);
    for (int m = 0; m < 4; m++) {
        assert_int_equal(counts[m], 100);
    }
    count_deliveries(false, 400, counts);
    assert_int_equal(counts[0], 400);
}

static void a_fair_choice_skips_what_is_not_ready_and_goes_on_after_what_it_took(void **state)
{
    (void)state;
    served t = serve(2, 4, 1, true, false);
    const uint32_t first[] = { 0 };
    arm(&t, 0, 1);
    arm(&t, 0, 3);
    expect_taken(&t, first, 1, 1);
    arm(&t, 0, 0);
    arm(&t, 0, 1);
    expect_taken(&t, first, 1, 3);
    expect_taken(&t, first, 1, 0);
    expect_taken(&t, first, 1, 1);
    /* The other group has a cursor of its own, still at 0. */
    arm(&t, 1, 0);
    arm(&t, 1, 2);
    expect_taken(&t, (const uint32_t[]){ 1 }, 1, 0);
    end_service(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_object_is_at_most_64_bytes_a_session_and_micro_batch),
        cmocka_unit_test(making_one_writes_nothing_past_its_footprint),
        cmocka_unit_test(what_cannot_be_made_is_refused_and_writes_nothing),
        cmocka_unit_test(an_object_for_other_counts_or_none_at_all_is_refused),
        cmocka_unit_test(at_first_all_are_live_or_none_is),
        cmocka_unit_test(admitting_and_dropping_move_a_session_between_its_states),
        cmocka_unit_test(who_is_away_is_neither_awaited_nor_taken),
        cmocka_unit_test(who_joins_is_not_awaited_until_it_was_taken_and_then_it_is),
        cmocka_unit_test(a_group_of_joining_sessions_is_taken_as_far_as_it_is_there),
        cmocka_unit_test(dropping_the_last_awaited_session_in_poll_completes_its_group),
        cmocka_unit_test(a_session_that_poll_admits_is_taken),
        cmocka_unit_test(with_nobody_live_the_call_says_so_after_one_poll),
        cmocka_unit_test(dropping_everybody_in_poll_ends_the_wait),
        cmocka_unit_test(a_fair_choice_delivers_always_ready_micro_batches_evenly),
        cmocka_unit_test(a_fair_choice_skips_what_is_not_ready_and_goes_on_after_what_it_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
