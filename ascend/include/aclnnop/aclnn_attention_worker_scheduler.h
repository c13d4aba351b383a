/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attention worker scheduler: waits until all results of the next micro-batch are there.
 *
 * scheduleContextRef is a contiguous INT8 tensor of one dimension over the 1024-byte ScheduleContext, used in place.
 * The task waits until all flags of micro-batch (micro_batch_id + 1) % micro_batch_num are exactly 1, clears them, and
 * makes it micro_batch_id.
 *
 * The first phase returns 161001 for a null pointer (workspaceSize, executor, tensor, in this order), then 161002 for a
 * rank other than 1, an empty tensor, one that is not contiguous INT8 of at least 1024 elements; then 161001 for a
 * tensor without data. On failure it writes nothing. What is wrong in the context itself fails at the stream: its next
 * synchronize returns 507018. A wait past aclrtSetOpExecuteTimeOut() is 507017, and the sentence names the slots that
 * are late. A run_flag of 0, before or while it waits, is success with nothing changed.
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

/* Enqueues and returns. 161001 null executor or workspace; 161002 spent or foreign executor; 361001 no such stream. */
ACLNN_API aclnnStatus aclnnInplaceAttentionWorkerScheduler(void *workspace, uint64_t workspaceSize,
                                                           aclOpExecutor *executor, aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
