/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFN to attention: sends expert results back into the windows of the attention workers.
 *
 * Declared, and not there yet: a program that calls it does not link. ascend/README.md has the list.
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

ACLNN_API aclnnStatus aclnnFFNToAttention(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                          aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
