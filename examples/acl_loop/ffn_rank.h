/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An FFN rank: serves all sessions until it is told to stop. In each turn,
 *
 *     aclnnInplaceFfnWorkerScheduler   takes the sessions whose tokens are ready
 *     aclnnFfnWorkerBatching           their tokens, sorted by expert
 *     the experts                      a grouped matmul in a real model; here a loop on the host
 *     aclnnFFNToAttention              the results into the windows of the sessions
 */
#ifndef ACL_LOOP_FFN_RANK_H
#define ACL_LOOP_FFN_RANK_H

#include <thread>

#include "aclnnop/aclnn_ffn_to_attention.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "loop_ranks.h"
#include "schedule_context.h"

class FfnRank {
public:
    FfnRank(loop_meeting *meeting, uint32_t ffn, const Communicator &comm)
        : meeting_(meeting), options_(meeting->options), ffn_(ffn), comm_(comm),
          context_(options_, ScheduleContext::kFfn, comm),
          rowMax_(int64_t(options_.attention_num) * context_.shape().slots),
          idMax_(int64_t(loop_local_num(&options_)) * options_.layer_num),
          tokens_({ rowMax_, options_.hidden }, options_.quantize ? ACL_INT8 : ACL_BF16),
          groupList_({ idMax_, 2 }, ACL_INT64), sessionIds_({ rowMax_ }, ACL_INT32),
          microBatchIds_({ rowMax_ }, ACL_INT32), tokenIds_({ rowMax_ }, ACL_INT32),
          expertOffsets_({ rowMax_ }, ACL_INT32), dynamicScale_({ rowMax_ }, ACL_FLOAT),
          rowNum_({ 1 }, ACL_INT64), results_({ rowMax_, options_.hidden }, ACL_BF16),
          attentionRanks_({ options_.attention_num }, ACL_INT32),
          maxOutShape_({ options_.attention_num, options_.batch_size, loop_slot_num(&options_), options_.hidden }),
          infoShape_({ options_.micro_batch_num, options_.batch_size, loop_slot_num(&options_) }),
          dataShape_({ options_.micro_batch_num, options_.batch_size, loop_slot_num(&options_), options_.hidden }),
          hostTokens_(tokens_.memory().bytes()), hostGroups_(size_t(idMax_) * 2), hostScales_(size_t(rowMax_)),
          hostResults_(size_t(rowMax_) * options_.hidden)
    {
        EmptyWindow();
        std::vector<int32_t> ranks;
        for (uint32_t session = 0; session < options_.attention_num; session++) {
            ranks.push_back(static_cast<int32_t>((options_.ffn_first ? options_.ffn_num : 0) + session));
        }
        attentionRanks_.memory().Set(ranks.data(), ranks.size() * sizeof(int32_t));
    }

    /* Nobody tells an FFN rank how many turns there are, so another thread clears the run flag when the sessions are
     * done; the scheduler that waits then returns with nothing taken. */
    void Run()
    {
        std::thread ending([this] {
            loop_meet(meeting_);
            context_.Stop();
        });
        try {
            while (Take()) {
                Compute();
                Answer();
            }
        } catch (...) {
            ending.detach(); /* it waits for a meeting that will not be; the caller ends the process */
            throw;
        }
        ending.join();
    }

private:
    /*
     * A producer writes the expert ids of the slots that it sends to this rank, and no others. So before the first
     * token arrives every id must be "empty", 0x7FFFFFFF; a new communicator's buffer is all zero, which is expert 0.
     */
    void EmptyWindow()
    {
        const uint32_t descWords = context_.shape().descWords;
        std::vector<int32_t> info(context_.shape().ffnInfoBytes / sizeof(int32_t), 0x7FFFFFFF);
        for (size_t desc = 0; desc < info.size(); desc += descWords) {
            info[desc] = 0;     /* flag: free */
            info[desc + 1] = 0; /* layer id */
        }
        Check(aclrtMemcpy(comm_.window(), comm_.windowBytes(), info.data(), context_.shape().ffnInfoBytes,
                          ACL_MEMCPY_HOST_TO_DEVICE),
              "aclrtMemcpy into the window");
    }

    /* Schedules and batches; false when there is nothing more to do. */
    bool Take()
    {
        const int32_t groupSize = static_cast<int32_t>(options_.groups ? 1 : options_.attention_num);
        RUN_OPERATOR(stream_, aclnnInplaceFfnWorkerScheduler, context_.tensor(), groupSize, 0);
        RUN_OPERATOR(stream_, aclnnFfnWorkerBatching, context_.tensor(), idMax_, maxOutShape_,
                     int64_t(options_.quantize ? 2 : 1) /* int8 or bf16 */, int64_t(0) /* scheduled already */,
                     int64_t(options_.layer_num), tokens_, groupList_, sessionIds_,
                     microBatchIds_, tokenIds_, expertOffsets_, dynamicScale_, rowNum_);
        stream_.Wait();
        return context_.OutNum() > 0;
    }

    void Compute()
    {
        const size_t rows = static_cast<size_t>(rowNum_.First<int64_t>());
        const size_t rowBytes = options_.hidden * size_t(context_.shape().elementBytes);
        groupList_.memory().Get(hostGroups_.data(), hostGroups_.size() * sizeof(int64_t));
        tokens_.memory().Get(hostTokens_.data(), rows * rowBytes);
        if (options_.quantize) {
            dynamicScale_.memory().Get(hostScales_.data(), rows * sizeof(float));
        }
        size_t row = 0;
        for (size_t group = 0; row < rows; group++) { /* (expert id, rows), the rows one expert after the other */
            for (int64_t i = 0; i < hostGroups_[2 * group + 1]; i++, row++) {
                loop_expert(&options_, ffn_, hostGroups_[2 * group], &hostTokens_[row * rowBytes],
                            options_.quantize ? hostScales_[row] : 1.0F, &hostResults_[row * options_.hidden]);
            }
        }
        results_.memory().Set(hostResults_.data(), rows * options_.hidden * sizeof(uint16_t));
    }

    /* Without a table session s is rank s; with the FFN ranks in front it is another. */
    void Answer()
    {
        const aclTensor *ranks = options_.ffn_first ? static_cast<aclTensor *>(attentionRanks_) : nullptr;
        RUN_OPERATOR(stream_, aclnnFFNToAttention, results_, sessionIds_, microBatchIds_, tokenIds_, expertOffsets_,
                     rowNum_, ranks, comm_.name(), int64_t(loop_rank_num(&options_)), infoShape_, dataShape_);
    }

    loop_meeting *meeting_;
    const loop_options &options_;
    uint32_t ffn_;
    const Communicator &comm_;
    ScheduleContext context_;
    int64_t rowMax_; /* Y = A * BS * E */
    int64_t idMax_;  /* local experts x layers */
    DeviceTensor tokens_, groupList_, sessionIds_, microBatchIds_, tokenIds_, expertOffsets_, dynamicScale_, rowNum_;
    DeviceTensor results_, attentionRanks_;
    IntArray maxOutShape_, infoShape_, dataShape_;
    std::vector<char> hostTokens_;
    std::vector<int64_t> hostGroups_;
    std::vector<float> hostScales_;
    std::vector<uint16_t> hostResults_;
    Stream stream_; /* the last, so the first to end */
};

#endif
