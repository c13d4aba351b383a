/* SPDX-License-Identifier: Apache-2.0 */
/* Ending things in every order while a scheduler task waits for tokens that never come: everything returns. */
#include <pthread.h>

#include "front_test.h"

enum { END_STREAM, END_CONTEXT, END_DEVICE, END_ALL, STEP_NUM };

typedef struct scene {
    world worlds[3]; /* one a stream: a context is for one call at a time */
    aclrtContext context;
    aclrtStream stream;
    aclrtStream other;
    aclrtEvent event;
} scene;

/* A task that waits, and behind it what waits for it, on the same stream and on another. */
static void start(scene *s)
{
    assert_ok(aclInit(NULL));
    assert_ok(aclrtSetDevice(2));
    assert_ok(aclrtCreateContext(&s->context, 2));
    assert_ok(aclrtCreateStream(&s->stream));
    assert_ok(aclrtCreateStream(&s->other));
    assert_ok(aclrtCreateEvent(&s->event));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_create(&s->worlds[i], 2, 1), 0);
    }
    assert_ok(world_schedule(&s->worlds[0], 2, s->stream));
    assert_ok(aclrtRecordEvent(s->event, s->stream));
    assert_ok(aclrtStreamWaitEvent(s->other, s->event));
    assert_ok(world_schedule(&s->worlds[1], 2, s->other));
    assert_ok(world_schedule(&s->worlds[2], 2, NULL));
}

static void end(scene *s)
{
    (void)aclrtDestroyEvent(s->event);
    for (int i = 0; i < 3; i++) {
        world_destroy(&s->worlds[i]);
    }
    (void)aclGetRecentErrMsg();
}

/* What a step returns depends only on whether a parent has gone before. */
static void take_step(scene *s, int step, const int done[STEP_NUM])
{
    const int device_gone = done[END_DEVICE] || done[END_ALL];
    switch (step) {
    case END_STREAM:
        assert_code(aclrtDestroyStream(s->stream),
                    done[END_CONTEXT] || device_gone ? ACL_ERROR_RT_INVALID_HANDLE : ACL_SUCCESS);
        break;
    case END_CONTEXT:
        assert_code(aclrtDestroyContext(s->context), device_gone ? ACL_ERROR_RT_INVALID_HANDLE : ACL_SUCCESS);
        break;
    case END_DEVICE:
        assert_ok(aclrtResetDevice(2));
        break;
    default:
        assert_ok(aclFinalize());
        break;
    }
}

static void try_order(const int order[STEP_NUM])
{
    scene s;
    int done[STEP_NUM] = { 0 };
    start(&s);
    for (int i = 0; i < STEP_NUM; i++) {
        take_step(&s, order[i], done);
        done[order[i]] = 1;
    }
    assert_code(aclrtSynchronizeStream(s.stream), ACL_ERROR_RT_INVALID_HANDLE);
    assert_code(aclrtSynchronizeStream(s.other), ACL_ERROR_RT_INVALID_HANDLE);
    assert_code(aclrtSynchronizeStream(NULL), ACL_ERROR_RT_CONTEXT_NULL);
    assert_code(aclrtRecordEvent(s.event, s.stream), ACL_ERROR_RT_INVALID_HANDLE);
    end(&s);
}

static void every_order_of_teardown_returns(void **state)
{
    int order[STEP_NUM];
    int tried_num = 0;
    (void)state;
    for (int code = 0; code < STEP_NUM * STEP_NUM * STEP_NUM * STEP_NUM; code++) {
        int seen = 0;
        for (int i = 0, rest = code; i < STEP_NUM; i++, rest /= STEP_NUM) {
            order[i] = rest % STEP_NUM;
            seen |= 1 << order[i];
        }
        if (seen == (1 << STEP_NUM) - 1) {
            try_order(order);
            tried_num++;
        }
    }
    assert_int_equal(tried_num, 24);
}

static void a_reset_meets_each_set_before_it_ends_anything(void **state)
{
    scene s;
    (void)state;
    start(&s);
    assert_ok(aclrtSetDevice(2));
    assert_ok(aclrtResetDevice(2));
    assert_code(aclrtSynchronizeStreamWithTimeout(s.stream, 0), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    assert_ok(aclrtResetDevice(2));
    assert_code(aclrtSynchronizeStreamWithTimeout(s.stream, 0), ACL_ERROR_RT_INVALID_HANDLE);
    assert_ok(aclFinalize());
    end(&s);
}

/*
 * What is queued and can be done is done, though the stream is being destroyed: here a copy behind a task that waits,
 * and a scheduler task whose tokens are there.
 */
static void destroying_a_stream_finishes_what_can_be_finished(void **state)
{
    scene s;
    world ready;
    int32_t copied = 0;
    (void)state;
    start(&s);
    assert_int_equal(world_create(&ready, 1, 1), 0);
    world_publish(&ready, 0, 0, 55);
    assert_ok(world_schedule(&ready, 1, s.stream));
    assert_ok(aclrtMemcpyAsync(&copied, 4, ready.layer_ids, 4, ACL_MEMCPY_DEVICE_TO_HOST, s.stream));
    assert_ok(aclrtDestroyStream(s.stream));
    assert_int_equal(world_out_num(&ready), 1);
    assert_int_equal(copied, 55);
    assert_ok(aclFinalize());
    world_destroy(&ready);
    end(&s);
}

static void destroying_by_force_drops_what_is_queued(void **state)
{
    scene s;
    int32_t copied = 77;
    (void)state;
    start(&s);
    assert_ok(aclrtMemcpyAsync(&copied, 4, s.worlds[0].layer_ids, 4, ACL_MEMCPY_DEVICE_TO_HOST, s.stream));
    assert_ok(aclrtDestroyStreamForce(s.stream));
    assert_int_equal(copied, 77);
    assert_ok(aclFinalize());
    end(&s);
}

typedef struct synchronizer {
    aclrtStream stream;
    int code;
} synchronizer;

static void *synchronize(void *argument)
{
    synchronizer *mine = argument;
    mine->code = aclrtSynchronizeStream(mine->stream);
    return NULL;
}

static void whoever_synchronizes_returns_when_the_stream_is_destroyed(void **state)
{
    (void)state;
    for (int force = 0; force < 2; force++) {
        scene s;
        pthread_t thread;
        start(&s);
        synchronizer mine = { .stream = s.stream };
        assert_int_equal(pthread_create(&thread, NULL, synchronize, &mine), 0);
        assert_code(aclrtSynchronizeStreamWithTimeout(s.stream, 20), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
        assert_ok(force ? aclrtDestroyStreamForce(s.stream) : aclrtDestroyStream(s.stream));
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(mine.code, ACL_ERROR_RT_INVALID_HANDLE);
        assert_ok(aclFinalize());
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_teardown_returns),
        cmocka_unit_test(a_reset_meets_each_set_before_it_ends_anything),
        cmocka_unit_test(destroying_a_stream_finishes_what_can_be_finished),
        cmocka_unit_test(destroying_by_force_drops_what_is_queued),
        cmocka_unit_test(whoever_synchronizes_returns_when_the_stream_is_destroyed),
    };
    return cmocka_run_group_tests_name("teardown", tests, NULL, NULL);
}
