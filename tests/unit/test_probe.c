/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring a link: the two ends in two threads, callers that come and go, strangers, and what is refused. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "afd/probe.h"
#include "afd/wait.h"
#include "cmocka_headers.h"
#include "plane_world.h"

enum { ROUND_NUM = 50 };

/* Only a hang reaches it. */
static const uint64_t hang_ns = UINT64_C(60000000000);

/* The end that listens, in a thread of its own. */
typedef struct listener {
    afd_probe *probe;
    pthread_t thread;
    int32_t stop;
    afd_status ended;
    uint64_t caller_num;
    uint64_t round_num;
} listener;

static void *serve(void *arg)
{
    listener *self = arg;
    afd_error error;
    do {
        uint64_t round_num = 0;
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        wait.stop = &self->stop;
        self->ended = afd_probe_serve(self->probe, &wait, &round_num, &error);
        self->caller_num += self->ended == AFD_OK ? 1 : 0;
        self->round_num += round_num;
    } while (self->ended == AFD_OK);
    return NULL;
}

static void begin(listener *self, const char *secret)
{
    afd_error error;
    afd_probe_options options = AFD_PROBE_OPTIONS_INIT;
    *self = (listener){ .stop = 0 };
    options.address = "127.0.0.1:0";
    options.secret = secret;
    options.secret_bytes = secret != NULL ? strlen(secret) : 0;
    assert_int_equal(afd_probe_listen(&options, &self->probe, &error), AFD_OK);
    assert_int_equal(pthread_create(&self->thread, NULL, serve, self), 0);
}

static void end(listener *self)
{
    afd_stop_raise(&self->stop);
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    assert_int_equal(self->ended, AFD_STOPPED);
    afd_probe_close(self->probe);
}

static afd_wait new_wait(void)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = afd_clock_ns() + hang_ns;
    return wait;
}

static afd_status call(const listener *to, const char *secret, afd_probe **probe, afd_error *error)
{
    afd_probe_options options = AFD_PROBE_OPTIONS_INIT;
    afd_wait wait = new_wait();
    options.address = afd_probe_address(to->probe);
    options.secret = secret;
    options.secret_bytes = secret != NULL ? strlen(secret) : 0;
    return afd_probe_connect(&options, &wait, probe, error);
}

/* A caller that was there a moment ago may still be in the way. */
static afd_probe *call_until_served(const listener *to, const char *secret)
{
    const uint64_t began_ns = afd_clock_ns();
    afd_probe *probe = NULL;
    afd_error error;
    while (call(to, secret, &probe, &error) != AFD_OK) {
        assert_true(afd_clock_ns() - began_ns < hang_ns);
    }
    return probe;
}

static void go_round(afd_probe *probe, uint32_t row_num, uint32_t row_bytes)
{
    uint64_t ns = 0;
    afd_error error;
    afd_wait wait = new_wait();
    afd_status status = afd_probe_round_trip(probe, row_num, row_bytes, &wait, &ns, &error);
    if (status != AFD_OK) {
        print_error("%u rows of %u bytes: %s\n", row_num, row_bytes, error.message);
    }
    assert_int_equal(status, AFD_OK);
    assert_true(ns > 0);
}

static void rounds_of_every_size_come_back(void **state)
{
    static const uint32_t row_nums[] = { 0, 1, 2, 31, 32, AFD_PROBE_ROWS_MAX };
    listener here;
    (void)state;
    begin(&here, NULL);
    afd_probe *probe = call_until_served(&here, NULL);
    for (int i = 0; i < ROUND_NUM; i++) {
        uint32_t row_num = row_nums[(size_t)i % (sizeof(row_nums) / sizeof(row_nums[0]))];
        go_round(probe, row_num, i % 2 == 0 ? AFD_PROBE_ROW_SMALL : AFD_PROBE_ROW_LARGE);
    }
    afd_probe_close(probe);
    end(&here);
    assert_true(here.round_num == 0 || here.round_num == ROUND_NUM); /* it may be stopped before it saw the end */
}

static void callers_are_served_one_after_another(void **state)
{
    listener here;
    (void)state;
    begin(&here, "a secret");
    for (int i = 0; i < 5; i++) {
        afd_probe *probe = call_until_served(&here, "a secret");
        go_round(probe, 3, AFD_PROBE_ROW_SMALL);
        afd_probe *second = NULL;
        afd_error error;
        assert_int_equal(call(&here, "a secret", &second, &error), AFD_ERR_PEER);
        go_round(probe, 4, AFD_PROBE_ROW_LARGE);
        afd_probe_close(probe);
    }
    end(&here);
    assert_true(here.caller_num >= 4);
    assert_int_equal(here.round_num, 2 * here.caller_num);
}

