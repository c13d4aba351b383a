/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A C program in the style of an operator sample that makes every runtime call there is once, with the habits that real
 * programs have: two bytes allocated an element for a tensor that is called INT32, a host pointer in a device-to-host
 * copy, sizes that are not multiples of anything.
 */
#include <stdio.h>
#include <string.h>

#include "acl/acl.h"
#include "aclnn/acl_meta.h"

#define CHECK(call)                                                                                       \
    do {                                                                                                  \
        int ret_ = (call);                                                                                \
        if (ret_ != ACL_SUCCESS) {                                                                        \
            const char *message_ = aclGetRecentErrMsg();                                                  \
            printf("%s failed. ERROR: %d %s\n", #call, ret_, message_ != NULL ? message_ : "no message"); \
            return 1;                                                                                     \
        }                                                                                                 \
    } while (0)

#define EXPECT(condition)                             \
    do {                                              \
        if (!(condition)) {                           \
            printf("not so: %s\n", #condition);       \
            return 1;                                 \
        }                                             \
    } while (0)

static int devices_and_contexts(aclrtContext *context)
{
    uint32_t count = 0;
    int32_t device = -1;
    aclrtContext current = NULL;
    CHECK(aclrtGetDeviceCount(&count));
    EXPECT(count >= 1);
    CHECK(aclrtSetDevice(0));
    CHECK(aclrtGetDevice(&device));
    EXPECT(device == 0);
    CHECK(aclrtCreateContext(context, 0));
    CHECK(aclrtSetCurrentContext(*context));
    CHECK(aclrtGetCurrentContext(&current));
    EXPECT(current == *context);
    EXPECT(aclrtGetSocName() != NULL);
    EXPECT(aclDataTypeSize(ACL_INT32) == 4);
    return 0;
}

static int memory(aclrtStream stream)
{
    enum { ELEMENTS = 17 };
    int32_t host[ELEMENTS];
    int32_t back[ELEMENTS];
    void *device = NULL;
    void *pinned = NULL;
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    for (int32_t i = 0; i < ELEMENTS; i++) {
        host[i] = i * i;
    }
    CHECK(aclrtGetMemInfo(ACL_HBM_MEM, &free_bytes, &total_bytes));
    EXPECT(free_bytes <= total_bytes);
    /* Two bytes an element for what is then used as INT32: 34 bytes become 64 + 32, which hold the 68. */
    CHECK(aclrtMalloc(&device, ELEMENTS * 2, ACL_MEM_MALLOC_HUGE_FIRST));
    CHECK(aclrtMallocHost(&pinned, sizeof(host)));
    CHECK(aclrtMemcpy(device, sizeof(host), host, sizeof(host), ACL_MEMCPY_HOST_TO_DEVICE));
    CHECK(aclrtMemcpyAsync(pinned, sizeof(host), device, sizeof(host), ACL_MEMCPY_DEVICE_TO_HOST, stream));
    CHECK(aclrtSynchronizeStream(stream));
    /* Both are host pointers, and the kind says otherwise. */
    CHECK(aclrtMemcpy(back, sizeof(back), pinned, sizeof(host), ACL_MEMCPY_DEVICE_TO_HOST));
    EXPECT(memcmp(back, host, sizeof(host)) == 0);
    CHECK(aclrtMemset(device, sizeof(host), 0x11, sizeof(host)));
    CHECK(aclrtMemsetAsync(device, sizeof(host), 0x22, sizeof(int32_t), stream));
    CHECK(aclrtSynchronizeStream(stream));
    CHECK(aclrtMemcpy(back, sizeof(back), device, sizeof(back), ACL_MEMCPY_DEFAULT));
    EXPECT(back[0] == 0x22222222 && back[1] == 0x11111111);
    CHECK(aclrtFree(device));
    CHECK(aclrtFreeHost(pinned));
    return 0;
}

static int events(aclrtStream stream, aclrtStream other)
{
    aclrtEvent start = NULL;
    aclrtEvent end = NULL;
    aclrtEventRecordedStatus recorded = ACL_EVENT_RECORDED_STATUS_COMPLETE;
    aclrtStreamStatus status = ACL_STREAM_STATUS_RESERVED;
    float ms = -1;
    CHECK(aclrtCreateEvent(&start));
    CHECK(aclrtCreateEventWithFlag(&end, ACL_EVENT_TIME_LINE));
    CHECK(aclrtQueryEventStatus(start, &recorded));
    EXPECT(recorded == ACL_EVENT_RECORDED_STATUS_NOT_READY);
    CHECK(aclrtRecordEvent(start, stream));
    CHECK(aclrtStreamWaitEvent(other, start));
    CHECK(aclrtRecordEvent(end, other));
    CHECK(aclrtSynchronizeEvent(end));
    CHECK(aclrtQueryEventStatus(start, &recorded));
    EXPECT(recorded == ACL_EVENT_RECORDED_STATUS_COMPLETE);
    CHECK(aclrtEventElapsedTime(&ms, start, end));
    EXPECT(ms >= 0);
    CHECK(aclrtResetEvent(start, stream));
    CHECK(aclrtSynchronizeDevice());
    CHECK(aclrtStreamQuery(stream, &status));
    EXPECT(status == ACL_STREAM_STATUS_COMPLETE);
    CHECK(aclrtDestroyEvent(start));
    CHECK(aclrtDestroyEvent(end));
    return 0;
}

static int descriptions(void)
{
    const int64_t dims[] = { 2, 3 };
    const int64_t strides[] = { 3, 1 };
    float one = 1.0F;
    float elements[6];
    aclTensor *tensor = aclCreateTensor(dims, 2, ACL_FLOAT, strides, 0, ACL_FORMAT_ND, dims, 2, elements);
    aclIntArray *array = aclCreateIntArray(dims, 2);
    aclScalar *scalar = aclCreateScalar(&one, ACL_FLOAT);
    EXPECT(tensor != NULL && array != NULL && scalar != NULL);
    CHECK(aclDestroyTensor(tensor));
    CHECK(aclDestroyIntArray(array));
    CHECK(aclDestroyScalar(scalar));
    CHECK(aclDestroyTensor(NULL));
    return 0;
}

int main(void)
{
    aclrtContext context = NULL;
    aclrtStream stream = NULL;
    aclrtStream other = NULL;
    CHECK(aclInit(NULL));
    if (devices_and_contexts(&context) != 0) {
        return 1;
    }
    CHECK(aclrtSetOpExecuteTimeOut(30));
    CHECK(aclrtSetOpWaitTimeout(30));
    CHECK(aclrtCreateStream(&stream));
    CHECK(aclrtCreateStreamWithConfig(&other, 0, ACL_STREAM_FAST_LAUNCH | ACL_STREAM_FAST_SYNC));
    if (memory(stream) != 0 || memory(NULL) != 0 || events(stream, other) != 0 || descriptions() != 0) {
        return 1;
    }
    CHECK(aclrtSynchronizeStreamWithTimeout(stream, -1));
    CHECK(aclrtDestroyStreamForce(other));
    CHECK(aclrtDestroyStream(stream));
    CHECK(aclrtDestroyContext(context));
    CHECK(aclrtResetDevice(0));
    CHECK(aclFinalize());
    EXPECT(aclGetRecentErrMsg() == NULL);
    printf("every call made\n");
    return 0;
}
