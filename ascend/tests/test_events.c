/* SPDX-License-Identifier: Apache-2.0 */
/* Events between streams, and what a stream that waits for one does when things end. */
#include "front_test.h"

static aclrtStream first;
static aclrtStream second;
static aclrtEvent event;
static world w;

static int set_up(void **state)
{
    (void)state;
    assert_ok(aclInit(NULL));
    assert_ok(aclrtSetDevice(0));
    assert_ok(aclrtCreateStream(&first));
    assert_ok(aclrtCreateStream(&second));
    assert_ok(aclrtCreateEvent(&event));
    assert_ok(aclrtSetOpWaitTimeout(0));
    assert_int_equal(world_create(&w, 1, 1), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_ok(aclFinalize());
    (void)aclrtDestroyEvent(event);
    world_destroy(&w);
    (void)aclGetRecentErrMsg();
    return 0;
}

static aclrtEventRecordedStatus status_of_event(void)
{
    aclrtEventRecordedStatus status = ACL_EVENT_RECORDED_STATUS_NOT_READY;
    assert_ok(aclrtQueryEventStatus(event, &status));
    return status;
}

static void a_stream_goes_on_when_the_other_has_met_the_record(void **state)
{
    uint32_t copied = 0;
    const uint32_t *source = (const uint32_t *)w.layer_ids;
    (void)state;
    assert_ok(world_schedule(&w, 1, first));
    assert_ok(aclrtRecordEvent(event, first));
    assert_ok(aclrtStreamWaitEvent(second, event));
    assert_ok(aclrtMemcpyAsync(&copied, 4, source, 4, ACL_MEMCPY_DEVICE_TO_HOST, second));
    assert_int_equal(status_of_event(), ACL_EVENT_RECORDED_STATUS_NOT_READY);
    assert_code(aclrtSynchronizeStreamWithTimeout(second, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    world_publish(&w, 0, 0, 31);
    assert_ok(aclrtSynchronizeStream(second));
    assert_int_equal(copied, 31);
    assert_int_equal(status_of_event(), ACL_EVENT_RECORDED_STATUS_COMPLETE);
}

static void waiting_before_the_record_waits_for_the_next_one(void **state)
{
    (void)state;
    assert_ok(aclrtStreamWaitEvent(second, event));
    assert_code(aclrtSynchronizeStreamWithTimeout(second, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    assert_ok(aclrtSynchronizeEvent(event)); /* nothing is recorded, so there is nothing to wait for */
    assert_ok(aclrtRecordEvent(event, first));
    assert_ok(aclrtSynchronizeStream(second));
}

static void a_reset_event_is_not_recorded(void **state)
{
    (void)state;
    assert_ok(aclrtRecordEvent(event, first));
    assert_ok(aclrtSynchronizeEvent(event));
    assert_ok(aclrtResetEvent(event, first));
    assert_int_equal(status_of_event(), ACL_EVENT_RECORDED_STATUS_NOT_READY);
    assert_ok(aclrtStreamWaitEvent(second, event));
    assert_code(aclrtSynchronizeStreamWithTimeout(second, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    assert_ok(aclrtRecordEvent(event, first));
    assert_ok(aclrtSynchronizeStream(second));
    assert_int_equal(status_of_event(), ACL_EVENT_RECORDED_STATUS_COMPLETE);
}

static void the_time_between_records_does_not_run_backwards(void **state)
{
    aclrtEvent end = NULL;
    float forth = -1;
    float back = 1;
    (void)state;
    assert_ok(aclrtCreateEvent(&end));
    assert_ok(aclrtRecordEvent(event, first));
    assert_ok(aclrtRecordEvent(end, first));
    assert_code(aclrtEventElapsedTime(&forth, NULL, end), ACL_ERROR_INVALID_PARAM);
    assert_ok(aclrtSynchronizeStream(first));
    assert_ok(aclrtEventElapsedTime(&forth, event, end));
    assert_ok(aclrtEventElapsedTime(&back, end, event));
    assert_true(forth >= 0 && back <= 0 && forth == -back);
    assert_ok(aclrtDestroyEvent(end));
}

static void destroying_a_stream_ends_its_wait_for_an_event(void **state)
{
    (void)state;
    assert_ok(aclrtStreamWaitEvent(first, event));
    assert_ok(aclrtDestroyStream(first));
    assert_ok(aclrtStreamWaitEvent(second, event));
    assert_ok(aclrtDestroyStreamForce(second));
}

static void records_of_a_stream_that_dies_keep_nobody_waiting(void **state)
{
    (void)state;
    assert_ok(world_schedule(&w, 1, first));
    assert_ok(aclrtRecordEvent(event, first));
    assert_ok(aclrtStreamWaitEvent(second, event));
    assert_ok(aclrtDestroyStreamForce(first)); /* drops the record */
    assert_ok(aclrtSynchronizeStream(second));
    assert_ok(aclrtSynchronizeEvent(event));
}

static void an_event_may_be_destroyed_while_its_record_is_awaited(void **state)
{
    (void)state;
    assert_ok(world_schedule(&w, 1, first));
    assert_ok(aclrtRecordEvent(event, first));
    assert_ok(aclrtStreamWaitEvent(second, event));
    assert_ok(aclrtDestroyEvent(event));
    assert_code(aclrtSynchronizeStreamWithTimeout(second, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    world_publish(&w, 0, 0, 1);
    assert_ok(aclrtSynchronizeStream(second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stream_goes_on_when_the_other_has_met_the_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting_before_the_record_waits_for_the_next_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reset_event_is_not_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_time_between_records_does_not_run_backwards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(destroying_a_stream_ends_its_wait_for_an_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_of_a_stream_that_dies_keep_nobody_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_may_be_destroyed_while_its_record_is_awaited, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
