/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/executor.h"

#include <inttypes.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "runtime/context.h"
#include "runtime/handle.h"
#include "runtime/message.h"
#include "runtime/settings.h"
#include "runtime/stream.h"
#include "tensor/tensor.h"

typedef struct executor {
    afd__acl_object object;
    const afd__acl_operator *op;
    uint64_t workspace_bytes;
    int32_t repeatable; /* atomic */
    alignas(max_align_t) unsigned char plan[];
} executor;

typedef struct launch_task {
    afd__acl_task task;
    executor *executor; /* held */
    void *workspace;
    uint32_t timeout_s;
} launch_task;

static void destroy_executor(afd__acl_object *object)
{
    free(object);
}

aclnnStatus afd__acl_executor_new(const afd__acl_operator *op, const void *plan, size_t plan_bytes,
                                  uint64_t workspace_bytes, aclOpExecutor **handle)
{
    executor *made = calloc(1, sizeof(*made) + plan_bytes);
    if (made == NULL) {
        return afd__acl_fail(AFD__ACLNN_EXECUTOR_NOT_CREATED, "no memory for an executor of %s", op->name);
    }
    made->object.kind = AFD__ACL_EXECUTOR;
    made->object.destroy = destroy_executor;
    made->op = op;
    made->workspace_bytes = workspace_bytes;
    memcpy(made->plan, plan, plan_bytes);
    void *made_handle = afd__acl_handle_new(&made->object);
    if (made_handle == NULL) {
        free(made);
        return AFD__ACLNN_EXECUTOR_NOT_CREATED;
    }
    *handle = made_handle;
    return ACL_SUCCESS;
}

/* ---- launching ---- */

static aclError run_launch(afd__acl_task *task_, const int32_t *stop)
{
    const launch_task *task = (launch_task *)task_;
    const afd__acl_limits limits = { .stop = stop, .timeout_s = task->timeout_s };
    return task->executor->op->run(task->executor->plan, task->workspace, &limits);
}

static void destroy_launch(afd__acl_task *task_)
{
    launch_task *task = (launch_task *)task_;
    afd__acl_object_release(task->executor);
    free(task);
}

static aclnnStatus check_launch(const afd__acl_operator *op, const void *workspace, uint64_t workspace_bytes,
                                const aclOpExecutor *handle)
{
    if (handle == NULL) {
        return afd__acl_fail(AFD__ACLNN_PARAM_NULL, "%s: executor is null", op->name);
    }
    if (workspace == NULL && workspace_bytes > 0) {
        return afd__acl_fail(AFD__ACLNN_PARAM_NULL, "%s: workspace is null with workspaceSize %" PRIu64, op->name,
                             workspace_bytes);
    }
    return ACL_SUCCESS;
}

/* The executor of a handle, held, if it was planned by `op`. */
static executor *hold_executor(const afd__acl_operator *op, aclOpExecutor *handle, aclnnStatus *status)
{
    executor *held = afd__acl_handle_hold(handle, AFD__ACL_EXECUTOR);
    if (held == NULL) {
        *status = afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, handle, AFD__ACL_EXECUTOR);
        return NULL;
    }
    if (held->op != op) {
        *status = afd__acl_fail(AFD__ACLNN_PARAM_INVALID, "%s: the executor was planned for %s", op->name,
                                held->op->name);
        afd__acl_object_release(held);
        return NULL;
    }
    return held;
}

static aclnnStatus check_workspace(const executor *held, const void *workspace, uint64_t workspace_bytes)
{
    if (workspace_bytes < held->workspace_bytes) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID,
                             "%s: workspaceSize is %" PRIu64 ", must be at least %" PRIu64 " as planned",
                             held->op->name, workspace_bytes, held->workspace_bytes);
    }
    if (held->workspace_bytes > 0 && (uintptr_t)workspace % AFD__ACL_WORKSPACE_ALIGN != 0) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, "%s: workspace is %p, must be %d-byte aligned", held->op->name,
                             workspace, AFD__ACL_WORKSPACE_ALIGN);
    }
    return ACL_SUCCESS;
}

/* Spends the handle of an executor that is not repeatable. Of two second phases at once, one is too late. */
static aclnnStatus spend(const executor *held, aclOpExecutor *handle)
{
    if (afd__load_acquire_i32(&held->repeatable) != 0) {
        return ACL_SUCCESS;
    }
    void *retired = afd__acl_handle_retire(handle, AFD__ACL_EXECUTOR);
    if (retired == NULL) {
        return afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, handle, AFD__ACL_EXECUTOR);
    }
    afd__acl_object_release(retired); /* the caller still holds it */
    return ACL_SUCCESS;
}

/* Spends and enqueues; takes over the reference to `held`. */
static aclnnStatus enqueue(executor *held, void *workspace, aclOpExecutor *handle, afd__acl_stream *stream)
{
    launch_task *task = calloc(1, sizeof(*task));
    if (task == NULL) {
        afd__acl_object_release(held);
        return afd__acl_fail(AFD__ACLNN_RUNTIME_FAILED, "no memory for a task");
    }
    task->task.run = run_launch;
    task->task.destroy = destroy_launch;
    task->executor = held;
    task->workspace = workspace;
    task->timeout_s = afd__acl_op_execute_timeout_s();
    aclnnStatus status = spend(held, handle);
    if (status != ACL_SUCCESS) {
        destroy_launch(&task->task);
        return status;
    }
    return afd__acl_stream_enqueue(stream, &task->task) == ACL_SUCCESS ? ACL_SUCCESS : AFD__ACLNN_RUNTIME_FAILED;
}

aclnnStatus afd__acl_executor_launch(const afd__acl_operator *op, void *workspace, uint64_t workspace_bytes,
                                     aclOpExecutor *handle, aclrtStream stream)
{
    aclnnStatus status = check_launch(op, workspace, workspace_bytes, handle);
    if (status != ACL_SUCCESS) {
        return status;
    }
    executor *held = hold_executor(op, handle, &status);
    if (held == NULL) {
        return status;
    }
    status = check_workspace(held, workspace, workspace_bytes);
    if (status != ACL_SUCCESS) {
        afd__acl_object_release(held);
        return status;
    }
    aclError code = ACL_SUCCESS;
    afd__acl_stream *on = afd__acl_stream_hold(stream, &code);
    if (on == NULL) {
        afd__acl_object_release(held);
        return AFD__ACLNN_RUNTIME_FAILED; /* the sentence says which runtime call failed, and why */
    }
    status = enqueue(held, workspace, handle, on);
    afd__acl_object_release(on);
    return status;
}

/* ---- the calls ---- */

aclnnStatus aclSetAclOpExecutorRepeatable(aclOpExecutor *handle)
{
    if (handle == NULL) {
        return afd__acl_fail(AFD__ACLNN_EXECUTOR_NULL, "executor is null");
    }
    executor *held = afd__acl_handle_hold(handle, AFD__ACL_EXECUTOR);
    if (held == NULL) {
        return afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, handle, AFD__ACL_EXECUTOR);
    }
    afd__store_release_i32(&held->repeatable, 1);
    afd__acl_object_release(held);
    return ACL_SUCCESS;
}

aclnnStatus aclDestroyAclOpExecutor(aclOpExecutor *handle)
{
    if (handle == NULL) {
        return afd__acl_fail(AFD__ACLNN_EXECUTOR_NULL, "executor is null");
    }
    void *retired = afd__acl_handle_retire(handle, AFD__ACL_EXECUTOR);
    if (retired == NULL) {
        return afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, handle, AFD__ACL_EXECUTOR);
    }
    afd__acl_object_release(retired);
    return ACL_SUCCESS;
}
