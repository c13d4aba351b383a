/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each strategy does between two passes. sched_yield() and nanosleep() are this program's own here, so that the
 * library's calls of them can be counted; nothing is timed.
 */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "afd/wait.h"
#include "cmocka_headers.h"

enum { PASS_NUM = 1000, SLEEP_NS_MAX = 50000 };

static struct {
    uint32_t yield_num;
    uint32_t sleep_num;
    uint32_t pass_num;
    uint32_t first_yield_pass;
    uint32_t first_sleep_pass;
    long longest_sleep_ns;
    long last_sleep_ns;
    int sleeps_shrank;
} seen;

int sched_yield(void)
{
    if (seen.yield_num++ == 0) {
        seen.first_yield_pass = seen.pass_num;
    }
    return 0;
}

int nanosleep(const struct timespec *requested, struct timespec *remaining)
{
    (void)remaining;
    assert_int_equal(requested->tv_sec, 0);
    if (seen.sleep_num++ == 0) {
        seen.first_sleep_pass = seen.pass_num;
    }
    seen.sleeps_shrank |= requested->tv_nsec < seen.last_sleep_ns;
    seen.last_sleep_ns = requested->tv_nsec;
    seen.longest_sleep_ns = requested->tv_nsec > seen.longest_sleep_ns ? requested->tv_nsec : seen.longest_sleep_ns;
    return 0;
}

static bool look(void *arg)
{
    (void)arg;
    return ++seen.pass_num > PASS_NUM;
}

static void wait_for_a_while(afd_wait_strategy strategy)
{
    afd_wait wait = AFD_WAIT_INIT(strategy);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(afd_wait_until(&wait, look, NULL, NULL), AFD_OK);
    assert_int_equal(wait.empty_pass_num, PASS_NUM);
}

static void spinning_never_leaves_the_core(void **state)
{
    (void)state;
    wait_for_a_while(AFD_WAIT_SPIN);
    assert_int_equal(seen.yield_num, 0);
    assert_int_equal(seen.sleep_num, 0);
}

static void yielding_spins_a_little_and_then_gives_the_core_away_on_every_pass(void **state)
{
    (void)state;
    wait_for_a_while(AFD_WAIT_YIELD);
    assert_true(seen.first_yield_pass > 1);
    assert_int_equal(seen.yield_num, PASS_NUM - seen.first_yield_pass + 1);
    assert_int_equal(seen.sleep_num, 0);
}

static void backing_off_spins_then_yields_then_sleeps_for_longer_and_longer(void **state)
{
    (void)state;
    wait_for_a_while(AFD_WAIT_BACKOFF);
    assert_true(seen.first_yield_pass > 1);
    assert_true(seen.first_sleep_pass > seen.first_yield_pass);
    assert_int_equal(seen.sleep_num, PASS_NUM - seen.first_sleep_pass + 1);
    assert_false(seen.sleeps_shrank);
    assert_int_equal(seen.longest_sleep_ns, SLEEP_NS_MAX);
}

static void each_wait_begins_awake_again(void **state)
{
    (void)state;
    wait_for_a_while(AFD_WAIT_BACKOFF);
    uint32_t first_sleep_pass = seen.first_sleep_pass;
    wait_for_a_while(AFD_WAIT_BACKOFF);
    assert_int_equal(seen.first_sleep_pass, first_sleep_pass);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spinning_never_leaves_the_core),
        cmocka_unit_test(yielding_spins_a_little_and_then_gives_the_core_away_on_every_pass),
        cmocka_unit_test(backing_off_spins_then_yields_then_sleeps_for_longer_and_longer),
        cmocka_unit_test(each_wait_begins_awake_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
