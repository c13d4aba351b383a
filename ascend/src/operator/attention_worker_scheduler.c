/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnInplaceAttentionWorkerScheduler: one call of afd_attention_schedule() in its task. */
#include "aclnnop/aclnn_attention_worker_scheduler.h"

#include "afd/attention.h"
#include "operator/operator.h"
#include "operator/waiting.h"

#define OPERATOR_NAME "aclnnInplaceAttentionWorkerScheduler"

typedef struct plan {
    afd_schedule_context *context;
} plan;

/* ---- the task ---- */

static afd_status schedule(void *plan_, afd_wait *wait, afd_error *error)
{
    const plan *p = plan_;
    return afd_attention_schedule(p->context, AFD_MICRO_BATCH_NEXT, wait, NULL, error);
}

static aclError run(const void *plan_, void *workspace, const afd__acl_limits *limits)
{
    static const afd__acl_waiting waiting = {
        .op_name = OPERATOR_NAME,
        .awaited = "results",
        .failed_code = ACL_ERROR_RT_AICPU_EXCEPTION,
        .timeout_code = ACL_ERROR_RT_AICPU_TIMEOUT,
        .late_are_slots = true,
        .call = schedule,
    };
    (void)workspace; /* none was planned */
    plan p = *(const plan *)plan_;
    afd_status status = AFD_OK;
    return afd__acl_op_run(&waiting, &p, limits, &status);
}

static const afd__acl_operator attention_worker_scheduler = { .name = OPERATOR_NAME, .run = run };

/* ---- the two phases ---- */

aclnnStatus aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(aclTensor *scheduleContextRef, uint64_t *workspaceSize,
                                                                 aclOpExecutor **executor)
{
    afd__acl_view context;
    aclnnStatus status = afd__acl_op_check_outputs(OPERATOR_NAME, workspaceSize, executor);
    if (status == ACL_SUCCESS) {
        status = afd__acl_op_view(OPERATOR_NAME, scheduleContextRef, "scheduleContextRef", &context);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_op_check_context(OPERATOR_NAME, &context, 0);
    }
    if (status == ACL_SUCCESS) {
        const plan p = { .context = context.data };
        status = afd__acl_executor_new(&attention_worker_scheduler, &p, sizeof(p), 0, executor);
    }
    if (status == ACL_SUCCESS) {
        *workspaceSize = 0;
    }
    return status;
}

aclnnStatus aclnnInplaceAttentionWorkerScheduler(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                                 aclrtStream stream)
{
    return afd__acl_executor_launch(&attention_worker_scheduler, workspace, workspaceSize, executor, stream);
}
