/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tokens on their way through one layer, in one thread, one operator after the other, each looked at before the
 * next: rank 0 of a communicator is the attention side, rank 1 the FFN side, each with a device and a stream. For the
 * installed tree; it wants the headers of examples/acl_loop beside it. Prints a line for each operator that was right.
 */
#include <algorithm>
#include <cstdio>
#include <vector>

#include "aclnnop/aclnn_attention_to_ffn.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "aclnnop/aclnn_ffn_to_attention.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "schedule_context.h"

namespace {
enum : int64_t { kTokens = 2, kHidden = 1024, kSlots = 2, kRows = kTokens * kSlots, kExperts = 3 };

loop_options Options()
{
    loop_options o = {};
    o.attention_num = o.ffn_num = o.layer_num = o.micro_batch_num = o.step_num = 1;
    o.batch_size = kTokens;
    o.hidden = kHidden;
    o.top_k = o.shared_num = 1;
    o.routed_num = 2;
    return o;
}

void Expect(bool right, const char *what)
{
    if (!right) {
        throw std::runtime_error(std::string(what) + ": the result is not right");
    }
    std::printf("%s\n", what);
}

template <typename T>
std::vector<T> Read(const void *device, size_t count)
{
    std::vector<T> host(count);
    Check(aclrtMemcpy(host.data(), count * sizeof(T), device, count * sizeof(T), ACL_MEMCPY_DEVICE_TO_HOST),
          "aclrtMemcpy to the host");
    return host;
}

/* A rank: everything that it makes and does is on its own device. */
struct Rank {
    Rank(const loop_options &o, int32_t device, HcclComm handle, ScheduleContext::Mode mode)
        : id(device), comm((Check(aclrtSetDevice(device), "aclrtSetDevice"), handle)), context(o, mode, comm)
    {
    }
    void Enter() { Check(aclrtSetDevice(id), "aclrtSetDevice"); }

    int32_t id;
    Communicator comm;
    ScheduleContext context;
    Stream stream;
};

struct Layer {
    explicit Layer(HcclComm *handles)
        : options(Options()), attention(options, 0, handles[0], ScheduleContext::kAttention),
          ffn(options, 1, handles[1], ScheduleContext::kFfn), tokens(kTokens * kHidden), expertIds(kTokens),
          weights(kTokens), x({ 1, kTokens, kHidden }, ACL_BF16), zero({ 1 }, ACL_INT32, std::vector<int32_t>{ 0 }),
          y({ kRows, kHidden }, ACL_BF16), groupList({ kExperts, 2 }, ACL_INT64), sessionIds({ kRows }, ACL_INT32),
          microBatchIds({ kRows }, ACL_INT32), tokenIds({ kRows }, ACL_INT32), expertOffsets({ kRows }, ACL_INT32),
          dynamicScale({ kRows }, ACL_FLOAT), rowNum({ 1 }, ACL_INT64), results({ kRows, kHidden }, ACL_BF16)
    {
        loop_hidden_rows(&options, 0, 0, 0, kTokens, tokens.data());
        loop_route(&options, 0, 0, 0, 0, kTokens, expertIds.data(), weights.data());
        x.memory().Set(tokens.data(), tokens.size() * sizeof(uint16_t));
    }

    void Send()
    {
        attention.Enter();
        std::vector<int32_t> info(2 + kRows, 0x7FFFFFFF); /* the FFN window's only desc, with no expert in it */
        info[0] = info[1] = 0;
        Check(aclrtMemcpy(ffn.comm.window(), ffn.comm.windowBytes(), info.data(), info.size() * sizeof(int32_t),
                          ACL_MEMCPY_HOST_TO_DEVICE),
              "aclrtMemcpy into the window");
        std::vector<int32_t> table(size_t(kExperts) * loop_table_width(&options));
        loop_expert_table(&options, 1, table.data());
        const DeviceTensor where({ 1, kExperts, loop_table_width(&options) }, ACL_INT32, table);
        const DeviceTensor ids({ 1, kTokens, 1 }, ACL_INT32, expertIds);
        const IntArray infoShape{ 1, 1, 2 + kRows };
        const IntArray dataShape{ 1, 1, kTokens, kSlots, kHidden };
        const IntArray attentionShape{ 1, kTokens, kSlots };
        RUN_OPERATOR(attention.stream, aclnnAttentionToFFN, x, zero, zero, zero, ids, where, nullptr, nullptr,
                     attention.comm.name(), int64_t(2), infoShape, dataShape, attentionShape, int64_t(2), int64_t(0),
                     int64_t(0), int64_t(1));
        attention.stream.Wait();
        info = Read<int32_t>(ffn.comm.window(), info.size());
        Expect(info[0] == 1 && info[2] == expertIds[0] && info[3] == 2 && info[4] == expertIds[1] && info[5] == 2,
               "aclnnAttentionToFFN");
    }

