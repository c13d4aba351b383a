/* SPDX-License-Identifier: Apache-2.0 */
/* What operator samples have at their top: device memory filled from a vector, a tensor on it, and the context. */
#ifndef AFD_ASCEND_TESTS_SAMPLES_DEVICE_HPP
#define AFD_ASCEND_TESTS_SAMPLES_DEVICE_HPP

#include <vector>

#include "acl/acl.h"
#include "aclnn/acl_meta.h"

#define CHECK_RET(condition, action) \
    do {                             \
        if (!(condition)) {          \
            action;                  \
        }                            \
    } while (0)

#define LOG_PRINT(...) printf(__VA_ARGS__)

#pragma pack(push, 1)
struct WindowArea {
    uint64_t token_info_buf, token_info_buf_size, token_data_buf, token_data_buf_size;
};
struct ScheduleContext {
    uint32_t session_num, micro_batch_num, micro_batch_size, selected_expert_num;
    uint32_t expert_num, attn_to_ffn_token_size, ffn_to_attn_token_size;
    int32_t schedule_mode;
    int8_t reserved_common[96];
    int32_t run_flag;
    int8_t reserved_control[124];
    WindowArea attention;
    uint32_t micro_batch_id;
    int8_t reserved_attention[92];
    WindowArea ffn;
    uint64_t polling_index;
    int8_t reserved_ffn[88];
    uint64_t layer_ids_buf, layer_ids_buf_size, session_ids_buf, session_ids_buf_size;
    uint64_t micro_batch_ids_buf, micro_batch_ids_buf_size, expert_ids_buf, expert_ids_buf_size;
    uint32_t out_num;
    int8_t reserved[444];
};
#pragma pack(pop)
static_assert(sizeof(ScheduleContext) == 1024, "the context has 1024 bytes");

struct DeviceTensor {
    void *address = nullptr;
    aclTensor *tensor = nullptr;
    ~DeviceTensor()
    {
        aclDestroyTensor(tensor);
        if (address != nullptr) {
            aclrtFree(address);
        }
    }
    uint64_t Address() const { return reinterpret_cast<uint64_t>(address); }
};

template <typename T>
int CreateAclTensor(const std::vector<T> &host, const std::vector<int64_t> &shape, aclDataType type, DeviceTensor *made)
{
    const size_t size = host.size() * sizeof(T);
    auto ret = aclrtMalloc(&made->address, size, ACL_MEM_MALLOC_HUGE_FIRST);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtMalloc failed. ERROR: %d\n", ret); return ret);
    ret = aclrtMemcpy(made->address, size, host.data(), size, ACL_MEMCPY_HOST_TO_DEVICE);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtMemcpy failed. ERROR: %d\n", ret); return ret);
    std::vector<int64_t> strides(shape.size(), 1);
    for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; i--) {
        strides[i] = shape[i + 1] * strides[i + 1];
    }
    made->tensor = aclCreateTensor(shape.data(), shape.size(), type, strides.data(), 0, aclFormat::ACL_FORMAT_ND,
                                   shape.data(), shape.size(), made->address);
    CHECK_RET(made->tensor != nullptr, LOG_PRINT("aclCreateTensor failed.\n"); return 1);
    return 0;
}

template <typename T>
std::vector<T> ToHost(const DeviceTensor &device, size_t count)
{
    std::vector<T> host(count);
    auto ret = aclrtMemcpy(host.data(), count * sizeof(T), device.address, count * sizeof(T),
                           ACL_MEMCPY_DEVICE_TO_HOST);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtMemcpy failed. ERROR: %d\n", ret); host.clear());
    return host;
}

typedef aclnnStatus Launcher(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream);

/* The second phase, with a workspace where one is wanted, and the synchronize behind it. */
inline int Launch(Launcher *launcher, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream)
{
    void *workspaceAddr = nullptr;
    std::unique_ptr<void, aclError (*)(void *)> workspaceAddrPtr(nullptr, aclrtFree);
    if (workspaceSize > static_cast<uint64_t>(0)) {
        auto ret = aclrtMalloc(&workspaceAddr, workspaceSize, ACL_MEM_MALLOC_HUGE_FIRST);
        CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("allocate workspace failed. ERROR: %d\n", ret); return ret);
        workspaceAddrPtr.reset(workspaceAddr);
    }
    auto ret = launcher(workspaceAddr, workspaceSize, executor, stream);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("the launch failed. ERROR: %d %s\n", ret, aclGetRecentErrMsg());
              return ret);
    ret = aclrtSynchronizeStream(stream);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("synchronize failed. ERROR: %d %s\n", ret, aclGetRecentErrMsg());
              return ret);
    return 0;
}

typedef int Example(aclrtStream stream);

inline int RunExample(Example *example)
{
    aclrtStream stream = nullptr;
    auto ret = aclInit(nullptr);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclInit failed. ERROR: %d\n", ret); return ret);
    ret = aclrtSetDevice(0);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtSetDevice failed. ERROR: %d\n", ret); return ret);
    ret = aclrtCreateStream(&stream);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("aclrtCreateStream failed. ERROR: %d\n", ret); return ret);
    ret = example(stream);
    aclrtDestroyStream(stream);
    aclrtResetDevice(0);
    aclFinalize();
    return ret;
}

#endif
