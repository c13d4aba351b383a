/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention to FFN: sends the tokens of a micro-batch into the windows of the FFN workers of their experts.
 *
 *     x                   FLOAT16 or BF16 (1, Bs, H): Bs in [1, BS], H in [1024, 8192] and a multiple of 16
 *     sessionId, microBatchId, layerId   INT32 (1): read by the task, in [0, S), [0, M) and, with L > 1, [0, L)
 *     expertIds           INT32 (1, Bs, K): K in [1, 16] and at most moeExpertNum; each in [0, moeExpertNum)
 *     expertRankTable     INT32 (L, experts, Mx): a row an expert, `n, (rank, local expert id) x n, anything`, Mx >= 3.
 *                         Session s uses copy s % n. L = 1: the same for every layer. experts = moeExpertNum and the
 *                         E - K shared ones, of which there are at most 4
 *     scalesOptional      FLOAT (L, experts, H), factors before quantising; null, and with quantMode 0 always null
 *     activeMaskOptional  BOOL (1, Bs), trues first; the others are not sent; null: all are
 *     group               name of a communicator of worldSize ranks, fewer than 128 characters
 *     worldSize           in [2, 768]
 *     ffnTokenInfoTableShape    {S, M, 2 + BS*E}: S in [1, worldSize), BS in [1, 512], E in [1, 20]
 *     ffnTokenDataShape         {S, M, BS, E, HS}: HS counts elements of what is sent; >= H, or H + 128 for int8
 *     attnTokenInfoTableShape   {M, BS, E}
 *     moeExpertNum        in [1, 1024]: the routed experts
 *     quantMode           0: as it is; 2: int8 with one scale a token and slot
 *     syncFlag            0: publishes to every FFN rank; 1: to those alone that got a token
 *     ffnStartRankId      in [0, S]: the FFN ranks are the worldSize - S ones from here on
 *
 * Inputs may have any strides. The window of a rank is laid out as include/afd/window.h says.
 *
 * Waits, in its stream, until every FFN rank that it publishes to has given the desc of (session, micro-batch) back.
 * Then it writes the tokens, publishes, and sets the flags of all slots that were not sent, masked or past Bs, in the
 * rank's own window. It never looks at that window's flags: clearing them is up to the attention worker scheduler.
 *
 * The first phase returns 161001 for a null pointer (workspaceSize, executor, the tensors, the arrays, group; a group
 * that is empty), 161002 for a group that is too long and for what was destroyed, 561002 for a shape, type or value out
 * of range, no such group, or a window too small, and 161001 for elements without memory. On failure it writes nothing.
 * It reads no tensor's data, so it may be called on ranks that never run.
 *
 * What only the task can see is 507015: an id, a table entry or a mask out of range, a communicator that was destroyed.
 * Nothing was written then. A wait past aclrtSetOpExecuteTimeOut() is 507014 and names the ranks that hold their descs;
 * one that ends with its stream is 107017.
 */
#ifndef AFD_ASCEND_ACLNNOP_ACLNN_ATTENTION_TO_FFN_H
#define AFD_ASCEND_ACLNNOP_ACLNN_ATTENTION_TO_FFN_H

#include "aclnn/aclnn_base.h"
#include "aclnnop/aclnn_util.h"

#ifdef __cplusplus
extern "C" {
#endif

ACLNN_API aclnnStatus aclnnAttentionToFFNGetWorkspaceSize(
    const aclTensor *x, const aclTensor *sessionId, const aclTensor *microBatchId, const aclTensor *layerId,
    const aclTensor *expertIds, const aclTensor *expertRankTable, const aclTensor *scalesOptional,
    const aclTensor *activeMaskOptional, const char *group, int64_t worldSize,
    const aclIntArray *ffnTokenInfoTableShape, const aclIntArray *ffnTokenDataShape,
    const aclIntArray *attnTokenInfoTableShape, int64_t moeExpertNum, int64_t quantMode, int64_t syncFlag,
    int64_t ffnStartRankId, uint64_t *workspaceSize, aclOpExecutor **executor);

/*
 * Enqueues and returns. `workspace` is 8-byte aligned and stays until the stream is through with the task. 161001 null
 * executor or workspace; 161002 spent or foreign executor, workspace smaller than planned; 361001 no such stream.
 */
ACLNN_API aclnnStatus aclnnAttentionToFFN(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                          aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
