/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnAttentionWorkerCombine: the checks of its first phase, and one call of afd_attention_combine() in its task. */
#include "aclnnop/aclnn_attention_worker_combine.h"

#include <inttypes.h>

#include "afd/attention.h"
#include "afd/context.h"
#include "operator/operator.h"
#include "operator/tiling.h"
#include "operator/waiting.h"
#include "runtime/message.h"

#define OPERATOR_NAME "aclnnAttentionWorkerCombine"

enum { TOP_K_MAX = 64 };

/* The tensors, in the order of the arguments. */
enum { CONTEXT, EXPERT_SCALES, LAYER_ID, TOKENS, NEXT_LAYER_ID, TENSOR_NUM };

static const char *const tensor_names[TENSOR_NUM] = { "scheduleContext", "expertScales", "layerId", "y",
                                                      "nextLayerId" };
static const afd__acl_required required = { OPERATOR_NAME, tensor_names, TENSOR_NUM };

/* What the first phase is asked for. */
typedef struct request {
    const aclTensor *tensors[TENSOR_NUM];
    int64_t hidden_size;
    int64_t token_dtype;
    int64_t need_schedule;
} request;

typedef struct plan {
    afd_schedule_context *context;
    afd_combine_args args;
    const int32_t *layer_id;
    int32_t *next_layer_id;
} plan;

/* ---- the task ---- */

static aclError fail_above(const char *dim, uint32_t value, const char *field, uint32_t bound)
{
    return afd__acl_fail(ACL_ERROR_RT_AICORE_EXCEPTION,
                         OPERATOR_NAME ": %s of expertScales is %" PRIu32 ", must be at most %s, which is %" PRIu32,
                         dim, value, field, bound);
}

/* libafd checks the same, in its own words for the dims of expertScales. */
static aclError check_dims(const plan *p)
{
    const uint32_t micro_batch_size = p->context->common.micro_batch_size;
    const uint32_t slot_num = p->context->common.selected_expert_num;
    if (p->args.token_num > micro_batch_size) {
        return fail_above("Bs", p->args.token_num, "common.micro_batch_size", micro_batch_size);
    }
    if (p->args.top_k > slot_num) {
        return fail_above("K", p->args.top_k, "common.selected_expert_num", slot_num);
    }
    return ACL_SUCCESS;
}

static afd_status combine(void *plan_, afd_wait *wait, afd_error *error)
{
    const plan *p = plan_;
    return afd_attention_combine(p->context, &p->args, wait, error);
}

static aclError run(const void *plan_, void *workspace, const afd__acl_limits *limits)
{
    static const afd__acl_waiting waiting = {
        .op_name = OPERATOR_NAME,
        .awaited = "results",
        .failed_code = ACL_ERROR_RT_AICORE_EXCEPTION,
        .timeout_code = ACL_ERROR_RT_AICORE_TIMEOUT,
        .late_are_slots = true,
        .call = combine,
    };
    (void)workspace; /* none was planned */
    plan p = *(const plan *)plan_;
    afd_status status = AFD_OK;
    aclError code = check_dims(&p);
    if (code == ACL_SUCCESS) {
        code = afd__acl_op_run(&waiting, &p, limits, &status);
    }
    if (code == ACL_SUCCESS && status == AFD_OK) {
        *p.next_layer_id = (int32_t)((uint32_t)*p.layer_id + 1);
    }
    return code;
}

static const afd__acl_operator attention_worker_combine = { .name = OPERATOR_NAME, .run = run };

/* ---- the first phase ---- */

static aclnnStatus check_values(const request *r)
{
    aclnnStatus status = afd__acl_tiling_hidden(OPERATOR_NAME, "hiddenSize", r->hidden_size);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "tokenDtype", r->token_dtype, AFD_TOKEN_F16, AFD_TOKEN_BF16);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "needSchedule", r->need_schedule, 0, 1);
    }
    return status;
}

/* expertScales says how many tokens there are, and how many routed experts each has. */
static aclnnStatus check_scales(const afd__acl_view *scales)
{
    if (scales->rank != 2) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED,
                             OPERATOR_NAME ": expertScales has %" PRIu64 " dimensions, must have 2 (Bs, K)",
                             scales->rank);
    }
    const aclnnStatus status = afd__acl_tiling_range(OPERATOR_NAME, "Bs of expertScales", scales->dims[0], 0,
                                                     UINT32_MAX);
    return status == ACL_SUCCESS
               ? afd__acl_tiling_range(OPERATOR_NAME, "K of expertScales", scales->dims[1], 1, TOP_K_MAX)
               : status;
}

