/* SPDX-License-Identifier: Apache-2.0 */
/* How a scheduling call ends that does not take anything: stopped, at its deadline, and whom it then names. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "afd/ffn.h"
#include "cmocka_headers.h"
#include "ffn_world.h"

enum { PASSED_DEADLINE_NS = 1, LATE_CAPACITY = 16 };

static void a_run_flag_of_zero_ends_both_calls_though_everything_is_ready(void **state)
{
    (void)state;
    for (int32_t group_size = 1; group_size <= 2; group_size++) {
        ffn_world *world = ffn_world_new(2, 1, 3, 1, 0);
        afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(group_size);
        uint32_t taken_num = 77;
        ffn_world_arm(world, 0, 0, 1, AFD_FLAG_READY);
        ffn_world_arm(world, 1, 0, 1, AFD_FLAG_READY);
        afd_context_stop(world->context);
        world->context->ffn.out_num = 0;
        uint8_t *before = ffn_world_copy(world);
        world->context->ffn.out_num = 5;
        assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, &taken_num, NULL), AFD_STOPPED);
        assert_int_equal(taken_num, 0);
        assert_true(ffn_world_equals(world, before));
        world->context->ffn.out_num = 5;
        assert_int_equal(afd_ffn_schedule_poll(world->context, &args, &taken_num, NULL), AFD_STOPPED);
        assert_true(ffn_world_equals(world, before));
        afd_context_start(world->context);
        assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, &taken_num, NULL), AFD_OK);
        assert_int_equal(taken_num, 2);
        free(before);
        ffn_world_free(world);
    }
}

static void a_stop_word_ends_the_call_as_the_run_flag_does(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(1, 1, 3, 1, 0);
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(1);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    int32_t stop = 0;
    wait.stop = &stop;
    ffn_world_arm(world, 0, 0, 1, AFD_FLAG_READY);
    afd_stop_raise(&stop);
    assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, NULL, NULL), AFD_STOPPED);
    assert_int_equal(world->context->ffn.out_num, 0);
    assert_int_equal(ffn_world_desc(world, 0, 0)->flag, AFD_FLAG_READY);
    ffn_world_free(world);
}

/* ---- stopped while waiting ---- */

/* Somebody who clears the run flag of a call that waits in another thread. */
typedef struct stopper {
    afd_schedule_context *context;
    int32_t is_waiting; /* set by the waiting call's poll, if there is one to look for */
    uint32_t delay_ns;
} stopper;

static void tell_that_we_wait(void *arg)
{
    __atomic_store_n(&((stopper *)arg)->is_waiting, 1, __ATOMIC_RELEASE);
}

static void *stop_when_it_waits(void *arg)
{
    stopper *who = arg;
    const struct timespec pause = { .tv_sec = 0, .tv_nsec = (long)who->delay_ns };
    do {
        (void)nanosleep(&pause, NULL);
    } while (__atomic_load_n(&who->is_waiting, __ATOMIC_ACQUIRE) == 0);
    afd_context_stop(who->context);
    return NULL;
}

static void wait_until_stopped(int32_t group_size, afd_wait_strategy strategy, bool with_poll, uint32_t delay_ns)
{
    ffn_world *world = ffn_world_new(2, 2, 3, 1, 0);
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(group_size);
    afd_wait wait = AFD_WAIT_INIT(strategy);
    stopper who = { .context = world->context, .is_waiting = !with_poll, .delay_ns = delay_ns };
    pthread_t thread;
    if (with_poll) {
        wait.poll = tell_that_we_wait;
        wait.poll_arg = &who;
    }
    assert_int_equal(pthread_create(&thread, NULL, stop_when_it_waits, &who), 0);
    assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, NULL, NULL), AFD_STOPPED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(!with_poll || wait.empty_pass_num > 0);
    assert_int_equal(world->context->ffn.out_num, 0);
    ffn_world_free(world);
}

/* A run flag that is read as a plain integer may be looked at once by an optimising compiler, and this test then hangs
 * until its timeout: it links objects that are compiled with -O2 whatever the build is. Where a call in between makes
 * the compiler look again, the plain read is still a race, which this test shows in the ThreadSanitizer build. */
static void a_run_flag_that_is_cleared_by_another_thread_ends_the_wait(void **state)
{
    (void)state;
    static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };
    for (int32_t group_size = 1; group_size <= 2; group_size++) {
        for (int i = 0; i < 3; i++) {
            wait_until_stopped(group_size, strategies[i], true, 1000);
            for (uint32_t delay_ns = 0; delay_ns < 2000000; delay_ns += 500000) {
                wait_until_stopped(group_size, strategies[i], false, delay_ns);
            }
        }
    }
}

static void stop_run(void *arg)
{
    afd_context_stop(arg);
}

static void a_run_flag_that_poll_clears_ends_the_wait(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(2, 1, 3, 1, 0);
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(2);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.poll = stop_run;
    wait.poll_arg = world->context;
    assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, NULL, NULL), AFD_STOPPED);
    assert_int_equal(wait.empty_pass_num, 2);
    ffn_world_free(world);
}

