/* SPDX-License-Identifier: Apache-2.0 */
#include "operator_world.h"

#include <stdlib.h>
#include <string.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"

enum { CONTEXT_BYTES = 1024, GUARD_BYTES = 64, PART_MAX = 16, OUTPUT_BYTE = 0xEE, EMPTY_SLOT = 0x7F7F7F7F };

/* ---- arenas ---- */

/* A block of parts of these sizes, and where each part begins: on a line of its own, with bytes behind it that nobody
 * may touch. */
static int arena_create(arena *a, const size_t *part_bytes, int part_num, void **parts)
{
    size_t at[PART_MAX];
    void *memory = NULL;
    a->byte_num = 0;
    for (int i = 0; i < part_num; i++) {
        at[i] = a->byte_num;
        a->byte_num += (part_bytes[i] + GUARD_BYTES + 63) / 64 * 64;
    }
    if (aclrtMalloc(&memory, a->byte_num, ACL_MEM_MALLOC_HUGE_FIRST) != ACL_SUCCESS) {
        return -1;
    }
    a->memory = memory;
    memset(a->memory, OUTPUT_BYTE, a->byte_num);
    for (int i = 0; i < part_num; i++) {
        parts[i] = a->memory + at[i];
    }
    return 0;
}

uint8_t *arena_keep(const arena *a)
{
    uint8_t *kept = malloc(a->byte_num);
    if (kept == NULL) {
        abort();
    }
    memcpy(kept, a->memory, a->byte_num);
    return kept;
}

void arena_restore(arena *a, const uint8_t *kept)
{
    memcpy(a->memory, kept, a->byte_num);
}

/* ---- contexts ---- */

void context_set_u32(uint8_t *context, size_t at, uint32_t value)
{
    memcpy(context + at, &value, sizeof(value));
}

void context_set_u64(uint8_t *context, size_t at, uint64_t value)
{
    memcpy(context + at, &value, sizeof(value));
}

uint32_t context_u32(const uint8_t *context, size_t at)
{
    uint32_t value = 0;
    memcpy(&value, context + at, sizeof(value));
    return value;
}

static void set_buffer(uint8_t *context, size_t at, const void *address, uint64_t byte_num)
{
    context_set_u64(context, at, (uint64_t)(uintptr_t)address);
    context_set_u64(context, at + 8, byte_num);
}

static aclTensor *new_tensor(const int64_t *dims, uint64_t rank, aclDataType type, void *data)
{
    return aclCreateTensor(dims, rank, type, NULL, 0, ACL_FORMAT_ND, dims, rank, data);
}

static aclTensor *new_line(uint64_t element_num, aclDataType type, void *data)
{
    const int64_t dim = (int64_t)element_num;
    return new_tensor(&dim, 1, type, data);
}

/* ---- batching ---- */

const batch_shape batch_world_small = {
    .session_num = 2,
    .micro_batch_num = 2,
    .micro_batch_size = 2,
    .slot_num = 2,
    .session_max = 2,
    .expert_num = 4,
    .hidden = 16,
    .token_dtype = 2,
    .slot_bytes = 64,
};

uint64_t batch_row_max(const batch_shape *shape)
{
    return (uint64_t)shape->session_max * shape->micro_batch_size * shape->slot_num;
}

static uint64_t value_bytes(int64_t token_dtype)
{
    return token_dtype == 2 ? 1 : 2;
}

uint64_t batch_token_bytes(const batch_shape *shape)
{
    return shape->token_dtype == 2 ? (shape->hidden + 31) / 32 * 32 + sizeof(float) : shape->hidden * UINT64_C(2);
}

static uint64_t desc_words(const batch_shape *shape)
{
    return 2 + (uint64_t)shape->micro_batch_size * shape->slot_num;
}

int32_t *batch_desc(const batch_world *w, uint32_t session, uint32_t micro_batch)
{
    return w->info + ((uint64_t)session * w->shape.micro_batch_num + micro_batch) * desc_words(&w->shape);
}

static uint64_t batch_data_bytes(const batch_shape *shape)
{
    const uint64_t slot_num = (uint64_t)shape->session_num * shape->micro_batch_num * shape->micro_batch_size *
                              shape->slot_num;
    return (slot_num - 1) * shape->slot_bytes + batch_token_bytes(shape);
}

static void fill_batch_context(const batch_world *w)
{
    const batch_shape *shape = &w->shape;
    const uint64_t row_bytes = shape->session_num * sizeof(int32_t);
    const uint64_t id_num = desc_words(shape) - 2;
    const uint64_t info_bytes = (uint64_t)shape->session_num * shape->micro_batch_num * desc_words(shape) * 4;
    memset(w->context, 0, CONTEXT_BYTES);
    context_set_u32(w->context, AT_SESSION_NUM, shape->session_num);
    context_set_u32(w->context, AT_MICRO_BATCH_NUM, shape->micro_batch_num);
    context_set_u32(w->context, AT_MICRO_BATCH_SIZE, shape->micro_batch_size);
    context_set_u32(w->context, AT_SLOT_NUM, shape->slot_num);
    context_set_u32(w->context, 20, shape->slot_bytes);
    context_set_u32(w->context, AT_SCHEDULE_MODE, 2); /* programs do that, and batching does not look at it */
    context_set_u32(w->context, AT_RUN_FLAG, 1);
    set_buffer(w->context, 256, (const void *)0xDEADBEEF, 0); /* the side that is not used */
    set_buffer(w->context, 384, w->info, info_bytes);
    set_buffer(w->context, 400, w->data, batch_data_bytes(shape));
    set_buffer(w->context, 512, w->layer_ids, row_bytes);
    set_buffer(w->context, 528, w->session_ids, row_bytes);
    set_buffer(w->context, 544, w->micro_batch_ids, row_bytes);
    set_buffer(w->context, 560, w->expert_ids, row_bytes * id_num);
}

