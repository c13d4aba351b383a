/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and fills, at once or as a task of a stream. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "acl/acl_rt.h"
#include "base/atomic.h"
#include "runtime/check.h"
#include "runtime/context.h"
#include "runtime/handle.h"
#include "runtime/message.h"
#include "runtime/stream.h"

enum { WORDWISE_BYTES_MAX = 64 * 1024 };

static bool is_wordwise(const void *dst, const void *src, size_t bytes)
{
    const uintptr_t to = (uintptr_t)dst;
    const uintptr_t from = (uintptr_t)src;
    const bool overlap = to < from + bytes && from < to + bytes;
    return bytes <= WORDWISE_BYTES_MAX && (to | from | bytes) % sizeof(int32_t) == 0 && !overlap;
}

/*
 * Programs clear the run flag, arm a desc or look at results with a copy while an operator runs on that memory. So
 * words go as words, and from the last to the first, because the flag of a desc stands in front of what it announces.
 */
static void copy_words(int32_t *dst, const int32_t *src, size_t word_num)
{
    for (size_t i = word_num; i-- > 0;) {
        /* The release meets the operator's acquire of flag and run flag (A1, A3 of the library); the acquire meets the
         * release with which the operator gives a desc back. */
        afd__store_release_i32(&dst[i], afd__load_acquire_i32(&src[i]));
    }
}

static void copy(void *dst, const void *src, size_t bytes)
{
    if (is_wordwise(dst, src, bytes)) {
        copy_words(dst, src, bytes / sizeof(int32_t));
    } else {
        memmove(dst, src, bytes);
    }
}

/* ---- as a task ---- */

typedef struct memory_task {
    afd__acl_task task;
    void *dst;
    const void *src; /* NULL: fill with `value` */
    int32_t value;
    size_t bytes;
} memory_task;

static aclError run_memory_task(afd__acl_task *task_, const int32_t *stop)
{
    (void)stop;
    const memory_task *task = (memory_task *)task_;
    if (task->src != NULL) {
        copy(task->dst, task->src, task->bytes);
    } else {
        memset(task->dst, task->value, task->bytes);
    }
    return ACL_SUCCESS;
}

static void destroy_memory_task(afd__acl_task *task)
{
    free(task);
}

static aclError enqueue(aclrtStream stream, const memory_task *what)
{
    aclError code = ACL_SUCCESS;
    afd__acl_stream *held = afd__acl_stream_hold(stream, &code);
    if (held == NULL) {
        return code;
    }
    memory_task *task = calloc(1, sizeof(*task));
    if (task == NULL) {
        code = afd__acl_fail(ACL_ERROR_RT_MEMORY_ALLOCATION, "no memory for a task");
    } else {
        *task = *what;
        task->task.run = run_memory_task;
        task->task.destroy = destroy_memory_task;
        code = afd__acl_stream_enqueue(held, &task->task);
    }
    afd__acl_object_release(held);
    return code;
}

/* ---- the calls ---- */

static aclError check_bytes(size_t bytes, const char *name, size_t bytes_max, const char *max_name)
{
    if (bytes <= bytes_max) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(ACL_ERROR_RT_PARAM_INVALID, "%s is %zu, must be at most %s, which is %zu", name, bytes,
                         max_name, bytes_max);
}

static aclError check_copy(const void *dst, size_t dest_max, const void *src, size_t count, aclrtMemcpyKind kind)
{
    const int number = (int)kind;
    aclError code = afd__acl_check_given(dst, "dst");
    if (code == ACL_SUCCESS) {
        code = afd__acl_check_given(src, "src");
    }
    if (code == ACL_SUCCESS && (number < ACL_MEMCPY_HOST_TO_HOST || number > ACL_MEMCPY_DEFAULT)) {
        code = afd__acl_fail(ACL_ERROR_RT_PARAM_INVALID, "kind is %d, must be in [0, %d]", number, ACL_MEMCPY_DEFAULT);
    }
    return code != ACL_SUCCESS ? code : check_bytes(count, "count", dest_max, "destMax");
}

static aclError check_fill(const void *memory, size_t max_count, size_t count)
{
    aclError code = afd__acl_check_given(memory, "devPtr");
    return code != ACL_SUCCESS ? code : check_bytes(count, "count", max_count, "maxCount");
}

aclError aclrtMemcpy(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind)
{
    aclError code = check_copy(dst, destMax, src, count, kind);
    if (code == ACL_SUCCESS) {
        copy(dst, src, count);
    }
    return code;
}

aclError aclrtMemcpyAsync(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind,
                          aclrtStream stream)
{
    aclError code = check_copy(dst, destMax, src, count, kind);
    const memory_task what = { .dst = dst, .src = src, .bytes = count };
    return code != ACL_SUCCESS ? code : enqueue(stream, &what);
}

aclError aclrtMemset(void *devPtr, size_t maxCount, int32_t value, size_t count)
{
    aclError code = check_fill(devPtr, maxCount, count);
    if (code == ACL_SUCCESS) {
        memset(devPtr, value, count);
    }
    return code;
}

aclError aclrtMemsetAsync(void *devPtr, size_t maxCount, int32_t value, size_t count, aclrtStream stream)
{
    aclError code = check_fill(devPtr, maxCount, count);
    const memory_task what = { .dst = devPtr, .value = value, .bytes = count };
    return code != ACL_SUCCESS ? code : enqueue(stream, &what);
}
