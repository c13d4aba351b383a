/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen ranks in one process, a thread each: five FFN ranks first, then eleven attention ranks, which send a
 * micro-batch of eight tokens. Every rank plans; an FFN rank, whose session would be negative, never runs: it sleeps
 * for as many seconds as the first argument says, and then looks at its window. Experts have up to four copies, some of
 * them on one rank. The ids are int16 on the host and INT32 in their tensors.
 */
#include <thread>

#include "aclnnop/aclnn_attention_to_ffn.h"
#include "rank_sample.h"

namespace {
constexpr int64_t kFfnNum = 5, kSessions = 11, kTokens = 8, kHidden = 7168;
constexpr int64_t kTopK = 4, kShared = 1, kSlots = kTopK + kShared, kRouted = 8, kExperts = kRouted + kShared;
constexpr int64_t kWidth = 9, kCopiesMax = 4, kDescWords = 2 + kTokens * kSlots;
constexpr int32_t kEmptySlot = 1000000;

int64_t CopyNum(int64_t expert)
{
    return expert % kCopiesMax + 1;
}

/* Copies 0 and 1 of an expert are on one rank, 2 and 3 on the next. */
int32_t RankOf(int64_t expert, int64_t copy)
{
    return static_cast<int32_t>((expert + copy / 2) % kFfnNum);
}

int32_t LocalId(int64_t expert, int64_t copy)
{
    return static_cast<int32_t>(expert * kCopiesMax + copy);
}

int64_t ExpertOf(int64_t session, int64_t token, int64_t slot)
{
    return slot < kTopK ? (session + token + slot) % kRouted : kRouted + slot - kTopK;
}

uint16_t ValueOf(int64_t session, int64_t token)
{
    return static_cast<uint16_t>(0x3C00 + session * kTokens + token);
}

std::vector<int32_t> ExpertRankTable()
{
    std::vector<int32_t> table(kExperts * kWidth, 0);
    for (int64_t expert = 0; expert < kExperts; expert++) {
        int32_t *row = &table[expert * kWidth];
        row[0] = static_cast<int32_t>(CopyNum(expert));
        for (int64_t copy = 0; copy < CopyNum(expert); copy++) {
            row[1 + 2 * copy] = RankOf(expert, copy);
            row[2 + 2 * copy] = LocalId(expert, copy);
        }
    }
    return table;
}

struct Inputs {
    Tensor x, sessionId, microBatchId, layerId, expertIds, table;
};

int MakeInputs(int64_t session, Inputs *in)
{
    std::vector<uint16_t> x;
    std::vector<int32_t> expertIds;
    for (int64_t token = 0; token < kTokens; token++) {
        x.insert(x.end(), kHidden, ValueOf(session, token));
        for (int64_t k = 0; k < kTopK; k++) {
            expertIds.push_back(static_cast<int32_t>(((session + token + k) % kRouted + kRouted) % kRouted));
        }
    }
    const std::vector<int16_t> zero(1, 0), sessionId(1, static_cast<int16_t>(session));
    int ret = CreateAclTensor(x, { 1, kTokens, kHidden }, ACL_FLOAT16, &in->x.data, &in->x.tensor);
    ret |= CreateAclTensor(sessionId, { 1 }, ACL_INT32, &in->sessionId.data, &in->sessionId.tensor);
    ret |= CreateAclTensor(zero, { 1 }, ACL_INT32, &in->microBatchId.data, &in->microBatchId.tensor);
    ret |= CreateAclTensor(zero, { 1 }, ACL_INT32, &in->layerId.data, &in->layerId.tensor);
    ret |= CreateAclTensor(expertIds, { 1, kTokens, kTopK }, ACL_INT32, &in->expertIds.data, &in->expertIds.tensor);
    ret |= CreateAclTensor(ExpertRankTable(), { 1, kExperts, kWidth }, ACL_INT32, &in->table.data, &in->table.tensor);
    return ret;
}

int Plan(const Rank &rank, const Inputs &in, uint64_t *workspaceSize, aclOpExecutor **executor)
{
    char group[128] = { 0 };
    const HcclResult named = HcclGetCommName(rank.comm, group);
    CHECK_RET(named == HCCL_SUCCESS, "HcclGetCommName failed with %d", named);
    const std::vector<int64_t> info{ kSessions, 1, kDescWords }, data{ kSessions, 1, kTokens, kSlots, kHidden };
    const std::vector<int64_t> own{ 1, kTokens, kSlots };
    aclIntArray *infoShape = aclCreateIntArray(info.data(), info.size());
    aclIntArray *dataShape = aclCreateIntArray(data.data(), data.size());
    aclIntArray *ownShape = aclCreateIntArray(own.data(), own.size());
    const auto ret = aclnnAttentionToFFNGetWorkspaceSize(
        in.x.tensor, in.sessionId.tensor, in.microBatchId.tensor, in.layerId.tensor, in.expertIds.tensor,
        in.table.tensor, nullptr, nullptr, group, kWorldSize, infoShape, dataShape, ownShape, kRouted, 0, 0, 0,
        workspaceSize, executor);
    CHECK_RET(ret == ACL_SUCCESS, "aclnnAttentionToFFNGetWorkspaceSize failed with %d", ret);
    aclDestroyIntArray(infoShape);
    aclDestroyIntArray(dataShape);
    aclDestroyIntArray(ownShape);
    return 0;
}

int Send(const Rank &rank, uint64_t workspaceSize, aclOpExecutor *executor)
{
    void *workspace = nullptr;
    if (workspaceSize > 0) {
        const int ret = aclrtMalloc(&workspace, workspaceSize, ACL_MEM_MALLOC_HUGE_FIRST);
        CHECK_RET(ret == ACL_SUCCESS, "aclrtMalloc failed with %d", ret);
    }
    const auto ret = aclnnAttentionToFFN(workspace, workspaceSize, executor, rank.stream);
    CHECK_RET(ret == ACL_SUCCESS, "aclnnAttentionToFFN failed with %d", ret);
    const int done = aclrtSynchronizeStreamWithTimeout(rank.stream, 10000);
    CHECK_RET(done == ACL_SUCCESS, "aclrtSynchronizeStreamWithTimeout failed with %d", done);
    if (workspace != nullptr) {
        aclrtFree(workspace);
    }
    return 0;
}

/* What a session sent to this rank is there, and nothing else. */
int CheckSession(const Rank &rank, const char *window, int64_t session)
{
    const int32_t *desc = reinterpret_cast<const int32_t *>(window) + session * kDescWords;
    const size_t dataOffset = (kSessions * kDescWords * sizeof(int32_t) + 511) / 512 * 512;
    const uint16_t *data = reinterpret_cast<const uint16_t *>(window + dataOffset);
    for (int64_t i = 0; i < kTokens * kSlots; i++) {
        const int64_t token = i / kSlots, expert = ExpertOf(session, token, i % kSlots);
        const int64_t copy = session % CopyNum(expert);
        const bool isHere = RankOf(expert, copy) == static_cast<int32_t>(rank.id);
        const int32_t id = desc[2 + i];
        CHECK_RET(isHere ? id == LocalId(expert, copy) : id >= kEmptySlot,
                  "rank %u: session %d token %d has the id %d", rank.id, static_cast<int>(session),
                  static_cast<int>(token), id);
        const uint16_t *row = data + (session * kTokens * kSlots + i) * kHidden;
        CHECK_RET(!isHere || (row[0] == ValueOf(session, token) && row[kHidden - 1] == row[0]),
                  "rank %u: session %d token %d has other data", rank.id, static_cast<int>(session),
                  static_cast<int>(token));
    }
    return 0;
}

/* Real programs sleep and hope; this one goes on to wait, for as long as only a hang can last. */
int Receive(const Rank &rank, int seconds)
{
    void *window = nullptr;
    uint64_t bytes = 0;
    const HcclResult found = HcclGetHcclBuffer(rank.comm, &window, &bytes);
    CHECK_RET(found == HCCL_SUCCESS, "HcclGetHcclBuffer failed with %d", found);
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    for (int64_t session = 0; session < kSessions; session++) {
        const int32_t *flag = static_cast<const int32_t *>(window) + session * kDescWords;
        for (int i = 0; LoadFlag(flag) != 1 && i < 60000; i++) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        CHECK_RET(LoadFlag(flag) == 1, "rank %u: session %d sent nothing", rank.id, static_cast<int>(session));
        if (CheckSession(rank, static_cast<const char *>(window), session) != 0) {
            return 1;
        }
    }
    return 0;
}

int Work(Rank &rank, int seconds)
{
    int ret = aclrtSetCurrentContext(rank.context);
    CHECK_RET(ret == ACL_SUCCESS, "aclrtSetCurrentContext failed with %d", ret);
    const int64_t session = static_cast<int64_t>(rank.id) - kFfnNum; /* negative on FFN ranks */
    Inputs in;
    uint64_t workspaceSize = 0;
    aclOpExecutor *executor = nullptr;
    if (MakeInputs(session, &in) != 0 || Plan(rank, in, &workspaceSize, &executor) != 0) {
        return 1;
    }
    ret = session >= 0 ? Send(rank, workspaceSize, executor) : Receive(rank, seconds);
    return TearDown(rank) != 0 ? 1 : ret;
}
} // namespace

int main(int argc, char **argv)
{
    const int seconds = argc > 1 ? std::stoi(argv[1]) : 10;
    std::vector<Rank> ranks;
    if (InitRanks(ranks, 1) != 0) {
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
    printf("%d sessions sent to %d ranks\n", static_cast<int>(kSessions), static_cast<int>(kFfnNum));
    return 0;
}
