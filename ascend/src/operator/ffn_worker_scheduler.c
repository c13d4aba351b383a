/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnInplaceFfnWorkerScheduler: the checks of its first phase, and one call of afd_ffn_schedule() in its task. */
#include "aclnnop/aclnn_ffn_worker_scheduler.h"

#include <inttypes.h>
#include <stdio.h>

#include "afd/context.h"
#include "afd/ffn.h"
#include "afd/wait.h"
#include "executor/executor.h"
#include "runtime/message.h"
#include "tensor/tensor.h"

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

static aclError run(const void *plan_, const afd__acl_limits *limits)
{
    const plan *p = plan_;
    const afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(p->sync_group_size);
    afd_late late[LATE_SHOWN_MAX];
    afd_error error;
    /* Many streams may wait on few cores, so a wait that takes long sleeps. */
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    wait.stop = limits->stop;
    wait.late = late;
    wait.late_capacity = LATE_SHOWN_MAX;
    if (limits->timeout_s != 0) {
        wait.deadline_ns = afd_clock_ns() + limits->timeout_s * UINT64_C(1000000000);
    }
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

/* ---- the first phase ---- */

static aclnnStatus check_given(const void *pointer, const char *name)
{
    return pointer != NULL ? ACL_SUCCESS
                           : afd__acl_fail(AFD__ACLNN_PARAM_NULL, OPERATOR_NAME ": %s is null", name);
}

static aclnnStatus check_tensor(const afd__acl_tensor *tensor, int32_t execute_mode)
{
    if (tensor->rank != 1) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, OPERATOR_NAME ": scheduleContextRef has %" PRIu64
                                                                     " dimensions, must have 1", tensor->rank);
    }
    if (execute_mode != 0) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, OPERATOR_NAME ": executeMode is %" PRId32 ", must be 0",
                             execute_mode);
    }
    if (tensor->element_num == 0) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, OPERATOR_NAME ": scheduleContextRef is empty");
    }
    if (tensor->data_type != ACL_INT8) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, OPERATOR_NAME ": scheduleContextRef has data type %d, must have"
                                                                     " %d (INT8)", (int)tensor->data_type, ACL_INT8);
    }
    if (tensor->element_num < AFD_CONTEXT_BYTES) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, OPERATOR_NAME ": scheduleContextRef has %" PRIu64
                                                                     " elements, must have at least %d",
                             tensor->element_num, AFD_CONTEXT_BYTES);
    }
    if (!tensor->contiguous) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, OPERATOR_NAME ": scheduleContextRef is not contiguous");
    }
    return check_given(tensor->data, "the data of scheduleContextRef");
}

aclnnStatus aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(aclTensor *scheduleContextRef, int32_t syncGroupSize,
                                                           int32_t executeMode, uint64_t *workspaceSize,
                                                           aclOpExecutor **executor)
{
    aclnnStatus status = check_given(workspaceSize, "workspaceSize");
    if (status == ACL_SUCCESS) {
        status = check_given(executor, "executor");
    }
    if (status == ACL_SUCCESS) {
        status = check_given(scheduleContextRef, "scheduleContextRef");
    }
    if (status != ACL_SUCCESS) {
        return status;
    }
    afd__acl_tensor *tensor = afd__acl_handle_hold(scheduleContextRef, AFD__ACL_TENSOR);
    if (tensor == NULL) {
        return afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, scheduleContextRef, AFD__ACL_TENSOR);
    }
    status = check_tensor(tensor, executeMode);
    if (status == ACL_SUCCESS) {
        const plan p = { .context = tensor->data, .sync_group_size = syncGroupSize };
        status = afd__acl_executor_new(&ffn_worker_scheduler, &p, sizeof(p), executor);
    }
    afd__acl_object_release(tensor);
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
