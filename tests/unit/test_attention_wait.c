/* SPDX-License-Identifier: Apache-2.0 */
/* Which micro-batch an attention call takes, and how it ends when there is none: stopped, or at its deadline, with the
 * slots that it then names. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attention_world.h"
#include "cmocka_headers.h"

enum { PASSED_DEADLINE_NS = 1, LATE_CAPACITY = 16, M = 3, BS = 2, E = 3, HIDDEN = 16, SLOT_BYTES = 2 * HIDDEN };

static attention_world *new_world(void)
{
    return attention_world_new(M, BS, E, SLOT_BYTES);
}

static void the_next_micro_batch_is_taken_and_only_its_flags_are_cleared(void **state)
{
    (void)state;
    attention_world *world = new_world();
    for (uint32_t round = 0; round < 2 * M; round++) {
        uint32_t ready = 77;
        for (uint32_t m = 0; m < M; m++) {
            attention_world_arm(world, m, AFD_FLAG_READY);
        }
        uint8_t *before = attention_world_copy(world);
        afd_status status = round % 2 == 0
                                ? afd_attention_schedule(world->context, AFD_MICRO_BATCH_NEXT, NULL, &ready, NULL)
                                : afd_attention_schedule_poll(world->context, AFD_MICRO_BATCH_NEXT, &ready, NULL);
        assert_int_equal(status, AFD_OK);
        assert_int_equal(ready, round % M);
        assert_int_equal(world->context->attention.micro_batch_id, round % M);
        for (uint32_t k = 0; k < BS * E; k++) {
            assert_int_equal(attention_world_flag(world, ready, 0, 0)[k], AFD_FLAG_FREE);
        }
        attention_world_arm(world, ready, AFD_FLAG_READY);
        world->context->attention.micro_batch_id = (ready + M - 1) % M;
        assert_true(attention_world_equals(world, before)); /* nothing else was written */
        world->context->attention.micro_batch_id = ready;
        free(before);
    }
    attention_world_free(world);
}

static void a_micro_batch_that_was_given_up_is_skipped_by_name(void **state)
{
    (void)state;
    attention_world *world = new_world();
    uint32_t ready = 77;
    attention_world_arm(world, 1, AFD_FLAG_READY);
    attention_world_arm(world, 2, AFD_FLAG_READY);
    assert_int_equal(afd_attention_schedule_poll(world->context, AFD_MICRO_BATCH_NEXT, &ready, NULL), AFD_NOT_YET);
    assert_int_equal(ready, 77);
    assert_int_equal(afd_attention_schedule(world->context, 1, NULL, &ready, NULL), AFD_OK);
    assert_int_equal(ready, 1);
    assert_int_equal(afd_attention_schedule(world->context, AFD_MICRO_BATCH_NEXT, NULL, NULL, NULL), AFD_OK);
    assert_int_equal(world->context->attention.micro_batch_id, 2);
    attention_world_free(world);
}

static void only_a_flag_of_1_is_ready(void **state)
{
    (void)state;
    static const int32_t others[] = { 0, 2, -1, 3, 256, 257, 0x01000000, 0x7F7F7F7F, INT32_MIN, INT32_MIN + 1 };
    attention_world *world = new_world();
    attention_world_arm(world, 0, AFD_FLAG_READY);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        for (uint32_t slot = 0; slot < BS * E; slot++) {
            int32_t *flag = attention_world_flag(world, 0, slot / E, slot % E);
            *flag = others[i];
            uint8_t *before = attention_world_copy(world);
            assert_int_equal(afd_attention_schedule_poll(world->context, 0, NULL, NULL), AFD_NOT_YET);
            assert_true(attention_world_equals(world, before));
            free(before);
            *flag = AFD_FLAG_READY;
        }
    }
    assert_int_equal(afd_attention_schedule_poll(world->context, 0, NULL, NULL), AFD_OK);
    attention_world_free(world);
}

/* ---- stopped ---- */

static afd_combine_args waiting_args(const float *scales, void *output)
{
    afd_combine_args args = AFD_COMBINE_ARGS_INIT;
    args.token_num = BS;
    args.top_k = E;
    args.hidden = HIDDEN;
    args.expert_scales = scales;
    args.output = output;
    args.need_schedule = true;
    return args;
}