/* ---- what poll brings ---- */

static void publish_the_last(void *arg)
{
    ffn_world_arm(arg, 1, 0, 7, AFD_FLAG_READY);
}

static void what_poll_publishes_is_taken_even_after_the_deadline(void **state)
{
    (void)state;
    for (int32_t group_size = 1; group_size <= 2; group_size++) {
        ffn_world *world = ffn_world_new(2, 1, 3, 1, 0);
        afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(group_size);
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        uint32_t taken_num = 0;
        wait.poll = publish_the_last;
        wait.poll_arg = world;
        wait.deadline_ns = PASSED_DEADLINE_NS;
        if (group_size == 2) {
            ffn_world_arm(world, 0, 0, 7, AFD_FLAG_READY);
        }
        assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, &taken_num, NULL), AFD_OK);
        assert_int_equal(taken_num, group_size);
        assert_true(ffn_world_row_is(world, taken_num - 1, 1, 0, 7));
        assert_int_equal(wait.late_num, 0);
        ffn_world_free(world);
    }
}

/* ---- deadlines ---- */

/* A call whose deadline has passed: nothing is taken or changed; who was late is in wait->late. */
static void expect_deadline(ffn_world *world, int32_t group_size, afd_ffn_scheduler *scheduler, afd_wait *wait,
                            afd_late late[LATE_CAPACITY])
{
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(group_size);
    uint32_t taken_num = 77;
    args.scheduler = scheduler;
    memset(late, 0x33, LATE_CAPACITY * sizeof(*late));
    *wait = (afd_wait)AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait->deadline_ns = PASSED_DEADLINE_NS;
    wait->late = late;
    wait->late_capacity = LATE_CAPACITY;
    world->context->ffn.out_num = 0;
    uint8_t *before = ffn_world_copy(world);
    assert_int_equal(afd_ffn_schedule(world->context, &args, wait, &taken_num, NULL), AFD_DEADLINE);
    assert_int_equal(taken_num, 0);
    assert_true(ffn_world_equals(world, before));
    free(before);
}

static void expect_late(const afd_late *late, uint32_t session, uint32_t micro_batch, int32_t flag)
{
    assert_int_equal(late->session, session);
    assert_int_equal(late->micro_batch, micro_batch);
    assert_int_equal(late->flag, flag);
}

static void in_all_sync_a_deadline_names_every_session_that_is_not_ready(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(5, 3, 3, 1, 0);
    afd_late late[LATE_CAPACITY];
    afd_wait wait;
    world->context->ffn.polling_index = 1;
    ffn_world_arm(world, 0, 1, 1, AFD_FLAG_READY);
    ffn_world_arm(world, 1, 0, 1, AFD_FLAG_READY); /* ready, but not the one that is awaited */
    ffn_world_arm(world, 2, 1, 1, 2);              /* corrupt */
    ffn_world_arm(world, 3, 1, 1, AFD_FLAG_READY);
    ffn_world_arm(world, 4, 1, 1, INT32_MIN + 1);
    expect_deadline(world, 5, NULL, &wait, late);
    assert_int_equal(wait.late_num, 3);
    expect_late(&late[0], 1, 1, 0);
    expect_late(&late[1], 2, 1, 2);
    expect_late(&late[2], 4, 1, INT32_MIN + 1);
    ffn_world_free(world);
}

static void in_groups_a_deadline_names_each_session_with_nothing_ready_once(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(4, 3, 3, 1, 0);
    afd_late late[LATE_CAPACITY];
    afd_wait wait;
    ffn_world_arm(world, 0, 2, 1, AFD_FLAG_READY); /* has something; its partner has not */
    ffn_world_arm(world, 2, 1, 1, 0x7F7F7F7F);     /* corrupt: named with its micro-batch */
    ffn_world_arm(world, 3, 0, 1, AFD_FLAG_READY);
    expect_deadline(world, 2, NULL, &wait, late);
    assert_int_equal(wait.late_num, 2);
    expect_late(&late[0], 1, AFD_MICRO_BATCH_ANY, 0);
    expect_late(&late[1], 2, 1, 0x7F7F7F7F);
    ffn_world_free(world);
}

static void a_group_that_does_not_agree_is_named_by_what_its_nearest_micro_batch_lacks(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(6, 3, 3, 1, 0);
    afd_late late[LATE_CAPACITY];
    afd_wait wait;
    ffn_world_arm(world, 0, 1, 1, AFD_FLAG_READY);
    ffn_world_arm(world, 1, 1, 1, AFD_FLAG_READY);
    ffn_world_arm(world, 2, 0, 1, AFD_FLAG_READY);
    ffn_world_arm(world, 2, 1, 1, -1);
    for (uint32_t s = 3; s < 6; s++) {
        ffn_world_arm(world, s, s - 3, 1, AFD_FLAG_READY); /* all three are as near: the lowest counts */
    }
    expect_deadline(world, 3, NULL, &wait, late);
    assert_int_equal(wait.late_num, 3);
    expect_late(&late[0], 2, 1, -1);
    expect_late(&late[1], 4, 0, 0);
    expect_late(&late[2], 5, 0, 0);
    ffn_world_free(world);
}

