/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnFfnWorkerBatching: the checks of its first phase, and one call of afd_ffn_batch() in its task. */
#include "aclnnop/aclnn_ffn_worker_batching.h"

#include <inttypes.h>
#include <string.h>

#include "afd/context.h"
#include "afd/ffn.h"
#include "operator/operator.h"
#include "operator/tiling.h"
#include "operator/waiting.h"
#include "runtime/message.h"

#define OPERATOR_NAME "aclnnFfnWorkerBatching"

enum { EXPERT_NUM_MAX = 8192, SESSION_NUM_MAX = 1024, SLOT_NUM_MAX = 64, MICRO_BATCH_NUM_MAX = 64 };

/* The tensors, in the order of the arguments. */
enum {
    CONTEXT,
    TOKENS,
    GROUP_LIST,
    SESSION_IDS,
    MICRO_BATCH_IDS,
    TOKEN_IDS,
    EXPERT_OFFSETS,
    DYNAMIC_SCALE,
    ACTUAL_TOKEN_NUM,
    TENSOR_NUM
};

static const char *const tensor_names[TENSOR_NUM] = {
    "scheduleContext", "y",             "groupList",    "sessionIds",     "microBatchIds",
    "tokenIds",        "expertOffsets", "dynamicScale", "actualTokenNum",
};
static const afd__acl_required required = { OPERATOR_NAME, tensor_names, TENSOR_NUM };

/* The values of maxOutShape. */
enum { SHAPE_SESSIONS, SHAPE_TOKENS, SHAPE_SLOTS, SHAPE_HIDDEN, SHAPE_NUM };

/* What the first phase is asked for. */
typedef struct request {
    const aclTensor *tensors[TENSOR_NUM];
    const aclIntArray *max_out_shape;
    int64_t expert_num;
    int64_t token_dtype;
    int64_t need_schedule;
    int64_t layer_num;
} request;

typedef struct plan {
    afd_schedule_context *context;
    uint32_t session_max;      /* A */
    uint32_t micro_batch_size; /* BS */
    uint32_t slot_num;         /* E */
    afd_ffn_batch_args args;   /* session_max and workspace are filled in by the task */
    afd_ffn_batch_out out;
    int64_t *actual_token_num;
} plan;

/* ---- the task ---- */

static aclError fail_differs(const char *field, uint32_t value, const char *of, uint32_t planned)
{
    return afd__acl_fail(ACL_ERROR_RT_AICORE_EXCEPTION,
                         OPERATOR_NAME ": %s is %" PRIu32 ", must be %s of maxOutShape, which is %" PRIu32, field,
                         value, of, planned);
}

static aclError fail_above(const char *field, uint32_t value, const char *bound_name, uint32_t bound)
{
    return afd__acl_fail(ACL_ERROR_RT_AICORE_EXCEPTION,
                         OPERATOR_NAME ": %s is %" PRIu32 ", must be at most %s, which is %" PRIu32, field, value,
                         bound_name, bound);
}

/* What the front holds the context against, before libafd makes its own checks. */
static aclError check_context(const plan *p)
{
    const afd_schedule_context *context = p->context;
    const uint32_t micro_batch_num = context->common.micro_batch_num;
    const uint32_t micro_batch_size = context->common.micro_batch_size;
    const uint32_t slot_num = context->common.selected_expert_num;
    const uint32_t session_num = context->common.session_num;
    if (micro_batch_size != p->micro_batch_size) {
        return fail_differs("common.micro_batch_size", micro_batch_size, "BS", p->micro_batch_size);
    }
    if (slot_num != p->slot_num) {
        return fail_differs("common.selected_expert_num", slot_num, "E", p->slot_num);
    }
    if (micro_batch_num > MICRO_BATCH_NUM_MAX) {
        return fail_above("common.micro_batch_num", micro_batch_num, "the limit of this operator",
                          MICRO_BATCH_NUM_MAX);
    }
    if (p->args.need_schedule) {
        return session_num <= p->session_max
                   ? ACL_SUCCESS
                   : fail_above("common.session_num", session_num, "A of maxOutShape with needSchedule 1",
                                p->session_max);
    }
    return context->ffn.out_num <= p->session_max
               ? ACL_SUCCESS
               : fail_above("ffn.out_num", context->ffn.out_num, "A of maxOutShape", p->session_max);
}

static afd_status batch(void *plan_, afd_wait *wait, afd_error *error)
{
    plan *p = plan_;
    return afd_ffn_batch(p->context, &p->args, &p->out, wait, error);
}

