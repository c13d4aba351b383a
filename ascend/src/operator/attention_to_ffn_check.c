/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of aclnnAttentionToFFN's first phase: what is null, what is dead, then values, shapes, the group with its
 * windows, and last whether the tensors have memory. Each fills in its part of the plan.
 */
#include <inttypes.h>

#include "base/checked.h"
#include "operator/attention_to_ffn.h"
#include "operator/communication.h"
#include "operator/tiling.h"
#include "runtime/message.h"

#define OPERATOR_NAME AFD__ACL_ATTENTION_TO_FFN

enum {
    X = AFD__ACL_A2F_X,
    SESSION_ID = AFD__ACL_A2F_SESSION_ID,
    LAYER_ID = AFD__ACL_A2F_LAYER_ID,
    EXPERT_IDS = AFD__ACL_A2F_EXPERT_IDS,
    EXPERT_RANK_TABLE = AFD__ACL_A2F_EXPERT_RANK_TABLE,
    SCALES = AFD__ACL_A2F_SCALES,
    ACTIVE_MASK = AFD__ACL_A2F_ACTIVE_MASK,
    TENSOR_NUM = AFD__ACL_A2F_TENSOR_NUM,
    REQUIRED_NUM = AFD__ACL_A2F_REQUIRED_NUM,
    ARRAY_NUM = AFD__ACL_A2F_ARRAY_NUM
};

/* The limits of the original. */
enum { TOP_K_MAX = 16, SHARED_EXPERT_NUM_MAX = 4, MOE_EXPERT_NUM_MAX = 1024, TABLE_WIDTH_MIN = 3 };

/* What an int8 token has behind its values: the original's room for the scale. */
enum { SCALE_ROOM_BYTES = 128 };

static const char *const tensor_names[TENSOR_NUM] = {
    "x",         "sessionId",       "microBatchId",   "layerId",
    "expertIds", "expertRankTable", "scalesOptional", "activeMaskOptional",
};
static const char *const array_names[ARRAY_NUM] = { "ffnTokenInfoTableShape", "ffnTokenDataShape",
                                                    "attnTokenInfoTableShape" };
static const afd__acl_required required = { OPERATOR_NAME, tensor_names, REQUIRED_NUM };

typedef afd__acl_a2f_request request;
typedef afd__acl_a2f_plan plan;

/* ---- what is given, and alive ---- */

static aclnnStatus read_views(const request *r, afd__acl_view views[TENSOR_NUM])
{
    const afd__acl_handed handed = {
        .required = &required,
        .tensors = r->tensors,
        .tensor_num = TENSOR_NUM,
        .arrays = r->shapes,
        .array_names = array_names,
        .array_num = ARRAY_NUM,
        .group = r->group,
    };
    return afd__acl_communication_handed(&handed, views);
}

/* ---- values ---- */

static aclnnStatus check_values(const request *r, plan *p)
{
    aclnnStatus status = afd__acl_tiling_range(OPERATOR_NAME, "worldSize", r->world_size, AFD__ACL_WORLD_SIZE_MIN,
                                               AFD__ACL_WORLD_SIZE_MAX);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "moeExpertNum", r->moe_expert_num, 1, MOE_EXPERT_NUM_MAX);
    }
    if (status == ACL_SUCCESS && r->quant_mode != 0 && r->quant_mode != 2) {
        status = afd__acl_fail(AFD__ACLNN_TILING_FAILED, OPERATOR_NAME ": quantMode is %" PRId64 ", must be 0 or 2",
                               r->quant_mode);
    }
    if (status == ACL_SUCCESS && r->quant_mode == 0 && r->tensors[SCALES] != NULL) {
        status = afd__acl_fail(AFD__ACLNN_TILING_FAILED,
                               OPERATOR_NAME ": scalesOptional is given with quantMode 0, must be null");
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "syncFlag", r->sync_flag, 0, 1);
    }
    p->quantize = r->quant_mode == 2;
    p->only_ranks_with_tokens = r->sync_flag == 1;
    return status;
}

/* ---- shape arrays ---- */

static aclnnStatus check_same(const char *name, int64_t value, int64_t expected)
{
    return afd__acl_tiling_equal(OPERATOR_NAME, name, value, expected, "as in attnTokenInfoTableShape");
}

