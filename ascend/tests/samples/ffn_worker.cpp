/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operator sample in C++, as people write them: one device, one stream, a window of two sessions, one call of the
 * scheduler in groups and one in all-sync, the ids printed. It includes only what such programs include;
 * std::unique_ptr, std::chrono and printf come along with the headers.
 */
#include <iostream>
#include <vector>

#include "acl/acl.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "aclnnop/aclnn_util.h"

#define CHECK_RET(condition, action) \
    do {                             \
        if (!(condition)) {          \
            action;                  \
        }                            \
    } while (0)

#define LOG_PRINT(...) printf(__VA_ARGS__)

#pragma pack(push, 1)
struct WindowArea {
    uint64_t token_info_buf;
    uint64_t token_info_buf_size;
    uint64_t token_data_buf;
    uint64_t token_data_buf_size;
};
struct ScheduleContext {
    struct {
        uint32_t session_num, micro_batch_num, micro_batch_size, selected_expert_num;
        uint32_t expert_num, attn_to_ffn_token_size, ffn_to_attn_token_size;
        int32_t schedule_mode;
        int8_t reserved[96];
    } common;
    struct {
        int32_t run_flag;
        int8_t reserved[124];
    } control;
    struct {
        WindowArea window;
        uint32_t micro_batch_id;
        int8_t reserved[92];
    } attention;
    struct {
        WindowArea window;
        uint64_t polling_index;
        int8_t reserved[88];
        uint64_t layer_ids_buf, layer_ids_buf_size, session_ids_buf, session_ids_buf_size;
        uint64_t micro_batch_ids_buf, micro_batch_ids_buf_size, expert_ids_buf, expert_ids_buf_size;
        uint32_t out_num;
        int8_t reserved_out[60];
    } ffn;
    int8_t reserved[384];
};
#pragma pack(pop)
static_assert(sizeof(ScheduleContext) == 1024, "the context has 1024 bytes");

namespace {
constexpr uint32_t kSessions = 2, kMicroBatches = 2, kTokens = 2, kExperts = 3;
constexpr uint32_t kIds = kTokens * kExperts;
constexpr size_t kDescWords = 2 + kIds;

struct DeviceMemory {
    void *address = nullptr;
    ~DeviceMemory()
    {
        if (address != nullptr) {
            aclrtFree(address);
        }
    }
};

int Init(int32_t deviceId, aclrtContext *context, aclrtStream *stream)
{
    auto ret = aclInit(nullptr);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclInit failed. ERROR: %d\n", ret); return ret);
    ret = aclrtSetDevice(deviceId);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtSetDevice failed. ERROR: %d\n", ret); return ret);
    ret = aclrtCreateContext(context, deviceId);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtCreateContext failed. ERROR: %d\n", ret); return ret);
    ret = aclrtSetCurrentContext(*context);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtSetCurrentContext failed. ERROR: %d\n", ret); return ret);
    ret = aclrtCreateStream(stream);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtCreateStream failed. ERROR: %d\n", ret); return ret);
    return 0;
}

template <typename T>
int ToDevice(const std::vector<T> &host, DeviceMemory *device)
{
    const size_t bytes = host.size() * sizeof(T);
    auto ret = aclrtMalloc(&device->address, bytes, ACL_MEM_MALLOC_HUGE_FIRST);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtMalloc failed. ERROR: %d\n", ret); return ret);
    ret = aclrtMemcpy(device->address, bytes, host.data(), bytes, ACL_MEMCPY_HOST_TO_DEVICE);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtMemcpy failed. ERROR: %d\n", ret); return ret);
    return 0;
}

template <typename T>
std::vector<T> ToHost(uint64_t address, size_t count)
{
    std::vector<T> host(count);
    auto ret = aclrtMemcpy(host.data(), count * sizeof(T), reinterpret_cast<void *>(address), count * sizeof(T),
                           ACL_MEMCPY_DEVICE_TO_HOST);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtMemcpy failed. ERROR: %d\n", ret); host.clear());
    return host;
}

std::vector<int32_t> ReadyWindow()
{
    std::vector<int32_t> info(kSessions * kMicroBatches * kDescWords);
    for (uint32_t desc = 0; desc < kSessions * kMicroBatches; desc++) {
        info[desc * kDescWords] = 1;
        info[desc * kDescWords + 1] = 40 + static_cast<int32_t>(desc);
        for (uint32_t id = 0; id < kIds; id++) {
            info[desc * kDescWords + 2 + id] = static_cast<int32_t>(100 * desc + id);
        }
    }
    return info;
}

int Schedule(aclTensor *tensor, int32_t groupSize, aclrtStream stream)
{
    uint64_t workspaceSize = 0;
    aclOpExecutor *executor = nullptr;
    auto ret = aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(tensor, groupSize, 0, &workspaceSize, &executor);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("GetWorkspaceSize failed. ERROR: %d %s\n", ret, aclGetRecentErrMsg());
              return ret);
    void *workspaceAddr = nullptr;
    std::unique_ptr<void, aclError (*)(void *)> workspaceAddrPtr(nullptr, aclrtFree);
    if (workspaceSize > 0) {
        ret = aclrtMalloc(&workspaceAddr, workspaceSize, ACL_MEM_MALLOC_HUGE_FIRST);
        CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("allocate workspace failed. ERROR: %d\n", ret); return ret);
        workspaceAddrPtr.reset(workspaceAddr);
    }
    ret = aclnnInplaceFfnWorkerScheduler(workspaceAddr, workspaceSize, executor, stream);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("the scheduler failed. ERROR: %d\n", ret); return ret);
    ret = aclrtSynchronizeStreamWithTimeout(stream, 10000);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("synchronize failed. ERROR: %d %s\n", ret, aclGetRecentErrMsg());
              return ret);
    return 0;
}

