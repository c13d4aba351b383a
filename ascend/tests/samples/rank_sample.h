/* SPDX-License-Identifier: Apache-2.0 */
/* What the samples of many ranks share: sixteen devices, and a tensor from host data as samples make it. */
#ifndef AFD_ASCEND_TESTS_SAMPLES_RANK_SAMPLE_H
#define AFD_ASCEND_TESTS_SAMPLES_RANK_SAMPLE_H

#include <vector>

#include "acl/acl.h"
#include "aclnn/acl_meta.h"
#include "hccl/hccl.h"

#define CHECK_RET(condition, ...)                          \
    do {                                                   \
        if (!(condition)) {                                \
            const char *why = aclGetRecentErrMsg();        \
            printf(__VA_ARGS__);                           \
            printf(": %s\n", why != nullptr ? why : "-");  \
            return 1;                                      \
        }                                                  \
    } while (0)

constexpr uint32_t kWorldSize = 16;

struct Rank {
    uint32_t id = 0;
    aclrtContext context = nullptr;
    aclrtStream stream = nullptr;
    HcclComm comm = nullptr;
    int result = -1;
};

/* Device memory with the data in it, and a contiguous tensor on it. The data may be narrower than the type says. */
template <typename T>
int CreateAclTensor(const std::vector<T> &hostData, const std::vector<int64_t> &shape, aclDataType dataType,
                    void **deviceAddr, aclTensor **tensor)
{
    const size_t size = hostData.size() * sizeof(T);
    int ret = aclrtMalloc(deviceAddr, size, ACL_MEM_MALLOC_HUGE_FIRST);
    CHECK_RET(ret == ACL_SUCCESS, "aclrtMalloc failed with %d", ret);
    ret = aclrtMemcpy(*deviceAddr, size, hostData.data(), size, ACL_MEMCPY_HOST_TO_DEVICE);
    CHECK_RET(ret == ACL_SUCCESS, "aclrtMemcpy failed with %d", ret);
    std::vector<int64_t> strides(shape.size(), 1);
    for (size_t i = shape.size() - 1; i > 0; i--) {
        strides[i - 1] = shape[i] * strides[i];
    }
    *tensor = aclCreateTensor(shape.data(), shape.size(), dataType, strides.data(), 0, ACL_FORMAT_ND, shape.data(),
                              shape.size(), *deviceAddr);
    CHECK_RET(*tensor != nullptr, "aclCreateTensor failed");
    return 0;
}

/* A tensor of a sample, which ends with it. */
struct Tensor {
    void *data = nullptr;
    aclTensor *tensor = nullptr;
    ~Tensor()
    {
        aclDestroyTensor(tensor);
        if (data != nullptr) {
            aclrtFree(data);
        }
    }
};

inline int InitRanks(std::vector<Rank> &ranks, int communicatorNum)
{
    int ret = aclInit(nullptr);
    CHECK_RET(ret == ACL_SUCCESS, "aclInit failed with %d", ret);
    std::vector<int32_t> devices(kWorldSize);
    std::vector<HcclComm> comms(kWorldSize);
    ranks.resize(kWorldSize);
    for (uint32_t id = 0; id < kWorldSize; id++) {
        devices[id] = static_cast<int32_t>(id);
        ranks[id].id = id;
        ret = aclrtSetDevice(devices[id]);
        CHECK_RET(ret == ACL_SUCCESS, "aclrtSetDevice failed with %d", ret);
        ret = aclrtCreateContext(&ranks[id].context, devices[id]);
        CHECK_RET(ret == ACL_SUCCESS, "aclrtCreateContext failed with %d", ret);
        ret = aclrtCreateStream(&ranks[id].stream);
        CHECK_RET(ret == ACL_SUCCESS, "aclrtCreateStream failed with %d", ret);
    }
    /* Some programs do this once a rank. The last one counts, and nobody ends the others. */
    for (int i = 0; i < communicatorNum; i++) {
        const HcclResult made = HcclCommInitAll(kWorldSize, devices.data(), comms.data());
        CHECK_RET(made == HCCL_SUCCESS, "HcclCommInitAll failed with %d", made);
    }
    for (uint32_t id = 0; id < kWorldSize; id++) {
        ranks[id].comm = comms[id];
    }
    return 0;
}

inline int TearDown(Rank &rank)
{
    const HcclResult destroyed = HcclCommDestroy(rank.comm);
    CHECK_RET(destroyed == HCCL_SUCCESS, "HcclCommDestroy failed with %d", destroyed);
    int ret = aclrtDestroyStream(rank.stream);
    CHECK_RET(ret == ACL_SUCCESS, "aclrtDestroyStream failed with %d", ret);
    ret = aclrtDestroyContext(rank.context);
    CHECK_RET(ret == ACL_SUCCESS, "aclrtDestroyContext failed with %d", ret);
    ret = aclrtResetDevice(static_cast<int32_t>(rank.id));
    CHECK_RET(ret == ACL_SUCCESS, "aclrtResetDevice failed with %d", ret);
    return 0;
}

inline int32_t LoadFlag(const void *flag)
{
    return __atomic_load_n(static_cast<const int32_t *>(flag), __ATOMIC_ACQUIRE);
}

#endif
