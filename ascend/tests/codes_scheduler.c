/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of the scheduler operator, of executors and of tensors. */
#include <stdint.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "codes.h"
#include "faults.h"

#define SCHEDULER "aclnnInplaceFfnWorkerScheduler: "

/* ---- the scheduler: first phase ---- */

static uint64_t some_size;
static aclOpExecutor *some_executor;

static int plan(aclTensor *tensor, int32_t execute_mode)
{
    return aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(tensor, 1, execute_mode, &some_size, &some_executor);
}

static int plan_view(code_world *cw, uint64_t rank, int64_t dim, int64_t stride, aclDataType type, void *data)
{
    const int64_t dims[2] = { dim, 1 };
    const int64_t strides[2] = { stride, 1 };
    (void)cw;
    aclTensor *tensor = aclCreateTensor(dims, rank, type, strides, 0, ACL_FORMAT_ND, dims, rank, data);
    /* A rank other than 1 comes with the wrong executeMode too, which is found later. */
    const int code = plan(tensor, rank == 1 ? 0 : 1);
    must(aclDestroyTensor(tensor));
    return code;
}

static int null_size(code_world *cw)
{
    (void)cw;
    return aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(NULL, 1, 1, NULL, NULL);
}

static int null_executor(code_world *cw)
{
    (void)cw;
    return aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(NULL, 1, 1, &some_size, NULL);
}

static int null_tensor(code_world *cw)
{
    (void)cw;
    return plan(NULL, 1);
}

static int rank_2(code_world *cw)
{
    return plan_view(cw, 2, 1024, 1, ACL_INT8, cw->w.context);
}

static int execute_mode_1(code_world *cw)
{
    return plan(cw->w.tensor, 1);
}

static int empty(code_world *cw)
{
    return plan_view(cw, 1, 0, 1, ACL_FLOAT, NULL);
}

static int not_int8(code_world *cw)
{
    return plan_view(cw, 1, 100, 1, ACL_UINT8, cw->w.context);
}

static int too_small(code_world *cw)
{
    return plan_view(cw, 1, 1023, 1, ACL_INT8, cw->w.context);
}

static int strided(code_world *cw)
{
    return plan_view(cw, 1, 1024, 2, ACL_INT8, cw->w.context);
}

static int no_data(code_world *cw)
{
    return plan_view(cw, 1, 1024, 1, ACL_INT8, NULL);
}

static int tensor_gone(code_world *cw)
{
    aclTensor *tensor = cw->w.tensor;
    const int64_t dim = WORLD_CONTEXT_BYTES;
    must(aclDestroyTensor(tensor));
    cw->w.tensor = aclCreateTensor(&dim, 1, ACL_INT8, NULL, 0, ACL_FORMAT_ND, &dim, 1, cw->w.context);
    return plan(tensor, 0);
}

static int tensor_twice(code_world *cw)
{
    aclTensor *tensor = cw->w.tensor;
    cw->w.tensor = NULL;
    must(aclDestroyTensor(tensor));
    return aclDestroyTensor(tensor);
}

static int no_executor_memory(code_world *cw)
{
    faults_fail_calloc_after(0);
    return plan(cw->w.tensor, 0);
}

/* ---- the scheduler: second phase ---- */

static int launch(code_world *cw, void *executor)
{
    return aclnnInplaceFfnWorkerScheduler(NULL, 0, executor, cw->stream);
}

static int launch_null(code_world *cw)
{
    return launch(cw, NULL);
}

static int launch_no_workspace(code_world *cw)
{
    must(plan(cw->w.tensor, 0));
    const int code = aclnnInplaceFfnWorkerScheduler(NULL, 8, some_executor, cw->stream);
    must(aclDestroyAclOpExecutor(some_executor));
    return code;
}

static int launch_spent(code_world *cw)
{
    must(plan(cw->w.tensor, 0));
    must(launch(cw, some_executor));
    return launch(cw, some_executor);
}

static int launch_foreign(code_world *cw)
{
    return launch(cw, cw->w.tensor);
}

static int launch_nowhere(code_world *cw)
{
    must(plan(cw->w.tensor, 0));
    must(aclrtDestroyStream(cw->stream));
    const int code = launch(cw, some_executor);
    must(aclDestroyAclOpExecutor(some_executor)); /* it was not spent */
    return code;
}

static int launch_no_memory(code_world *cw)
{
    must(plan(cw->w.tensor, 0));
    faults_fail_calloc_after(0);
    const int code = launch(cw, some_executor);
    must(aclDestroyAclOpExecutor(some_executor));
    return code;
}

static int repeatable_null(code_world *cw)
{
    (void)cw;
    return aclSetAclOpExecutorRepeatable(NULL);
}

static int destroy_null(code_world *cw)
{
    (void)cw;
    return aclDestroyAclOpExecutor(NULL);
}

static int destroy_spent(code_world *cw)
{
    must(plan(cw->w.tensor, 0));
    must(launch(cw, some_executor));
    return aclDestroyAclOpExecutor(some_executor);
}

/* ---- the scheduler: at the stream ---- */

static int schedule_in_groups_of(code_world *cw, int32_t sync_group_size)
{
    must(world_schedule(&cw->w, sync_group_size, cw->stream));
    return aclrtSynchronizeStreamWithTimeout(cw->stream, -1);
}

