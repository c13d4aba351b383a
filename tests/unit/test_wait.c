/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting. Time is driven, never measured: a deadline is either never or long past (1 ns after boot), and everything
 * else happens in poll, which counts the passes.
 */
#include <string.h>
#include <time.h>

#include "base/wait.h"
#include "cmocka_headers.h"

enum { PASSED_DEADLINE_NS = 1 };

/* What is waited for, and what poll does meanwhile. */
typedef struct story {
    uint32_t pass_num;
    uint32_t poll_num;
    uint32_t done_after_polls; /* 0 = never */
    uint32_t stop_after_polls; /* 0 = never */
    uint32_t expire_after_polls; /* 0 = never: then the deadline is set to the past */
    afd_wait *wait;
    int32_t stop;
} story;

static bool look(void *arg)
{
    story *told = arg;
    told->pass_num++;
    return told->done_after_polls != 0 && told->poll_num >= told->done_after_polls;
}

static bool look_and_find(void *arg)
{
    (void)look(arg);
    return true;
}

static void count_poll(void *arg)
{
    story *told = arg;
    told->poll_num++;
    /* Every empty pass has been followed by one poll, and by one only. */
    assert_int_equal(told->poll_num, told->pass_num);
    if (told->poll_num == told->stop_after_polls) {
        afd_stop_raise(&told->stop);
    }
    if (told->poll_num == told->expire_after_polls) {
        told->wait->deadline_ns = PASSED_DEADLINE_NS;
    }
}

/* A wait that tells its passes to `told`. */
static afd_wait wait_of(story *told, afd_wait_strategy strategy)
{
    afd_wait wait = AFD_WAIT_INIT(strategy);
    wait.stop = &told->stop;
    wait.poll = count_poll;
    wait.poll_arg = told;
    return wait;
}

static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };

enum {
    STRATEGY_NUM = 3,
    /* Enough for a backing-off wait to spin, to yield and to sleep a few times. */
    LONG_WAIT_PASS_NUM = 200
};

static void what_is_there_at_once_needs_no_poll(void **state)
{
    (void)state;
    story told = { 0 };
    afd_wait wait = wait_of(&told, AFD_WAIT_YIELD);
    wait.deadline_ns = PASSED_DEADLINE_NS;
    assert_int_equal(afd_wait_until(&wait, look_and_find, &told, NULL), AFD_OK);
    assert_int_equal(told.pass_num, 1);
    assert_int_equal(told.poll_num, 0);
    assert_int_equal(wait.empty_pass_num, 0);
}

static void poll_is_called_on_every_empty_pass_and_looked_at_after(void **state)
{
    (void)state;
    for (int i = 0; i < STRATEGY_NUM; i++) {
        story told = { .done_after_polls = LONG_WAIT_PASS_NUM };
        afd_wait wait = wait_of(&told, strategies[i]);
        assert_int_equal(afd_wait_until(&wait, look, &told, NULL), AFD_OK);
        assert_int_equal(told.poll_num, LONG_WAIT_PASS_NUM);
        assert_int_equal(told.pass_num, LONG_WAIT_PASS_NUM + 1);
        assert_int_equal(wait.empty_pass_num, LONG_WAIT_PASS_NUM);
    }
}

static void empty_passes_are_added_up_over_calls(void **state)
{
    (void)state;
    story told = { .done_after_polls = 3 };
    afd_wait wait = wait_of(&told, AFD_WAIT_SPIN);
    wait.empty_pass_num = 1000;
    assert_int_equal(afd_wait_until(&wait, look, &told, NULL), AFD_OK);
    assert_int_equal(wait.empty_pass_num, 1003);
}

static void a_stop_word_that_is_set_ends_the_wait_before_its_first_pass(void **state)
{
    (void)state;
    story told = { .stop = -7 }; /* anything but 0 */
    afd_wait wait = wait_of(&told, AFD_WAIT_SPIN);
    assert_int_equal(afd_wait_until(&wait, look_and_find, &told, NULL), AFD_STOPPED);
    assert_int_equal(told.pass_num, 0);
}

static void a_stop_word_ends_the_wait_in_every_strategy(void **state)
{
    (void)state;
    for (int i = 0; i < STRATEGY_NUM; i++) {
        story told = { .stop_after_polls = LONG_WAIT_PASS_NUM };
        afd_wait wait = wait_of(&told, strategies[i]);
        assert_int_equal(afd_wait_until(&wait, look, &told, NULL), AFD_STOPPED);
        assert_int_equal(told.poll_num, LONG_WAIT_PASS_NUM);
    }
}