static void clear_window(const batch_world *w)
{
    for (uint32_t s = 0; s < w->shape.session_num; s++) {
        for (uint32_t m = 0; m < w->shape.micro_batch_num; m++) {
            int32_t *desc = batch_desc(w, s, m);
            desc[0] = 0;
            desc[1] = 0;
            for (uint64_t i = 2; i < desc_words(&w->shape); i++) {
                desc[i] = EMPTY_SLOT;
            }
        }
    }
}

static int create_batch_tensors(batch_world *w)
{
    static const aclDataType token_types[] = { ACL_FLOAT16, ACL_BF16, ACL_INT8 };
    const int64_t row_num = (int64_t)batch_row_max(&w->shape);
    const int64_t y_dims[2] = { row_num, w->shape.hidden };
    const int64_t group_dims[2] = { w->shape.expert_num, 2 };
    const int64_t shape[4] = { w->shape.session_max, w->shape.micro_batch_size, w->shape.slot_num, w->shape.hidden };
    w->max_out_shape = aclCreateIntArray(shape, 4);
    w->context_tensor = new_line(CONTEXT_BYTES, ACL_INT8, w->context);
    w->tensors[BATCH_TOKENS] = new_tensor(y_dims, 2, token_types[w->shape.token_dtype], w->outputs[BATCH_TOKENS]);
    w->tensors[BATCH_GROUP_LIST] = new_tensor(group_dims, 2, ACL_INT64, w->outputs[BATCH_GROUP_LIST]);
    for (int i = BATCH_SESSION_IDS; i <= BATCH_EXPERT_OFFSETS; i++) {
        w->tensors[i] = new_line((uint64_t)row_num, ACL_INT32, w->outputs[i]);
    }
    w->tensors[BATCH_DYNAMIC_SCALE] = new_line((uint64_t)row_num, ACL_FLOAT, w->outputs[BATCH_DYNAMIC_SCALE]);
    w->tensors[BATCH_ACTUAL_TOKEN_NUM] = new_line(1, ACL_INT64, w->outputs[BATCH_ACTUAL_TOKEN_NUM]);
    for (int i = 0; i < BATCH_OUTPUT_NUM; i++) {
        if (w->tensors[i] == NULL) {
            return -1;
        }
    }
    return w->max_out_shape != NULL && w->context_tensor != NULL ? 0 : -1;
}

int batch_world_create(batch_world *w, const batch_shape *shape)
{
    const size_t row_max = batch_row_max(shape);
    const size_t row_bytes = shape->session_num * sizeof(int32_t);
    const size_t info_bytes = row_bytes * shape->micro_batch_num * desc_words(shape);
    const size_t part_bytes[] = {
        CONTEXT_BYTES, info_bytes, batch_data_bytes(shape), row_bytes, row_bytes, row_bytes,
        row_bytes * (desc_words(shape) - 2),
        /* the outputs */
        row_max * shape->hidden * value_bytes(shape->token_dtype), shape->expert_num * 2 * sizeof(int64_t),
        row_max * sizeof(int32_t), row_max * sizeof(int32_t), row_max * sizeof(int32_t), row_max * sizeof(int32_t),
        row_max * sizeof(float), sizeof(int64_t),
    };
    void *parts[sizeof(part_bytes) / sizeof(part_bytes[0])];
    *w = (batch_world){ .shape = *shape };
    if (arena_create(&w->arena, part_bytes, 7 + BATCH_OUTPUT_NUM, parts) != 0) {
        return -1;
    }
    w->context = parts[0];
    w->info = parts[1];
    w->data = parts[2];
    w->layer_ids = parts[3];
    w->session_ids = parts[4];
    w->micro_batch_ids = parts[5];
    w->expert_ids = parts[6];
    memcpy(w->outputs, &parts[7], sizeof(w->outputs));
    fill_batch_context(w);
    clear_window(w);
    return create_batch_tensors(w);
}

void batch_world_destroy(batch_world *w)
{
    for (int i = 0; i < BATCH_OUTPUT_NUM; i++) {
        (void)aclDestroyTensor(w->tensors[i]);
    }
    (void)aclDestroyTensor(w->context_tensor);
    (void)aclDestroyIntArray(w->max_out_shape);
    (void)aclrtFree(w->arena.memory);
}