    void Take()
    {
        ffn.Enter();
        RUN_OPERATOR(ffn.stream, aclnnInplaceFfnWorkerScheduler, ffn.context.tensor(), 1, 0);
        ffn.stream.Wait();
        Expect(ffn.context.OutNum() == 1 && Read<int32_t>(ffn.comm.window(), 1)[0] == 0,
               "aclnnInplaceFfnWorkerScheduler");
    }

    void Sort()
    {
        const IntArray maxOutShape{ 1, kTokens, kSlots, kHidden };
        RUN_OPERATOR(ffn.stream, aclnnFfnWorkerBatching, ffn.context.tensor(), int64_t(kExperts), maxOutShape,
                     int64_t(1), int64_t(0), int64_t(1), y, groupList, sessionIds, microBatchIds, tokenIds,
                     expertOffsets, dynamicScale, rowNum);
        ffn.stream.Wait();
        const std::vector<int64_t> groups = Read<int64_t>(groupList.memory().address(), 2);
        Expect(rowNum.First<int64_t>() == kRows && groups[0] == std::min(expertIds[0], expertIds[1]) &&
                   groups[1] == (expertIds[0] == expertIds[1] ? 2 : 1),
               "aclnnFfnWorkerBatching");
    }

    void Answer()
    {
        const std::vector<uint16_t> rows = Read<uint16_t>(y.memory().address(), kRows * kHidden);
        const std::vector<int64_t> groups = Read<int64_t>(groupList.memory().address(), 2 * kExperts);
        std::vector<uint16_t> answers(rows.size());
        size_t row = 0;
        for (size_t group = 0; row < kRows; group++) {
            for (int64_t i = 0; i < groups[2 * group + 1]; i++, row++) {
                loop_expert(&options, 0, groups[2 * group], &rows[row * kHidden], 1.0F, &answers[row * kHidden]);
            }
        }
        results.memory().Set(answers.data(), answers.size() * sizeof(uint16_t));
        const IntArray infoShape{ 1, kTokens, kSlots };
        const IntArray dataShape{ 1, kTokens, kSlots, kHidden };
        RUN_OPERATOR(ffn.stream, aclnnFFNToAttention, results, sessionIds, microBatchIds, tokenIds, expertOffsets,
                     rowNum, nullptr, ffn.comm.name(), int64_t(2), infoShape, dataShape);
        ffn.stream.Wait();
        Expect(Read<int32_t>(attention.comm.window(), kRows) == std::vector<int32_t>(kRows, 1), "aclnnFFNToAttention");
    }

    void Await()
    {
        attention.Enter();
        RUN_OPERATOR(attention.stream, aclnnInplaceAttentionWorkerScheduler, attention.context.tensor());
        attention.stream.Wait();
        Expect(Read<int32_t>(attention.comm.window(), kRows) == std::vector<int32_t>(kRows, 0),
               "aclnnInplaceAttentionWorkerScheduler");
    }

    /* With one routed expert its weight is 1, so what must come out is one sum a value. */
    void Combine()
    {
        const DeviceTensor scales({ kTokens, 1 }, ACL_FLOAT, weights);
        const DeviceTensor next({ 1 }, ACL_INT32);
        RUN_OPERATOR(attention.stream, aclnnAttentionWorkerCombine, attention.context.tensor(), scales, zero,
                     int64_t(kHidden), int64_t(1), int64_t(0), x, next);
        attention.stream.Wait();
        const std::vector<uint16_t> combined = Read<uint16_t>(x.memory().address(), tokens.size());
        bool right = next.First<int32_t>() == 1;
        for (size_t token = 0; token < kTokens; token++) {
            std::vector<uint16_t> routed(kHidden), shared(kHidden);
            loop_expert(&options, 0, expertIds[token], &tokens[token * kHidden], 1.0F, routed.data());
            loop_expert(&options, 0, 2, &tokens[token * kHidden], 1.0F, shared.data());
            for (size_t i = 0; i < kHidden; i++) {
                right = right && combined[token * kHidden + i] ==
                                     loop_narrow(loop_widen(routed[i]) + loop_widen(shared[i]));
            }
        }
        Expect(right, "aclnnAttentionWorkerCombine");
    }

    loop_options options;
    Rank attention, ffn;
    std::vector<uint16_t> tokens;
    std::vector<int32_t> expertIds;
    std::vector<float> weights;
    DeviceTensor x, zero, y, groupList, sessionIds, microBatchIds, tokenIds, expertOffsets, dynamicScale, rowNum;
    DeviceTensor results;
};

void Run()
{
    int32_t devices[2] = { 0, 1 };
    HcclComm handles[2] = { nullptr, nullptr };
    Check(HcclCommInitAll(2, devices, handles), "HcclCommInitAll");
    Layer layer(handles);
    layer.Send();
    layer.Take();
    layer.Sort();
    layer.Answer();
    layer.Await();
    layer.Combine();
}
} // namespace

int main()
{
    try {
        Check(aclInit(nullptr), "aclInit");
        Run();
        Check(aclFinalize(), "aclFinalize");
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "one_token: %s\n", failure.what());
        return 1;
    }
    return 0;
}
