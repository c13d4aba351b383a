/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnFFNToAttention: its two phases, and one call of afd_ffn_reply() in its task. */
#include "aclnnop/aclnn_ffn_to_attention.h"

#include <inttypes.h>

#include "afd/ffn.h"
#include "operator/communication.h"
#include "operator/ffn_to_attention.h"
#include "runtime/message.h"

#define OPERATOR_NAME AFD__ACL_FFN_TO_ATTENTION

typedef afd__acl_f2a_plan plan;

/* ---- the task ---- */

static aclError read_row_num(const plan *p, void *workspace, uint64_t *row_num)
{
    const int64_t *actual = afd__acl_input_gather(&p->inputs[AFD__ACL_F2A_ACTUAL_TOKEN_NUM], workspace);
    if (*actual < 0 || (uint64_t)*actual > p->row_num) {
        return afd__acl_fail(ACL_ERROR_RT_AICORE_EXCEPTION,
                             OPERATOR_NAME ": actualTokenNum is %" PRId64 ", must be in [0, %" PRIu64 "]", *actual,
                             p->row_num);
    }
    *row_num = (uint64_t)*actual;
    return ACL_SUCCESS;
}

static void fill_in_args(const plan *p, void *workspace, afd_ffn_reply_args *args)
{
    args->rows = afd__acl_input_gather(&p->inputs[AFD__ACL_F2A_X], workspace);
    args->hidden = p->hidden;
    args->type = p->type;
    args->session_ids = afd__acl_input_gather(&p->inputs[AFD__ACL_F2A_SESSION_IDS], workspace);
    args->micro_batch_ids = afd__acl_input_gather(&p->inputs[AFD__ACL_F2A_MICRO_BATCH_IDS], workspace);
    args->token_ids = afd__acl_input_gather(&p->inputs[AFD__ACL_F2A_TOKEN_IDS], workspace);
    args->expert_offsets = afd__acl_input_gather(&p->inputs[AFD__ACL_F2A_EXPERT_OFFSETS], workspace);
    args->writer_num = p->world_size;
    args->session_writers = afd__acl_input_gather(&p->inputs[AFD__ACL_F2A_ATTN_RANK_TABLE], workspace);
    args->session_num = p->session_num;
}

/* The ranks that rows go to. What is out of range is found, and said, by the reply. */
static void find_wanted(const afd_ffn_reply_args *args, uint8_t *wanted)
{
    for (uint64_t row = 0; row < args->row_num; row++) {
        int64_t rank = args->session_ids[row];
        if (args->session_writers != NULL) {
            const bool is_session = rank >= 0 && rank < args->session_num;
            rank = is_session ? args->session_writers[rank] : -1;
        }
        if (rank >= 0 && rank < args->writer_num) {
            wanted[rank] = 1;
        }
    }
}

static aclError reply(const plan *p, afd__acl_comm *comm, afd_ffn_reply_args *args)
{
    afd_error error;
    uint8_t wanted[AFD__ACL_WORLD_SIZE_MAX] = { 0 };
    find_wanted(args, wanted);
    args->writers = afd__acl_comm_lock_writers(comm, AFD_WINDOW_ATTENTION, &p->shape, wanted);
    if (args->writers == NULL) {
        return afd__acl_communication_fail(OPERATOR_NAME);
    }
    const afd_status status = afd_ffn_reply(args, &error);
    afd__acl_comm_unlock_writers(comm);
    return status == AFD_OK
               ? ACL_SUCCESS
               : afd__acl_fail(ACL_ERROR_RT_AICORE_EXCEPTION, OPERATOR_NAME ": %s", error.message);
}

static aclError run(const void *plan_, void *workspace, const afd__acl_limits *limits)
{
    (void)limits; /* it waits for nothing: the slots of an open round are free */
    const plan *p = plan_;
    afd_ffn_reply_args args = AFD_FFN_REPLY_ARGS_INIT;
    aclError code = read_row_num(p, workspace, &args.row_num);
    if (code != ACL_SUCCESS) {
        return code;
    }
    afd__acl_comm *comm = afd__acl_comm_hold(p->comm);
    if (comm == NULL) {
        return afd__acl_communication_fail(OPERATOR_NAME);
    }
    fill_in_args(p, workspace, &args);
    code = reply(p, comm, &args);
    afd__acl_object_release(comm);
    return code;
}

static const afd__acl_operator ffn_to_attention = { .name = OPERATOR_NAME, .run = run };

/* ---- the two phases ---- */

static aclnnStatus plan_reply(const afd__acl_f2a_request *r, uint64_t *workspace_size, aclOpExecutor **executor)
{
    plan p;
    aclnnStatus status = afd__acl_op_check_outputs(OPERATOR_NAME, workspace_size, executor);
    if (status == ACL_SUCCESS) {
        status = afd__acl_f2a_check(r, &p);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_executor_new(&ffn_to_attention, &p, sizeof(p), p.workspace_bytes, executor);
    }
    if (status == ACL_SUCCESS) {
        *workspace_size = p.workspace_bytes;
    }
    return status;
}

aclnnStatus aclnnFFNToAttentionGetWorkspaceSize(
    const aclTensor *x, const aclTensor *sessionIds, const aclTensor *microBatchIds, const aclTensor *tokenIds,
    const aclTensor *expertOffsets, const aclTensor *actualTokenNum, const aclTensor *attnRankTableOptional,
    const char *group, int64_t worldSize, const aclIntArray *tokenInfoTableShape, const aclIntArray *tokenDataShape,
    uint64_t *workspaceSize, aclOpExecutor **executor)
{
    const afd__acl_f2a_request r = {
        .tensors = { x, sessionIds, microBatchIds, tokenIds, expertOffsets, actualTokenNum, attnRankTableOptional },
        .shapes = { tokenInfoTableShape, tokenDataShape },
        .group = group,
        .world_size = worldSize,
    };
    return plan_reply(&r, workspaceSize, executor);
}

aclnnStatus aclnnFFNToAttention(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream)
{
    return afd__acl_executor_launch(&ffn_to_attention, workspace, workspaceSize, executor, stream);
}
