/* SPDX-License-Identifier: Apache-2.0 */
/* How a batching call with need_schedule waits: how it is ended, whom its deadline names, what poll may change. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "batch_world.h"
#include "cmocka_headers.h"

enum { S = 4, M = 2, BS = 1, E = 3, PASSED_DEADLINE_NS = 1, LATE_CAPACITY = 8 };

static _Alignas(8) char scheduler_memory[1024];

static batch_world *new_world(bool with_scheduler)
{
    const afd_shape shape = { .session_num = S, .micro_batch_num = M, .micro_batch_size = BS,
                              .selected_expert_num = E, .attn_to_ffn_token_size = 32 };
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    args.expert_num = 4;
    args.session_max = S;
    args.hidden = 16;
    args.need_schedule = true;
    batch_world *world = batch_world_new(&shape, &args, batch_world_data_bytes(&shape, &args));
    if (with_scheduler) {
        assert_int_equal(afd_ffn_scheduler_new(S, M, NULL, scheduler_memory, sizeof(scheduler_memory),
                                               &world->args.scheduler, NULL), AFD_OK);
    }
    return world;
}

static void arm(batch_world *world, uint32_t session, int32_t flag)
{
    afd_ffn_desc *desc = ffn_world_desc(world->ffn, session, 0);
    for (uint32_t i = 0; i < BS * E; i++) {
        afd_ffn_desc_expert_ids(desc)[i] = (int32_t)i;
    }
    desc->flag = flag;
}

static void arm_all(batch_world *world)
{
    for (uint32_t s = 0; s < S; s++) {
        arm(world, s, AFD_FLAG_READY);
    }
}

static void expect_nothing(const batch_world *world, const uint8_t *window_before, const uint8_t *before)
{
    assert_true(ffn_world_equals(world->ffn, window_before));
    assert_memory_equal(world->block, before, world->block_bytes);
    assert_int_equal(world->out.row_num, 0);
    assert_int_equal(world->out.group_num, 0);
    assert_int_equal(world->out.taken_num, 0);
    assert_int_equal(world->out.wild_num, 0);
}

/* ---- stopped ---- */

static void a_stop_that_is_there_already_wins_over_work_that_is_ready(void **state)
{
    (void)state;
    batch_world *world = new_world(false);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    int32_t stop = 1;
    arm_all(world);
    uint8_t *before = batch_world_copy(world);
    wait.stop = &stop;
    uint8_t *window_before = ffn_world_copy(world->ffn);
    assert_int_equal(batch_world_call(world, &wait, NULL), AFD_STOPPED);
    expect_nothing(world, window_before, before);
    free(window_before);
    afd_context_stop(world->ffn->context);
    window_before = ffn_world_copy(world->ffn);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_STOPPED);
    expect_nothing(world, window_before, before);
    afd_context_start(world->ffn->context);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    assert_int_equal(world->out.taken_num, S);
    free(window_before);
    free(before);
    batch_world_free(world);
}

static void the_run_flag_is_not_looked_at_without_a_wait(void **state)
{
    (void)state;
    batch_world *world = new_world(false);
    world->args.need_schedule = false;
    afd_context_stop(world->ffn->context);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    batch_world_free(world);
}

static void *stop_soon(void *arg)
{
    const struct timespec pause = { .tv_sec = 0, .tv_nsec = 300000 };
    (void)nanosleep(&pause, NULL);
    afd_context_stop(arg);
    return NULL;
}

/* Linked against objects compiled with -O2: a run flag that is read as a plain integer may be looked at once, and then
 * this hangs until its timeout. */
static void a_run_flag_that_is_cleared_by_another_thread_ends_the_wait(void **state)
{
    (void)state;
    static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };
    for (int i = 0; i < 3; i++) {
        batch_world *world = new_world(false);
        afd_wait wait = AFD_WAIT_INIT(strategies[i]);
        pthread_t thread;
        arm(world, 0, AFD_FLAG_READY);
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, world->ffn->context), 0);
        assert_int_equal(batch_world_call(world, &wait, NULL), AFD_STOPPED);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(ffn_world_desc(world->ffn, 0, 0)->flag, AFD_FLAG_READY);
        batch_world_free(world);
    }
}

