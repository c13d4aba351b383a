/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention to FFN: sends the tokens of a micro-batch into the windows of the FFN workers.
 *
 * Declared, and not there yet: a program that calls it does not link. ascend/README.md has the list.
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

ACLNN_API aclnnStatus aclnnAttentionToFFN(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                          aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
