/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: marks in streams. Records are numbered as they are enqueued; an event has reached a number when that record,
 * or a later one, was met by its stream. Who waits, waits for a number, so a later record or a reset does not disturb
 * it.
 */
#ifndef AFD_ASCEND_RUNTIME_EVENT_H
#define AFD_ASCEND_RUNTIME_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/handle.h"

typedef struct afd__acl_event {
    afd__acl_object object;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* waits on CLOCK_MONOTONIC */
    /* All under the lock. */
    uint64_t recorded_num; /* records that were enqueued */
    uint64_t reset_num;    /* of them, those that aclrtResetEvent() made forgotten */
    uint64_t reached_num;  /* the highest record that its stream has met */
    uint64_t reached_ns;   /* when, on CLOCK_MONOTONIC */
    bool destroyed;        /* its handle is gone: nobody will record it any more */
} afd__acl_event;

/* The two tasks that are made of an event; each takes over the caller's reference. NULL, with a sentence: no memory. */
struct afd__acl_task *afd__acl_event_record_task(afd__acl_event *event);
struct afd__acl_task *afd__acl_event_wait_task(afd__acl_event *event, uint32_t timeout_s);

#endif