static aclError run(const void *plan_, void *workspace, const afd__acl_limits *limits)
{
    static const afd__acl_waiting waiting = {
        .op_name = OPERATOR_NAME,
        .awaited = "tokens",
        .failed_code = ACL_ERROR_RT_AICORE_EXCEPTION,
        .timeout_code = ACL_ERROR_RT_AICORE_TIMEOUT,
        .call = batch,
    };
    plan p = *(const plan *)plan_;
    const uint32_t session_num = p.context->common.session_num;
    afd_status status = AFD_OK;
    aclError code = check_context(&p);
    if (code != ACL_SUCCESS) {
        return code;
    }
    /* A is a bound of the outputs and may be more than there are sessions, which libafd's own bound may not. */
    p.args.session_max = p.session_max < session_num ? p.session_max : session_num;
    p.args.workspace = workspace;
    code = afd__acl_op_run(&waiting, &p, limits, &status);
    if (code != ACL_SUCCESS) {
        return code;
    }
    if (status == AFD_STOPPED) {
        memset(p.out.group_list, 0, p.args.expert_num * 2 * sizeof(*p.out.group_list));
    }
    *p.actual_token_num = (int64_t)p.out.row_num; /* 0 where it was stopped */
    return ACL_SUCCESS;
}

static const afd__acl_operator ffn_worker_batching = { .name = OPERATOR_NAME, .run = run };

/* ---- the first phase ---- */

static aclnnStatus check_values(const request *r)
{
    aclnnStatus status = afd__acl_tiling_range(OPERATOR_NAME, "expertNum", r->expert_num, 1, EXPERT_NUM_MAX);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "tokenDtype", r->token_dtype, AFD_TOKEN_F16, AFD_TOKEN_INT8);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "needSchedule", r->need_schedule, 0, 1);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "layerNum", r->layer_num, 0, r->expert_num);
    }
    return status;
}

static aclnnStatus check_shape(const int64_t shape[SHAPE_NUM])
{
    aclnnStatus status = afd__acl_tiling_range(OPERATOR_NAME, "A of maxOutShape", shape[SHAPE_SESSIONS], 1,
                                               SESSION_NUM_MAX);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "E of maxOutShape", shape[SHAPE_SLOTS], 1, SLOT_NUM_MAX);
    }
    if (status == ACL_SUCCESS) {
        /* So that A*BS*E is at most 2^32 - 1, which is the most rows a batch may have. */
        status = afd__acl_tiling_range(OPERATOR_NAME, "BS of maxOutShape", shape[SHAPE_TOKENS], 1,
                                       UINT32_MAX / (shape[SHAPE_SESSIONS] * shape[SHAPE_SLOTS]));
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_hidden(OPERATOR_NAME, "H of maxOutShape", shape[SHAPE_HIDDEN]);
    }
    return status;
}

static aclnnStatus read_shape(const request *r, int64_t shape[SHAPE_NUM])
{
    uint64_t found_num = 0;
    if (!afd__acl_op_values(r->max_out_shape, shape, SHAPE_NUM, &found_num)) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED,
                             OPERATOR_NAME ": maxOutShape has %" PRIu64 " values, must have %d (A, BS, E, H)",
                             found_num, SHAPE_NUM);
    }
    return check_shape(shape);
}

/* The outputs have room for all that can be written: Y = A*BS*E rows. */
static aclnnStatus check_outputs(const request *r, const int64_t shape[SHAPE_NUM],
                                 const afd__acl_view views[TENSOR_NUM])
{
    static const aclDataType token_types[] = { ACL_FLOAT16, ACL_BF16, ACL_INT8 };
    const uint64_t row_num = (uint64_t)(shape[SHAPE_SESSIONS] * shape[SHAPE_TOKENS] * shape[SHAPE_SLOTS]);
    const uint64_t scale_num = r->token_dtype == AFD_TOKEN_INT8 ? row_num : 0;
    /* Each factor is below 2^32. */
    const uint64_t value_num = row_num * (uint64_t)shape[SHAPE_HIDDEN];
    const afd__acl_wanted wanted[TENSOR_NUM] = {
        [TOKENS] = { token_types[r->token_dtype], value_num },
        [GROUP_LIST] = { ACL_INT64, 2 * (uint64_t)r->expert_num },
        [SESSION_IDS] = { ACL_INT32, row_num },
        [MICRO_BATCH_IDS] = { ACL_INT32, row_num },
        [TOKEN_IDS] = { ACL_INT32, row_num },
        [EXPERT_OFFSETS] = { ACL_INT32, row_num },
        [DYNAMIC_SCALE] = { ACL_FLOAT, scale_num },
        [ACTUAL_TOKEN_NUM] = { ACL_INT64, 1 },
    };
    return afd__acl_tiling_tensors(&required, views, wanted);
}

