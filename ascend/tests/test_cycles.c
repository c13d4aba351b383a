/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of cycles of making, using and destroying everything leave as many blocks allocated as there were. */
#include "faults.h"
#include "front_test.h"

enum { CYCLES = 3000, DEVICES = 4 };

static void use_the_operator(aclrtStream stream)
{
    world w;
    assert_int_equal(world_create(&w, 2, 1), 0);
    world_publish(&w, 0, 0, 1);
    world_publish(&w, 1, 0, 1);
    assert_ok(world_schedule(&w, 2, stream));
    assert_ok(world_schedule(&w, 3, stream)); /* fails at the stream */
    assert_code(aclrtSynchronizeStream(stream), ACL_ERROR_RT_AICPU_EXCEPTION);
    world_destroy(&w);
}

static void cycle(int number)
{
    aclrtContext context = NULL;
    aclrtStream stream = NULL;
    aclrtEvent event = NULL;
    world waiting;
    const int64_t dims[2] = { 3, 4 };
    float value = 2;
    const int32_t device = number % DEVICES;
    assert_ok(aclInit(NULL));
    assert_ok(aclrtSetDevice(device));
    assert_ok(aclrtCreateContext(&context, device));
    assert_ok(aclrtCreateStream(&stream));
    assert_ok(aclrtCreateEvent(&event));
    assert_int_equal(world_create(&waiting, 1, 1), 0);
    use_the_operator(stream);
    assert_ok(aclrtRecordEvent(event, stream));
    aclIntArray *array = aclCreateIntArray(dims, 2);
    aclScalar *scalar = aclCreateScalar(&value, ACL_FLOAT);
    assert_ok(aclDestroyIntArray(array));
    assert_ok(aclDestroyScalar(scalar));
    if (number % 3 == 0) { /* something still waits when the end comes */
        assert_ok(world_schedule(&waiting, 1, number % 2 == 0 ? stream : NULL));
    }
    if (number % 2 == 0) {
        assert_ok(aclrtDestroyStream(stream));
        assert_ok(aclrtDestroyContext(context));
    }
    assert_ok(aclrtResetDevice(device));
    assert_ok(aclFinalize());
    assert_ok(aclrtDestroyEvent(event));
    world_destroy(&waiting);
}

static void cycles_leave_nothing_behind(void **state)
{
    (void)state;
    (void)aclGetRecentErrMsg();
    cycle(0);
    const long before = faults_live_blocks();
    for (int i = 0; i < CYCLES; i++) {
        cycle(i);
    }
    assert_int_equal(faults_live_blocks(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cycles_leave_nothing_behind) };
    return cmocka_run_group_tests_name("cycles", tests, NULL, NULL);
}
