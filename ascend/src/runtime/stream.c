/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "afd/wait.h"
#include "runtime/clock.h"

/* ---- the thread ---- */

static afd__acl_task *pop(afd__acl_stream *stream)
{
    afd__acl_task *task = stream->first;
    if (task != NULL) {
        stream->first = task->next;
        if (stream->first == NULL) {
            stream->last = NULL;
        }
    }
    return task;
}

static void note_failure(afd__acl_stream *stream, aclError code)
{
    if (code != ACL_SUCCESS && stream->failure == ACL_SUCCESS) {
        stream->failure = code;
        memcpy(stream->failure_message, afd__acl_message_pending(), sizeof(stream->failure_message));
    }
}

/* Runs one task, or only destroys it when the stream drops its queue. Called and returns with the lock held. */
static void process(afd__acl_stream *stream, afd__acl_task *task)
{
    aclError code = ACL_SUCCESS;
    if (!stream->dropping) {
        stream->running = task;
        (void)pthread_mutex_unlock(&stream->lock);
        code = task->run(task, &stream->stop);
        (void)pthread_mutex_lock(&stream->lock);
        stream->running = NULL;
    }
    note_failure(stream, code);
    /* Destroyed before it counts as completed: whoever has synchronized finds what the task held released. */
    (void)pthread_mutex_unlock(&stream->lock);
    task->destroy(task);
    (void)pthread_mutex_lock(&stream->lock);
    stream->completed_num++;
    (void)pthread_cond_broadcast(&stream->done);
}

static void *stream_main(void *argument)
{
    afd__acl_stream *stream = argument;
    (void)pthread_mutex_lock(&stream->lock);
    for (;;) {
        afd__acl_task *task = pop(stream);
        if (task != NULL) {
            process(stream, task);
        } else if (stream->closing) {
            break;
        } else {
            (void)pthread_cond_wait(&stream->work, &stream->lock);
        }
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return NULL;
}

/* The program's signals are not for our threads: they inherit a mask in which everything is blocked. */
static int start_thread(afd__acl_stream *stream)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&stream->thread, NULL, stream_main, stream);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* ---- life ---- */

static void destroy_stream(afd__acl_object *object)
{
    afd__acl_stream *stream = (afd__acl_stream *)object;
    (void)pthread_cond_destroy(&stream->done);
    (void)pthread_cond_destroy(&stream->work);
    (void)pthread_mutex_destroy(&stream->lock);
    free(stream);
}

afd__acl_stream *afd__acl_stream_new(aclrtContext context, int32_t device)
{
    afd__acl_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        afd__acl_say("no memory for a stream");
        return NULL;
    }
    stream->object.kind = AFD__ACL_STREAM;
    stream->object.destroy = destroy_stream;
    stream->object.ref_num = 1;
    stream->context = context;
    stream->device = device;
    (void)pthread_mutex_init(&stream->lock, NULL);
    (void)pthread_cond_init(&stream->work, NULL);
    afd__acl_cond_init(&stream->done);
    int error = start_thread(stream);
    if (error != 0) {
        char reason[96];
        /* The GNU strerror_r: it returns the text, which need not be in the buffer. */
        afd__acl_say("cannot start the thread of a stream: %s", strerror_r(error, reason, sizeof(reason)));
        destroy_stream(&stream->object);
        return NULL;
    }
    return stream;
}

void afd__acl_stream_close(afd__acl_stream *stream, bool by_force)
{
    (void)pthread_mutex_lock(&stream->lock);
    stream->closing = true;
    stream->dropping = by_force;
    afd_stop_raise(&stream->stop);
    if (stream->running != NULL && stream->running->wake != NULL) {
        stream->running->wake(stream->running);
    }
    (void)pthread_cond_signal(&stream->work);
    (void)pthread_mutex_unlock(&stream->lock);
    (void)pthread_join(stream->thread, NULL);
}

/* ---- use ---- */

aclError afd__acl_stream_enqueue(afd__acl_stream *stream, afd__acl_task *task)
{
    task->next = NULL;
    (void)pthread_mutex_lock(&stream->lock);
    bool closing = stream->closing;
    if (!closing) {
        if (stream->last == NULL) {
            stream->first = task;
        } else {
            stream->last->next = task;
        }
        stream->last = task;
        stream->enqueued_num++;
        (void)pthread_cond_signal(&stream->work);
    }
    (void)pthread_mutex_unlock(&stream->lock);
    if (closing) {
        task->destroy(task);
        return afd__acl_fail(ACL_ERROR_RT_INVALID_HANDLE, "the stream is being destroyed");
    }
    return ACL_SUCCESS;
}

aclError afd__acl_stream_drain(afd__acl_stream *stream, int32_t timeout_ms)
{
    struct timespec deadline = { 0 };
    if (timeout_ms >= 0) {
        deadline = afd__acl_deadline((uint64_t)timeout_ms * UINT64_C(1000000));
    }
    int error = 0;
    (void)pthread_mutex_lock(&stream->lock);
    const uint64_t target = stream->enqueued_num;
    while (stream->completed_num < target && error != ETIMEDOUT) {
        error = timeout_ms < 0 ? pthread_cond_wait(&stream->done, &stream->lock)
                               : pthread_cond_timedwait(&stream->done, &stream->lock, &deadline);
    }
    const uint64_t left = stream->completed_num < target ? target - stream->completed_num : 0;
    (void)pthread_mutex_unlock(&stream->lock);
    if (left > 0) {
        return afd__acl_fail(ACL_ERROR_RT_STREAM_SYNC_TIMEOUT,
                             "after %" PRId32 " ms the stream still has %" PRIu64 " tasks; they go on", timeout_ms,
                             left);
    }
    return ACL_SUCCESS;
}

aclError afd__acl_stream_take_failure(afd__acl_stream *stream)
{
    (void)pthread_mutex_lock(&stream->lock);
    aclError failure = stream->failure;
    stream->failure = ACL_SUCCESS;
    if (failure != ACL_SUCCESS) {
        afd__acl_say("%s", stream->failure_message);
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return failure;
}

bool afd__acl_stream_is_idle(afd__acl_stream *stream)
{
    (void)pthread_mutex_lock(&stream->lock);
    bool idle = stream->completed_num == stream->enqueued_num;
    (void)pthread_mutex_unlock(&stream->lock);
    return idle;
}
