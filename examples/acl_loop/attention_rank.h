/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attention rank: sends its micro-batches round through the layers. For each,
 *
 *     aclnnAttentionToFFN                    its tokens into the windows of the ranks that have their experts
 *     aclnnInplaceAttentionWorkerScheduler   until all results of the next micro-batch are back
 *     aclnnAttentionWorkerCombine            the weighted sum, which goes into the next layer
 */
#ifndef ACL_LOOP_ATTENTION_RANK_H
#define ACL_LOOP_ATTENTION_RANK_H

#include "aclnnop/aclnn_attention_to_ffn.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "loop_ranks.h"
#include "schedule_context.h"

/* The device memory of one micro-batch. A task that is queued looks at it when it runs, so each has its own. */
struct MicroBatch {
    MicroBatch(const loop_options &o, uint32_t session, uint32_t id)
        : rows(size_t(o.batch_size) * o.hidden * sizeof(uint16_t)),
          expertIds(size_t(o.batch_size) * o.top_k * sizeof(int32_t)),
          weights(size_t(o.batch_size) * o.top_k * sizeof(float)), mask(o.batch_size),
          sessionId({ 1 }, ACL_INT32, std::vector<int32_t>{ static_cast<int32_t>(session) }),
          microBatchId({ 1 }, ACL_INT32, std::vector<int32_t>{ static_cast<int32_t>(id) }), layerId({ 1 }, ACL_INT32),
          nextLayerId({ 1 }, ACL_INT32)
    {
    }

    DeviceMemory rows; /* [BS][H] bf16: what goes into a layer, and what comes out of it */
    DeviceMemory expertIds, weights, mask;
    DeviceTensor sessionId, microBatchId, layerId, nextLayerId;
    uint32_t tokenNum = 0;
};

class AttentionRank {
public:
    AttentionRank(loop_meeting *meeting, uint32_t session, const Communicator &comm)
        : meeting_(meeting), options_(meeting->options), session_(session), comm_(comm),
          firstFfnRank_(options_.ffn_first ? 0 : options_.attention_num),
          context_(options_, ScheduleContext::kAttention, comm), shape_(context_.shape()),
          expertTable_({ options_.layer_num, loop_expert_num(&options_), loop_table_width(&options_) }, ACL_INT32),
          ffnInfoShape_({ options_.attention_num, options_.micro_batch_num, shape_.descWords }),
          ffnDataShape_({ options_.attention_num, options_.micro_batch_num, options_.batch_size,
                          loop_slot_num(&options_), shape_.sentElements }),
          attentionInfoShape_({ options_.micro_batch_num, options_.batch_size, loop_slot_num(&options_) })
    {
        std::vector<int32_t> table(expertTable_.memory().bytes() / sizeof(int32_t));
        loop_expert_table(&options_, firstFfnRank_, table.data());
        expertTable_.memory().Set(table.data(), expertTable_.memory().bytes());
        if (options_.quantize) {
            const size_t experts = size_t(options_.layer_num) * loop_expert_num(&options_);
            std::vector<float> scales(experts * options_.hidden);
            loop_smooth_scales(&options_, scales.data());
            smoothScales_.reset(new DeviceTensor(
                { options_.layer_num, loop_expert_num(&options_), options_.hidden }, ACL_FLOAT, scales));
        }
        for (uint32_t m = 0; m < options_.micro_batch_num; m++) {
            microBatches_.emplace_back(new MicroBatch(options_, session, m));
        }
    }

    /* While one micro-batch is with the experts, the others are on their way. */
    void Run()
    {
        for (uint32_t step = 0; step < options_.step_num; step++) {
            loop_mark(meeting_, session_, step);
            for (uint32_t m = 0; m < options_.micro_batch_num; m++) {
                Begin(step, m);
            }
            for (uint32_t index = 0; index <= options_.layer_num; index++) {
                for (uint32_t m = 0; m < options_.micro_batch_num; m++) {
                    if (index > 0) {
                        Collect(step, loop_layer(&options_, session_, index - 1), m);
                    }
                    if (index < options_.layer_num) {
                        Send(step, loop_layer(&options_, session_, index), m);
                    }
                }
            }
        }
    }

private:
    void Begin(uint32_t step, uint32_t m)
    {
        MicroBatch &batch = *microBatches_[m];
        batch.tokenNum = loop_token_num(&options_, step, session_, m);
        std::vector<uint16_t> rows(size_t(batch.tokenNum) * options_.hidden);
        loop_hidden_rows(&options_, step, session_, m, batch.tokenNum, rows.data());
        batch.rows.Set(rows.data(), rows.size() * sizeof(uint16_t));
    }