/* All that can be wrong; then the shape and the views are good. */
static aclnnStatus check(const request *r, int64_t shape[SHAPE_NUM], afd__acl_view views[TENSOR_NUM])
{
    aclnnStatus status = afd__acl_tiling_given(&required, r->tensors);
    if (status == ACL_SUCCESS) {
        status = afd__acl_op_check_given(OPERATOR_NAME, r->max_out_shape, "maxOutShape");
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_views(&required, r->tensors, views);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_op_check_array(r->max_out_shape);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_context(&required, &views[CONTEXT]);
    }
    if (status == ACL_SUCCESS) {
        status = check_values(r);
    }
    if (status == ACL_SUCCESS) {
        status = read_shape(r, shape);
    }
    if (status == ACL_SUCCESS) {
        status = check_outputs(r, shape, views);
    }
    return status == ACL_SUCCESS ? afd__acl_tiling_data(&required, views) : status;
}

static plan make_plan(const request *r, const int64_t shape[SHAPE_NUM], const afd__acl_view views[TENSOR_NUM])
{
    plan p = {
        .context = views[CONTEXT].data,
        .session_max = (uint32_t)shape[SHAPE_SESSIONS],
        .micro_batch_size = (uint32_t)shape[SHAPE_TOKENS],
        .slot_num = (uint32_t)shape[SHAPE_SLOTS],
        .args = AFD_FFN_BATCH_ARGS_INIT,
        .out = AFD_FFN_BATCH_OUT_INIT,
        .actual_token_num = views[ACTUAL_TOKEN_NUM].data,
    };
    p.args.expert_num = (uint32_t)r->expert_num;
    p.args.session_max = p.session_max;
    p.args.hidden = (uint32_t)shape[SHAPE_HIDDEN];
    p.args.type = (afd_token_type)r->token_dtype;
    p.args.need_schedule = r->need_schedule == 1;
    p.args.fail_on_wild = true;
    p.out.tokens = views[TOKENS].data;
    p.out.dynamic_scale = views[DYNAMIC_SCALE].data;
    p.out.group_list = views[GROUP_LIST].data;
    p.out.session_ids = views[SESSION_IDS].data;
    p.out.micro_batch_ids = views[MICRO_BATCH_IDS].data;
    p.out.token_ids = views[TOKEN_IDS].data;
    p.out.expert_offsets = views[EXPERT_OFFSETS].data;
    return p;
}

/* For A sessions. The context is device memory that may not be filled in yet, so this asks for one of the shape that it
 * must have when the task runs. */
static uint64_t workspace_bytes(const plan *p)
{
    const afd_schedule_context of_shape = {
        .common = { .micro_batch_size = p->micro_batch_size, .selected_expert_num = p->slot_num },
    };
    return afd_ffn_batch_workspace_bytes(&of_shape, &p->args);
}

static aclnnStatus plan_batching(const request *r, uint64_t *workspace_size, aclOpExecutor **executor)
{
    int64_t shape[SHAPE_NUM];
    afd__acl_view views[TENSOR_NUM];
    aclnnStatus status = afd__acl_op_check_outputs(OPERATOR_NAME, workspace_size, executor);
    if (status == ACL_SUCCESS) {
        status = check(r, shape, views);
    }
    if (status != ACL_SUCCESS) {
        return status;
    }
    plan p = make_plan(r, shape, views);
    p.args.workspace_bytes = workspace_bytes(&p);
    status = afd__acl_executor_new(&ffn_worker_batching, &p, sizeof(p), p.args.workspace_bytes, executor);
    if (status == ACL_SUCCESS) {
        *workspace_size = p.args.workspace_bytes;
    }
    return status;
}

aclnnStatus aclnnFfnWorkerBatchingGetWorkspaceSize(
    const aclTensor *scheduleContext, int64_t expertNum, const aclIntArray *maxOutShape, int64_t tokenDtype,
    int64_t needSchedule, int64_t layerNum, const aclTensor *y, const aclTensor *groupList, const aclTensor *sessionIds,
    const aclTensor *microBatchIds, const aclTensor *tokenIds, const aclTensor *expertOffsets,
    const aclTensor *dynamicScale, const aclTensor *actualTokenNum, uint64_t *workspaceSize, aclOpExecutor **executor)
{
    const request r = {
        .tensors = { scheduleContext, y, groupList, sessionIds, microBatchIds, tokenIds, expertOffsets, dynamicScale,
                     actualTokenNum },
        .max_out_shape = maxOutShape,
        .expert_num = expertNum,
        .token_dtype = tokenDtype,
        .need_schedule = needSchedule,
        .layer_num = layerNum,
    };
    return plan_batching(&r, workspaceSize, executor);
}

/* ---- the second phase ---- */

aclnnStatus aclnnFfnWorkerBatching(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream)
{
    return afd__acl_executor_launch(&ffn_worker_batching, workspace, workspaceSize, executor, stream);
}