/* ---- deadlines ---- */

static void expect_deadline(batch_world *world, afd_wait *wait, afd_late late[LATE_CAPACITY])
{
    wait->late = late;
    wait->late_capacity = LATE_CAPACITY;
    wait->deadline_ns = PASSED_DEADLINE_NS;
    uint8_t *window_before = ffn_world_copy(world->ffn);
    uint8_t *before = batch_world_copy(world);
    assert_int_equal(batch_world_call(world, wait, NULL), AFD_DEADLINE);
    if (wait->poll == NULL) {
        expect_nothing(world, window_before, before);
    }
    free(window_before);
    free(before);
}

static void a_deadline_names_every_session_that_is_not_ready(void **state)
{
    (void)state;
    batch_world *world = new_world(false);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_late late[LATE_CAPACITY];
    arm(world, 0, AFD_FLAG_READY);
    arm(world, 2, 2);
    arm(world, 3, AFD_FLAG_READY);
    ffn_world_arm(world->ffn, 1, 1, 0, AFD_FLAG_READY); /* not the micro-batch that is awaited */
    expect_deadline(world, &wait, late);
    assert_int_equal(wait.late_num, 2);
    assert_int_equal(late[0].session, 1);
    assert_int_equal(late[0].micro_batch, 0);
    assert_int_equal(late[0].flag, 0);
    assert_int_equal(late[1].session, 2);
    assert_int_equal(late[1].flag, 2);
    batch_world_free(world);
}

static void who_is_away_or_joining_is_not_awaited(void **state)
{
    (void)state;
    batch_world *world = new_world(true);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_late late[LATE_CAPACITY];
    assert_int_equal(afd_ffn_scheduler_drop(world->args.scheduler, 0, NULL), AFD_OK);
    assert_int_equal(afd_ffn_scheduler_drop(world->args.scheduler, 1, NULL), AFD_OK);
    assert_int_equal(afd_ffn_scheduler_admit(world->args.scheduler, 1, NULL), AFD_OK);
    arm(world, 1, AFD_FLAG_READY);
    arm(world, 2, AFD_FLAG_READY);
    expect_deadline(world, &wait, late);
    assert_int_equal(wait.late_num, 1);
    assert_int_equal(late[0].session, 3);
    arm(world, 3, AFD_FLAG_READY);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    assert_int_equal(world->out.taken_num, 3);
    assert_int_equal(world->out.taken_sessions[0], 1);
    assert_int_equal(afd_ffn_scheduler_state(world->args.scheduler, 1), AFD_SESSION_LIVE);
    assert_int_equal(afd_ffn_scheduler_state(world->args.scheduler, 0), AFD_SESSION_AWAY);
    batch_world_free(world);
}

static void a_take_is_noted_as_the_scheduler_notes_it(void **state)
{
    (void)state;
    batch_world *world = new_world(true);
    uint64_t made_ns = afd_clock_ns();
    arm_all(world);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    uint64_t now_ns = afd_clock_ns();
    assert_true(afd_ffn_scheduler_silent_ns(world->args.scheduler, 3, now_ns) <= now_ns - made_ns);
    batch_world_free(world);
}

/* ---- poll ---- */

static void publish_the_last(void *arg)
{
    arm(arg, S - 1, AFD_FLAG_READY);
}

static void what_poll_publishes_is_taken_even_after_the_deadline(void **state)
{
    (void)state;
    batch_world *world = new_world(false);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    arm_all(world);
    arm(world, S - 1, AFD_FLAG_FREE);
    wait.poll = publish_the_last;
    wait.poll_arg = world;
    wait.deadline_ns = PASSED_DEADLINE_NS;
    assert_int_equal(batch_world_call(world, &wait, NULL), AFD_OK);
    assert_int_equal(world->out.taken_num, S);
    assert_int_equal(wait.late_num, 0);
    batch_world_free(world);
}