static aclnnStatus check_shapes(const request *r, const afd__acl_view views[TENSOR_NUM])
{
    const aclDataType token_type = r->token_dtype == AFD_TOKEN_BF16 ? ACL_BF16 : ACL_FLOAT16;
    /* Each factor is below 2^32. */
    const uint64_t value_num = (uint64_t)views[EXPERT_SCALES].dims[0] * (uint64_t)r->hidden_size;
    const afd__acl_wanted wanted[TENSOR_NUM] = {
        [EXPERT_SCALES] = { ACL_FLOAT, 0 },
        [LAYER_ID] = { ACL_INT32, 1 },
        [TOKENS] = { token_type, value_num },
        [NEXT_LAYER_ID] = { ACL_INT32, 1 },
    };
    return afd__acl_tiling_tensors(&required, views, wanted);
}

/* All that can be wrong; then the views are good. */
static aclnnStatus check(const request *r, afd__acl_view views[TENSOR_NUM])
{
    aclnnStatus status = afd__acl_tiling_given(&required, r->tensors);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_views(&required, r->tensors, views);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_context(&required, &views[CONTEXT]);
    }
    if (status == ACL_SUCCESS) {
        status = check_values(r);
    }
    if (status == ACL_SUCCESS) {
        status = check_scales(&views[EXPERT_SCALES]);
    }
    if (status == ACL_SUCCESS) {
        status = check_shapes(r, views);
    }
    return status == ACL_SUCCESS ? afd__acl_tiling_data(&required, views) : status;
}

static plan make_plan(const request *r, const afd__acl_view views[TENSOR_NUM])
{
    plan p = {
        .context = views[CONTEXT].data,
        .args = AFD_COMBINE_ARGS_INIT,
        .layer_id = views[LAYER_ID].data,
        .next_layer_id = views[NEXT_LAYER_ID].data,
    };
    p.args.token_num = (uint32_t)views[EXPERT_SCALES].dims[0];
    p.args.top_k = (uint32_t)views[EXPERT_SCALES].dims[1];
    p.args.hidden = (uint32_t)r->hidden_size;
    p.args.type = (afd_token_type)r->token_dtype;
    p.args.expert_scales = views[EXPERT_SCALES].data;
    p.args.need_schedule = r->need_schedule == 1;
    p.args.output = views[TOKENS].data;
    return p;
}

static aclnnStatus plan_combine(const request *r, uint64_t *workspace_size, aclOpExecutor **executor)
{
    afd__acl_view views[TENSOR_NUM];
    aclnnStatus status = afd__acl_op_check_outputs(OPERATOR_NAME, workspace_size, executor);
    if (status == ACL_SUCCESS) {
        status = check(r, views);
    }
    if (status == ACL_SUCCESS) {
        const plan p = make_plan(r, views);
        status = afd__acl_executor_new(&attention_worker_combine, &p, sizeof(p), 0, executor);
    }
    if (status == ACL_SUCCESS) {
        *workspace_size = 0;
    }
    return status;
}

aclnnStatus aclnnAttentionWorkerCombineGetWorkspaceSize(
    const aclTensor *scheduleContext, const aclTensor *expertScales, const aclTensor *layerId, int64_t hiddenSize,
    int64_t tokenDtype, int64_t needSchedule, const aclTensor *y, const aclTensor *nextLayerId, uint64_t *workspaceSize,
    aclOpExecutor **executor)
{
    const request r = {
        .tensors = { scheduleContext, expertScales, layerId, y, nextLayerId },
        .hidden_size = hiddenSize,
        .token_dtype = tokenDtype,
        .need_schedule = needSchedule,
    };
    return plan_combine(&r, workspaceSize, executor);
}

/* ---- the second phase ---- */

aclnnStatus aclnnAttentionWorkerCombine(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                                        aclrtStream stream)
{
    return afd__acl_executor_launch(&attention_worker_combine, workspace, workspaceSize, executor, stream);
}