/* One of the two operators that wait, on micro-batch 0. */
static afd_status call(const attention_world *world, bool combine, afd_wait *wait)
{
    static const float scales[BS * E];
    uint16_t output[BS * HIDDEN];
    memset(output, 0xEE, sizeof(output));
    if (!combine) {
        return afd_attention_schedule(world->context, AFD_MICRO_BATCH_NEXT, wait, NULL, NULL);
    }
    afd_combine_args args = waiting_args(scales, output);
    afd_status status = afd_attention_combine(world->context, &args, wait, NULL);
    assert_int_equal(output[0] == 0xEEEE, status != AFD_OK);
    return status;
}

static void a_stop_that_is_there_already_goes_before_what_is_ready(void **state)
{
    (void)state;
    for (int combine = 0; combine < 2; combine++) {
        attention_world *world = new_world();
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        int32_t stop = 0;
        attention_world_arm(world, 0, AFD_FLAG_READY);
        afd_context_stop(world->context);
        uint8_t *before = attention_world_copy(world);
        assert_int_equal(call(world, combine, NULL), AFD_STOPPED);
        assert_int_equal(afd_attention_schedule_poll(world->context, 0, NULL, NULL), AFD_STOPPED);
        assert_true(attention_world_equals(world, before));
        free(before);
        afd_context_start(world->context);
        before = attention_world_copy(world);
        wait.stop = &stop;
        afd_stop_raise(&stop);
        assert_int_equal(call(world, combine, &wait), AFD_STOPPED);
        assert_true(attention_world_equals(world, before));
        free(before);
        stop = 0;
        assert_int_equal(call(world, combine, &wait), AFD_OK);
        attention_world_free(world);
    }
}

static void *stop_a_little_later(void *arg)
{
    const struct timespec pause = { .tv_sec = 0, .tv_nsec = 300000 };
    (void)nanosleep(&pause, NULL);
    afd_context_stop(arg);
    return NULL;
}

/* The objects are compiled with -O2: a run flag that was read as a plain integer would be looked at once. */
static void a_run_flag_that_is_cleared_by_another_thread_ends_the_wait(void **state)
{
    (void)state;
    static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };
    for (int i = 0; i < 6; i++) {
        attention_world *world = new_world();
        afd_wait wait = AFD_WAIT_INIT(strategies[i % 3]);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_a_little_later, world->context), 0);
        assert_int_equal(call(world, i >= 3, &wait), AFD_STOPPED);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(world->context->attention.micro_batch_id, M - 1);
        attention_world_free(world);
    }
}

/* ---- results that come while it waits ---- */

static void *publish_one_after_the_other(void *arg)
{
    const attention_world *world = arg;
    for (uint32_t slot = BS * E; slot-- > 0;) {
        afd_slot_publish(attention_world_flag(world, 0, slot / E, slot % E));
    }
    return NULL;
}

static void results_of_another_thread_end_the_wait(void **state)
{
    (void)state;
    for (int combine = 0; combine < 2; combine++) {
        attention_world *world = new_world();
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, publish_one_after_the_other, world), 0);
        assert_int_equal(call(world, combine, NULL), AFD_OK);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(afd_slot_peek_flag(attention_world_flag(world, 0, 0, 0)), AFD_FLAG_FREE);
        attention_world_free(world);
    }
}

static void publish_all(void *arg)
{
    attention_world_arm(arg, 0, AFD_FLAG_READY);
}

static void what_poll_publishes_is_taken_even_after_the_deadline(void **state)
{
    (void)state;
    for (int combine = 0; combine < 2; combine++) {
        attention_world *world = new_world();
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        wait.poll = publish_all;
        wait.poll_arg = world;
        wait.deadline_ns = PASSED_DEADLINE_NS;
        assert_int_equal(call(world, combine, &wait), AFD_OK);
        assert_int_equal(wait.late_num, 0);
        attention_world_free(world);
    }
}

/* Publishes the last slot and takes the first back, which no peer may do. */
static void swap_first_and_last(void *arg)
{
    const attention_world *world = arg;
    *attention_world_flag(world, 0, BS - 1, E - 1) = AFD_FLAG_READY;
    *attention_world_flag(world, 0, 0, 0) = AFD_FLAG_FREE;
}

