/* SPDX-License-Identifier: Apache-2.0 */
/* The number of devices, from the environment: it is read once, so each value is tried in a process of its own. */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front_test.h"

/* In the child: the count that is in force, or 0 if aclInit() and the count do not fit together. */
static uint32_t count_with(const char *value, bool valid)
{
    uint32_t count = 0;
    if (setenv("AFD_ASCEND_DEVICE_NUM", value, 1) != 0 ||
        aclInit(NULL) != (valid ? ACL_SUCCESS : ACL_ERROR_INVALID_PARAM) ||
        aclrtGetDeviceCount(&count) != ACL_SUCCESS) {
        return 0;
    }
    const char *message = aclGetRecentErrMsg();
    const bool explained = message != NULL && strstr(message, "AFD_ASCEND_DEVICE_NUM must be a number in [1, 1024]");
    if (explained == valid || aclrtSetDevice((int32_t)count - 1) != ACL_SUCCESS ||
        aclrtSetDevice((int32_t)count) != ACL_ERROR_RT_INVALID_DEVICEID) {
        return 0;
    }
    return count;
}

static void expect_count(const char *value, bool valid, uint32_t expected)
{
    int status = -1;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(count_with(value, valid) == expected ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("not %u devices with '%s'", expected, value);
    }
}

static void the_environment_says_how_many_devices_there_are(void **state)
{
    (void)state;
    expect_count("", true, 16);
    expect_count("1", true, 1);
    expect_count("1024", true, 1024);
}

static void a_value_that_is_no_number_of_devices_is_refused(void **state)
{
    static const char *const wrong[] = { "0", "-1", "1025", "x", "4x", "99999999999999999999" };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_count(wrong[i], false, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_says_how_many_devices_there_are),
        cmocka_unit_test(a_value_that_is_no_number_of_devices_is_refused),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
