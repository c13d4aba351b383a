/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of the runtime, and the world that every case starts with. */
#include <stdint.h>
#include <stdlib.h>

#include "acl/acl.h"
#include "codes.h"
#include "faults.h"

void must(int code)
{
    if (code != 0) {
        abort();
    }
}

void code_world_start(code_world *cw)
{
    must(aclInit(NULL));
    must(aclrtSetDevice(0));
    must(aclrtCreateStream(&cw->stream));
    must(aclrtCreateEvent(&cw->event));
    must(world_create(&cw->w, 2, 1));
    must(aclrtSetOpExecuteTimeOut(0));
    must(aclrtSetOpWaitTimeout(0));
}

void code_world_end(code_world *cw)
{
    (void)aclFinalize();
    (void)aclrtDestroyEvent(cw->event);
    world_destroy(&cw->w);
    (void)aclGetRecentErrMsg();
}

/* ---- start, end, devices, contexts ---- */

static int null_argument(code_world *cw)
{
    (void)cw;
    return aclrtMalloc(NULL, 8, ACL_MEM_MALLOC_HUGE_FIRST);
}

static int size_0(code_world *cw)
{
    (void)cw;
    void *p;
    return aclrtMalloc(&p, 0, ACL_MEM_MALLOC_HUGE_FIRST);
}

static int no_policy(code_world *cw)
{
    (void)cw;
    void *p;
    return aclrtMalloc(&p, 8, (aclrtMemMallocPolicy)8);
}

static int init_twice(code_world *cw)
{
    (void)cw;
    return aclInit(NULL);
}

static int no_device(code_world *cw)
{
    (void)cw;
    return aclrtSetDevice(16);
}

static int null_context(code_world *cw)
{
    (void)cw;
    return aclrtSetCurrentContext(NULL);
}

static int finalize_twice(code_world *cw)
{
    (void)cw;
    must(aclFinalize());
    return aclFinalize();
}

static int context_gone(code_world *cw)
{
    (void)cw;
    must(aclrtResetDevice(0));
    return aclrtCreateStream(&cw->stream);
}

static int context_twice(code_world *cw)
{
    (void)cw;
    aclrtContext context = NULL;
    must(aclrtCreateContext(&context, 1));
    must(aclrtDestroyContext(context));
    return aclrtDestroyContext(context);
}

/* ---- memory ---- */

static int copy_too_long(code_world *cw)
{
    return aclrtMemcpy(cw->w.token_data, 7, cw->w.context, 8, ACL_MEMCPY_DEVICE_TO_DEVICE);
}

static int copy_kind(code_world *cw)
{
    return aclrtMemcpy(cw->w.token_data, 8, cw->w.context, 8, (aclrtMemcpyKind)5);
}

static int free_twice(code_world *cw)
{
    (void)cw;
    void *memory = NULL;
    must(aclrtMalloc(&memory, 8, ACL_MEM_MALLOC_HUGE_FIRST));
    must(aclrtFree(memory));
    return aclrtFree(memory);
}

static int malloc_fails(code_world *cw)
{
    (void)cw;
    void *memory = NULL;
    faults_fail_calloc_after(0);
    return aclrtMalloc(&memory, 100, ACL_MEM_MALLOC_HUGE_FIRST);
}

static int malloc_wraps(code_world *cw)
{
    (void)cw;
    void *memory = NULL;
    return aclrtMalloc(&memory, SIZE_MAX - 40, ACL_MEM_MALLOC_HUGE_FIRST);
}

static int thread_fails(code_world *cw)
{
    (void)cw;
    aclrtStream stream = NULL;
    faults_fail_next_thread();
    return aclrtCreateStream(&stream);
}

/* ---- streams and events ---- */

static int stream_twice(code_world *cw)
{
    must(aclrtDestroyStream(cw->stream));
    return aclrtDestroyStream(cw->stream);
}

static int stream_is_event(code_world *cw)
{
    return aclrtSynchronizeStream(cw->event);
}

static int stream_is_invented(code_world *cw)
{
    return aclrtSynchronizeStream((aclrtStream)&cw->w);
}

static int timeout_below(code_world *cw)
{
    return aclrtSynchronizeStreamWithTimeout(cw->stream, -2);
}

static int sync_timeout(code_world *cw)
{
    must(world_schedule(&cw->w, 2, cw->stream));
    return aclrtSynchronizeStreamWithTimeout(cw->stream, 3);
}

static int wait_timeout(code_world *cw)
{
    must(aclrtSetOpWaitTimeout(1));
    must(aclrtStreamWaitEvent(cw->stream, cw->event));
    return aclrtSynchronizeStream(cw->stream);
}

static int event_orphaned(code_world *cw)
{
    must(aclrtStreamWaitEvent(cw->stream, cw->event));
    must(aclrtDestroyEvent(cw->event));
    return aclrtSynchronizeStream(cw->stream);
}

static int event_gone(code_world *cw)
{
    must(aclrtDestroyEvent(cw->event));
    return aclrtRecordEvent(cw->event, cw->stream);
}

static int event_not_recorded(code_world *cw)
{
    float ms = 0;
    return aclrtEventElapsedTime(&ms, cw->event, cw->event);
}

const code_case runtime_codes[] = {
    { 100000, "a null argument of a runtime call", "devPtr is null", null_argument },
    { 100000, "`aclrtMalloc` of 0 bytes", "size is 0|at least 1", size_0 },
    { 100000, "`aclrtMalloc` with a policy that is none", "policy is 8|[0, 7]", no_policy },
    { 100000, "`aclrtSetCurrentContext(NULL)`", "context is null", null_context },
    { 100001, "`aclFinalize` without `aclInit`", "aclInit() was not called", finalize_twice },
    { 100002, "`aclInit` twice", "was called already", init_twice },
    { 107000, "a copy of more than destMax", "count is 8|destMax, which is 7", copy_too_long },
    { 107000, "a copy of a kind that is none", "kind is 5|[0, 4]", copy_kind },
    { 107000, "`aclrtFree` of what is not allocated, or twice", "devPtr is 0x|not allocated", free_twice },
    { 107000, "a synchronize timeout below -1", "timeout is -2 ms|-1", timeout_below },
    { 107000, "the time of an event that is not recorded", "startEvent has no record", event_not_recorded },
    { 107000, "at the stream: waiting for an event that is destroyed unrecorded", "destroyed before", event_orphaned },
    { 107001, "a device that there is not", "deviceId is 16|[0, 16)", no_device },
    { 107002, "no current context, or one that died", "current context that was destroyed", context_gone },
    { 107017, "a context that was destroyed", "for a context was destroyed already", context_twice },
    { 107017, "a stream that was destroyed", "for a stream was destroyed already", stream_twice },
    { 107017, "an event given as a stream", "for a stream is an event", stream_is_event },
    { 107017, "any other pointer given as a stream", "for a stream was not made here", stream_is_invented },
    { 107017, "an event that was destroyed", "for an event was destroyed already", event_gone },
    { 207001, "`aclrtMalloc` without memory", "no memory for 100 bytes", malloc_fails },
    { 207001, "`aclrtMalloc` of more than an address space", "no memory for 18446744073709551575", malloc_wraps },
    { 207001, "`aclrtCreateStream` without a thread", "cannot start the thread of a stream: Resource", thread_fails },
    { 507046, "a synchronize timeout", "after 3 ms|1 tasks|go on", sync_timeout },
    { 507047, "at the stream: `aclrtSetOpWaitTimeout`", "within 1 s|aclrtSetOpWaitTimeout", wait_timeout },
    { 0, NULL, NULL, NULL },
};
