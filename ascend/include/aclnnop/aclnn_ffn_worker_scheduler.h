/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FFN worker scheduler: takes the sessions whose tokens are ready and lays their ids out in the context's buffers.
 *
 * scheduleContextRef is a contiguous INT8 tensor of one dimension over the 1024-byte ScheduleContext, used in place;
 * syncGroupSize is in [1, session_num] and divides it (session_num itself is all-sync); executeMode is 0.
 *
 * The first phase returns 161001 for a null pointer (workspaceSize, executor, tensor, in this order), then 161002 for a
 * rank other than 1, an executeMode other than 0, an empty tensor, one that is not contiguous INT8 of at least 1024
 * elements; then 161001 for a tensor without data. On failure it writes nothing. What is wrong in the context itself
 * fails at the stream: its next synchronize returns 507018. A wait past aclrtSetOpExecuteTimeOut() is 507017. A
 * run_flag of 0, before or while it waits, is success with out_num 0.
 */
#ifndef AFD_ASCEND_ACLNNOP_ACLNN_FFN_WORKER_SCHEDULER_H
#define AFD_ASCEND_ACLNNOP_ACLNN_FFN_WORKER_SCHEDULER_H

#include "aclnn/aclnn_base.h"
#include "aclnnop/aclnn_util.h"

#ifdef __cplusplus
extern "C" {
#endif

ACLNN_API aclnnStatus aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(aclTensor *scheduleContextRef,
                                                                     int32_t syncGroupSize, int32_t executeMode,
                                                                     uint64_t *workspaceSize,
                                                                     aclOpExecutor **executor);

/* Enqueues and returns. 161001 null executor or workspace; 161002 spent or foreign executor; 361001 no such stream. */
ACLNN_API aclnnStatus aclnnInplaceFfnWorkerScheduler(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                                     aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