/* (M, BS, E), which the other two are held against. */
static aclnnStatus check_attention_info(const request *r, int64_t shape[3])
{
    const afd__acl_shape_array array = { r->shapes[AFD__ACL_A2F_ATTENTION_INFO], "attnTokenInfoTableShape",
                                         "(M, BS, E)", 3 };
    aclnnStatus status = afd__acl_communication_shape(OPERATOR_NAME, &array, shape);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "M of attnTokenInfoTableShape", shape[0], 1, UINT32_MAX);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "BS of attnTokenInfoTableShape", shape[1], 1,
                                       AFD__ACL_TOKEN_NUM_MAX);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "E of attnTokenInfoTableShape", shape[2], 1,
                                       TOP_K_MAX + SHARED_EXPERT_NUM_MAX);
    }
    return status;
}

static aclnnStatus check_ffn_info(const request *r, const int64_t own[3], int64_t *session_num)
{
    const afd__acl_shape_array array = { r->shapes[AFD__ACL_A2F_FFN_INFO], "ffnTokenInfoTableShape",
                                         "(S, M, 2 + BS*E)", 3 };
    int64_t shape[3] = { 0 };
    aclnnStatus status = afd__acl_communication_shape(OPERATOR_NAME, &array, shape);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "S of ffnTokenInfoTableShape", shape[0], 1, r->world_size - 1);
    }
    if (status == ACL_SUCCESS) {
        status = check_same("M of ffnTokenInfoTableShape", shape[1], own[0]);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_equal(OPERATOR_NAME, "the last value of ffnTokenInfoTableShape", shape[2],
                                       2 + own[1] * own[2], "2 + BS*E");
    }
    *session_num = shape[0];
    return status;
}

/* (S, M, BS, E, HS); HS counts elements of what is sent, and has room for a token. */
static aclnnStatus check_ffn_data(const request *r, const int64_t own[3], int64_t session_num, plan *p)
{
    const afd__acl_shape_array array = { r->shapes[AFD__ACL_A2F_FFN_DATA], "ffnTokenDataShape", "(S, M, BS, E, HS)",
                                         5 };
    const int64_t element_bytes = p->quantize ? 1 : 2;
    const int64_t least = (int64_t)p->hidden + (p->quantize ? SCALE_ROOM_BYTES : 0);
    int64_t shape[5] = { 0 };
    aclnnStatus status = afd__acl_communication_shape(OPERATOR_NAME, &array, shape);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_equal(OPERATOR_NAME, "S of ffnTokenDataShape", shape[0], session_num,
                                       "as in ffnTokenInfoTableShape");
    }
    if (status == ACL_SUCCESS) {
        status = check_same("M of ffnTokenDataShape", shape[1], own[0]);
    }
    if (status == ACL_SUCCESS) {
        status = check_same("BS of ffnTokenDataShape", shape[2], own[1]);
    }
    if (status == ACL_SUCCESS) {
        status = check_same("E of ffnTokenDataShape", shape[3], own[2]);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "HS of ffnTokenDataShape", shape[4], least,
                                       UINT32_MAX / element_bytes);
    }
    if (status == ACL_SUCCESS) {
        p->shape.attn_to_ffn_token_size = (uint32_t)(shape[4] * element_bytes);
    }
    return status;
}

static aclnnStatus check_shapes(const request *r, plan *p)
{
    int64_t own[3] = { 0 };
    int64_t session_num = 0;
    aclnnStatus status = check_attention_info(r, own);
    if (status == ACL_SUCCESS) {
        status = check_ffn_info(r, own, &session_num);
    }
    if (status == ACL_SUCCESS) {
        status = check_ffn_data(r, own, session_num, p);
    }
    p->shape.session_num = (uint32_t)session_num;
    p->shape.micro_batch_num = (uint32_t)own[0];
    p->shape.micro_batch_size = (uint32_t)own[1];
    p->shape.selected_expert_num = (uint32_t)own[2];
    return status;
}

/* ---- tensors ---- */

static aclnnStatus check_dims(const afd__acl_view *views, int tensor, const afd__acl_wanted_dims *wanted)
{
    return afd__acl_tiling_dims(OPERATOR_NAME, tensor_names[tensor], &views[tensor], wanted);
}

