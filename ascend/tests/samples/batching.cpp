/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batching sample as people write them: tokens of 8192 bytes in a context that says 512 for a token, a token data
 * buffer as large as the real tokens, and schedule_mode 2. Slot n is then read 512*n bytes into the buffer. Once from
 * the output area, once with needSchedule.
 */
#include <algorithm>

#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "device.hpp"

namespace {
constexpr int64_t kSessions = 2, kMicroBatches = 2, kTokens = 2, kSlots = 3, kHidden = 4096, kExperts = 4;
constexpr int64_t kIds = kTokens * kSlots, kRows = kSessions * kIds, kDescWords = 2 + kIds;
constexpr int64_t kContextTokenBytes = 512;
constexpr int32_t kEmpty = 0x7FFFFFFF;

/* Of each session: six ids, one of them empty. */
const int32_t kExpertIds[kRows] = { 2, 0, 3, 0, kEmpty, 2, 0, 3, 3, 2, 0, kEmpty };

/* Every 256 values, which is a slot of the context, there is another number. */
std::vector<uint16_t> TokenData()
{
    std::vector<uint16_t> data(kSessions * kMicroBatches * kIds * kHidden);
    for (size_t i = 0; i < data.size(); i++) {
        data[i] = static_cast<uint16_t>(i * sizeof(uint16_t) / kContextTokenBytes);
    }
    return data;
}

std::vector<int32_t> TokenInfo()
{
    std::vector<int32_t> info(kSessions * kMicroBatches * kDescWords, kEmpty);
    for (int64_t s = 0; s < kSessions; s++) {
        for (int64_t m = 0; m < kMicroBatches; m++) {
            int32_t *desc = &info[(s * kMicroBatches + m) * kDescWords];
            desc[0] = 1;
            desc[1] = 7;
            std::copy(kExpertIds + s * kIds, kExpertIds + (s + 1) * kIds, desc + 2);
        }
    }
    return info;
}

struct Device {
    DeviceTensor info, data, layers, sessions, microBatches, experts, context;
    DeviceTensor y, groupList, sessionIds, microBatchIds, tokenIds, expertOffsets, dynamicScale, actualTokenNum;
};

int CreateInputs(Device *d)
{
    ScheduleContext context = {};
    const std::vector<int32_t> info = TokenInfo();
    const std::vector<uint16_t> data = TokenData();
    if (CreateAclTensor(info, {static_cast<int64_t>(info.size())}, ACL_INT32, &d->info) != 0 ||
        CreateAclTensor(data, {static_cast<int64_t>(data.size())}, ACL_FLOAT16, &d->data) != 0 ||
        CreateAclTensor(std::vector<int32_t>(kSessions, 7), {kSessions}, ACL_INT32, &d->layers) != 0 ||
        CreateAclTensor(std::vector<int32_t>{0, 1}, {kSessions}, ACL_INT32, &d->sessions) != 0 ||
        CreateAclTensor(std::vector<int32_t>{1, 0}, {kSessions}, ACL_INT32, &d->microBatches) != 0 ||
        CreateAclTensor(std::vector<int32_t>(kExpertIds, kExpertIds + kRows), {kRows}, ACL_INT32, &d->experts) != 0) {
        return 1;
    }
    context.session_num = kSessions;
    context.micro_batch_num = kMicroBatches;
    context.micro_batch_size = kTokens;
    context.selected_expert_num = kSlots;
    context.expert_num = kExperts;
    context.attn_to_ffn_token_size = kContextTokenBytes;
    context.ffn_to_attn_token_size = kContextTokenBytes;
    context.schedule_mode = 2;
    context.run_flag = 1;
    context.ffn = {d->info.Address(), info.size() * sizeof(int32_t), d->data.Address(), data.size() * sizeof(uint16_t)};
    context.layer_ids_buf = d->layers.Address();
    context.layer_ids_buf_size = sizeof(int32_t) * kSessions;
    context.session_ids_buf = d->sessions.Address();
    context.session_ids_buf_size = sizeof(int32_t) * kSessions;
    context.micro_batch_ids_buf = d->microBatches.Address();
    context.micro_batch_ids_buf_size = sizeof(int32_t) * kSessions;
    context.expert_ids_buf = d->experts.Address();
    context.expert_ids_buf_size = sizeof(int32_t) * kRows;
    context.out_num = kSessions;
    const int8_t *bytes = reinterpret_cast<const int8_t *>(&context);
    return CreateAclTensor(std::vector<int8_t>(bytes, bytes + sizeof(context)), {1024}, ACL_INT8, &d->context);
}

int CreateOutputs(Device *d)
{
    const std::vector<int32_t> rows(kRows);
    int failed = CreateAclTensor(std::vector<uint16_t>(kRows * kHidden), {kRows, kHidden}, ACL_FLOAT16, &d->y);
    failed += CreateAclTensor(std::vector<int64_t>(kExperts * 2), {kExperts, 2}, ACL_INT64, &d->groupList);
    failed += CreateAclTensor(rows, {kRows}, ACL_INT32, &d->sessionIds);
    failed += CreateAclTensor(rows, {kRows}, ACL_INT32, &d->microBatchIds);
    failed += CreateAclTensor(rows, {kRows}, ACL_INT32, &d->tokenIds);
    failed += CreateAclTensor(rows, {kRows}, ACL_INT32, &d->expertOffsets);
    failed += CreateAclTensor(std::vector<float>(kRows), {kRows}, ACL_FLOAT, &d->dynamicScale);
    failed += CreateAclTensor(std::vector<int64_t>(1), {1}, ACL_INT64, &d->actualTokenNum);
    return failed;
}

void Report(const Device &d)
{
    const auto groups = ToHost<int64_t>(d.groupList, kExperts * 2);
    const auto sessions = ToHost<int32_t>(d.sessionIds, kRows);
    const auto microBatches = ToHost<int32_t>(d.microBatchIds, kRows);
    const auto tokens = ToHost<int32_t>(d.tokenIds, kRows);
    const auto offsets = ToHost<int32_t>(d.expertOffsets, kRows);
    const auto y = ToHost<uint16_t>(d.y, kRows * kHidden);
    const int64_t actual = ToHost<int64_t>(d.actualTokenNum, 1)[0];
    LOG_PRINT("%d rows, groups", static_cast<int>(actual));
    for (int64_t g = 0; g < kExperts; g++) {
        LOG_PRINT(" (%d, %d)", static_cast<int>(groups[2 * g]), static_cast<int>(groups[2 * g + 1]));
    }
    LOG_PRINT("\n");
    for (int64_t row = 0; row < actual; row++) {
        LOG_PRINT("session %d micro-batch %d token %d slot %d values %d..%d\n", sessions[row], microBatches[row],
                  tokens[row], offsets[row], y[row * kHidden], y[(row + 1) * kHidden - 1]);
    }
}

int Batch(const Device &d, int64_t needSchedule, aclrtStream stream)
{
    const int64_t shape[] = {kSessions, kTokens, kSlots, kHidden};
    aclIntArray *maxOutShape = aclCreateIntArray(shape, 4);
    uint64_t workspaceSize = 0;
    aclOpExecutor *executor = nullptr;
    auto ret = aclnnFfnWorkerBatchingGetWorkspaceSize(
        d.context.tensor, kExperts, maxOutShape, 0, needSchedule, 1, d.y.tensor, d.groupList.tensor,
        d.sessionIds.tensor, d.microBatchIds.tensor, d.tokenIds.tensor, d.expertOffsets.tensor, d.dynamicScale.tensor,
        d.actualTokenNum.tensor, &workspaceSize, &executor);
    aclDestroyIntArray(maxOutShape);
    CHECK_RET(ret == ACL_SUCCESS, LOG_PRINT("GetWorkspaceSize failed. ERROR: %d %s\n", ret, aclGetRecentErrMsg());
              return ret);
    const int failed = Launch(aclnnFfnWorkerBatching, workspaceSize, executor, stream);
    CHECK_RET(failed == 0, return failed);
    Report(d);
    return 0;
}

int Run(aclrtStream stream)
{
    Device d;
    CHECK_RET(CreateInputs(&d) == 0 && CreateOutputs(&d) == 0, return 1);
    const int failed = Batch(d, 0, stream);
    return failed != 0 ? failed : Batch(d, 1, stream);
}
} // namespace

int main()
{
    return RunExample(Run);
}
