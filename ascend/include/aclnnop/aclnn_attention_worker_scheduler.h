/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attention worker scheduler: waits until all results of the next micro-batch are there.
 *
 * Declared, and not there yet: a program that calls it does not link. ascend/README.md has the list.
 */
#ifndef AFD_ASCEND_ACLNNOP_ACLNN_ATTENTION_WORKER_SCHEDULER_H
#define AFD_ASCEND_ACLNNOP_ACLNN_ATTENTION_WORKER_SCHEDULER_H

#include "aclnn/aclnn_base.h"
#include "aclnnop/aclnn_util.h"

#ifdef __cplusplus
extern "C" {
#endif

ACLNN_API aclnnStatus aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(aclTensor *scheduleContextRef,
                                                                           uint64_t *workspaceSize,
                                                                           aclOpExecutor **executor);

ACLNN_API aclnnStatus aclnnInplaceAttentionWorkerScheduler(void *workspace, uint64_t workspaceSize,
                                                           aclOpExecutor *executor, aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
