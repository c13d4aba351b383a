/* SPDX-License-Identifier: Apache-2.0 */
/* Executors: what the first phase keeps, and how often the second may be run. */
#include <pthread.h>

#include "front_test.h"

static aclrtStream stream;
static world w;

static int set_up(void **state)
{
    (void)state;
    assert_ok(aclInit(NULL));
    assert_ok(aclrtSetDevice(0));
    assert_ok(aclrtCreateStream(&stream));
    assert_int_equal(world_create(&w, 2, 1), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_ok(aclFinalize());
    world_destroy(&w);
    (void)aclGetRecentErrMsg();
    return 0;
}

static aclOpExecutor *plan(aclTensor *tensor)
{
    uint64_t workspace_size = 4711;
    aclOpExecutor *executor = NULL;
    assert_ok(aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(tensor, 2, 0, &workspace_size, &executor));
    assert_int_equal(workspace_size, 0);
    assert_non_null(executor);
    return executor;
}

static int launch(aclOpExecutor *executor)
{
    return aclnnInplaceFfnWorkerScheduler(NULL, 0, executor, stream);
}

static void publish(int32_t layer_id)
{
    world_publish(&w, 0, 0, layer_id);
    world_publish(&w, 1, 0, layer_id);
}

static void the_tensor_may_be_destroyed_after_the_first_phase(void **state)
{
    int64_t dim = WORLD_CONTEXT_BYTES;
    (void)state;
    aclTensor *tensor = aclCreateTensor(&dim, 1, ACL_INT8, NULL, 0, ACL_FORMAT_ND, &dim, 1, w.context);
    aclOpExecutor *executor = plan(tensor);
    dim = 0;
    assert_ok(aclDestroyTensor(tensor));
    publish(5);
    assert_ok(launch(executor));
    assert_ok(aclrtSynchronizeStream(stream));
    assert_int_equal(world_out_num(&w), 2);
}

static void a_view_begins_at_its_offset(void **state)
{
    const int64_t dim = WORLD_CONTEXT_BYTES;
    const int64_t storage = WORLD_CONTEXT_BYTES + 64;
    (void)state;
    aclTensor *tensor = aclCreateTensor(&dim, 1, ACL_INT8, NULL, 64, ACL_FORMAT_ND, &storage, 1,
                                        (char *)w.context - 64);
    aclOpExecutor *executor = plan(tensor);
    assert_ok(aclDestroyTensor(tensor));
    publish(6);
    assert_ok(launch(executor));
    assert_ok(aclrtSynchronizeStream(stream));
    assert_int_equal(w.layer_ids[1], 6);
}

static void a_repeatable_executor_runs_until_it_is_destroyed(void **state)
{
    (void)state;
    aclOpExecutor *executor = plan(w.tensor);
    assert_ok(aclSetAclOpExecutorRepeatable(executor));
    for (int32_t round = 0; round < 20; round++) {
        publish(round);
        assert_ok(launch(executor));
        assert_ok(aclrtSynchronizeStream(stream));
        assert_int_equal(w.layer_ids[0], round);
    }
    assert_ok(launch(executor)); /* waits; the task keeps what it needs */
    assert_ok(aclDestroyAclOpExecutor(executor));
    assert_code(launch(executor), 161002);
    assert_code(aclDestroyAclOpExecutor(executor), 161002);
    assert_code(aclSetAclOpExecutorRepeatable(executor), 161002);
    publish(99);
    assert_ok(aclrtSynchronizeStream(stream));
    assert_int_equal(w.layer_ids[0], 99);
}

static void an_executor_that_was_never_run_can_be_destroyed(void **state)
{
    (void)state;
    aclOpExecutor *executor = plan(w.tensor);
    assert_ok(aclDestroyAclOpExecutor(executor));
    assert_code(launch(executor), 161002);
}

/* The place of a spent executor is used again; the old handle does not come to life with it. */
static void a_spent_handle_stays_spent_when_its_place_is_used_again(void **state)
{
    enum { MORE = 1000 };
    (void)state;
    world_set_u32(&w, FIELD_RUN_FLAG, 0);
    aclOpExecutor *spent = plan(w.tensor);
    assert_ok(launch(spent));
    for (int i = 0; i < MORE; i++) {
        aclOpExecutor *other = plan(w.tensor);
        assert_ptr_not_equal(other, spent);
        assert_code(launch(spent), 161002);
        assert_ok(launch(other));
    }
    assert_ok(aclrtSynchronizeStream(stream));
}

static void foreign_handles_are_refused(void **state)
{
    const void *const foreign[] = { w.tensor, stream, w.context, (void *)1, (void *)UINTPTR_MAX, &w };
    (void)state;
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        aclOpExecutor *executor = (aclOpExecutor *)(uintptr_t)foreign[i];
        assert_code(launch(executor), 161002);
        assert_code(aclDestroyAclOpExecutor(executor), 161002);
        assert_code(aclSetAclOpExecutorRepeatable(executor), 161002);
    }
    assert_code(aclDestroyTensor((const aclTensor *)stream), 161002);
    assert_code(aclDestroyIntArray((const aclIntArray *)w.tensor), 161002);
    assert_code(aclDestroyScalar((const aclScalar *)w.tensor), 161002);
}

/* ---- two at once ---- */

typedef struct racer {
    aclOpExecutor *executor;
    pthread_barrier_t *start;
    int code;
} racer;

static void *race(void *argument)
{
    racer *mine = argument;
    (void)pthread_barrier_wait(mine->start);
    mine->code = launch(mine->executor);
    return NULL;
}

static void of_two_second_phases_at_once_one_gets_the_executor(void **state)
{
    (void)state;
    world_set_u32(&w, FIELD_RUN_FLAG, 0);
    for (int round = 0; round < 100; round++) {
        pthread_t threads[2];
        racer racers[2];
        pthread_barrier_t barrier;
        aclOpExecutor *executor = plan(w.tensor);
        assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
        for (int i = 0; i < 2; i++) {
            racers[i] = (racer){ .executor = executor, .start = &barrier };
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_int_equal(pthread_barrier_destroy(&barrier), 0);
        assert_int_equal(racers[0].code + racers[1].code, 161002);
    }
    assert_ok(aclrtSynchronizeStream(stream));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tensor_may_be_destroyed_after_the_first_phase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_view_begins_at_its_offset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_repeatable_executor_runs_until_it_is_destroyed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_executor_that_was_never_run_can_be_destroyed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spent_handle_stays_spent_when_its_place_is_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_handles_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_two_second_phases_at_once_one_gets_the_executor, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("executors", tests, NULL, NULL);
}
