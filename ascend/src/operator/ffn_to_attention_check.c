/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of aclnnFFNToAttention's first phase: what is null, what is dead, then values, shapes, the group with its
 * windows, and last whether the tensors have memory. Each fills in its part of the plan.
 */
#include "operator/communication.h"
#include "operator/ffn_to_attention.h"
#include "operator/tiling.h"
#include "runtime/message.h"

#define OPERATOR_NAME AFD__ACL_FFN_TO_ATTENTION

enum {
    X = AFD__ACL_F2A_X,
    SESSION_IDS = AFD__ACL_F2A_SESSION_IDS,
    EXPERT_OFFSETS = AFD__ACL_F2A_EXPERT_OFFSETS,
    ACTUAL_TOKEN_NUM = AFD__ACL_F2A_ACTUAL_TOKEN_NUM,
    ATTN_RANK_TABLE = AFD__ACL_F2A_ATTN_RANK_TABLE,
    TENSOR_NUM = AFD__ACL_F2A_TENSOR_NUM,
    REQUIRED_NUM = AFD__ACL_F2A_REQUIRED_NUM,
    ARRAY_NUM = AFD__ACL_F2A_ARRAY_NUM
};

/* The original's largest slot: the largest H and room for a scale. */
enum { SLOT_ELEMENT_NUM_MAX = 8320 };

static const char *const tensor_names[TENSOR_NUM] = {
    "x", "sessionIds", "microBatchIds", "tokenIds", "expertOffsets", "actualTokenNum", "attnRankTableOptional",
};
static const char *const array_names[ARRAY_NUM] = { "tokenInfoTableShape", "tokenDataShape" };
static const afd__acl_required required = { OPERATOR_NAME, tensor_names, REQUIRED_NUM };

typedef afd__acl_f2a_request request;
typedef afd__acl_f2a_plan plan;

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

/* ---- tensors ---- */

static aclnnStatus check_dims(const afd__acl_view *views, int tensor, const afd__acl_wanted_dims *wanted)
{
    return afd__acl_tiling_dims(OPERATOR_NAME, tensor_names[tensor], &views[tensor], wanted);
}

static aclnnStatus check_x(const afd__acl_view views[TENSOR_NUM], plan *p)
{
    const afd__acl_view *x = &views[X];
    const aclDataType type = x->data_type == ACL_BF16 ? ACL_BF16 : ACL_FLOAT16;
    const afd__acl_wanted_dims wanted = { type, "(Y, H)", 2, { AFD__ACL_DIM_ANY, AFD__ACL_DIM_ANY } };
    aclnnStatus status = check_dims(views, X, &wanted);
    if (status == ACL_SUCCESS) {
        status = afd__acl_communication_hidden(OPERATOR_NAME, x->dims[1]);
    }
    p->type = type == ACL_BF16 ? AFD_TOKEN_BF16 : AFD_TOKEN_F16;
    p->row_num = (uint64_t)x->dims[0];
    p->hidden = (uint32_t)x->dims[1];
    return status;
}

static aclnnStatus check_indices(const afd__acl_view views[TENSOR_NUM])
{
    const afd__acl_wanted_dims ids = { ACL_INT32, "(Y)", 1, { views[X].dims[0] } };
    const afd__acl_wanted_dims count = { ACL_INT64, "(1)", 1, { 1 } };
    aclnnStatus status = ACL_SUCCESS;
    for (int i = SESSION_IDS; i <= EXPERT_OFFSETS && status == ACL_SUCCESS; i++) {
        status = check_dims(views, i, &ids);
    }
    return status == ACL_SUCCESS ? check_dims(views, ACTUAL_TOKEN_NUM, &count) : status;
}

static aclnnStatus check_rank_table(const request *r, const afd__acl_view views[TENSOR_NUM], plan *p)
{
    static const afd__acl_wanted_dims wanted = { ACL_INT32, "(sessions)", 1, { AFD__ACL_DIM_ANY } };
    if (r->tensors[ATTN_RANK_TABLE] == NULL) {
        return ACL_SUCCESS;
    }
    aclnnStatus status = check_dims(views, ATTN_RANK_TABLE, &wanted);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "sessions of attnRankTableOptional",
                                       views[ATTN_RANK_TABLE].dims[0], 1, r->world_size);
    }
    p->session_num = (uint32_t)views[ATTN_RANK_TABLE].dims[0];
    return status;
}

/* ---- shape arrays ---- */