static aclnnStatus check_x(const afd__acl_view views[TENSOR_NUM], plan *p)
{
    const afd__acl_view *x = &views[X];
    const aclDataType type = x->data_type == ACL_BF16 ? ACL_BF16 : ACL_FLOAT16;
    const afd__acl_wanted_dims wanted = { type, "(1, Bs, H)", 3, { 1, AFD__ACL_DIM_ANY, AFD__ACL_DIM_ANY } };
    aclnnStatus status = check_dims(views, X, &wanted);
    if (status == ACL_SUCCESS) {
        status = afd__acl_communication_hidden(OPERATOR_NAME, x->dims[2]);
    }
    p->type = type == ACL_BF16 ? AFD_TOKEN_BF16 : AFD_TOKEN_F16;
    p->token_num = (uint32_t)x->dims[1]; /* its range is looked at when BS is known */
    p->hidden = (uint32_t)x->dims[2];
    return status;
}

static aclnnStatus check_ids(const afd__acl_view views[TENSOR_NUM])
{
    const afd__acl_wanted_dims wanted = { ACL_INT32, "(1)", 1, { 1 } };
    aclnnStatus status = ACL_SUCCESS;
    for (int i = SESSION_ID; i <= LAYER_ID && status == ACL_SUCCESS; i++) {
        status = check_dims(views, i, &wanted);
    }
    return status;
}

static aclnnStatus check_expert_ids(const request *r, const afd__acl_view views[TENSOR_NUM], plan *p)
{
    const afd__acl_view *ids = &views[EXPERT_IDS];
    const int64_t token_num = views[X].dims[1];
    const afd__acl_wanted_dims wanted = { ACL_INT32, "(1, Bs, K)", 3, { 1, token_num, AFD__ACL_DIM_ANY } };
    const int64_t most = r->moe_expert_num < TOP_K_MAX ? r->moe_expert_num : TOP_K_MAX;
    aclnnStatus status = afd__acl_tiling_range(OPERATOR_NAME, "Bs of x", token_num, 1, p->shape.micro_batch_size);
    if (status == ACL_SUCCESS) {
        status = check_dims(views, EXPERT_IDS, &wanted);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "K of expertIds", ids->dims[2], 1, most);
    }
    p->top_k = (uint32_t)ids->dims[2];
    return status;
}

/* (L, experts, Mx). The experts behind the routed ones are shared, and each token has a slot for each of them. */
static aclnnStatus check_table(const request *r, const afd__acl_view views[TENSOR_NUM], plan *p)
{
    static const afd__acl_wanted_dims wanted = { ACL_INT32, "(L, experts, Mx)", 3,
                                                 { AFD__ACL_DIM_ANY, AFD__ACL_DIM_ANY, AFD__ACL_DIM_ANY } };
    const int64_t *dims = views[EXPERT_RANK_TABLE].dims;
    aclnnStatus status = check_dims(views, EXPERT_RANK_TABLE, &wanted);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "L of expertRankTable", dims[0], 1, UINT32_MAX);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "experts of expertRankTable", dims[1], r->moe_expert_num,
                                       r->moe_expert_num + SHARED_EXPERT_NUM_MAX);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_equal(OPERATOR_NAME, "experts of expertRankTable", dims[1],
                                       r->moe_expert_num + p->shape.selected_expert_num - p->top_k,
                                       "moeExpertNum and the E - K shared ones");
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "Mx of expertRankTable", dims[2], TABLE_WIDTH_MIN, UINT32_MAX);
    }
    p->layer_num = (uint32_t)dims[0];
    p->expert_num = (uint32_t)dims[1];
    p->table_width = (uint32_t)dims[2];
    return status;
}

static aclnnStatus check_optional(const request *r, const afd__acl_view views[TENSOR_NUM])
{
    const int64_t *table = views[EXPERT_RANK_TABLE].dims;
    const afd__acl_wanted_dims scales = { ACL_FLOAT, "(L, experts, H)", 3, { table[0], table[1], views[X].dims[2] } };
    const afd__acl_wanted_dims mask = { ACL_BOOL, "(1, Bs)", 2, { 1, views[X].dims[1] } };
    aclnnStatus status = ACL_SUCCESS;
    if (r->tensors[SCALES] != NULL) {
        status = check_dims(views, SCALES, &scales);
    }
    if (status == ACL_SUCCESS && r->tensors[ACTIVE_MASK] != NULL) {
        status = check_dims(views, ACTIVE_MASK, &mask);
    }
    return status;
}

