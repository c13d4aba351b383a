/* SPDX-License-Identifier: Apache-2.0 */
#include "communication_world.h"

#include <stddef.h>

#include "aclnnop/aclnn_attention_to_ffn.h"
#include "aclnnop/aclnn_ffn_to_attention.h"

/* ---- ranks ---- */

int rank_world_create(rank_world *w, uint32_t rank_num)
{
    int32_t devices[RANK_MAX];
    *w = (rank_world){ .rank_num = rank_num };
    for (uint32_t rank = 0; rank < rank_num; rank++) {
        devices[rank] = (int32_t)rank;
        if (aclrtSetDevice((int32_t)rank) != ACL_SUCCESS || aclrtCreateStream(&w->streams[rank]) != ACL_SUCCESS) {
            return -1;
        }
    }
    if (HcclCommInitAll(rank_num, devices, w->comms) != HCCL_SUCCESS ||
        HcclGetCommName(w->comms[0], w->group) != HCCL_SUCCESS) {
        return -1;
    }
    return aclrtSetDevice(0);
}

void rank_world_destroy(rank_world *w)
{
    for (uint32_t rank = 0; rank < w->rank_num; rank++) {
        (void)aclrtDestroyStream(w->streams[rank]);
        if (w->comms[rank] != NULL) { /* not one that a test destroyed: its own sentence must stay */
            (void)HcclCommDestroy(w->comms[rank]);
        }
    }
}

uint8_t *rank_world_window(const rank_world *w, uint32_t rank)
{
    void *buffer = NULL;
    uint64_t bytes = 0;
    (void)HcclGetHcclBuffer(w->comms[rank], &buffer, &bytes);
    return buffer;
}

/* ---- tensors ---- */

uint64_t tensor_elements(const tensor_dims *dims)
{
    uint64_t num = 1;
    for (uint64_t i = 0; i < dims->rank; i++) {
        num *= (uint64_t)dims->dims[i];
    }
    return num;
}

static int create_tensor(const tensor_dims *dims, void **data, aclTensor **tensor)
{
    const size_t bytes = tensor_elements(dims) * aclDataTypeSize(dims->type);
    if (aclrtMalloc(data, bytes > 0 ? bytes : 1, ACL_MEM_MALLOC_HUGE_FIRST) != ACL_SUCCESS ||
        aclrtMemset(*data, bytes, 0, bytes) != ACL_SUCCESS) {
        return -1;
    }
    *tensor = aclCreateTensor(dims->dims, dims->rank, dims->type, NULL, 0, ACL_FORMAT_ND, dims->dims, dims->rank,
                              *data);
    return *tensor != NULL ? 0 : -1;
}

static void destroy_all(int tensor_num, aclTensor **tensors, void **data, int array_num, aclIntArray **arrays)
{
    for (int i = 0; i < tensor_num; i++) {
        (void)aclDestroyTensor(tensors[i]);
        (void)aclrtFree(data[i]);
    }
    for (int i = 0; i < array_num; i++) {
        (void)aclDestroyIntArray(arrays[i]);
    }
}

/* What another task may have left there: whoever needs zeros must write them. */
static void fill_with_ones(void *workspace, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes / sizeof(int32_t); i++) {
        ((int32_t *)workspace)[i] = 1;
    }
}

int run_phase(second_phase phase, uint64_t workspace_size, aclOpExecutor *executor, aclrtStream stream)
{
    void *workspace = NULL;
    if (workspace_size > 0 && aclrtMalloc(&workspace, workspace_size, ACL_MEM_MALLOC_HUGE_FIRST) != ACL_SUCCESS) {
        return -1;
    }
    fill_with_ones(workspace, workspace_size);
    int code = phase(workspace, workspace_size, executor, stream);
    if (code == ACL_SUCCESS) {
        code = aclrtSynchronizeStream(stream);
    }
    if (workspace != NULL) {
        (void)aclrtFree(workspace);
    }
    return code;
}

/* ---- attention to FFN ---- */

uint32_t dispatch_slot_num(const dispatch_shape *shape)
{
    return shape->top_k + shape->shared_num;
}

tensor_dims dispatch_dims(const dispatch_shape *s, int tensor)
{
    const int64_t expert_num = (int64_t)s->routed_num + s->shared_num;
    switch (tensor) {
    case DISPATCH_X:
        return (tensor_dims){ s->type, 3, { 1, s->token_num, s->hidden } };
    case DISPATCH_EXPERT_IDS:
        return (tensor_dims){ ACL_INT32, 3, { 1, s->token_num, s->top_k } };
    case DISPATCH_TABLE:
        return (tensor_dims){ ACL_INT32, 3, { s->layer_num, expert_num, s->table_width } };
    case DISPATCH_SCALES:
        return (tensor_dims){ ACL_FLOAT, 3, { s->layer_num, expert_num, s->hidden } };
    case DISPATCH_MASK:
        return (tensor_dims){ ACL_BOOL, 2, { 1, s->token_num } };
    default:
        return (tensor_dims){ ACL_INT32, 1, { 1 } };
    }
}

