/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime: virtual devices, contexts, streams, events and memory, all of it on the host.
 *
 * A stream runs its tasks in order on a thread of its own; nothing runs on the thread that calls. The null stream is
 * the default stream of the thread's current context. A task that fails leaves its code and its sentence at the stream;
 * the next synchronize of that stream returns the code once, and aclGetRecentErrMsg() then says the sentence. Later
 * tasks run.
 *
 * Destroying a stream runs what can run and ends what waits; so do destroying its context, resetting its device and
 * aclFinalize(). Handles that died this way are errors afterwards. At process exit nothing needs to have been
 * destroyed. fork: a child has no stream threads and must not use the runtime.
 */
#ifndef AFD_ASCEND_ACL_ACL_RT_H
#define AFD_ASCEND_ACL_ACL_RT_H

#include "acl/acl_base.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef enum aclrtMemMallocPolicy {
    ACL_MEM_MALLOC_HUGE_FIRST = 0,
    ACL_MEM_MALLOC_HUGE_ONLY = 1,
    ACL_MEM_MALLOC_NORMAL_ONLY = 2,
    ACL_MEM_MALLOC_HUGE_FIRST_P2P = 3,
    ACL_MEM_MALLOC_HUGE_ONLY_P2P = 4,
    ACL_MEM_MALLOC_NORMAL_ONLY_P2P = 5,
    ACL_MEM_MALLOC_HUGE1G_ONLY = 6,
    ACL_MEM_MALLOC_HUGE1G_ONLY_P2P = 7
} aclrtMemMallocPolicy;

typedef enum aclrtMemcpyKind {
    ACL_MEMCPY_HOST_TO_HOST = 0,
    ACL_MEMCPY_HOST_TO_DEVICE = 1,
    ACL_MEMCPY_DEVICE_TO_HOST = 2,
    ACL_MEMCPY_DEVICE_TO_DEVICE = 3,
    ACL_MEMCPY_DEFAULT = 4
} aclrtMemcpyKind;

typedef enum aclrtMemAttr {
    ACL_DDR_MEM = 0,
    ACL_HBM_MEM = 1,
    ACL_DDR_MEM_HUGE = 2,
    ACL_DDR_MEM_NORMAL = 3,
    ACL_HBM_MEM_HUGE = 4,
    ACL_HBM_MEM_NORMAL = 5
} aclrtMemAttr;

typedef enum aclrtStreamStatus {
    ACL_STREAM_STATUS_COMPLETE = 0,
    ACL_STREAM_STATUS_NOT_READY = 1,
    ACL_STREAM_STATUS_RESERVED = 0xFFFF
} aclrtStreamStatus;

typedef enum aclrtEventRecordedStatus {
    ACL_EVENT_RECORDED_STATUS_NOT_READY = 0,
    ACL_EVENT_RECORDED_STATUS_COMPLETE = 1
} aclrtEventRecordedStatus;

/* Accepted and without effect here: every stream is fast, every event has a time and can be waited for. */
#define ACL_STREAM_FAST_LAUNCH             0x00000001U
#define ACL_STREAM_FAST_SYNC               0x00000002U
#define ACL_EVENT_SYNC                     0x00000001U
#define ACL_EVENT_CAPTURE_STREAM_PROGRESS  0x00000002U
#define ACL_EVENT_TIME_LINE                0x00000008U

/* ---- devices ---- */

/* Makes the device's own context the thread's current one. Counted per device: as many resets end its use. */
aclError aclrtSetDevice(int32_t deviceId);

/* The reset that meets the first set, or one without any set, destroys every context and stream of the device. */
aclError aclrtResetDevice(int32_t deviceId);
aclError aclrtGetDevice(int32_t *deviceId);
aclError aclrtGetDeviceCount(uint32_t *count);

/* "AFD-HOST": no Ascend chip, and it does not pretend to be one. */
const char *aclrtGetSocName(void);

/* ---- contexts ---- */