static void who_is_late_is_counted_past_the_capacity(void **state)
{
    (void)state;
    for (uint32_t capacity = 0; capacity < 3; capacity++) {
        ffn_world *world = ffn_world_new(4, 1, 3, 1, 0);
        afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(4);
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        afd_late late[4];
        afd_late untouched;
        memset(late, 0x33, sizeof(late));
        memset(&untouched, 0x33, sizeof(untouched));
        wait.deadline_ns = PASSED_DEADLINE_NS;
        wait.late = capacity == 0 ? NULL : late;
        wait.late_capacity = capacity;
        assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, NULL, NULL), AFD_DEADLINE);
        assert_int_equal(wait.late_num, 4);
        for (uint32_t i = 0; i < 4; i++) {
            if (i < capacity) {
                expect_late(&late[i], i, 0, 0);
            } else {
                assert_memory_equal(&late[i], &untouched, sizeof(untouched));
            }
        }
        ffn_world_free(world);
    }
}

/* ---- deadlines with a scheduler object ---- */

static _Alignas(8) char scheduler_memory[4096];

static afd_ffn_scheduler *new_scheduler(uint32_t session_num, uint32_t micro_batch_num)
{
    afd_ffn_scheduler *scheduler = NULL;
    assert_int_equal(afd_ffn_scheduler_new(session_num, micro_batch_num, NULL, scheduler_memory,
                                           sizeof(scheduler_memory), &scheduler, NULL), AFD_OK);
    return scheduler;
}

static void silence_counts_from_the_last_take_or_the_admission(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(2, 1, 3, 1, 0);
    afd_late late[LATE_CAPACITY];
    afd_wait wait;
    uint64_t before_new_ns = afd_clock_ns();
    afd_ffn_scheduler *scheduler = new_scheduler(2, 1);
    uint64_t after_new_ns = afd_clock_ns();
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(1);
    args.scheduler = scheduler;
    ffn_world_arm(world, 1, 0, 1, AFD_FLAG_READY);
    uint64_t before_take_ns = afd_clock_ns();
    assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, NULL, NULL), AFD_OK);
    uint64_t before_ns = afd_clock_ns();
    expect_deadline(world, 2, scheduler, &wait, late);
    uint64_t after_ns = afd_clock_ns();
    assert_int_equal(wait.late_num, 2);
    /* Inequalities between readings of one clock, which hold however long each step took. */
    assert_true(late[0].silent_ns >= before_ns - after_new_ns);
    assert_true(late[0].silent_ns <= after_ns - before_new_ns);
    assert_true(late[1].silent_ns <= after_ns - before_take_ns);
    assert_true(late[1].silent_ns <= late[0].silent_ns);
    ffn_world_free(world);
}

static void sessions_that_are_away_or_joining_are_never_late(void **state)
{
    (void)state;
    for (int32_t group_size = 1; group_size <= 4; group_size *= 2) {
        ffn_world *world = ffn_world_new(4, 2, 3, 1, 0);
        afd_ffn_scheduler *scheduler = new_scheduler(4, 2);
        afd_late late[LATE_CAPACITY];
        afd_wait wait;
        assert_int_equal(afd_ffn_scheduler_drop(scheduler, 0, NULL), AFD_OK);
        assert_int_equal(afd_ffn_scheduler_drop(scheduler, 3, NULL), AFD_OK);
        assert_int_equal(afd_ffn_scheduler_admit(scheduler, 3, NULL), AFD_OK);
        expect_deadline(world, group_size, scheduler, &wait, late);
        assert_int_equal(wait.late_num, 2);
        uint32_t awaited = group_size == 4 ? 0 : AFD_MICRO_BATCH_ANY;
        expect_late(&late[0], 1, awaited, 0);
        expect_late(&late[1], 2, awaited, 0);
        ffn_world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_flag_of_zero_ends_both_calls_though_everything_is_ready),
        cmocka_unit_test(a_stop_word_ends_the_call_as_the_run_flag_does),
        cmocka_unit_test(a_run_flag_that_is_cleared_by_another_thread_ends_the_wait),
        cmocka_unit_test(a_run_flag_that_poll_clears_ends_the_wait),
        cmocka_unit_test(what_poll_publishes_is_taken_even_after_the_deadline),
        cmocka_unit_test(in_all_sync_a_deadline_names_every_session_that_is_not_ready),
        cmocka_unit_test(in_groups_a_deadline_names_each_session_with_nothing_ready_once),
        cmocka_unit_test(a_group_that_does_not_agree_is_named_by_what_its_nearest_micro_batch_lacks),
        cmocka_unit_test(who_is_late_is_counted_past_the_capacity),
        cmocka_unit_test(silence_counts_from_the_last_take_or_the_admission),
        cmocka_unit_test(sessions_that_are_away_or_joining_are_never_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
