/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFN worker batching: sorts the tokens that the scheduler took by expert.
 *
 *     scheduleContext   INT8 (1024), used in place: with needSchedule 1 its window and its polling_index are written
 *     expertNum         in [1, 8192]: the experts of this worker x the layers that it serves
 *     maxOutShape       {A, BS, E, H}: A in [1, 1024] sessions at most; BS tokens and E in [1, 64] slots a token, as in
 *                       the context; H a multiple of 16, which libafd asks for. Y = A*BS*E is below 2^32
 *     tokenDtype        0 FLOAT16, 1 BF16, 2 INT8 with one scale a token
 *     needSchedule      0: what the scheduler left in the context's output area, out_num sessions of it; 1: waits for
 *                       micro-batch polling_index of all sessions and takes it from the window, the output area is
 *                       left alone
 *     layerNum          in [0, expertNum]; changes nothing
 *     y                 (Y, H) of that type: the tokens, sorted by expert id, then session order, token, slot
 *     groupList         INT64 (expertNum, 2): (expert id, count) of the experts that have tokens, then (0, 0)
 *     sessionIds, microBatchIds, tokenIds, expertOffsets   INT32 (Y): where each row is from
 *     dynamicScale      FLOAT (Y) with tokenDtype 2; must be there, and is not written, with the others
 *     actualTokenNum    INT64 (1): the rows that were written; rows behind them stay as they were
 *
 * All tensors are contiguous. Outputs may have any dims that have at least so many elements.
 *
 * The first phase returns 161001 for a null pointer (workspaceSize, executor, the tensors, maxOutShape), then 161002
 * for one that was destroyed, 561002 for a shape, type or value out of range, and 161001 for elements without memory.
 * On failure it writes nothing.
 *
 * What only the task can see is 507015: a context whose BS and E are not those of maxOutShape, more than 64
 * micro-batches, more sessions than A, an expert id that is neither in [0, expertNum) nor at least 1,000,000 (the
 * sentence names session, micro-batch, token and slot), a token that is not inside token_data_buf_size. Nothing was
 * changed then. A wait past aclrtSetOpExecuteTimeOut() is 507014. A run_flag of 0, before or while it waits, is success
 * with actualTokenNum 0 and a groupList of zeros. schedule_mode is not looked at.
 */
#ifndef AFD_ASCEND_ACLNNOP_ACLNN_FFN_WORKER_BATCHING_H
#define AFD_ASCEND_ACLNNOP_ACLNN_FFN_WORKER_BATCHING_H

#include "aclnn/aclnn_base.h"
#include "aclnnop/aclnn_util.h"

#ifdef __cplusplus
extern "C" {
#endif

ACLNN_API aclnnStatus aclnnFfnWorkerBatchingGetWorkspaceSize(
    const aclTensor *scheduleContext, int64_t expertNum, const aclIntArray *maxOutShape, int64_t tokenDtype,
    int64_t needSchedule, int64_t layerNum, const aclTensor *y, const aclTensor *groupList, const aclTensor *sessionIds,
    const aclTensor *microBatchIds, const aclTensor *tokenIds, const aclTensor *expertOffsets,
    const aclTensor *dynamicScale, const aclTensor *actualTokenNum, uint64_t *workspaceSize, aclOpExecutor **executor);

/*
 * Enqueues and returns. `workspace` is 8-byte aligned and stays until the stream is through with the task. 161001 null
 * executor or workspace; 161002 spent or foreign executor, workspace smaller than planned; 361001 no such stream.
 */
ACLNN_API aclnnStatus aclnnFfnWorkerBatching(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                             aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