static void raising_a_stop_word_sets_it_to_one(void **state)
{
    (void)state;
    int32_t stop = 0;
    afd_stop_raise(&stop);
    assert_int_equal(stop, 1);
}

static void a_run_flag_of_zero_stops_and_any_other_runs(void **state)
{
    (void)state;
    const int32_t run_flags[] = { 0, 1, -1, 2, 256, INT32_MIN };
    for (size_t i = 0; i < sizeof(run_flags) / sizeof(run_flags[0]); i++) {
        afd__waiter waiter;
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
        int32_t run_flag = run_flags[i];
        afd_status expected = run_flag == 0 ? AFD_STOPPED : AFD_OK;
        assert_int_equal(afd__waiter_start(&waiter, &wait, &run_flag, NULL), expected);
        run_flag = 1;
        assert_int_equal(afd__waiter_start(&waiter, &wait, &run_flag, NULL), AFD_OK);
        run_flag = run_flags[i];
        assert_int_equal(afd__waiter_idle(&waiter), expected);
    }
}

static void a_passed_deadline_is_reported_after_one_last_pass(void **state)
{
    (void)state;
    for (int i = 0; i < STRATEGY_NUM; i++) {
        story told = { 0 };
        afd_wait wait = wait_of(&told, strategies[i]);
        wait.deadline_ns = PASSED_DEADLINE_NS;
        assert_int_equal(afd_wait_until(&wait, look, &told, NULL), AFD_DEADLINE);
        assert_int_equal(told.pass_num, 2); /* the first, poll, the clock, the last */
        assert_int_equal(told.poll_num, 1);
    }
}

static void what_poll_brings_is_found_before_the_deadline_is_reported(void **state)
{
    (void)state;
    story told = { .done_after_polls = 1 };
    afd_wait wait = wait_of(&told, AFD_WAIT_YIELD);
    wait.deadline_ns = PASSED_DEADLINE_NS;
    assert_int_equal(afd_wait_until(&wait, look, &told, NULL), AFD_OK);
    assert_int_equal(told.pass_num, 2);
}

static void a_stop_goes_before_a_deadline(void **state)
{
    (void)state;
    story told = { .stop_after_polls = 1 };
    afd_wait wait = wait_of(&told, AFD_WAIT_YIELD);
    wait.deadline_ns = PASSED_DEADLINE_NS;
    assert_int_equal(afd_wait_until(&wait, look, &told, NULL), AFD_STOPPED);
}

static void a_deadline_is_noticed_within_so_many_passes_as_promised(void **state)
{
    (void)state;
    for (int i = 0; i < STRATEGY_NUM; i++) {
        for (uint32_t expire = 1; expire < LONG_WAIT_PASS_NUM; expire += 7) {
            story told = { .expire_after_polls = expire };
            afd_wait wait = wait_of(&told, strategies[i]);
            told.wait = &wait;
            assert_int_equal(afd_wait_until(&wait, look, &told, NULL), AFD_DEADLINE);
            assert_true(told.poll_num >= expire);
            assert_true(told.poll_num <= expire + AFD_WAIT_CLOCK_PASSES);
        }
    }
}

static void no_wait_at_all_is_a_wait_without_a_deadline(void **state)
{
    (void)state;
    story told = { 0 };
    assert_int_equal(afd_wait_until(NULL, look_and_find, &told, NULL), AFD_OK);
}

