/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFN worker batching: sorts the tokens that the scheduler took by expert.
 *
 * Declared, and not there yet: a program that calls it does not link. ascend/README.md has the list.
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

ACLNN_API aclnnStatus aclnnFfnWorkerBatching(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                             aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