/* Also makes the new context the thread's current one. */
aclError aclrtCreateContext(aclrtContext *context, int32_t deviceId);
aclError aclrtDestroyContext(aclrtContext context);
aclError aclrtSetCurrentContext(aclrtContext context);
aclError aclrtGetCurrentContext(aclrtContext *context);

/* ---- streams ---- */

aclError aclrtCreateStream(aclrtStream *stream);
aclError aclrtCreateStreamWithConfig(aclrtStream *stream, uint32_t priority, uint32_t flag);

/* Runs what is queued, each waiting task being ended after one last look, then ends the stream. */
aclError aclrtDestroyStream(aclrtStream stream);

/* Ends the running task and drops what is queued. */
aclError aclrtDestroyStreamForce(aclrtStream stream);
aclError aclrtSynchronizeStream(aclrtStream stream);

/* timeout in ms: -1 for ever, 0 looks once. ACL_ERROR_RT_STREAM_SYNC_TIMEOUT past it; the tasks go on. */
aclError aclrtSynchronizeStreamWithTimeout(aclrtStream stream, int32_t timeout);

/* Every stream of the current context's device; the first failure found is returned, others stay at their streams. */
aclError aclrtSynchronizeDevice(void);
aclError aclrtStreamQuery(aclrtStream stream, aclrtStreamStatus *status);

/* ---- events ---- */

aclError aclrtCreateEvent(aclrtEvent *event);
aclError aclrtCreateEventWithFlag(aclrtEvent *event, uint32_t flag);
aclError aclrtDestroyEvent(aclrtEvent event);
aclError aclrtRecordEvent(aclrtEvent event, aclrtStream stream);

/* The event counts as not recorded from now on; a stream that waits already is not disturbed. */
aclError aclrtResetEvent(aclrtEvent event, aclrtStream stream);

/* The stream waits for the latest record, or for the next one where there is none. */
aclError aclrtStreamWaitEvent(aclrtStream stream, aclrtEvent event);

/* Waits for the latest record; returns at once where there is none. */
aclError aclrtSynchronizeEvent(aclrtEvent event);
aclError aclrtQueryEventStatus(aclrtEvent event, aclrtEventRecordedStatus *status);
aclError aclrtEventElapsedTime(float *ms, aclrtEvent startEvent, aclrtEvent endEvent);

/* ---- memory ---- */

/* `size` rounded up to 32 bytes plus 32 more, zeroed, 64-byte aligned; it stays until aclrtFree(). */
aclError aclrtMalloc(void **devPtr, size_t size, aclrtMemMallocPolicy policy);
aclError aclrtMallocHost(void **hostPtr, size_t size);
aclError aclrtFree(void *devPtr);
aclError aclrtFreeHost(void *hostPtr);
aclError aclrtMemset(void *devPtr, size_t maxCount, int32_t value, size_t count);
aclError aclrtMemsetAsync(void *devPtr, size_t maxCount, int32_t value, size_t count, aclrtStream stream);

/*
 * Any address may be given for any kind. Copies of whole, aligned 4-byte words up to 64 KiB go from the last word to
 * the first, each an atomic store with release: a run flag, or a desc with its flag in front, may be copied into memory
 * that a running operator looks at.
 */
aclError aclrtMemcpy(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind);
aclError aclrtMemcpyAsync(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind,
                          aclrtStream stream);
aclError aclrtGetMemInfo(aclrtMemAttr attr, size_t *free, size_t *total);

/* ---- limits of waiting, in seconds, for tasks that are enqueued from now on; 0, the default, is no limit ---- */

/* An operator that waits longer fails with ACL_ERROR_RT_AICPU_TIMEOUT. */
aclError aclrtSetOpExecuteTimeOut(uint32_t timeout);

/* An aclrtStreamWaitEvent() that waits longer fails with ACL_ERROR_RT_EVENT_SYNC_TIMEOUT. */
aclError aclrtSetOpWaitTimeout(uint32_t timeout);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
