/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnInplaceFfnWorkerScheduler: the checks of its first phase, and one call of afd_ffn_schedule() in its task. */
#include "aclnnop/aclnn_ffn_worker_scheduler.h"

#include <inttypes.h>
#include <stdio.h>

#include "afd/context.h"
#include "afd/ffn.h"
#include "afd/wait.h"
#include "operator/operator.h"
#include "runtime/message.h"

#define OPERATOR_NAME "aclnnInplaceFfnWorkerScheduler"

enum { LATE_SHOWN_MAX = 4 };

typedef struct plan {
    afd_schedule_context *context;
    int32_t sync_group_size;
} plan;

/* ---- the task ---- */

/* "session 0 micro-batch 1 has flag 0, session 3 has flag 2": as many as were kept. */
static void describe_late(const afd_wait *wait, char *text, size_t text_bytes)
{
    const uint32_t shown_num = wait->late_num < wait->late_capacity ? wait->late_num : wait->late_capacity;
    size_t length = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < shown_num && length < text_bytes; i++) {
        const afd_late *late = &wait->late[i];
        char micro_batch[32] = "";
        if (late->micro_batch != AFD_MICRO_BATCH_ANY) {
            (void)snprintf(micro_batch, sizeof(micro_batch), " micro-batch %" PRIu32, late->micro_batch);
        }
        int written = snprintf(text + length, text_bytes - length, "%ssession %" PRIu32 "%s has flag %" PRId32,
                               i == 0 ? "" : ", ", late->session, micro_batch, late->flag);
        length += written > 0 ? (size_t)written : 0;
    }
}

static aclError fail_timeout(const afd_wait *wait, uint32_t timeout_s)
{
    char late[256];
    describe_late(wait, late, sizeof(late));
    return afd__acl_fail(ACL_ERROR_RT_AICPU_TIMEOUT,
                         OPERATOR_NAME ": no tokens within %" PRIu32 " s (aclrtSetOpExecuteTimeOut); %" PRIu32
                                       " late: %s",
                         timeout_s, wait->late_num, late);
}

/* The wait ended by the run flag or because the stream closes. One look tells which, and takes what is there. */
static aclError last_look(afd_schedule_context *context, const afd_ffn_schedule_args *args, afd_error *error)
{
    const afd_status status = afd_ffn_schedule_poll(context, args, NULL, error);
    if (status < 0) {
        return afd__acl_fail(ACL_ERROR_RT_AICPU_EXCEPTION, OPERATOR_NAME ": %s", error->message);
    }
    if (status == AFD_NOT_YET) {
        return afd__acl_fail(ACL_ERROR_RT_INVALID_HANDLE, OPERATOR_NAME ": the stream was destroyed while it waited");
    }
    return ACL_SUCCESS; /* run_flag is 0, or something was there after all */
}

static aclError run(const void *plan_, void *workspace, const afd__acl_limits *limits)
{
    (void)workspace; /* none was planned */
    const plan *p = plan_;
    const afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(p->sync_group_size);
    afd_late late[LATE_SHOWN_MAX];
    afd_error error;
    afd_wait wait = afd__acl_op_wait(limits, late, LATE_SHOWN_MAX);
    const afd_status status = afd_ffn_schedule(p->context, &args, &wait, NULL, &error);
    if (status < 0) {
        return afd__acl_fail(ACL_ERROR_RT_AICPU_EXCEPTION, OPERATOR_NAME ": %s", error.message);
    }
    if (status == AFD_DEADLINE) {
        return fail_timeout(&wait, limits->timeout_s);
    }
    return status == AFD_STOPPED ? last_look(p->context, &args, &error) : ACL_SUCCESS;
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
