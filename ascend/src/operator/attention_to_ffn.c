/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aclnnAttentionToFFN: its two phases, and one call of afd_attention_dispatch() in its task.
 *
 * libafd refuses a round whose own flags are still set, because natively every round is scheduled before the next. The
 * original does not look, and programs loop over the operator without ever clearing a flag. So the dispatch gets flags
 * of its own in the workspace, and those that it sets there, of tokens that are not sent, are set in the rank's window.
 */
#include "aclnnop/aclnn_attention_to_ffn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "afd/attention.h"
#include "afd/window.h"
#include "operator/attention_to_ffn.h"
#include "operator/communication.h"
#include "operator/waiting.h"
#include "runtime/message.h"

#define OPERATOR_NAME AFD__ACL_ATTENTION_TO_FFN

typedef afd__acl_a2f_plan plan;

typedef struct dispatch_task {
    const plan *plan;
    afd__acl_comm *comm;          /* held */
    afd_dispatch_args args;       /* the writers come with each try */
    afd_schedule_context context; /* of nobody else: the shape, and the flags in the workspace */
    int32_t *set_flags;           /* of the micro-batch in there, [BS][E] */
    int32_t *own_flags;           /* the same in the rank's window */
    uint8_t wanted[AFD__ACL_WORLD_SIZE_MAX]; /* 1 for each FFN rank */
    afd_wait *wait;               /* of the call that waits */
    /* How the latest try ended. */
    afd_status status;
    uint32_t late_num;
    afd_error error;
} dispatch_task;

/* ---- what the tensors say ---- */

static int32_t read_id(const plan *p, void *workspace, int input)
{
    return *(const int32_t *)afd__acl_input_gather(&p->inputs[input], workspace);
}

static aclError check_id(const char *name, int32_t value, uint32_t bound)
{
    if (value >= 0 && (uint32_t)value < bound) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(ACL_ERROR_RT_AICORE_EXCEPTION,
                         OPERATOR_NAME ": %s is %" PRId32 ", must be in [0, %" PRIu32 ")", name, value, bound);
}

/* libafd has no room for an id that is negative, and other names for these. */
static aclError read_ids(const plan *p, void *workspace, afd_dispatch_args *args)
{
    const int32_t session = read_id(p, workspace, AFD__ACL_A2F_SESSION_ID);
    const int32_t micro_batch = read_id(p, workspace, AFD__ACL_A2F_MICRO_BATCH_ID);
    aclError code = check_id("sessionId", session, p->shape.session_num);
    if (code == ACL_SUCCESS) {
        code = check_id("microBatchId", micro_batch, p->shape.micro_batch_num);
    }
    args->session = (uint32_t)session;
    args->micro_batch = (uint32_t)micro_batch;
    args->layer_id = read_id(p, workspace, AFD__ACL_A2F_LAYER_ID);
    return code;
}

static void fill_in_args(const plan *p, void *workspace, afd_dispatch_args *args)
{
    args->tokens = afd__acl_input_gather(&p->inputs[AFD__ACL_A2F_X], workspace);
    args->token_num = p->token_num;
    args->hidden = p->hidden;
    args->type = p->type;
    args->quantize = p->quantize;
    args->expert_ids = afd__acl_input_gather(&p->inputs[AFD__ACL_A2F_EXPERT_IDS], workspace);
    args->top_k = p->top_k;
    args->active_mask = afd__acl_input_gather(&p->inputs[AFD__ACL_A2F_ACTIVE_MASK], workspace);
    args->experts = (afd_expert_table){
        .entries = afd__acl_input_gather(&p->inputs[AFD__ACL_A2F_EXPERT_RANK_TABLE], workspace),
        .layer_num = p->layer_num,
        .expert_num = p->expert_num,
        .width = p->table_width,
    };
    args->smooth_scales = afd__acl_input_gather(&p->inputs[AFD__ACL_A2F_SCALES], workspace);
    args->only_ranks_with_tokens = p->only_ranks_with_tokens;
    args->writer_num = p->rank_num;
    args->first_rank = (int32_t)p->first_rank;
}

/* ---- flags ---- */

