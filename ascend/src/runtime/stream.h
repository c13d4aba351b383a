/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: a queue of tasks and the thread that runs them, one after the other, in the order in which they came.
 *
 *     enqueue ──> queue ──> run(task, stop) ──> destroy(task) ──> counted as completed
 *
 * A task that can wait looks at the stop word. Closing a stream raises it and lets the queue run out; what can be done
 * is done, what would have to wait ends. Closing by force also drops what is queued.
 */
#ifndef AFD_ASCEND_RUNTIME_STREAM_H
#define AFD_ASCEND_RUNTIME_STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "acl/acl_rt.h"
#include "runtime/handle.h"
#include "runtime/message.h"

/* The first member of every task. */
typedef struct afd__acl_task {
    struct afd__acl_task *next;
    /* On the stream's thread. 0, or a code whose sentence was recorded. Ends soon after *stop is no longer 0. */
    aclError (*run)(struct afd__acl_task *task, const int32_t *stop);
    /* Frees the task, whether it ran or was dropped. */
    void (*destroy)(struct afd__acl_task *task);
    /* Wakes a run() that sleeps, after the stop word was raised; from another thread. NULL if it never sleeps. */
    void (*wake)(struct afd__acl_task *task);
} afd__acl_task;

typedef struct afd__acl_stream {
    afd__acl_object object;
    aclrtContext context; /* the context it belongs to */
    int32_t device;
    pthread_t thread;
    int32_t stop; /* atomic; raised once, when the stream closes */

    pthread_mutex_t lock;
    pthread_cond_t work;  /* there is a task, or the stream closes */
    pthread_cond_t done;  /* a task was completed; waits on CLOCK_MONOTONIC */
    /* All under the lock. */
    afd__acl_task *first;
    afd__acl_task *last;
    afd__acl_task *running;
    uint64_t enqueued_num;
    uint64_t completed_num;
    bool closing;
    bool dropping;
    aclError failure; /* of the first task that failed since the last synchronize; 0 = none */
    char failure_message[AFD__ACL_MESSAGE_BYTES];
} afd__acl_stream;

/*
 * A stream with its thread, not yet in the table; ends with afd__acl_stream_close() and a release. NULL with a
 * sentence.
 */
afd__acl_stream *afd__acl_stream_new(aclrtContext context, int32_t device);

/* Ends it: every thread that synchronizes with it returns. Once per stream, by whoever took it out of the table. */
void afd__acl_stream_close(afd__acl_stream *stream, bool by_force);

/* Hands the task over; it is the stream's in any case. ACL_ERROR_RT_INVALID_HANDLE if the stream is closing. */
aclError afd__acl_stream_enqueue(afd__acl_stream *stream, afd__acl_task *task);

/* Waits until what is enqueued now is completed, for ever if timeout_ms < 0. 0 or ACL_ERROR_RT_STREAM_SYNC_TIMEOUT. */
aclError afd__acl_stream_drain(afd__acl_stream *stream, int32_t timeout_ms);

/* The failure that the stream keeps, with its sentence, and forgets it; 0 if there is none. */
aclError afd__acl_stream_take_failure(afd__acl_stream *stream);

bool afd__acl_stream_is_idle(afd__acl_stream *stream);

#endif