static void a_flag_that_was_taken_back_is_awaited_again(void **state)
{
    (void)state;
    attention_world *world = new_world();
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_late late[LATE_CAPACITY];
    wait.poll = swap_first_and_last;
    wait.poll_arg = world;
    wait.deadline_ns = PASSED_DEADLINE_NS;
    wait.late = late;
    wait.late_capacity = LATE_CAPACITY;
    attention_world_arm(world, 0, AFD_FLAG_READY);
    *attention_world_flag(world, 0, BS - 1, E - 1) = AFD_FLAG_FREE;
    assert_int_equal(call(world, false, &wait), AFD_DEADLINE);
    assert_int_equal(wait.late_num, 1);
    assert_int_equal(late[0].token, 0);
    assert_int_equal(late[0].slot, 0);
    attention_world_free(world);
}

/* ---- deadlines ---- */

static void expect_late(const afd_late *late, uint32_t token, uint32_t slot, int32_t flag)
{
    assert_int_equal(late->session, 0);
    assert_int_equal(late->micro_batch, 1);
    assert_int_equal(late->token, token);
    assert_int_equal(late->slot, slot);
    assert_int_equal(late->flag, flag);
}

static void a_deadline_names_every_slot_that_is_not_ready(void **state)
{
    (void)state;
    for (int combine = 0; combine < 2; combine++) {
        attention_world *world = new_world();
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        afd_late late[LATE_CAPACITY];
        memset(late, 0x33, sizeof(late));
        wait.deadline_ns = PASSED_DEADLINE_NS;
        wait.late = late;
        wait.late_capacity = LATE_CAPACITY;
        world->context->attention.micro_batch_id = 0;
        attention_world_arm(world, 1, AFD_FLAG_READY);
        *attention_world_flag(world, 1, 0, 1) = AFD_FLAG_FREE;
        *attention_world_flag(world, 1, 1, 0) = 0x7F7F7F7F;
        *attention_world_flag(world, 1, 1, 2) = -1;
        uint8_t *before = attention_world_copy(world);
        uint64_t before_ns = afd_clock_ns();
        assert_int_equal(call(world, combine, &wait), AFD_DEADLINE);
        uint64_t after_ns = afd_clock_ns();
        assert_int_equal(wait.late_num, 3);
        expect_late(&late[0], 0, 1, 0);
        expect_late(&late[1], 1, 0, 0x7F7F7F7F);
        expect_late(&late[2], 1, 2, -1);
        assert_true(late[0].silent_ns <= after_ns - before_ns);
        assert_true(attention_world_equals(world, before));
        free(before);
        attention_world_free(world);
    }
}

static void who_is_late_is_counted_past_the_capacity(void **state)
{
    (void)state;
    for (uint32_t capacity = 0; capacity < 3; capacity++) {
        attention_world *world = new_world();
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        afd_late late[BS * E];
        afd_late untouched;
        memset(late, 0x33, sizeof(late));
        memset(&untouched, 0x33, sizeof(untouched));
        wait.deadline_ns = PASSED_DEADLINE_NS;
        wait.late = capacity == 0 ? NULL : late;
        wait.late_capacity = capacity;
        assert_int_equal(call(world, false, &wait), AFD_DEADLINE);
        assert_int_equal(wait.late_num, BS * E);
        for (uint32_t i = 0; i < BS * E; i++) {
            assert_int_equal(memcmp(&late[i], &untouched, sizeof(untouched)) == 0, i >= capacity);
        }
        attention_world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_micro_batch_is_taken_and_only_its_flags_are_cleared),
        cmocka_unit_test(a_micro_batch_that_was_given_up_is_skipped_by_name),
        cmocka_unit_test(only_a_flag_of_1_is_ready),
        cmocka_unit_test(a_stop_that_is_there_already_goes_before_what_is_ready),
        cmocka_unit_test(a_run_flag_that_is_cleared_by_another_thread_ends_the_wait),
        cmocka_unit_test(results_of_another_thread_end_the_wait),
        cmocka_unit_test(what_poll_publishes_is_taken_even_after_the_deadline),
        cmocka_unit_test(a_flag_that_was_taken_back_is_awaited_again),
        cmocka_unit_test(a_deadline_names_every_slot_that_is_not_ready),
        cmocka_unit_test(who_is_late_is_counted_past_the_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
