/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention worker combine: the weighted sum of a token's expert results.
 *
 * Declared, and not there yet: a program that calls it does not link. ascend/README.md has the list.
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

ACLNN_API aclnnStatus aclnnAttentionWorkerCombine(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                                  aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
