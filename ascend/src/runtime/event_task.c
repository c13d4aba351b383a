/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream does with an event: meet a record, or wait for one. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "afd/wait.h"
#include "base/atomic.h"
#include "runtime/clock.h"
#include "runtime/event.h"
#include "runtime/message.h"
#include "runtime/stream.h"

typedef struct event_task {
    afd__acl_task task;
    afd__acl_event *event; /* held */
    uint64_t number;       /* the record that this is, or that is waited for */
    uint32_t timeout_s;
} event_task;

static void release_task(event_task *task)
{
    afd__acl_object_release(task->event);
    free(task);
}

static event_task *new_task(afd__acl_event *event)
{
    event_task *task = calloc(1, sizeof(*task));
    if (task == NULL) {
        afd__acl_say("no memory for a task of an event");
        return NULL;
    }
    task->event = event;
    return task;
}

/* ---- recording ---- */

static void reach(afd__acl_event *event, uint64_t number)
{
    (void)pthread_mutex_lock(&event->lock);
    if (number > event->reached_num) {
        event->reached_num = number;
        event->reached_ns = afd_clock_ns();
        (void)pthread_cond_broadcast(&event->changed);
    }
    (void)pthread_mutex_unlock(&event->lock);
}

static aclError run_record(afd__acl_task *task_, const int32_t *stop)
{
    (void)stop;
    const event_task *task = (event_task *)task_;
    reach(task->event, task->number);
    return ACL_SUCCESS;
}

/* Also when the stream dropped it: a record that will never be met would keep those who wait for it for ever. */
static void destroy_record(afd__acl_task *task_)
{
    event_task *task = (event_task *)task_;
    reach(task->event, task->number);
    release_task(task);
}

afd__acl_task *afd__acl_event_record_task(afd__acl_event *event)
{
    event_task *task = new_task(event);
    if (task == NULL) {
        return NULL;
    }
    (void)pthread_mutex_lock(&event->lock);
    task->number = ++event->recorded_num;
    (void)pthread_mutex_unlock(&event->lock);
    task->task.run = run_record;
    task->task.destroy = destroy_record;
    return &task->task;
}

/* ---- waiting ---- */

/* Under the event's lock. */
static bool wait_is_over(const event_task *task, const int32_t *stop)
{
    const afd__acl_event *event = task->event;
    bool orphaned = event->destroyed && task->number > event->recorded_num;
    return event->reached_num >= task->number || orphaned || afd__load_acquire_i32(stop) != 0;
}

static aclError wait_result(const event_task *task, const int32_t *stop)
{
    if (task->event->reached_num >= task->number) {
        return ACL_SUCCESS;
    }
    if (afd__load_acquire_i32(stop) != 0) {
        return afd__acl_fail(ACL_ERROR_RT_INVALID_HANDLE, "the stream was destroyed while it waited for an event");
    }
    if (task->event->destroyed) {
        return afd__acl_fail(ACL_ERROR_RT_PARAM_INVALID, "an event was destroyed before it was recorded");
    }
    return afd__acl_fail(ACL_ERROR_RT_EVENT_SYNC_TIMEOUT,
                         "aclrtStreamWaitEvent: no record within %" PRIu32 " s (aclrtSetOpWaitTimeout)",
                         task->timeout_s);
}

static aclError run_wait(afd__acl_task *task_, const int32_t *stop)
{
    const event_task *task = (event_task *)task_;
    afd__acl_event *event = task->event;
    const struct timespec deadline = afd__acl_deadline(task->timeout_s * UINT64_C(1000000000));
    int error = 0;
    (void)pthread_mutex_lock(&event->lock);
    while (!wait_is_over(task, stop) && error != ETIMEDOUT) {
        error = task->timeout_s == 0 ? pthread_cond_wait(&event->changed, &event->lock)
                                     : pthread_cond_timedwait(&event->changed, &event->lock, &deadline);
    }
    aclError code = wait_result(task, stop);
    (void)pthread_mutex_unlock(&event->lock);
    return code;
}

/* The stop word is raised before this takes the lock, so a waiter that has not seen it is asleep by now, and wakes. */
static void wake_wait(afd__acl_task *task_)
{
    afd__acl_event *event = ((event_task *)task_)->event;
    (void)pthread_mutex_lock(&event->lock);
    (void)pthread_cond_broadcast(&event->changed);
    (void)pthread_mutex_unlock(&event->lock);
}

static void destroy_wait(afd__acl_task *task)
{
    release_task((event_task *)task);
}

afd__acl_task *afd__acl_event_wait_task(afd__acl_event *event, uint32_t timeout_s)
{
    event_task *task = new_task(event);
    if (task == NULL) {
        return NULL;
    }
    (void)pthread_mutex_lock(&event->lock);
    task->number = event->recorded_num > event->reset_num ? event->recorded_num : event->recorded_num + 1;
    (void)pthread_mutex_unlock(&event->lock);
    task->timeout_s = timeout_s;
    task->task.run = run_wait;
    task->task.destroy = destroy_wait;
    task->task.wake = wake_wait;
    return &task->task;
}
