/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/settings.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "acl/acl_rt.h"
#include "runtime/message.h"

static pthread_once_t read_once = PTHREAD_ONCE_INIT;
static uint32_t device_num = AFD__ACL_DEVICE_NUM_DEFAULT;
static bool device_num_is_wrong;

static pthread_mutex_t timeout_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t op_execute_timeout_s;
static uint32_t op_wait_timeout_s;

static void read_environment(void)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): once, and the text is not kept */
    const char *text = getenv(AFD__ACL_DEVICE_NUM_VARIABLE);
    if (text == NULL || *text == '\0') {
        return;
    }
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < 1 || number > AFD__ACL_DEVICE_NUM_MAX) {
        device_num_is_wrong = true;
        return;
    }
    device_num = (uint32_t)number;
}

uint32_t afd__acl_device_num(void)
{
    (void)pthread_once(&read_once, read_environment);
    return device_num;
}

int afd__acl_settings_check(void)
{
    (void)afd__acl_device_num();
    if (device_num_is_wrong) {
        return afd__acl_fail(ACL_ERROR_INVALID_PARAM, "%s must be a number in [1, %d]", AFD__ACL_DEVICE_NUM_VARIABLE,
                             AFD__ACL_DEVICE_NUM_MAX);
    }
    return ACL_SUCCESS;
}

static uint32_t read_timeout(const uint32_t *timeout_s)
{
    (void)pthread_mutex_lock(&timeout_lock);
    uint32_t value = *timeout_s;
    (void)pthread_mutex_unlock(&timeout_lock);
    return value;
}

static aclError write_timeout(uint32_t *timeout_s, uint32_t value)
{
    (void)pthread_mutex_lock(&timeout_lock);
    *timeout_s = value;
    (void)pthread_mutex_unlock(&timeout_lock);
    return ACL_SUCCESS;
}

uint32_t afd__acl_op_execute_timeout_s(void)
{
    return read_timeout(&op_execute_timeout_s);
}

uint32_t afd__acl_op_wait_timeout_s(void)
{
    return read_timeout(&op_wait_timeout_s);
}

aclError aclrtSetOpExecuteTimeOut(uint32_t timeout)
{
    return write_timeout(&op_execute_timeout_s, timeout);
}

aclError aclrtSetOpWaitTimeout(uint32_t timeout)
{
    return write_timeout(&op_wait_timeout_s, timeout);
}