static void a_wait_of_another_size_is_refused(void **state)
{
    (void)state;
    story told = { 0 };
    afd_error error;
    const size_t sizes[] = { 0, sizeof(afd_wait) - 1, sizeof(afd_wait) + 8 };
    for (int i = 0; i < 3; i++) {
        afd_wait wait = wait_of(&told, AFD_WAIT_YIELD);
        wait.size = sizes[i];
        assert_int_equal(afd_wait_until(&wait, look_and_find, &told, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "wait.size");
        assert_int_equal(error.value, sizes[i]);
        assert_int_equal(error.bound, sizeof(afd_wait));
    }
    assert_int_equal(told.pass_num, 0);
}

/* Puts a number into the strategy that the enum has no name for, as a caller in another language can. */
static void set_strategy(afd_wait *wait, int32_t number)
{
    assert_int_equal(sizeof(wait->strategy), sizeof(number));
    memcpy(&wait->strategy, &number, sizeof(number));
}

static void a_strategy_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    const int32_t numbers[] = { 3, -1, INT32_MAX, INT32_MIN };
    for (int i = 0; i < 4; i++) {
        story told = { 0 };
        afd_error error;
        afd_wait wait = wait_of(&told, AFD_WAIT_YIELD);
        set_strategy(&wait, numbers[i]);
        assert_int_equal(afd_wait_until(&wait, look_and_find, &told, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "wait.strategy");
        assert_int_equal((uint32_t)error.value, (uint32_t)numbers[i]);
        assert_int_equal(error.bound, AFD_WAIT_BACKOFF);
        assert_int_equal(told.pass_num, 0);
    }
}

static void a_capacity_without_an_array_is_refused(void **state)
{
    (void)state;
    story told = { 0 };
    afd_error error;
    afd_wait wait = wait_of(&told, AFD_WAIT_YIELD);
    wait.late_capacity = 5;
    assert_int_equal(afd_wait_until(&wait, look_and_find, &told, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "wait.late");
    assert_int_equal(error.bound, 5);
}

static void who_is_late_is_counted_past_the_capacity_and_never_written_there(void **state)
{
    (void)state;
    afd_late late[3];
    afd_late untouched;
    memset(late, 0x33, sizeof(late));
    memset(&untouched, 0x33, sizeof(untouched));
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.late = late;
    wait.late_capacity = 2;
    for (uint32_t s = 0; s < 5; s++) {
        afd__wait_add_late(&wait, (afd_late){ .session = s, .micro_batch = s + 10, .flag = -1, .silent_ns = 3 });
    }
    assert_int_equal(wait.late_num, 5);
    assert_int_equal(late[0].session, 0);
    assert_int_equal(late[1].session, 1);
    assert_int_equal(late[1].micro_batch, 11);
    assert_memory_equal(&late[2], &untouched, sizeof(untouched));
}

static void a_new_wait_forgets_who_was_late(void **state)
{
    (void)state;
    story told = { 0 };
    afd_wait wait = wait_of(&told, AFD_WAIT_YIELD);
    wait.late_num = 9;
    assert_int_equal(afd_wait_until(&wait, look_and_find, &told, NULL), AFD_OK);
    assert_int_equal(wait.late_num, 0);
}

static void the_clock_is_the_monotonic_one(void **state)
{
    (void)state;
    struct timespec before;
    struct timespec after;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &before), 0);
    uint64_t now_ns = afd_clock_ns();
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &after), 0);
    assert_true(now_ns >= (uint64_t)before.tv_sec * UINT64_C(1000000000) + (uint64_t)before.tv_nsec);
    assert_true(now_ns <= (uint64_t)after.tv_sec * UINT64_C(1000000000) + (uint64_t)after.tv_nsec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_at_once_needs_no_poll),
        cmocka_unit_test(poll_is_called_on_every_empty_pass_and_looked_at_after),
        cmocka_unit_test(empty_passes_are_added_up_over_calls),
        cmocka_unit_test(a_stop_word_that_is_set_ends_the_wait_before_its_first_pass),
        cmocka_unit_test(a_stop_word_ends_the_wait_in_every_strategy),
        cmocka_unit_test(raising_a_stop_word_sets_it_to_one),
        cmocka_unit_test(a_run_flag_of_zero_stops_and_any_other_runs),
        cmocka_unit_test(a_passed_deadline_is_reported_after_one_last_pass),
        cmocka_unit_test(what_poll_brings_is_found_before_the_deadline_is_reported),
        cmocka_unit_test(a_stop_goes_before_a_deadline),
        cmocka_unit_test(a_deadline_is_noticed_within_so_many_passes_as_promised),
        cmocka_unit_test(no_wait_at_all_is_a_wait_without_a_deadline),
        cmocka_unit_test(a_wait_of_another_size_is_refused),
        cmocka_unit_test(a_strategy_that_does_not_exist_is_refused),
        cmocka_unit_test(a_capacity_without_an_array_is_refused),
        cmocka_unit_test(who_is_late_is_counted_past_the_capacity_and_never_written_there),
        cmocka_unit_test(a_new_wait_forgets_who_was_late),
        cmocka_unit_test(the_clock_is_the_monotonic_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
