/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention worker combine: the weighted sum of a token's expert results.
 *
 *     scheduleContext   INT8 (1024), used in place: with needSchedule 1 its flags and its micro_batch_id are written
 *     expertScales      FLOAT (Bs, K): Bs tokens, at most the context's micro_batch_size and another in each call if
 *                       need be; K in [1, 64] routed experts. The context's other selected_expert_num - K slots of a
 *                       token are shared experts, added unweighted
 *     layerId           INT32 (1)
 *     hiddenSize        H, a multiple of 16, which libafd asks for
 *     tokenDtype        0 FLOAT16, 1 BF16
 *     needSchedule      0: of micro-batch micro_batch_id; 1: waits for all results of the next one, reads them, then
 *                       clears their flags and makes it micro_batch_id
 *     y                 (Bs, H) of that type
 *     nextLayerId       INT32 (1): layerId + 1
 *
 * All tensors are contiguous. y may have any dims that have at least so many elements. Rows of the window are
 * ffn_to_attn_token_size apart, or 2*H where that is less.
 *
 * The first phase returns 161001 for a null pointer (workspaceSize, executor, the tensors), then 161002 for a tensor
 * that was destroyed, 561002 for a shape, type or value out of range, and 161001 for elements without memory. On
 * failure it writes nothing.
 *
 * What only the task can see is 507015: Bs or K above the context's, slots outside of token_data_buf_size. A wait past
 * aclrtSetOpExecuteTimeOut() is 507014, and the sentence names the slots that are late. A run_flag of 0, before or
 * while it waits, is success with nothing written. schedule_mode is not looked at.
 */
#ifndef AFD_ASCEND_ACLNNOP_ACLNN_ATTENTION_WORKER_COMBINE_H
#define AFD_ASCEND_ACLNNOP_ACLNN_ATTENTION_WORKER_COMBINE_H

#include "aclnn/aclnn_base.h"
#include "aclnnop/aclnn_util.h"

#ifdef __cplusplus
extern "C" {
#endif

ACLNN_API aclnnStatus aclnnAttentionWorkerCombineGetWorkspaceSize(
    const aclTensor *scheduleContext, const aclTensor *expertScales, const aclTensor *layerId, int64_t hiddenSize,
    int64_t tokenDtype, int64_t needSchedule, const aclTensor *y, const aclTensor *nextLayerId, uint64_t *workspaceSize,
    aclOpExecutor **executor);

/* Enqueues and returns. 161001 null executor or workspace; 161002 spent or foreign executor; 361001 no such stream. */
ACLNN_API aclnnStatus aclnnAttentionWorkerCombine(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                                  aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
