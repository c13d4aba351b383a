/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A combine sample as people write them: E = K, token data of exactly BS*K rows, schedule_mode 2. Where the original
 * reads a shared slot past the end, there is none here. The second call is of fewer tokens, as when requests end.
 */
#include "aclnn/opdev/fp16_t.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "device.hpp"

namespace {
constexpr int64_t kTokens = 2, kTopK = 2, kHidden = 64;

int Combine(const DeviceTensor &context, int64_t tokens, aclrtStream stream)
{
    DeviceTensor scales, layerId, y, nextLayerId;
    uint64_t workspaceSize = 0;
    aclOpExecutor *executor = nullptr;
    /* 0.5 and 2: token t is 0.5*slot(t, 0) + 2*slot(t, 1). */
    std::vector<float> factors;
    for (int64_t t = 0; t < tokens; t++) {
        factors.push_back(0.5F);
        factors.push_back(2.0F);
    }
    if (CreateAclTensor(factors, {tokens, kTopK}, ACL_FLOAT, &scales) != 0 ||
        CreateAclTensor(std::vector<int32_t>{41}, {1}, ACL_INT32, &layerId) != 0 ||
        CreateAclTensor(std::vector<uint16_t>(tokens * kHidden), {tokens, kHidden}, ACL_FLOAT16, &y) != 0 ||
        CreateAclTensor(std::vector<int32_t>(1), {1}, ACL_INT32, &nextLayerId) != 0) {
        return 1;
    }
    auto ret = aclnnAttentionWorkerCombineGetWorkspaceSize(context.tensor, scales.tensor, layerId.tensor, kHidden, 0, 0,
                                                           y.tensor, nextLayerId.tensor, &workspaceSize, &executor);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("GetWorkspaceSize failed. ERROR: %d %s\n", ret, aclGetRecentErrMsg());
              return ret);
    const int failed = Launch(aclnnAttentionWorkerCombine, workspaceSize, executor, stream);
    CHECK_RET(failed == 0, return failed);
    const auto result = ToHost<op::fp16_t>(y, tokens * kHidden);
    for (int64_t t = 0; t < tokens; t++) {
        const float first = result[t * kHidden], last = result[(t + 1) * kHidden - 1];
        LOG_PRINT("token %d: %g..%g\n", static_cast<int>(t), first, last);
    }
    LOG_PRINT("next layer %d\n", ToHost<int32_t>(nextLayerId, 1)[0]);
    return 0;
}

int Run(aclrtStream stream)
{
    DeviceTensor info, data, contextTensor;
    ScheduleContext context = {};
    std::vector<op::fp16_t> values;
    for (int64_t slot = 0; slot < kTokens * kTopK; slot++) {
        for (int64_t h = 0; h < kHidden; h++) {
            values.push_back(op::fp16_t(static_cast<float>(10 * slot + h)));
        }
    }
    if (CreateAclTensor(std::vector<int32_t>(kTokens * kTopK, 1), {kTokens * kTopK}, ACL_INT32, &info) != 0 ||
        CreateAclTensor(values, {kTokens * kTopK, kHidden}, ACL_FLOAT16, &data) != 0) {
        return 1;
    }
    context.session_num = 1;
    context.micro_batch_num = 1;
    context.micro_batch_size = kTokens;
    context.selected_expert_num = kTopK;
    context.schedule_mode = 2;
    context.run_flag = 1;
    context.attention = {info.Address(), sizeof(int32_t) * kTokens * kTopK, data.Address(),
                         values.size() * sizeof(uint16_t)};
    const int8_t *bytes = reinterpret_cast<const int8_t *>(&context);
    if (CreateAclTensor(std::vector<int8_t>(bytes, bytes + sizeof(context)), {1024}, ACL_INT8, &contextTensor) != 0) {
        return 1;
    }
    const int failed = Combine(contextTensor, kTokens, stream);
    return failed != 0 ? failed : Combine(contextTensor, 1, stream);
}
} // namespace

int main()
{
    return RunExample(Run);
}
