/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen ranks in one process, a thread each, of which the first eight are attention ranks. All sixteen, those too,
 * run the operator with the same eight rows, so that sixteen tasks write each slot. Attention ranks never synchronize:
 * they sleep for as many seconds as the first argument says and look at their window. HcclCommInitAll is called once a
 * rank.
 *
 * Sixteen plain writes of the same bytes to one place are a data race, which ThreadSanitizer rightly says: under it
 * this is skipped.
 */
#include <thread>

#include "aclnnop/aclnn_ffn_to_attention.h"
#include "rank_sample.h"

namespace {
constexpr int64_t kAttentionNum = 8, kRows = 8, kHidden = 7168, kTokens = 8, kTopK = 7, kShared = 1;
constexpr int64_t kSlots = kTopK + kShared;

uint16_t ValueOf(int64_t row)
{
    return static_cast<uint16_t>(0x3C00 + row);
}

struct Inputs {
    Tensor x, sessionIds, microBatchIds, tokenIds, expertOffsets, actualTokenNum, rankTable;
};

/* Row i is the result of slot i of token 0 of session i. */
int MakeInputs(Inputs *in)
{
    std::vector<uint16_t> x;
    std::vector<int32_t> numbers, zeros(kRows, 0);
    for (int64_t row = 0; row < kRows; row++) {
        x.insert(x.end(), kHidden, ValueOf(row));
        numbers.push_back(static_cast<int32_t>(row));
    }
    int ret = CreateAclTensor(x, { kRows, kHidden }, ACL_FLOAT16, &in->x.data, &in->x.tensor);
    ret |= CreateAclTensor(numbers, { kRows }, ACL_INT32, &in->sessionIds.data, &in->sessionIds.tensor);
    ret |= CreateAclTensor(zeros, { kRows }, ACL_INT32, &in->microBatchIds.data, &in->microBatchIds.tensor);
    ret |= CreateAclTensor(zeros, { kRows }, ACL_INT32, &in->tokenIds.data, &in->tokenIds.tensor);
    ret |= CreateAclTensor(numbers, { kRows }, ACL_INT32, &in->expertOffsets.data, &in->expertOffsets.tensor);
    ret |= CreateAclTensor(std::vector<int64_t>(1, kRows), { 1 }, ACL_INT64, &in->actualTokenNum.data,
                           &in->actualTokenNum.tensor);
    ret |= CreateAclTensor(numbers, { kAttentionNum }, ACL_INT32, &in->rankTable.data, &in->rankTable.tensor);
    return ret;
}

int Send(const Rank &rank, const Inputs &in)
{
    char group[128] = { 0 };
    const HcclResult named = HcclGetCommName(rank.comm, group);
    CHECK_RET(named == HCCL_SUCCESS, "HcclGetCommName failed with %d", named);
    const std::vector<int64_t> info{ 1, kTokens, kSlots }, data{ 1, kTokens, kSlots, kHidden };
    aclIntArray *infoShape = aclCreateIntArray(info.data(), info.size());
    aclIntArray *dataShape = aclCreateIntArray(data.data(), data.size());
    uint64_t workspaceSize = 0;
    aclOpExecutor *executor = nullptr;
    auto ret = aclnnFFNToAttentionGetWorkspaceSize(
        in.x.tensor, in.sessionIds.tensor, in.microBatchIds.tensor, in.tokenIds.tensor, in.expertOffsets.tensor,
        in.actualTokenNum.tensor, in.rankTable.tensor, group, kWorldSize, infoShape, dataShape, &workspaceSize,
        &executor);
    CHECK_RET(ret == ACL_SUCCESS, "aclnnFFNToAttentionGetWorkspaceSize failed with %d", ret);
    aclDestroyIntArray(infoShape);
    aclDestroyIntArray(dataShape);
    ret = aclnnFFNToAttention(nullptr, workspaceSize, executor, rank.stream);
    CHECK_RET(ret == ACL_SUCCESS, "aclnnFFNToAttention failed with %d", ret);
    return 0;
}

/* Session i is rank i, and got row i. */
int Receive(const Rank &rank, int seconds)
{
    void *window = nullptr;
    uint64_t bytes = 0;
    const HcclResult found = HcclGetHcclBuffer(rank.comm, &window, &bytes);
    CHECK_RET(found == HCCL_SUCCESS, "HcclGetHcclBuffer failed with %d", found);
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const int32_t *flags = static_cast<const int32_t *>(window);
    for (int i = 0; LoadFlag(flags + rank.id) != 1 && i < 60000; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (int64_t slot = 0; slot < kTokens * kSlots; slot++) {
        const int32_t expected = slot == static_cast<int64_t>(rank.id) ? 1 : 0;
        CHECK_RET(LoadFlag(flags + slot) == expected, "rank %u: the flag of slot %d is not %d", rank.id,
                  static_cast<int>(slot), expected);
    }
    const size_t dataOffset = (kTokens * kSlots * sizeof(int32_t) + 511) / 512 * 512;
    const uint16_t *row = reinterpret_cast<const uint16_t *>(static_cast<const char *>(window) + dataOffset) +
                          rank.id * kHidden;
    CHECK_RET(row[0] == ValueOf(rank.id) && row[kHidden - 1] == row[0], "rank %u has other data", rank.id);
    return 0;
}

int Work(Rank &rank, int seconds)
{
    int ret = aclrtSetCurrentContext(rank.context);
    CHECK_RET(ret == ACL_SUCCESS, "aclrtSetCurrentContext failed with %d", ret);
    Inputs in;
    if (MakeInputs(&in) != 0 || Send(rank, in) != 0) {
        return 1;
    }
    if (rank.id < kAttentionNum) {
        ret = Receive(rank, seconds);
    } else {
        ret = aclrtSynchronizeStreamWithTimeout(rank.stream, 10000);
        CHECK_RET(ret == ACL_SUCCESS, "aclrtSynchronizeStreamWithTimeout failed with %d", ret);
    }
    /* The inputs end after the stream. */
    return TearDown(rank) != 0 ? 1 : ret;
}
} // namespace

int main(int argc, char **argv)
{
#if defined(__SANITIZE_THREAD__)
    printf("skipped: it is a data race on purpose\n");
    return 77;
#endif
    const int seconds = argc > 1 ? std::stoi(argv[1]) : 10;
    std::vector<Rank> ranks;
    if (InitRanks(ranks, kWorldSize) != 0) {
        return 1;
    }
    std::vector<std::unique_ptr<std::thread>> threads;
    for (Rank &rank : ranks) {
        threads.emplace_back(new std::thread([&rank, seconds] { rank.result = Work(rank, seconds); }));
    }
    for (auto &thread : threads) {
        thread->join();
    }
    for (const Rank &rank : ranks) {
        if (rank.result != 0) {
            return 1;
        }
    }
    aclFinalize();
    printf("%d ranks sent %d rows\n", static_cast<int>(kWorldSize), static_cast<int>(kRows));
    return 0;
}