static size_t slot_num(const plan *p)
{
    return (size_t)p->shape.micro_batch_size * p->shape.selected_expert_num;
}

static void lay_out_context(dispatch_task *task, void *workspace)
{
    const afd_shape *shape = &task->plan->shape;
    char *flags = (char *)workspace + task->plan->flags_offset;
    task->context.common.session_num = shape->session_num;
    task->context.common.micro_batch_num = shape->micro_batch_num;
    task->context.common.micro_batch_size = shape->micro_batch_size;
    task->context.common.selected_expert_num = shape->selected_expert_num;
    task->context.control.run_flag = 1;
    task->context.attention.window.token_info_buf = (uint64_t)(uintptr_t)flags;
    task->context.attention.window.token_info_buf_size = afd__acl_a2f_flag_bytes(shape);
    /* Those of the other micro-batches are looked at by nobody. */
    task->set_flags = (int32_t *)(void *)flags + task->args.micro_batch * slot_num(task->plan);
    memset(task->set_flags, 0, slot_num(task->plan) * sizeof(*task->set_flags));
}

static aclError find_own_flags(dispatch_task *task)
{
    const uint64_t needed = afd__acl_a2f_flag_bytes(&task->plan->shape);
    afd__acl_comm_window window;
    if (!afd__acl_comm_window_of(task->comm, afd__acl_comm_rank(task->comm), &window)) {
        return afd__acl_communication_fail(OPERATOR_NAME);
    }
    if (window.bytes < needed) {
        return afd__acl_fail(ACL_ERROR_RT_AICORE_EXCEPTION,
                             OPERATOR_NAME ": the own window has %" PRIu64 " bytes, the flags of this shape need %"
                             PRIu64, window.bytes, needed);
    }
    task->own_flags = (int32_t *)window.memory + task->args.micro_batch * slot_num(task->plan);
    return ACL_SUCCESS;
}

/* Nobody answers for what was not sent, so the attention side must not wait for it. */
static void publish_unsent(const dispatch_task *task)
{
    for (size_t i = 0; i < slot_num(task->plan); i++) {
        if (afd_slot_peek_flag(&task->set_flags[i]) == AFD_FLAG_READY) {
            afd_slot_publish(&task->own_flags[i]);
        }
    }
}

/* ---- the call ---- */

/* The sentence of the front, as an error of the call. */
static afd_status fail_writers(dispatch_task *task)
{
    task->error.status = AFD_ERR_BAD_WINDOW;
    (void)snprintf(task->error.message, sizeof(task->error.message), "%.*s", (int)sizeof(task->error.message) - 1,
                   afd__acl_message_pending());
    return AFD_ERR_BAD_WINDOW;
}

/*
 * One try, which waits for nothing. The writers are given back between tries, because another stream may be about to
 * use the communicator, and because a stream that waited for them could not be destroyed.
 */
static bool try_dispatch(void *task_)
{
    dispatch_task *task = task_;
    afd_wait once = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    once.deadline_ns = 1;
    once.late = task->wait->late;
    once.late_capacity = task->wait->late_capacity;
    afd_writer *const *writers = afd__acl_comm_lock_writers(task->comm, AFD_WINDOW_FFN, &task->plan->shape,
                                                             task->wanted);
    if (writers == NULL) {
        task->status = fail_writers(task);
        return true;
    }
    task->args.writers = writers + task->plan->first_rank;
    task->status = afd_attention_dispatch(&task->context, &task->args, &once, &task->error);
    afd__acl_comm_unlock_writers(task->comm);
    task->late_num = once.late_num;
    return task->status != AFD_DEADLINE;
}

/* What is late is the number of a writer, and ranks are what a program knows. */
static void name_late_ranks(dispatch_task *task, afd_wait *wait)
{
    wait->late_num = task->late_num;
    for (uint32_t i = 0; i < wait->late_num && i < wait->late_capacity; i++) {
        wait->late[i].session += task->plan->first_rank;
    }
}