int dispatch_call_create(dispatch_call *c, const dispatch_shape *s, const rank_world *w)
{
    const int64_t slot_num = dispatch_slot_num(s);
    const int64_t ffn_info[3] = { s->session_num, s->micro_batch_num, 2 + s->micro_batch_size * slot_num };
    const int64_t ffn_data[5] = { s->session_num, s->micro_batch_num, s->micro_batch_size, slot_num,
                                  s->slot_elements };
    const int64_t attention_info[3] = { s->micro_batch_num, s->micro_batch_size, slot_num };
    *c = (dispatch_call){
        .shape = *s,
        .shapes = { aclCreateIntArray(ffn_info, 3), aclCreateIntArray(ffn_data, 5),
                    aclCreateIntArray(attention_info, 3) },
        .group = w->group,
        .world_size = w->rank_num,
        .routed_num = s->routed_num,
        .first_rank = s->session_num,
    };
    for (int i = 0; i < DISPATCH_TENSOR_NUM; i++) {
        const tensor_dims dims = dispatch_dims(s, i);
        if (create_tensor(&dims, &c->data[i], &c->tensors[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

void dispatch_call_destroy(dispatch_call *c)
{
    destroy_all(DISPATCH_TENSOR_NUM, c->tensors, c->data, 3, c->shapes);
}

int dispatch_plan(const dispatch_call *c, uint64_t *workspace_size, aclOpExecutor **executor)
{
    aclTensor *const *t = c->tensors;
    return aclnnAttentionToFFNGetWorkspaceSize(
        t[DISPATCH_X], t[DISPATCH_SESSION_ID], t[DISPATCH_MICRO_BATCH_ID], t[DISPATCH_LAYER_ID],
        t[DISPATCH_EXPERT_IDS], t[DISPATCH_TABLE], c->with_scales ? t[DISPATCH_SCALES] : NULL,
        c->with_mask ? t[DISPATCH_MASK] : NULL, c->group, c->world_size, c->shapes[0], c->shapes[1], c->shapes[2],
        c->routed_num, c->quant_mode, c->sync_flag, c->first_rank, workspace_size, executor);
}

/* ---- FFN to attention ---- */

tensor_dims reply_dims(const reply_shape *s, int tensor)
{
    switch (tensor) {
    case REPLY_X:
        return (tensor_dims){ s->type, 2, { s->row_num, s->hidden } };
    case REPLY_ACTUAL_TOKEN_NUM:
        return (tensor_dims){ ACL_INT64, 1, { 1 } };
    case REPLY_RANK_TABLE:
        return (tensor_dims){ ACL_INT32, 1, { s->session_num } };
    default:
        return (tensor_dims){ ACL_INT32, 1, { s->row_num } };
    }
}

int reply_call_create(reply_call *c, const reply_shape *s, const rank_world *w)
{
    const int64_t info[3] = { s->micro_batch_num, s->micro_batch_size, s->slot_num };
    const int64_t data[4] = { s->micro_batch_num, s->micro_batch_size, s->slot_num, s->slot_elements };
    *c = (reply_call){
        .shape = *s,
        .shapes = { aclCreateIntArray(info, 3), aclCreateIntArray(data, 4) },
        .group = w->group,
        .world_size = w->rank_num,
    };
    for (int i = 0; i < REPLY_TENSOR_NUM; i++) {
        const tensor_dims dims = reply_dims(s, i);
        if (create_tensor(&dims, &c->data[i], &c->tensors[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

void reply_call_destroy(reply_call *c)
{
    destroy_all(REPLY_TENSOR_NUM, c->tensors, c->data, 2, c->shapes);
}

int reply_plan(const reply_call *c, uint64_t *workspace_size, aclOpExecutor **executor)
{
    aclTensor *const *t = c->tensors;
    return aclnnFFNToAttentionGetWorkspaceSize(
        t[REPLY_X], t[REPLY_SESSION_IDS], t[REPLY_MICRO_BATCH_IDS], t[REPLY_TOKEN_IDS], t[REPLY_EXPERT_OFFSETS],
        t[REPLY_ACTUAL_TOKEN_NUM], c->with_rank_table ? t[REPLY_RANK_TABLE] : NULL, c->group, c->world_size,
        c->shapes[0], c->shapes[1], workspace_size, executor);
}