/* (M, BS, E) */
static aclnnStatus check_info(const request *r, int64_t shape[3])
{
    const afd__acl_shape_array array = { r->shapes[AFD__ACL_F2A_INFO], "tokenInfoTableShape", "(M, BS, E)", 3 };
    aclnnStatus status = afd__acl_communication_shape(OPERATOR_NAME, &array, shape);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "M of tokenInfoTableShape", shape[0], 1, UINT32_MAX);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "BS of tokenInfoTableShape", shape[1], 1,
                                       AFD__ACL_TOKEN_NUM_MAX);
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "E of tokenInfoTableShape", shape[2], 1, UINT32_MAX);
    }
    return status;
}

/* (M, BS, E, HS) */
static aclnnStatus check_data(const request *r, const int64_t info[3], plan *p)
{
    static const char *const names[3] = { "M of tokenDataShape", "BS of tokenDataShape", "E of tokenDataShape" };
    const afd__acl_shape_array array = { r->shapes[AFD__ACL_F2A_DATA], "tokenDataShape", "(M, BS, E, HS)", 4 };
    int64_t shape[4] = { 0 };
    aclnnStatus status = afd__acl_communication_shape(OPERATOR_NAME, &array, shape);
    for (int i = 0; i < 3 && status == ACL_SUCCESS; i++) {
        status = afd__acl_tiling_equal(OPERATOR_NAME, names[i], shape[i], info[i], "as in tokenInfoTableShape");
    }
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_range(OPERATOR_NAME, "HS of tokenDataShape", shape[3], p->hidden,
                                       SLOT_ELEMENT_NUM_MAX);
    }
    if (status == ACL_SUCCESS) {
        p->shape.ffn_to_attn_token_size = (uint32_t)shape[3] * 2; /* f16 and bf16 */
    }
    return status;
}

static aclnnStatus check_shapes(const request *r, plan *p)
{
    int64_t info[3] = { 0 };
    aclnnStatus status = check_info(r, info);
    if (status == ACL_SUCCESS) {
        status = check_data(r, info, p);
    }
    p->shape.session_num = 1;
    p->shape.micro_batch_num = (uint32_t)info[0];
    p->shape.micro_batch_size = (uint32_t)info[1];
    p->shape.selected_expert_num = (uint32_t)info[2];
    return status;
}

/* ---- all of it ---- */

/* Which ranks are attention ranks is in a tensor, so any may be. */
static aclnnStatus check_group(const request *r, plan *p)
{
    const afd__acl_window_wanted wanted = { AFD_WINDOW_ATTENTION, p->shape, 0, p->world_size, true };
    const aclnnStatus status = afd__acl_communication_find(OPERATOR_NAME, r->group, r->world_size, &p->comm);
    return status == ACL_SUCCESS ? afd__acl_communication_windows(OPERATOR_NAME, p->comm, &wanted) : status;
}

static aclnnStatus check_tensors(const request *r, const afd__acl_view views[TENSOR_NUM], plan *p)
{
    aclnnStatus status = afd__acl_tiling_range(OPERATOR_NAME, "worldSize", r->world_size, AFD__ACL_WORLD_SIZE_MIN,
                                               AFD__ACL_WORLD_SIZE_MAX);
    if (status == ACL_SUCCESS) {
        status = check_x(views, p);
    }
    if (status == ACL_SUCCESS) {
        status = check_indices(views);
    }
    if (status == ACL_SUCCESS) {
        status = check_rank_table(r, views, p);
    }
    p->world_size = (uint32_t)r->world_size;
    return status == ACL_SUCCESS ? check_shapes(r, p) : status;
}

static aclnnStatus plan_inputs(const afd__acl_view views[TENSOR_NUM], plan *p)
{
    for (int i = 0; i < TENSOR_NUM; i++) {
        const aclnnStatus status = afd__acl_op_check_data(OPERATOR_NAME, &views[i], tensor_names[i]);
        if (status != ACL_SUCCESS) {
            return status;
        }
        if (!afd__acl_input_plan(&views[i], &p->inputs[i], &p->workspace_bytes)) {
            return afd__acl_fail(AFD__ACLNN_TILING_FAILED, OPERATOR_NAME ": the workspace does not fit 64 bits");
        }
    }
    return ACL_SUCCESS;
}

aclnnStatus afd__acl_f2a_check(const request *r, plan *p)
{
    afd__acl_view views[TENSOR_NUM];
    *p = (plan){ 0 };
    aclnnStatus status = read_views(r, views);
    if (status == ACL_SUCCESS) {
        status = check_tensors(r, views, p);
    }
    if (status == ACL_SUCCESS) {
        status = check_group(r, p);
    }
    return status == ACL_SUCCESS ? plan_inputs(views, p) : status;
}