int Report(const DeviceMemory &contextMemory)
{
    ScheduleContext context = ToHost<ScheduleContext>(reinterpret_cast<uint64_t>(contextMemory.address), 1)[0];
    const auto layers = ToHost<int32_t>(context.ffn.layer_ids_buf, context.ffn.out_num);
    const auto sessions = ToHost<int32_t>(context.ffn.session_ids_buf, context.ffn.out_num);
    const auto microBatches = ToHost<int32_t>(context.ffn.micro_batch_ids_buf, context.ffn.out_num);
    const auto experts = ToHost<int32_t>(context.ffn.expert_ids_buf, context.ffn.out_num * kIds);
    std::cout << "out_num " << context.ffn.out_num << std::endl;
    for (uint32_t k = 0; k < context.ffn.out_num; k++) {
        LOG_PRINT("session %d micro-batch %d layer %d experts %d..%d\n", sessions[k], microBatches[k], layers[k],
                  experts[k * kIds], experts[(k + 1) * kIds - 1]);
    }
    return 0;
}

int Run(aclrtStream stream)
{
    DeviceMemory info, data, layers, sessions, microBatches, experts, contextMemory;
    if (ToDevice(ReadyWindow(), &info) != 0 || ToDevice(std::vector<int8_t>(100), &data) != 0 ||
        ToDevice(std::vector<int32_t>(kSessions), &layers) != 0 ||
        ToDevice(std::vector<int32_t>(kSessions), &sessions) != 0 ||
        ToDevice(std::vector<int32_t>(kSessions), &microBatches) != 0 ||
        ToDevice(std::vector<int32_t>(kSessions * kIds), &experts) != 0) {
        return 1;
    }
    std::vector<ScheduleContext> context(1);
    context[0].common = {kSessions, kMicroBatches, kTokens, kExperts, 8, 512, 512, 0, {}};
    context[0].control.run_flag = 1;
    context[0].attention.window.token_info_buf = 0xDEADBEEF; /* the side that is not used */
    context[0].ffn.window = {reinterpret_cast<uint64_t>(info.address), sizeof(int32_t) * ReadyWindow().size(),
                             reinterpret_cast<uint64_t>(data.address), 0};
    context[0].ffn.layer_ids_buf = reinterpret_cast<uint64_t>(layers.address);
    context[0].ffn.layer_ids_buf_size = sizeof(int32_t) * kSessions;
    context[0].ffn.session_ids_buf = reinterpret_cast<uint64_t>(sessions.address);
    context[0].ffn.session_ids_buf_size = sizeof(int32_t) * kSessions;
    context[0].ffn.micro_batch_ids_buf = reinterpret_cast<uint64_t>(microBatches.address);
    context[0].ffn.micro_batch_ids_buf_size = sizeof(int32_t) * kSessions;
    context[0].ffn.expert_ids_buf = reinterpret_cast<uint64_t>(experts.address);
    context[0].ffn.expert_ids_buf_size = sizeof(int32_t) * kSessions * kIds;
    if (ToDevice(context, &contextMemory) != 0) {
        return 1;
    }

    const std::vector<int64_t> shape = {1024};
    const std::vector<int64_t> strides = {1};
    std::unique_ptr<aclTensor, aclnnStatus (*)(const aclTensor *)> tensor(
        aclCreateTensor(shape.data(), shape.size(), aclDataType::ACL_INT8, strides.data(), 0,
                        aclFormat::ACL_FORMAT_ND, shape.data(), shape.size(), contextMemory.address),
        aclDestroyTensor);
    CHECK_RET(tensor != nullptr, LOG_PRINT("aclCreateTensor failed.\n"); return 1);

    const auto begin = std::chrono::steady_clock::now();
    for (int32_t groupSize : {1, 2}) {
        int failed = Schedule(tensor.get(), groupSize, stream);
        failed = failed != 0 ? failed : Report(contextMemory);
        CHECK_RET(failed == 0, return failed);
        /* The groups took micro-batch 0 of both; all-sync then waits for micro-batch polling_index, set to 1 here. */
        const uint64_t pollingIndex = 1;
        char *field = static_cast<char *>(contextMemory.address) + offsetof(ScheduleContext, ffn.polling_index);
        auto ret = aclrtMemcpy(field, sizeof(pollingIndex), &pollingIndex, sizeof(pollingIndex),
                               ACL_MEMCPY_HOST_TO_DEVICE);
        CHECK_RET(ret == ACL_SUCCESS, return ret);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cerr << "took " << took.count() << " s" << std::endl;
    return 0;
}
} // namespace

int main()
{
    aclrtContext context = nullptr;
    aclrtStream stream = nullptr;
    int32_t deviceId = 0;
    int ret = Init(deviceId, &context, &stream);
    CHECK_RET(ret == 0, return ret);
    ret = Run(stream);
    aclrtDestroyStream(stream);
    aclrtDestroyContext(context);
    aclrtResetDevice(deviceId);
    aclFinalize();
    return ret;
}
