/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, the scheduler on them, and how it waits. */
#include <pthread.h>

#include "front_test.h"

typedef struct fixture {
    aclrtStream stream;
    world w;
} fixture;

static fixture f;

static int set_up(void **state)
{
    (void)state;
    assert_ok(aclInit(NULL));
    assert_ok(aclrtSetDevice(0));
    assert_ok(aclrtCreateStream(&f.stream));
    assert_ok(aclrtSetOpExecuteTimeOut(0));
    assert_int_equal(world_create(&f.w, 4, 3), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_ok(aclFinalize());
    world_destroy(&f.w);
    return 0;
}

static void publish_all(world *w, uint32_t micro_batch)
{
    for (uint32_t s = 0; s < w->session_num; s++) {
        world_publish(w, s, micro_batch, (int32_t)(100 + s));
    }
}

static void tasks_run_in_the_order_in_which_they_came(void **state)
{
    enum { STEPS = 200 };
    unsigned char bytes[STEPS];
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    /* Each step copies what the step before wrote, so any other order leaves a 0 behind. */
    assert_ok(aclrtMemsetAsync(bytes, sizeof(bytes), 0x5A, 1, f.stream));
    for (size_t i = 1; i < STEPS; i++) {
        assert_ok(aclrtMemcpyAsync(&bytes[i], 1, &bytes[i - 1], 1, ACL_MEMCPY_DEVICE_TO_DEVICE, f.stream));
    }
    assert_ok(aclrtSynchronizeStream(f.stream));
    for (size_t i = 0; i < STEPS; i++) {
        assert_int_equal(bytes[i], 0x5A);
    }
}

static void an_operator_waits_for_tokens_and_nobody_waits_for_it(void **state)
{
    aclrtStreamStatus status = ACL_STREAM_STATUS_RESERVED;
    (void)state;
    assert_ok(world_schedule(&f.w, 4, f.stream)); /* returns, though nothing is ready */
    assert_ok(aclrtStreamQuery(f.stream, &status));
    assert_int_equal(status, ACL_STREAM_STATUS_NOT_READY);
    assert_code(aclrtSynchronizeStreamWithTimeout(f.stream, 0), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    assert_code(aclrtSynchronizeStreamWithTimeout(f.stream, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    publish_all(&f.w, 0); /* the task went on */
    assert_ok(aclrtSynchronizeStream(f.stream));
    assert_int_equal(world_out_num(&f.w), 4);
    for (int32_t s = 0; s < 4; s++) {
        assert_int_equal(f.w.session_ids[s], s);
        assert_int_equal(f.w.layer_ids[s], 100 + s);
        assert_int_equal(f.w.micro_batch_ids[s], 0);
        assert_int_equal(f.w.expert_ids[2 * s + 1], 10 * s + 1);
    }
    assert_ok(aclrtStreamQuery(f.stream, &status));
    assert_int_equal(status, ACL_STREAM_STATUS_COMPLETE);
}

static void a_run_flag_of_0_is_success_with_nothing_taken(void **state)
{
    (void)state;
    publish_all(&f.w, 0);
    world_set_u32(&f.w, FIELD_RUN_FLAG, 0);
    world_set_u32(&f.w, FIELD_OUT_NUM, 9);
    assert_ok(world_schedule(&f.w, 4, f.stream));
    assert_ok(aclrtSynchronizeStream(f.stream));
    assert_int_equal(world_out_num(&f.w), 0);
    assert_int_equal(f.w.token_info[0], 1); /* the window is as it was */
}

static void a_copy_that_clears_the_run_flag_ends_a_waiting_task(void **state)
{
    aclrtEvent begun = NULL;
    (void)state;
    assert_ok(aclrtCreateEvent(&begun));
    assert_ok(aclrtRecordEvent(begun, f.stream));
    assert_ok(world_schedule(&f.w, 4, f.stream));
    assert_ok(aclrtSynchronizeEvent(begun));
    assert_code(aclrtSynchronizeStreamWithTimeout(f.stream, 20), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    world_set_u32(&f.w, FIELD_RUN_FLAG, 0);
    assert_ok(aclrtSynchronizeStream(f.stream));
    assert_int_equal(world_out_num(&f.w), 0);
    assert_ok(aclrtDestroyEvent(begun));
}

/* A program may copy a whole desc in, its flag in front, while the operator looks at it. */
static void a_desc_may_be_armed_with_one_copy_while_the_operator_waits(void **state)
{
    (void)state;
    for (int32_t round = 0; round < 50; round++) {
        const int32_t desc[WORLD_DESC_WORDS] = { 1, round, round + 1, round + 2 };
        assert_ok(world_schedule(&f.w, 1, f.stream));
        assert_ok(aclrtMemcpy(f.w.token_info, sizeof(desc), desc, sizeof(desc), ACL_MEMCPY_HOST_TO_DEVICE));
        assert_ok(aclrtSynchronizeStream(f.stream));
        assert_int_equal(world_out_num(&f.w), 1);
        assert_int_equal(f.w.layer_ids[0], round);
        assert_int_equal(f.w.expert_ids[0], round + 1);
        assert_int_equal(f.w.expert_ids[1], round + 2);
    }
}

static void a_failure_is_returned_once_and_the_stream_lives_on(void **state)
{
    (void)state;
    assert_ok(world_schedule(&f.w, 3, f.stream)); /* 3 does not divide 4 */
    assert_ok(world_schedule(&f.w, 0, f.stream));
    publish_all(&f.w, 0);
    assert_ok(world_schedule(&f.w, 4, f.stream)); /* runs after them */
    assert_code(aclrtSynchronizeStream(f.stream), ACL_ERROR_RT_AICPU_EXCEPTION);
    assert_message_has("sync_group_size is 3"); /* of the first that failed */
    assert_int_equal(world_out_num(&f.w), 4);
    assert_ok(aclrtSynchronizeStream(f.stream));
    assert_null(aclGetRecentErrMsg());
}

static void a_timeout_names_who_is_late_and_changes_nothing(void **state)
{
    (void)state;
    world_publish(&f.w, 0, 0, 7);
    assert_ok(aclrtSetOpExecuteTimeOut(1));
    assert_ok(world_schedule(&f.w, 4, f.stream));
    assert_ok(aclrtSetOpExecuteTimeOut(0)); /* for those that come after */
    assert_code(aclrtSynchronizeStream(f.stream), ACL_ERROR_RT_AICPU_TIMEOUT);
    assert_message_has("within 1 s|3 late|session 1 micro-batch 0 has flag 0|session 3");
    assert_int_equal(f.w.token_info[0], 1);
    for (uint32_t s = 1; s < 4; s++) {
        world_publish(&f.w, s, 0, 7);
    }
    assert_ok(world_schedule(&f.w, 4, f.stream));
    assert_ok(aclrtSynchronizeStream(f.stream));
    assert_int_equal(world_out_num(&f.w), 4);
}

static void the_null_stream_is_the_default_stream_of_the_context(void **state)
{
    aclrtContext first = NULL;
    aclrtContext second = NULL;
    (void)state;
    assert_ok(aclrtGetCurrentContext(&first));
    assert_ok(world_schedule(&f.w, 4, NULL));
    assert_ok(aclrtCreateContext(&second, 0));
    assert_ok(aclrtSynchronizeStream(NULL)); /* another context, another default stream: nothing to wait for */
    assert_ok(aclrtSetCurrentContext(first));
    assert_code(aclrtSynchronizeStreamWithTimeout(NULL, 0), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    publish_all(&f.w, 0);
    assert_ok(aclrtSynchronizeStream(NULL));
    assert_int_equal(world_out_num(&f.w), 4);
}

static void the_device_is_synchronized_when_all_its_streams_are(void **state)
{
    aclrtStream other = NULL;
    world refused; /* a context belongs to one task at a time, so each stream has its own */
    (void)state;
    assert_int_equal(world_create(&refused, 4, 3), 0);
    assert_ok(aclrtCreateStream(&other));
    assert_ok(world_schedule(&refused, 3, f.stream));
    publish_all(&f.w, 0);
    assert_ok(world_schedule(&f.w, 4, other));
    assert_code(aclrtSynchronizeDevice(), ACL_ERROR_RT_AICPU_EXCEPTION);
    assert_message_has("sync_group_size is 3");
    assert_int_equal(world_out_num(&f.w), 4);
    assert_ok(aclrtSynchronizeDevice());
    world_destroy(&refused);
}

/* ---- two threads, two streams ---- */

enum { ROUNDS = 300 };

typedef struct worker {
    aclrtContext context;
    aclrtStream stream;
    world w;
    int failed_round; /* -1 = none */
} worker;

static int one_round(worker *k, int32_t round)
{
    const uint32_t micro_batch = (uint32_t)round % 3;
    int code = world_schedule(&k->w, 2, k->stream);
    for (uint32_t s = 0; s < 2; s++) {
        world_publish(&k->w, s, micro_batch, round);
    }
    code = code != 0 ? code : aclrtSynchronizeStream(k->stream);
    return code != 0 || world_out_num(&k->w) != 2 || k->w.layer_ids[0] != round || k->w.layer_ids[1] != round;
}

static void *work(void *argument)
{
    worker *k = argument;
    k->failed_round = aclrtSetCurrentContext(k->context) == ACL_SUCCESS ? -1 : ROUNDS;
    for (int32_t round = 0; round < ROUNDS && k->failed_round < 0; round++) {
        k->failed_round = one_round(k, round) == 0 ? -1 : round;
    }
    return NULL;
}

static void two_threads_work_on_two_streams(void **state)
{
    worker workers[2];
    pthread_t threads[2];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(aclrtGetCurrentContext(&workers[i].context));
        assert_ok(aclrtCreateStream(&workers[i].stream));
        assert_int_equal(world_create(&workers[i].w, 2, 3), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].failed_round, -1);
        assert_ok(aclrtDestroyStream(workers[i].stream));
        world_destroy(&workers[i].w);
    }
}

/* Sentences are a thread's own. */
static void *has_a_message(void *argument)
{
    *(const char **)argument = aclGetRecentErrMsg();
    return NULL;
}

static void another_thread_does_not_see_this_threads_sentence(void **state)
{
    pthread_t thread;
    const char *message = "";
    (void)state;
    assert_code(aclrtSetDevice(-1), ACL_ERROR_RT_INVALID_DEVICEID);
    assert_int_equal(pthread_create(&thread, NULL, has_a_message, &message), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(message);
    message = aclGetRecentErrMsg();
    assert_non_null(message);
    assert_code(aclrtSetDevice(99), ACL_ERROR_RT_INVALID_DEVICEID);
    assert_non_null(strstr(message, "deviceId is -1")); /* still readable */
    assert_non_null(aclGetRecentErrMsg());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tasks_run_in_the_order_in_which_they_came, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_operator_waits_for_tokens_and_nobody_waits_for_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_flag_of_0_is_success_with_nothing_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_that_clears_the_run_flag_ends_a_waiting_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_desc_may_be_armed_with_one_copy_while_the_operator_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_is_returned_once_and_the_stream_lives_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_timeout_names_who_is_late_and_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_null_stream_is_the_default_stream_of_the_context, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_device_is_synchronized_when_all_its_streams_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_threads_work_on_two_streams, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_thread_does_not_see_this_threads_sentence, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
