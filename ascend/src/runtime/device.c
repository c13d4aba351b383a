/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/device.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "acl/acl_rt.h"
#include "runtime/check.h"
#include "runtime/context.h"
#include "runtime/handle.h"
#include "runtime/settings.h"
#include "runtime/stream.h"

typedef struct device {
    aclrtContext primary; /* NULL, or a handle that may have died */
    uint32_t set_num;     /* aclrtSetDevice() calls that no aclrtResetDevice() has met */
} device;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static device devices[AFD__ACL_DEVICE_NUM_MAX];

aclError aclrtSetDevice(int32_t deviceId)
{
    aclError code = afd__acl_check_device(deviceId);
    if (code != ACL_SUCCESS) {
        return code;
    }
    (void)pthread_mutex_lock(&lock);
    device *d = &devices[deviceId];
    if (!afd__acl_context_lives(d->primary)) {
        code = afd__acl_context_new(deviceId, &d->primary);
    }
    if (code == ACL_SUCCESS) {
        d->set_num++;
        afd__acl_context_make_current(d->primary);
    }
    (void)pthread_mutex_unlock(&lock);
    return code;
}

/* Contexts leave the table under the lock, so that one which a new aclrtSetDevice() makes is not among them. */
static void reset(int32_t id, bool whatever_the_count)
{
    afd__acl_context *ending = NULL;
    (void)pthread_mutex_lock(&lock);
    device *d = &devices[id];
    if (whatever_the_count || d->set_num <= 1) {
        d->set_num = 0;
        ending = afd__acl_contexts_retire(id);
    } else {
        d->set_num--;
    }
    (void)pthread_mutex_unlock(&lock);
    afd__acl_contexts_end(ending);
}

void afd__acl_devices_reset(void)
{
    const int32_t device_num = (int32_t)afd__acl_device_num();
    for (int32_t id = 0; id < device_num; id++) {
        reset(id, true);
    }
}

aclError aclrtResetDevice(int32_t deviceId)
{
    aclError code = afd__acl_check_device(deviceId);
    if (code == ACL_SUCCESS) {
        reset(deviceId, false);
    }
    return code;
}

aclError aclrtGetDevice(int32_t *deviceId)
{
    aclrtContext context = NULL;
    aclError code = afd__acl_check_given(deviceId, "deviceId");
    return code != ACL_SUCCESS ? code : afd__acl_context_current(&context, deviceId);
}

aclError aclrtGetDeviceCount(uint32_t *count)
{
    aclError code = afd__acl_check_given(count, "count");
    if (code == ACL_SUCCESS) {
        *count = afd__acl_device_num();
    }
    return code;
}

const char *aclrtGetSocName(void)
{
    return "AFD-HOST";
}

aclError aclrtSynchronizeDevice(void)
{
    aclrtContext context = NULL;
    int32_t id = 0;
    aclError code = afd__acl_context_current(&context, &id);
    if (code != ACL_SUCCESS) {
        return code;
    }
    afd__acl_stream *stream;
    void *handle = NULL;
    uint32_t cursor = 0;
    while ((stream = afd__acl_handle_hold_next(AFD__ACL_STREAM, &cursor, &handle)) != NULL) {
        if (stream->device == id) {
            (void)afd__acl_stream_drain(stream, -1);
            code = code != ACL_SUCCESS ? code : afd__acl_stream_take_failure(stream);
        }
        afd__acl_object_release(stream);
    }
    return code;
}