static afd_status dispatch(void *task_, afd_wait *wait, afd_error *error)
{
    dispatch_task *task = task_;
    task->wait = wait;
    const afd_status status = afd_wait_until(wait, try_dispatch, task, error);
    if (status == AFD_DEADLINE) {
        name_late_ranks(task, wait);
    }
    if (status != AFD_OK) {
        return status;
    }
    *error = task->error;
    return task->status;
}

/* ---- the task ---- */

static aclError run_held(dispatch_task *task, void *workspace, const afd__acl_limits *limits)
{
    static const afd__acl_waiting waiting = {
        .op_name = OPERATOR_NAME,
        .awaited = "free desc",
        .failed_code = ACL_ERROR_RT_AICORE_EXCEPTION,
        .timeout_code = ACL_ERROR_RT_AICORE_TIMEOUT,
        .late_name = "rank",
        .call = dispatch,
    };
    afd_status status = AFD_OK;
    aclError code = read_ids(task->plan, workspace, &task->args);
    if (code == ACL_SUCCESS) {
        code = find_own_flags(task);
    }
    if (code != ACL_SUCCESS) {
        return code;
    }
    memset(task->wanted + task->plan->first_rank, 1, task->plan->rank_num);
    fill_in_args(task->plan, workspace, &task->args);
    lay_out_context(task, workspace);
    code = afd__acl_op_run(&waiting, task, limits, &status);
    if (code == ACL_SUCCESS) {
        publish_unsent(task);
    }
    return code;
}

static aclError run(const void *plan_, void *workspace, const afd__acl_limits *limits)
{
    dispatch_task task = { .plan = plan_, .args = AFD_DISPATCH_ARGS_INIT };
    task.comm = afd__acl_comm_hold(task.plan->comm);
    if (task.comm == NULL) {
        return afd__acl_communication_fail(OPERATOR_NAME);
    }
    const aclError code = run_held(&task, workspace, limits);
    afd__acl_object_release(task.comm);
    return code;
}

static const afd__acl_operator attention_to_ffn = { .name = OPERATOR_NAME, .run = run };

/* ---- the two phases ---- */

static aclnnStatus plan_dispatch(const afd__acl_a2f_request *r, uint64_t *workspace_size, aclOpExecutor **executor)
{
    plan p;
    aclnnStatus status = afd__acl_op_check_outputs(OPERATOR_NAME, workspace_size, executor);
    if (status == ACL_SUCCESS) {
        status = afd__acl_a2f_check(r, &p);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_executor_new(&attention_to_ffn, &p, sizeof(p), p.workspace_bytes, executor);
    }
    if (status == ACL_SUCCESS) {
        *workspace_size = p.workspace_bytes;
    }
    return status;
}

aclnnStatus aclnnAttentionToFFNGetWorkspaceSize(
    const aclTensor *x, const aclTensor *sessionId, const aclTensor *microBatchId, const aclTensor *layerId,
    const aclTensor *expertIds, const aclTensor *expertRankTable, const aclTensor *scalesOptional,
    const aclTensor *activeMaskOptional, const char *group, int64_t worldSize,
    const aclIntArray *ffnTokenInfoTableShape, const aclIntArray *ffnTokenDataShape,
    const aclIntArray *attnTokenInfoTableShape, int64_t moeExpertNum, int64_t quantMode, int64_t syncFlag,
    int64_t ffnStartRankId, uint64_t *workspaceSize, aclOpExecutor **executor)
{
    const afd__acl_a2f_request r = {
        .tensors = { x, sessionId, microBatchId, layerId, expertIds, expertRankTable, scalesOptional,
                     activeMaskOptional },
        .shapes = { ffnTokenInfoTableShape, ffnTokenDataShape, attnTokenInfoTableShape },
        .group = group,
        .world_size = worldSize,
        .moe_expert_num = moeExpertNum,
        .quant_mode = quantMode,
        .sync_flag = syncFlag,
        .ffn_start_rank = ffnStartRankId,
    };
    return plan_dispatch(&r, workspaceSize, executor);
}

aclnnStatus aclnnAttentionToFFN(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream)
{
    return afd__acl_executor_launch(&attention_to_ffn, workspace, workspaceSize, executor, stream);
}