    void Route(uint32_t step, uint32_t layer, uint32_t m)
    {
        MicroBatch &batch = *microBatches_[m];
        std::vector<int32_t> ids(size_t(batch.tokenNum) * options_.top_k);
        std::vector<float> weights(ids.size());
        const int32_t layerId = static_cast<int32_t>(layer);
        loop_route(&options_, step, session_, m, layer, batch.tokenNum, ids.data(), weights.data());
        batch.expertIds.Set(ids.data(), ids.size() * sizeof(int32_t));
        batch.weights.Set(weights.data(), weights.size() * sizeof(float));
        batch.layerId.memory().Set(&layerId, sizeof(layerId));
    }

    /*
     * A batch that is not full can be said in two ways, and both are used here: as fewer rows, or as all rows with a
     * mask of those that count, which come first. No token at all is a mask without any.
     */
    void Send(uint32_t step, uint32_t layer, uint32_t m)
    {
        MicroBatch &batch = *microBatches_[m];
        const bool masked = batch.tokenNum == 0 || (!options_.time && (step + m) % 2 == 1);
        const int64_t rows = masked ? options_.batch_size : batch.tokenNum;
        std::unique_ptr<Tensor> mask;
        Route(step, layer, m);
        if (masked) {
            std::vector<uint8_t> active(options_.batch_size, 0);
            std::fill_n(active.begin(), batch.tokenNum, uint8_t(1));
            batch.mask.Set(active.data(), active.size());
            mask.reset(new Tensor({ 1, rows }, ACL_BOOL, batch.mask.address()));
        }
        SendRows(batch, rows, mask ? static_cast<aclTensor *>(*mask) : nullptr);
    }

    void SendRows(MicroBatch &batch, int64_t rows, const aclTensor *mask)
    {
        const Tensor x({ 1, rows, options_.hidden }, ACL_BF16, batch.rows.address());
        const Tensor ids({ 1, rows, options_.top_k }, ACL_INT32, batch.expertIds.address());
        const aclTensor *scales = smoothScales_ ? static_cast<aclTensor *>(*smoothScales_) : nullptr;
        const int64_t worldSize = loop_rank_num(&options_);
        const int64_t quantMode = options_.quantize ? 2 : 0;
        /* Publishing to those alone that got a token goes with groups of one among several sessions. */
        const int64_t syncFlag = options_.groups && options_.attention_num > 1 ? 1 : 0;
        RUN_OPERATOR(stream_, aclnnAttentionToFFN, x, batch.sessionId, batch.microBatchId, batch.layerId, ids,
                     expertTable_, scales, mask, comm_.name(), worldSize, ffnInfoShape_, ffnDataShape_,
                     attentionInfoShape_, int64_t(options_.routed_num), quantMode, syncFlag, int64_t(firstFfnRank_));
    }

    /* The scheduler goes round the micro-batches as they were sent, so the one that it waits for is m. */
    void Collect(uint32_t step, uint32_t layer, uint32_t m)
    {
        MicroBatch &batch = *microBatches_[m];
        RUN_OPERATOR(stream_, aclnnInplaceAttentionWorkerScheduler, context_.tensor());
        if (batch.tokenNum == 0) {
            stream_.Wait();
            loop_leave_digest(meeting_, session_, step, layer, m, nullptr);
            return;
        }
        const int64_t rows = batch.tokenNum;
        const Tensor weights({ rows, options_.top_k }, ACL_FLOAT, batch.weights.address());
        const Tensor y({ rows, options_.hidden }, ACL_BF16, batch.rows.address());
        RUN_OPERATOR(stream_, aclnnAttentionWorkerCombine, context_.tensor(), weights, batch.layerId,
                     int64_t(options_.hidden), int64_t(1) /* bf16 */, int64_t(0) /* scheduled already */, y,
                     batch.nextLayerId);
        stream_.Wait();
        if (batch.nextLayerId.First<int32_t>() != static_cast<int32_t>(layer) + 1) {
            throw std::runtime_error("combine says that the next layer is another");
        }
        std::vector<uint16_t> combined(size_t(rows) * options_.hidden);
        batch.rows.Get(combined.data(), combined.size() * sizeof(uint16_t));
        loop_leave_digest(meeting_, session_, step, layer, m, combined.data());
    }

    loop_meeting *meeting_;
    const loop_options &options_;
    uint32_t session_;
    const Communicator &comm_;
    uint32_t firstFfnRank_;
    ScheduleContext context_;
    const Shape &shape_;
    DeviceTensor expertTable_;
    std::unique_ptr<DeviceTensor> smoothScales_;
    IntArray ffnInfoShape_, ffnDataShape_, attentionInfoShape_;
    std::vector<std::unique_ptr<MicroBatch>> microBatches_;
    Stream stream_; /* the last, so the first to end: nothing is queued any more when the memory goes */
};

#endif