/* A peer that breaks the rules: the first session was seen ready, then takes its flag back when the last one comes. */
static void take_back_the_first(void *arg)
{
    arm(arg, 0, AFD_FLAG_FREE);
    arm(arg, S - 1, AFD_FLAG_READY);
}

static void who_was_seen_ready_is_looked_at_again_before_anything_is_taken(void **state)
{
    (void)state;
    batch_world *world = new_world(false);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_late late[LATE_CAPACITY];
    arm_all(world);
    arm(world, S - 1, AFD_FLAG_FREE);
    wait.poll = take_back_the_first;
    wait.poll_arg = world;
    expect_deadline(world, &wait, late);
    assert_int_equal(wait.late_num, 1);
    assert_int_equal(late[0].session, 0);
    assert_int_equal(ffn_world_desc(world->ffn, 1, 0)->flag, AFD_FLAG_READY);
    assert_int_equal(afd_ffn_desc_expert_ids(ffn_world_desc(world->ffn, 1, 0))[2], 2);
    batch_world_free(world);
}

static void drop_the_late(void *arg)
{
    const batch_world *world = arg;
    assert_int_equal(afd_ffn_scheduler_drop(world->args.scheduler, 2, NULL), AFD_OK);
}

static void a_session_that_poll_drops_is_not_awaited_any_more(void **state)
{
    (void)state;
    batch_world *world = new_world(true);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    arm_all(world);
    arm(world, 2, AFD_FLAG_FREE);
    wait.poll = drop_the_late;
    wait.poll_arg = world;
    assert_int_equal(batch_world_call(world, &wait, NULL), AFD_OK);
    assert_int_equal(world->out.taken_num, 3);
    assert_int_equal(world->out.taken_sessions[2], 3);
    assert_int_equal(world->out.row_num, 3 * BS * E);
    batch_world_free(world);
}

static void drop_everybody(void *arg)
{
    const batch_world *world = arg;
    for (uint32_t s = 0; s < S; s++) {
        assert_int_equal(afd_ffn_scheduler_drop(world->args.scheduler, s, NULL), AFD_OK);
    }
}

static void admit_one(void *arg)
{
    batch_world *world = arg;
    assert_int_equal(afd_ffn_scheduler_admit(world->args.scheduler, 1, NULL), AFD_OK);
    arm(world, 1, AFD_FLAG_READY);
}

static void with_nobody_live_poll_has_one_chance(void **state)
{
    (void)state;
    batch_world *world = new_world(true);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    arm(world, 0, AFD_FLAG_READY);
    wait.poll = drop_everybody;
    wait.poll_arg = world;
    assert_int_equal(batch_world_call(world, &wait, NULL), AFD_NOBODY_LIVE);
    assert_int_equal(world->out.taken_num, 0);
    assert_int_equal(ffn_world_desc(world->ffn, 0, 0)->flag, AFD_FLAG_READY);
    wait.poll = admit_one;
    assert_int_equal(batch_world_call(world, &wait, NULL), AFD_OK);
    assert_int_equal(world->out.taken_num, 1);
    assert_int_equal(world->out.taken_sessions[0], 1);
    assert_int_equal(afd_ffn_scheduler_state(world->args.scheduler, 1), AFD_SESSION_LIVE);
    batch_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_that_is_there_already_wins_over_work_that_is_ready),
        cmocka_unit_test(the_run_flag_is_not_looked_at_without_a_wait),
        cmocka_unit_test(a_run_flag_that_is_cleared_by_another_thread_ends_the_wait),
        cmocka_unit_test(a_deadline_names_every_session_that_is_not_ready),
        cmocka_unit_test(who_is_away_or_joining_is_not_awaited),
        cmocka_unit_test(a_take_is_noted_as_the_scheduler_notes_it),
        cmocka_unit_test(what_poll_publishes_is_taken_even_after_the_deadline),
        cmocka_unit_test(who_was_seen_ready_is_looked_at_again_before_anything_is_taken),
        cmocka_unit_test(a_session_that_poll_drops_is_not_awaited_any_more),
        cmocka_unit_test(with_nobody_live_poll_has_one_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
