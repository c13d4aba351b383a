/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnInplaceFfnWorkerScheduler: the checks of its first phase, and one call of afd_ffn_schedule() in its task. */
#include "aclnnop/aclnn_ffn_worker_scheduler.h"

#include "afd/context.h"
#include "afd/ffn.h"
#include "operator/operator.h"
#include "operator/waiting.h"

#define OPERATOR_NAME "aclnnInplaceFfnWorkerScheduler"

typedef struct plan {
    afd_schedule_context *context;
    int32_t sync_group_size;
} plan;

/* ---- the task ---- */

static afd_status schedule(void *plan_, afd_wait *wait, afd_error *error)
{
    const plan *p = plan_;
    const afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(p->sync_group_size);
    return afd_ffn_schedule(p->context, &args, wait, NULL, error);
}

static aclError run(const void *plan_, void *workspace, const afd__acl_limits *limits)
{
    static const afd__acl_waiting waiting = {
        .op_name = OPERATOR_NAME,
        .awaited = "tokens",
        .failed_code = ACL_ERROR_RT_AICPU_EXCEPTION,
        .timeout_code = ACL_ERROR_RT_AICPU_TIMEOUT,
        .call = schedule,
    };
    (void)workspace; /* none was planned */
    plan p = *(const plan *)plan_;
    afd_status status = AFD_OK;
    return afd__acl_op_run(&waiting, &p, limits, &status);
}

static const afd__acl_operator ffn_worker_scheduler = { .name = OPERATOR_NAME, .run = run };

/* ---- the two phases ---- */

aclnnStatus aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(aclTensor *scheduleContextRef, int32_t syncGroupSize,
                                                           int32_t executeMode, uint64_t *workspaceSize,
                                                           aclOpExecutor **executor)
{
    afd__acl_view context;
    aclnnStatus status = afd__acl_op_check_outputs(OPERATOR_NAME, workspaceSize, executor);
    if (status == ACL_SUCCESS) {
        status = afd__acl_op_view(OPERATOR_NAME, scheduleContextRef, "scheduleContextRef", &context);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_op_check_context(OPERATOR_NAME, &context, executeMode);
    }
    if (status == ACL_SUCCESS) {
        const plan p = { .context = context.data, .sync_group_size = syncGroupSize };
        status = afd__acl_executor_new(&ffn_worker_scheduler, &p, sizeof(p), 0, executor);
    }
    if (status == ACL_SUCCESS) {
        *workspaceSize = 0;
    }
    return status;
}

aclnnStatus aclnnInplaceFfnWorkerScheduler(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                           aclrtStream stream)
{
    return afd__acl_executor_launch(&ffn_worker_scheduler, workspace, workspaceSize, executor, stream);
}