static void a_stranger_is_turned_away(void **state)
{
    static const char *const wrong[] = { NULL, "another", "a secre", "a secret " };
    listener here;
    (void)state;
    begin(&here, "a secret");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        afd_probe *probe = NULL;
        afd_error error;
        assert_int_equal(call(&here, wrong[i], &probe, &error), AFD_ERR_PEER);
        assert_non_null(strstr(error.message, afd_probe_address(here.probe)));
    }
    afd_probe *probe = call_until_served(&here, "a secret");
    go_round(probe, 1, AFD_PROBE_ROW_SMALL);
    afd_probe_close(probe);
    end(&here);
}

static void nobody_comes_until_the_deadline(void **state)
{
    afd_probe_options options = AFD_PROBE_OPTIONS_INIT;
    afd_probe *probe = NULL;
    afd_error error;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    (void)state;
    options.address = ":0";
    assert_int_equal(afd_probe_listen(&options, &probe, &error), AFD_OK);
    wait.deadline_ns = afd_clock_ns() + 1000000;
    assert_int_equal(afd_probe_serve(probe, &wait, NULL, &error), AFD_DEADLINE);
    afd_probe_close(probe);
}

static void what_cannot_be_meant_is_refused(void **state)
{
    static const char long_secret[257] = { 1 };
    static const struct {
        const char *field;
        afd_status status;
        afd_probe_options options;
    } cases[] = {
        { "options.size", AFD_ERR_INVALID, { sizeof(afd_probe_options) - 1, ":0", NULL, 0 } },
        { "options.address", AFD_ERR_INVALID, { sizeof(afd_probe_options), NULL, NULL, 0 } },
        { "options.secret", AFD_ERR_INVALID, { sizeof(afd_probe_options), ":0", NULL, 1 } },
        { "options.secret_bytes", AFD_ERR_INVALID,
          { sizeof(afd_probe_options), ":0", long_secret, sizeof(long_secret) } },
        { "options.secret", AFD_ERR_INVALID, { sizeof(afd_probe_options), "*:0", NULL, 0 } },
    };
    afd_probe *probe = NULL;
    afd_error error;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(afd_probe_listen(&cases[i].options, &probe, &error), cases[i].status);
        assert_string_equal(error.field, cases[i].field);
        assert_null(probe);
    }
}

static void a_round_of_another_size_is_refused(void **state)
{
    listener here;
    uint64_t ns = 0;
    afd_error error;
    afd_wait wait = new_wait();
    (void)state;
    begin(&here, NULL);
    afd_probe *probe = call_until_served(&here, NULL);
    assert_int_equal(afd_probe_round_trip(probe, AFD_PROBE_ROWS_MAX + 1, AFD_PROBE_ROW_SMALL, &wait, &ns, &error),
                     AFD_ERR_INVALID);
    assert_string_equal(error.field, "row_num");
    assert_int_equal(afd_probe_round_trip(probe, 1, 4095, &wait, &ns, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "row_bytes");
    assert_int_equal(afd_probe_serve(probe, &wait, NULL, &error), AFD_ERR_INVALID);
    go_round(probe, 1, AFD_PROBE_ROW_SMALL);
    afd_probe_close(probe);
    end(&here);
}

/* The listener goes while somebody measures. */
static void an_end_that_goes_is_noticed(void **state)
{
    listener here;
    uint64_t ns = 0;
    afd_error error;
    afd_status status = AFD_OK;
    (void)state;
    begin(&here, NULL);
    afd_probe *probe = call_until_served(&here, NULL);
    go_round(probe, 1, AFD_PROBE_ROW_SMALL);
    end(&here);
    while (status == AFD_OK) {
        afd_wait wait = new_wait();
        status = afd_probe_round_trip(probe, 1, AFD_PROBE_ROW_SMALL, &wait, &ns, &error);
    }
    assert_int_equal(status, AFD_ERR_PEER);
    afd_probe_close(probe);
    afd_probe_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(rounds_of_every_size_come_back),
        cmocka_unit_test(callers_are_served_one_after_another),
        cmocka_unit_test(a_stranger_is_turned_away),
        cmocka_unit_test(nobody_comes_until_the_deadline),
        cmocka_unit_test(a_round_of_another_size_is_refused),
        cmocka_unit_test(an_end_that_goes_is_noticed),
    };
    plane_world_require_ucx();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
