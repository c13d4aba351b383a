/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ScheduleContext: 1024 bytes of device memory that tell the worker operators the shape of their world and where
 * the windows are. No header of CANN declares it, so programs fill it in by offset.
 */
#ifndef ACL_LOOP_SCHEDULE_CONTEXT_H
#define ACL_LOOP_SCHEDULE_CONTEXT_H

#include <cstring>
#include <memory>

#include "cann.h"
#include "loop_model.h"

namespace field {
enum : size_t {
    kSessionNum = 0,
    kMicroBatchNum = 4,
    kMicroBatchSize = 8,
    kSelectedExpertNum = 12,
    kExpertNum = 16,
    kAttnToFfnTokenSize = 20,
    kFfnToAttnTokenSize = 24,
    kScheduleMode = 28, /* 0 FFN, 1 attention */
    kRunFlag = 128,
    kAttentionWindow = 256, /* a window: u64 info address, info bytes, data address, data bytes */
    kMicroBatchId = 288,
    kFfnWindow = 384,
    kLayerIds = 512, /* an output: u64 address, bytes */
    kSessionIds = 528,
    kMicroBatchIds = 544,
    kExpertIds = 560,
    kOutNum = 576,
    kContextBytes = 1024
};
} // namespace field

/* The sizes that follow from the options. */
struct Shape {
    explicit Shape(const loop_options &o)
        : slots(o.batch_size * loop_slot_num(&o)), descWords(2 + slots), elementBytes(o.quantize ? 1 : 2),
          /* An int8 token has its scale behind it; 128 bytes are reserved for that. */
          sentElements(o.quantize ? o.hidden + 128 : o.hidden)
    {
        const uint64_t descs = static_cast<uint64_t>(o.attention_num) * o.micro_batch_num;
        ffnInfoBytes = descs * descWords * sizeof(int32_t);
        ffnDataBytes = descs * slots * sentElements * elementBytes;
        attentionInfoBytes = static_cast<uint64_t>(o.micro_batch_num) * slots * sizeof(int32_t);
        attentionDataBytes = static_cast<uint64_t>(o.micro_batch_num) * slots * o.hidden * sizeof(uint16_t);
    }

    uint32_t slots;     /* BS * E */
    uint32_t descWords; /* flag, layer id, expert ids */
    uint32_t elementBytes;
    uint32_t sentElements;
    uint64_t ffnInfoBytes, ffnDataBytes, attentionInfoBytes, attentionDataBytes;
};

class ScheduleContext {
public:
    enum Mode : int32_t { kFfn = 0, kAttention = 1 };

    ScheduleContext(const loop_options &o, Mode mode, const Communicator &comm)
        : shape_(o), memory_(field::kContextBytes), tensor_({ field::kContextBytes }, ACL_INT8, memory_.address())
    {
        std::memset(host_, 0, sizeof(host_));
        Put<uint32_t>(field::kSessionNum, o.attention_num);
        Put<uint32_t>(field::kMicroBatchNum, o.micro_batch_num);
        Put<uint32_t>(field::kMicroBatchSize, o.batch_size);
        Put<uint32_t>(field::kSelectedExpertNum, loop_slot_num(&o));
        Put<uint32_t>(field::kExpertNum, loop_expert_num(&o));
        Put<uint32_t>(field::kAttnToFfnTokenSize, shape_.sentElements * shape_.elementBytes);
        Put<uint32_t>(field::kFfnToAttnTokenSize, o.hidden * sizeof(uint16_t));
        Put<int32_t>(field::kScheduleMode, mode);
        Put<int32_t>(field::kRunFlag, 1);
        if (mode == kFfn) {
            PutWindow(field::kFfnWindow, shape_.ffnInfoBytes, shape_.ffnDataBytes, comm);
            PutOutputs(o);
        } else {
            PutWindow(field::kAttentionWindow, shape_.attentionInfoBytes, shape_.attentionDataBytes, comm);
            Put<uint32_t>(field::kMicroBatchId, o.micro_batch_num - 1); /* so the first that is awaited is 0 */
        }
        memory_.Set(host_, sizeof(host_));
    }

    aclTensor *tensor() const { return tensor_; }
    const Shape &shape() const { return shape_; }

    uint32_t OutNum() const
    {
        uint32_t outNum = 0;
        memory_.Get(&outNum, sizeof(outNum), field::kOutNum);
        return outNum;
    }

    /* Ends the operator that waits on this context, and all later ones, with success and nothing taken. Any thread. */
    void Stop()
    {
        const int32_t exit = 0;
        memory_.Set(&exit, sizeof(exit), field::kRunFlag);
    }

private:
    template <typename T>
    void Put(size_t offset, T value)
    {
        std::memcpy(host_ + offset, &value, sizeof(value));
    }

    /* A window is the table of token info, padded to 512 bytes, then the token data. */
    void PutWindow(size_t offset, uint64_t infoBytes, uint64_t dataBytes, const Communicator &comm)
    {
        const uint64_t address = reinterpret_cast<uint64_t>(comm.window());
        const uint64_t dataOffset = (infoBytes + 511) / 512 * 512;
        if (dataOffset + dataBytes > comm.windowBytes()) {
            throw std::runtime_error("the window needs " + std::to_string(dataOffset + dataBytes) +
                                     " bytes: set HCCL_BUFFSIZE to more MB");
        }
        const uint64_t window[4] = { address, infoBytes, address + dataOffset, dataBytes };
        std::memcpy(host_ + offset, window, sizeof(window));
    }

    /* Where the FFN scheduler lays the ids of what it took out, for batching. */
    void PutOutputs(const loop_options &o)
    {
        const size_t offsets[4] = { field::kLayerIds, field::kSessionIds, field::kMicroBatchIds, field::kExpertIds };
        for (size_t offset : offsets) {
            const size_t words = o.attention_num * static_cast<size_t>(offset == field::kExpertIds ? shape_.slots : 1);
            outputs_.emplace_back(new DeviceMemory(words * sizeof(int32_t)));
            Put<uint64_t>(offset, reinterpret_cast<uint64_t>(outputs_.back()->address()));
            Put<uint64_t>(offset + 8, outputs_.back()->bytes());
        }
    }

    Shape shape_;
    char host_[field::kContextBytes];
    DeviceMemory memory_;
    Tensor tensor_;
    std::vector<std::unique_ptr<DeviceMemory>> outputs_;
};

#endif