int batch_plan(const batch_world *w, int64_t need_schedule, uint64_t *workspace_size, aclOpExecutor **executor)
{
    aclTensor *const *t = w->tensors;
    return aclnnFfnWorkerBatchingGetWorkspaceSize(
        w->context_tensor, w->shape.expert_num, w->max_out_shape, w->shape.token_dtype, need_schedule, 0,
        t[BATCH_TOKENS], t[BATCH_GROUP_LIST], t[BATCH_SESSION_IDS], t[BATCH_MICRO_BATCH_IDS], t[BATCH_TOKEN_IDS],
        t[BATCH_EXPERT_OFFSETS], t[BATCH_DYNAMIC_SCALE], t[BATCH_ACTUAL_TOKEN_NUM], workspace_size, executor);
}

/* ---- combine ---- */

static uint64_t combine_slot_num(const combine_shape *shape)
{
    return (uint64_t)shape->micro_batch_num * shape->micro_batch_size * shape->slot_num;
}

static uint64_t combine_data_bytes(const combine_shape *shape)
{
    const uint64_t row_bytes = shape->hidden * UINT64_C(2);
    return combine_slot_num(shape) * (shape->slot_bytes >= row_bytes ? shape->slot_bytes : row_bytes);
}

static void fill_combine_context(const combine_world *w)
{
    const combine_shape *shape = &w->shape;
    memset(w->context, 0, CONTEXT_BYTES);
    context_set_u32(w->context, AT_SESSION_NUM, 1);
    context_set_u32(w->context, AT_MICRO_BATCH_NUM, shape->micro_batch_num);
    context_set_u32(w->context, AT_MICRO_BATCH_SIZE, shape->micro_batch_size);
    context_set_u32(w->context, AT_SLOT_NUM, shape->slot_num);
    context_set_u32(w->context, 24, shape->slot_bytes);
    context_set_u32(w->context, AT_SCHEDULE_MODE, 1);
    context_set_u32(w->context, AT_RUN_FLAG, 1);
    set_buffer(w->context, 256, w->flags, combine_slot_num(shape) * sizeof(int32_t));
    set_buffer(w->context, 272, w->data, combine_data_bytes(shape));
    context_set_u32(w->context, AT_MICRO_BATCH_ID, shape->micro_batch_num - 1);
    set_buffer(w->context, 384, (const void *)0xDEADBEEF, 0); /* the side that is not used */
}

int combine_world_create(combine_world *w, const combine_shape *shape)
{
    const size_t slot_num = combine_slot_num(shape);
    const size_t token_max = shape->micro_batch_size;
    const size_t part_bytes[] = {
        CONTEXT_BYTES, slot_num * sizeof(int32_t), combine_data_bytes(shape),
        token_max * shape->top_k * sizeof(float), sizeof(int32_t), token_max * shape->hidden * 2, sizeof(int32_t),
    };
    void *parts[sizeof(part_bytes) / sizeof(part_bytes[0])];
    *w = (combine_world){ .shape = *shape };
    if (arena_create(&w->arena, part_bytes, sizeof(parts) / sizeof(parts[0]), parts) != 0) {
        return -1;
    }
    w->context = parts[0];
    w->flags = parts[1];
    w->data = parts[2];
    w->scales = parts[3];
    w->layer_id = parts[4];
    w->y = parts[5];
    w->next_layer_id = parts[6];
    memset(w->flags, 0, slot_num * sizeof(int32_t));
    fill_combine_context(w);
    w->context_tensor = new_line(CONTEXT_BYTES, ACL_INT8, w->context);
    w->layer_id_tensor = new_line(1, ACL_INT32, w->layer_id);
    w->next_layer_id_tensor = new_line(1, ACL_INT32, w->next_layer_id);
    return w->context_tensor != NULL && w->layer_id_tensor != NULL && w->next_layer_id_tensor != NULL ? 0 : -1;
}

void combine_world_destroy(combine_world *w)
{
    (void)aclDestroyTensor(w->context_tensor);
    (void)aclDestroyTensor(w->layer_id_tensor);
    (void)aclDestroyTensor(w->next_layer_id_tensor);
    (void)aclrtFree(w->arena.memory);
}

int combine_plan(const combine_world *w, uint32_t token_num, int64_t need_schedule, uint64_t *workspace_size,
                 aclOpExecutor **executor)
{
    const int64_t scale_dims[2] = { token_num, w->shape.top_k };
    const int64_t y_dims[2] = { token_num, w->shape.hidden };
    aclTensor *scales = new_tensor(scale_dims, 2, ACL_FLOAT, w->scales);
    aclTensor *y = new_tensor(y_dims, 2, w->shape.token_dtype == 1 ? ACL_BF16 : ACL_FLOAT16, w->y);
    const int code = aclnnAttentionWorkerCombineGetWorkspaceSize(
        w->context_tensor, scales, w->layer_id_tensor, w->shape.hidden, w->shape.token_dtype, need_schedule, y,
        w->next_layer_id_tensor, workspace_size, executor);
    (void)aclDestroyTensor(scales);
    (void)aclDestroyTensor(y);
    return code;
}