/* ---- ranks and windows ---- */

/* The FFN ranks are ffnStartRankId ... ffnStartRankId + (worldSize - S) - 1. */
static aclnnStatus check_ranks(const request *r, plan *p)
{
    /* The last of worldSize - S ranks is below worldSize where the first is at most S. */
    const aclnnStatus status = afd__acl_tiling_range(OPERATOR_NAME, "ffnStartRankId", r->ffn_start_rank, 0,
                                                     p->shape.session_num);
    p->first_rank = (uint32_t)r->ffn_start_rank;
    p->rank_num = (uint32_t)r->world_size - p->shape.session_num;
    return status;
}

static aclnnStatus check_own_window(const plan *p)
{
    const uint64_t needed = afd__acl_a2f_flag_bytes(&p->shape);
    afd__acl_comm *comm = afd__acl_comm_hold(p->comm);
    const uint64_t bytes = comm != NULL ? afd__acl_comm_window_bytes(comm) : needed;
    afd__acl_object_release(comm); /* whether it is there was asked before, and will be again in the task */
    if (bytes >= needed) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED,
                         OPERATOR_NAME ": the own window has %" PRIu64 " bytes, the flags of this shape need %" PRIu64,
                         bytes, needed);
}

static aclnnStatus check_group(const request *r, plan *p)
{
    const afd__acl_window_wanted wanted = { AFD_WINDOW_FFN, p->shape, p->first_rank, p->rank_num, false };
    aclnnStatus status = afd__acl_communication_find(OPERATOR_NAME, r->group, r->world_size, &p->comm);
    if (status == ACL_SUCCESS) {
        status = afd__acl_communication_windows(OPERATOR_NAME, p->comm, &wanted);
    }
    return status == ACL_SUCCESS ? check_own_window(p) : status;
}

/* ---- all of it ---- */

static aclnnStatus check_tensors(const request *r, const afd__acl_view views[TENSOR_NUM], plan *p)
{
    aclnnStatus status = check_x(views, p);
    if (status == ACL_SUCCESS) {
        status = check_shapes(r, p);
    }
    if (status == ACL_SUCCESS) {
        status = check_ids(views);
    }
    if (status == ACL_SUCCESS) {
        status = check_expert_ids(r, views, p);
    }
    if (status == ACL_SUCCESS) {
        status = check_table(r, views, p);
    }
    return status == ACL_SUCCESS ? check_optional(r, views) : status;
}

static aclnnStatus plan_inputs(const afd__acl_view views[TENSOR_NUM], plan *p)
{
    aclnnStatus status = ACL_SUCCESS;
    bool fits = true;
    p->workspace_bytes = 0;
    for (int i = 0; i < TENSOR_NUM && fits && status == ACL_SUCCESS; i++) {
        status = afd__acl_op_check_data(OPERATOR_NAME, &views[i], tensor_names[i]);
        fits = afd__acl_input_plan(&views[i], &p->inputs[i], &p->workspace_bytes);
    }
    p->flags_offset = p->workspace_bytes;
    fits = fits && afd__add_u64(p->workspace_bytes, afd__acl_a2f_flag_bytes(&p->shape), &p->workspace_bytes);
    if (status == ACL_SUCCESS && !fits) {
        status = afd__acl_fail(AFD__ACLNN_TILING_FAILED, OPERATOR_NAME ": the workspace does not fit 64 bits");
    }
    return status;
}

aclnnStatus afd__acl_a2f_check(const request *r, plan *p)
{
    afd__acl_view views[TENSOR_NUM];
    *p = (plan){ 0 };
    aclnnStatus status = read_views(r, views);
    if (status == ACL_SUCCESS) {
        status = check_values(r, p);
    }
    if (status == ACL_SUCCESS) {
        status = check_tensors(r, views, p);
    }
    if (status == ACL_SUCCESS) {
        status = check_ranks(r, p);
    }
    if (status == ACL_SUCCESS) {
        status = check_group(r, p);
    }
    return status == ACL_SUCCESS ? plan_inputs(views, p) : status;
}
