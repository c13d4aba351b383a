/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFN to attention: sends expert results back into the windows of the attention workers.
 *
 *     x                      FLOAT16 or BF16 (Y, H): a row a result, H in [1024, 8192] and a multiple of 16
 *     sessionIds, microBatchIds, tokenIds, expertOffsets   INT32 (Y): where each row goes, as batching wrote them
 *     actualTokenNum         INT64 (1): the rows that are sent, in [0, Y]; read by the task
 *     attnRankTableOptional  INT32 (sessions), at most worldSize of them: the rank of each session; null: its number
 *     group                  name of a communicator of worldSize ranks, fewer than 128 characters
 *     worldSize              in [2, 768]
 *     tokenInfoTableShape    {M, BS, E}: BS in [1, 512]
 *     tokenDataShape         {M, BS, E, HS}: HS in elements, in [H, 8320]
 *
 * Inputs may have any strides. Each row is written to its slot of the session's window, and then the slot's flag is set
 * with release. Waits for nothing: the slots of an open round are free. Several ranks may send at once; two rows for
 * one slot leave one of the two, or a mixture if they differ.
 *
 * The first phase returns 161001 for a null pointer (workspaceSize, executor, the tensors, the arrays, group; a group
 * that is empty), 161002 for a group that is too long and for what was destroyed, 561002 for a shape, type or value out
 * of range, no such group, or a window too small, and 161001 for elements without memory. On failure it writes nothing.
 *
 * What only the task can see is 507015: actualTokenNum, an index or a rank out of range (the sentence has the row, the
 * field, the value and the bound), a communicator that was destroyed. Nothing was written then.
 */
#ifndef AFD_ASCEND_ACLNNOP_ACLNN_FFN_TO_ATTENTION_H
#define AFD_ASCEND_ACLNNOP_ACLNN_FFN_TO_ATTENTION_H

#include "aclnn/aclnn_base.h"
#include "aclnnop/aclnn_util.h"

#ifdef __cplusplus
extern "C" {
#endif

ACLNN_API aclnnStatus aclnnFFNToAttentionGetWorkspaceSize(
    const aclTensor *x, const aclTensor *sessionIds, const aclTensor *microBatchIds, const aclTensor *tokenIds,
    const aclTensor *expertOffsets, const aclTensor *actualTokenNum, const aclTensor *attnRankTableOptional,
    const char *group, int64_t worldSize, const aclIntArray *tokenInfoTableShape, const aclIntArray *tokenDataShape,
    uint64_t *workspaceSize, aclOpExecutor **executor);

/*
 * Enqueues and returns. `workspace` is 8-byte aligned and stays until the stream is through with the task. 161001 null
 * executor or workspace; 161002 spent or foreign executor, workspace smaller than planned; 361001 no such stream.
 */
ACLNN_API aclnnStatus aclnnFFNToAttention(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                          aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