static int schedule_with(code_world *cw, uint32_t field, uint64_t value)
{
    if (field == FIELD_TOKEN_INFO_BUF || field == FIELD_TOKEN_INFO_BUF_SIZE || field == FIELD_POLLING_INDEX) {
        world_set_u64(&cw->w, field, value);
    } else {
        world_set_u32(&cw->w, field, (uint32_t)value);
    }
    return schedule_in_groups_of(cw, 2);
}

static int mode_2(code_world *cw)
{
    return schedule_with(cw, FIELD_SCHEDULE_MODE, 2);
}

static int sessions_0(code_world *cw)
{
    return schedule_with(cw, FIELD_SESSION_NUM, 0);
}

static int info_null(code_world *cw)
{
    return schedule_with(cw, FIELD_TOKEN_INFO_BUF, 0);
}

static int info_small(code_world *cw)
{
    return schedule_with(cw, FIELD_TOKEN_INFO_BUF_SIZE, 31);
}

static int polling_1(code_world *cw)
{
    return schedule_with(cw, FIELD_POLLING_INDEX, 1);
}

static int group_0(code_world *cw)
{
    return schedule_in_groups_of(cw, 0);
}

static int group_3(code_world *cw)
{
    return schedule_in_groups_of(cw, 3);
}

static int sessions_overflow(code_world *cw)
{
    world_set_u32(&cw->w, 4, UINT32_MAX);
    world_set_u32(&cw->w, 8, UINT32_MAX);
    world_set_u32(&cw->w, 12, UINT32_MAX);
    return schedule_with(cw, FIELD_SESSION_NUM, UINT32_MAX);
}

static int execute_timeout(code_world *cw)
{
    must(aclrtSetOpExecuteTimeOut(1));
    return schedule_in_groups_of(cw, 2);
}

const code_case scheduler_codes[] = {
    { 161001, "first phase: null workspaceSize, whatever else is wrong", "workspaceSize is null", null_size },
    { 161001, "first phase: null executor", "executor is null", null_executor },
    { 161001, "first phase: null tensor", "scheduleContextRef is null", null_tensor },
    { 161001, "first phase: a tensor without data", "the data of scheduleContextRef is null", no_data },
    { 161001, "second phase: null executor", SCHEDULER "executor is null", launch_null },
    { 161001, "second phase: null workspace with size", "workspace is null with workspaceSize 8", launch_no_workspace },
    { 161002, "first phase: rank 2", "has 2 dimensions, must have 1", rank_2 },
    { 161002, "first phase: executeMode 1", "executeMode is 1, must be 0", execute_mode_1 },
    { 161002, "first phase: an empty tensor", "scheduleContextRef is empty", empty },
    { 161002, "first phase: not INT8", "data type 4, must have 2", not_int8 },
    { 161002, "first phase: fewer than 1024 elements", "1023 elements|at least 1024", too_small },
    { 161002, "first phase: not contiguous", "not contiguous", strided },
    { 161002, "first phase: a tensor that was destroyed", "for a tensor was destroyed already", tensor_gone },
    { 161002, "`aclDestroyTensor` twice", "for a tensor was destroyed already", tensor_twice },
    { 161002, "second phase: a spent executor", "for an executor was spent", launch_spent },
    { 161002, "second phase: something that is no executor", "for an executor is a tensor", launch_foreign },
    { 161002, "`aclDestroyAclOpExecutor` of a spent one", "for an executor was spent", destroy_spent },
    { 361001, "second phase: no such stream", "for a stream was destroyed already", launch_nowhere },
    { 361001, "second phase: no memory for the task", "no memory for a task", launch_no_memory },
    { 561101, "first phase: no memory for the executor", "no memory for an executor", no_executor_memory },
    { 561103, "`aclSetAclOpExecutorRepeatable(NULL)`", "executor is null", repeatable_null },
    { 561103, "`aclDestroyAclOpExecutor(NULL)`", "executor is null", destroy_null },
    { 507017, "at the stream: `aclrtSetOpExecuteTimeOut`", SCHEDULER "no tokens within 1 s|2 late|session 0",
      execute_timeout },
    { 507018, "at the stream: schedule_mode 2", SCHEDULER "common.schedule_mode is 2, must be 0", mode_2 },
    { 507018, "at the stream: no sessions", SCHEDULER "common.session_num is 0", sessions_0 },
    { 507018, "at the stream: a null buffer", SCHEDULER "ffn.token_info_buf is null", info_null },
    { 507018, "at the stream: a buffer too small", "ffn.token_info_buf_size is 31, must be at least 32", info_small },
    { 507018, "at the stream: polling_index out of range", "ffn.polling_index is 1, must be below 1", polling_1 },
    { 507018, "at the stream: syncGroupSize 0", "sync_group_size is 0, must be in [1, 2]", group_0 },
    { 507018, "at the stream: syncGroupSize 3 of 2", "sync_group_size is 3, must be in [1, 2]", group_3 },
    { 507018, "at the stream: sizes past 64 bits", SCHEDULER "the token info does not fit 64 bits|S=4294967295",
      sessions_overflow },
    { 0, NULL, NULL, NULL },
};
