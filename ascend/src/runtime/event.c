/* SPDX-License-Identifier: Apache-2.0 */
/* Events and the calls on them; what streams do with them stands in event_task.c. */
#include "runtime/event.h"

#include <stdlib.h>

#include "acl/acl_rt.h"
#include "runtime/check.h"
#include "runtime/clock.h"
#include "runtime/context.h"
#include "runtime/message.h"
#include "runtime/settings.h"
#include "runtime/stream.h"

static void destroy_event(afd__acl_object *object)
{
    afd__acl_event *event = (afd__acl_event *)object;
    (void)pthread_cond_destroy(&event->changed);
    (void)pthread_mutex_destroy(&event->lock);
    free(event);
}

static afd__acl_event *hold_event(aclrtEvent handle, aclError *code)
{
    *code = afd__acl_check_given(handle, "event");
    if (*code != ACL_SUCCESS) {
        return NULL;
    }
    afd__acl_event *event = afd__acl_handle_hold(handle, AFD__ACL_EVENT);
    if (event == NULL) {
        *code = afd__acl_handle_fail(ACL_ERROR_RT_INVALID_HANDLE, handle, AFD__ACL_EVENT);
    }
    return event;
}

/* Under the lock: the latest record, if it was not reset, was met. */
static bool is_complete(const afd__acl_event *event)
{
    return event->recorded_num > event->reset_num && event->reached_num == event->recorded_num;
}

aclError aclrtCreateEvent(aclrtEvent *event)
{
    aclError code = afd__acl_check_given(event, "event");
    if (code != ACL_SUCCESS) {
        return code;
    }
    afd__acl_event *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return afd__acl_fail(ACL_ERROR_RT_MEMORY_ALLOCATION, "no memory for an event");
    }
    made->object.kind = AFD__ACL_EVENT;
    made->object.destroy = destroy_event;
    (void)pthread_mutex_init(&made->lock, NULL);
    afd__acl_cond_init(&made->changed);
    aclrtEvent handle = afd__acl_handle_new(&made->object);
    if (handle == NULL) {
        destroy_event(&made->object);
        return ACL_ERROR_RT_MEMORY_ALLOCATION;
    }
    *event = handle;
    return ACL_SUCCESS;
}

aclError aclrtCreateEventWithFlag(aclrtEvent *event, uint32_t flag)
{
    (void)flag; /* every event has a time, and can be waited for by host and streams */
    return aclrtCreateEvent(event);
}

aclError aclrtDestroyEvent(aclrtEvent event)
{
    aclError code = afd__acl_check_given(event, "event");
    if (code != ACL_SUCCESS) {
        return code;
    }
    afd__acl_event *retired = afd__acl_handle_retire(event, AFD__ACL_EVENT);
    if (retired == NULL) {
        return afd__acl_handle_fail(ACL_ERROR_RT_INVALID_HANDLE, event, AFD__ACL_EVENT);
    }
    (void)pthread_mutex_lock(&retired->lock);
    retired->destroyed = true;
    (void)pthread_cond_broadcast(&retired->changed);
    (void)pthread_mutex_unlock(&retired->lock);
    afd__acl_object_release(retired);
    return ACL_SUCCESS;
}

/* Holds event and stream, and enqueues a record of the event or a wait for it. */
static aclError enqueue(aclrtEvent event, aclrtStream stream, bool is_record)
{
    aclError code;
    afd__acl_event *held = hold_event(event, &code);
    if (held == NULL) {
        return code;
    }
    afd__acl_stream *on = afd__acl_stream_hold(stream, &code);
    if (on == NULL) {
        afd__acl_object_release(held);
        return code;
    }
    afd__acl_task *task = is_record ? afd__acl_event_record_task(held)
                                    : afd__acl_event_wait_task(held, afd__acl_op_wait_timeout_s());
    if (task == NULL) {
        afd__acl_object_release(held);
        code = ACL_ERROR_RT_MEMORY_ALLOCATION;
    } else {
        code = afd__acl_stream_enqueue(on, task);
    }
    afd__acl_object_release(on);
    return code;
}

aclError aclrtRecordEvent(aclrtEvent event, aclrtStream stream)
{
    return enqueue(event, stream, true);
}

aclError aclrtStreamWaitEvent(aclrtStream stream, aclrtEvent event)
{
    return enqueue(event, stream, false);
}

aclError aclrtResetEvent(aclrtEvent event, aclrtStream stream)
{
    aclError code;
    afd__acl_event *held = hold_event(event, &code);
    if (held == NULL) {
        return code;
    }
    afd__acl_stream *on = afd__acl_stream_hold(stream, &code);
    if (on != NULL) {
        (void)pthread_mutex_lock(&held->lock);
        held->reset_num = held->recorded_num;
        (void)pthread_mutex_unlock(&held->lock);
        afd__acl_object_release(on);
        code = ACL_SUCCESS;
    }
    afd__acl_object_release(held);
    return code;
}

aclError aclrtSynchronizeEvent(aclrtEvent event)
{
    aclError code;
    afd__acl_event *held = hold_event(event, &code);
    if (held == NULL) {
        return code;
    }
    (void)pthread_mutex_lock(&held->lock);
    const uint64_t target = held->recorded_num > held->reset_num ? held->recorded_num : 0;
    while (held->reached_num < target) {
        (void)pthread_cond_wait(&held->changed, &held->lock);
    }
    (void)pthread_mutex_unlock(&held->lock);
    afd__acl_object_release(held);
    return ACL_SUCCESS;
}

aclError aclrtQueryEventStatus(aclrtEvent event, aclrtEventRecordedStatus *status)
{
    aclError code = afd__acl_check_given(status, "status");
    if (code != ACL_SUCCESS) {
        return code;
    }
    afd__acl_event *held = hold_event(event, &code);
    if (held == NULL) {
        return code;
    }
    (void)pthread_mutex_lock(&held->lock);
    *status = is_complete(held) ? ACL_EVENT_RECORDED_STATUS_COMPLETE : ACL_EVENT_RECORDED_STATUS_NOT_READY;
    (void)pthread_mutex_unlock(&held->lock);
    afd__acl_object_release(held);
    return ACL_SUCCESS;
}

/* When the event's latest record was met. */
static aclError moment_of(aclrtEvent event, const char *name, uint64_t *ns)
{
    aclError code;
    afd__acl_event *held = hold_event(event, &code);
    if (held == NULL) {
        return code;
    }
    (void)pthread_mutex_lock(&held->lock);
    bool complete = is_complete(held);
    *ns = held->reached_ns;
    (void)pthread_mutex_unlock(&held->lock);
    afd__acl_object_release(held);
    return complete ? ACL_SUCCESS
                    : afd__acl_fail(ACL_ERROR_RT_PARAM_INVALID, "%s has no record that its stream has met", name);
}

aclError aclrtEventElapsedTime(float *ms, aclrtEvent startEvent, aclrtEvent endEvent)
{
    uint64_t start_ns = 0;
    uint64_t end_ns = 0;
    aclError code = afd__acl_check_given(ms, "ms");
    if (code == ACL_SUCCESS) {
        code = moment_of(startEvent, "startEvent", &start_ns);
    }
    if (code == ACL_SUCCESS) {
        code = moment_of(endEvent, "endEvent", &end_ns);
    }
    if (code == ACL_SUCCESS) {
        *ms = (float)((double)(int64_t)(end_ns - start_ns) / 1e6);
    }
    return code;
}
