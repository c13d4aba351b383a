/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a batching call checks before it looks at an id, in this order; the first that fails is reported:
 *   context, args and out there, of the right size; S, M, BS, E > 0; expert_num, session_max, hidden, type in range;
 *   S*M*desc fits 64 bits and S*M*BS*E 63 (AFD_ERR_OVERFLOW); session_max*BS*E at most UINT32_MAX;
 *   need_schedule: token info there, large enough, aligned; polling_index < M; the scheduler object made for this S and
 *   M, or else session_max = S;
 *   without it: out_num <= session_max; where out_num > 0 the id buffers there, large enough for it, aligned;
 *   the outputs there and aligned; the workspace there, aligned, large enough.
 */
#include <inttypes.h>
#include <stdalign.h>

#include "base/check.h"
#include "base/checked.h"
#include "base/error.h"
#include "context/shape.h"
#include "ffn/batch.h"

/* ---- sizes ---- */

typedef struct workspace_layout {
    uint64_t cursors_at;
    uint64_t keys_at;
    uint64_t bytes;
} workspace_layout;

/* False if the rows of a batch are more than a cursor counts, or the sum does not fit. */
static bool lay_out_workspace(const afd_shape *shape, const afd_ffn_batch_args *args, workspace_layout *layout)
{
    uint64_t id_num = (uint64_t)shape->micro_batch_size * shape->selected_expert_num;
    uint64_t key_num = 0;
    if (!afd__mul_u64(args->session_max, id_num, &key_num) || key_num > UINT32_MAX) {
        return false;
    }
    /* 32-bit counts times small sizes: none of these overflows. */
    layout->cursors_at = args->session_max * (uint64_t)sizeof(afd__batch_member);
    layout->keys_at = layout->cursors_at + args->expert_num * (uint64_t)sizeof(uint32_t);
    layout->bytes = layout->keys_at + key_num * sizeof(int32_t);
    return true;
}

uint64_t afd_ffn_batch_workspace_bytes(const afd_schedule_context *context, const afd_ffn_batch_args *args)
{
    workspace_layout layout;
    if (context == NULL || args == NULL || args->size != sizeof(*args)) {
        return 0;
    }
    afd_shape shape = afd__context_shape(context);
    return lay_out_workspace(&shape, args, &layout) ? layout.bytes : 0;
}

static afd_status check_sizes(const afd_shape *shape, const afd_ffn_batch_args *args, afd__ffn_sizes *sizes,
                              workspace_layout *layout, afd_error *error)
{
    uint64_t slot_num = 0;
    if (!afd__ffn_sizes_of(shape, sizes) || !afd__mul_u64(sizes->desc_num, sizes->id_num, &slot_num) ||
        slot_num > INT64_MAX) {
        return afd__shape_fail_overflow(shape, "the token info", error);
    }
    if (!lay_out_workspace(shape, args, layout)) {
        uint64_t most_num = UINT32_MAX / sizes->id_num;
        return afd__fail(error, AFD_ERR_INVALID, "args.session_max", args->session_max, most_num,
                         "args.session_max is %" PRIu32 ", must be at most %" PRIu64 " with %" PRIu64
                         " slots a micro-batch: a batch has at most %" PRIu32 " rows",
                         args->session_max, most_num, sizes->id_num, UINT32_MAX);
    }
    return AFD_OK;
}

/* ---- arguments ---- */

static afd_status check_given(const afd_schedule_context *context, const afd_ffn_batch_args *args,
                              const afd_ffn_batch_out *out, afd_error *error)
{
    afd_status status = afd__context_check(context, error);
    if (status != AFD_OK) {
        return status;
    }
    status = afd__check_not_null("args", args, error);
    if (status == AFD_OK) {
        status = afd__check_size("args.size", args->size, sizeof(*args), "AFD_FFN_BATCH_ARGS_INIT", error);
    }
    if (status == AFD_OK) {
        status = afd__check_not_null("out", out, error);
    }
    if (status == AFD_OK) {
        status = afd__check_size("out.size", out->size, sizeof(*out), "AFD_FFN_BATCH_OUT_INIT", error);
    }
    return status;
}

static afd_status check_range(const char *field, uint32_t value, uint32_t most, afd_error *error)
{
    if (value == 0 || value > most) {
        return afd__fail(error, AFD_ERR_INVALID, field, value, most, "%s is %" PRIu32 ", must be in [1, %" PRIu32 "]",
                         field, value, most);
    }
    return AFD_OK;
}

static afd_status check_args(const afd_ffn_batch_args *args, uint32_t session_num, afd_error *error)
{
    afd_status status = check_range("args.expert_num", args->expert_num, AFD_EXPERT_ID_LIMIT - 1, error);
    if (status == AFD_OK) {
        status = check_range("args.session_max", args->session_max, session_num, error);
    }
    if (status == AFD_OK) {
        status = afd__check_hidden("args.hidden", args->hidden, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    if (afd_token_bytes(args->type, args->hidden) == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "args.type", (uint64_t)args->type, AFD_TOKEN_INT8,
                         "args.type is %d, must be at most %d", (int)args->type, (int)AFD_TOKEN_INT8);
    }
    return AFD_OK;
}

/* ---- buffers ---- */

static afd_status check_aligned(const char *field, uint64_t address, size_t align, afd_error *error)
{
    if (address == 0 || address % align != 0) {
        return afd__fail(error, AFD_ERR_INVALID, field, address, align,
                         "%s is 0x%" PRIx64 ", must be %zu-byte aligned and not null", field, address, align);
    }
    return AFD_OK;
}

/* A buffer of i32 that the context names. */
static afd_status check_buffer(const char *field, const char *size_field, uint64_t address, uint64_t bytes,
                               uint64_t needed, afd_error *error)
{
    if (bytes < needed) {
        return afd__fail(error, AFD_ERR_INVALID, size_field, bytes, needed,
                         "%s is %" PRIu64 ", must be at least %" PRIu64, size_field, bytes, needed);
    }
    return check_aligned(field, address, sizeof(int32_t), error);
}

static afd_status read_window(afd__ffn_plan *window, const afd_schedule_context *context,
                              const afd_ffn_batch_args *args, const afd__ffn_sizes *sizes, afd_error *error)
{
    uint64_t address = context->ffn.window.token_info_buf;
    uint64_t polling_index = context->ffn.polling_index;
    afd_status status = check_buffer("ffn.token_info_buf", "ffn.token_info_buf_size", address,
                                     context->ffn.window.token_info_buf_size, sizes->token_info_bytes, error);
    if (status != AFD_OK) {
        return status;
    }
    if (polling_index >= window->micro_batch_num) {
        return afd__fail(error, AFD_ERR_INVALID, "ffn.polling_index", polling_index, window->micro_batch_num,
                         "ffn.polling_index is %" PRIu64 ", must be below %" PRIu32, polling_index,
                         window->micro_batch_num);
    }
    if (args->scheduler != NULL) {
        status = afd__scheduler_check(args->scheduler, window->session_num, window->micro_batch_num, error);
    } else if (args->session_max < window->session_num) {
        return afd__fail(error, AFD_ERR_INVALID, "args.session_max", args->session_max, window->session_num,
                         "args.session_max is %" PRIu32 ", must be %" PRIu32
                         ": without a scheduler object all sessions are taken",
                         args->session_max, window->session_num);
    }
    window->token_info = (char *)(uintptr_t)address;
    window->polling_index = (uint32_t)polling_index;
    window->run_flag = &context->control.run_flag;
    window->scheduler = args->scheduler;
    return status;
}

/* Members and their ids as the scheduler left them. With nothing taken the buffers may be null. */
static afd_status read_area(afd__batch_area *area, const afd_schedule_context *context, uint32_t session_max,
                            uint64_t id_num, bool wants_layers, afd_error *error)
{
    uint32_t out_num = context->ffn.out_num;
    if (out_num > session_max) {
        return afd__fail(error, AFD_ERR_INVALID, "ffn.out_num", out_num, session_max,
                         "ffn.out_num is %" PRIu32 ", must be at most args.session_max, which is %" PRIu32, out_num,
                         session_max);
    }
    /* Cannot overflow: the ids of session_max sessions were measured. */
    uint64_t row_bytes = out_num * (uint64_t)sizeof(int32_t);
    const struct {
        const char *field;
        const char *size_field;
        uint64_t address;
        uint64_t bytes;
        uint64_t needed;
        const int32_t **ids;
    } buffers[4] = {
        { "ffn.layer_ids_buf", "ffn.layer_ids_buf_size", context->ffn.layer_ids_buf, context->ffn.layer_ids_buf_size,
          row_bytes, &area->layer_ids },
        { "ffn.session_ids_buf", "ffn.session_ids_buf_size", context->ffn.session_ids_buf,
          context->ffn.session_ids_buf_size, row_bytes, &area->session_ids },
        { "ffn.micro_batch_ids_buf", "ffn.micro_batch_ids_buf_size", context->ffn.micro_batch_ids_buf,
          context->ffn.micro_batch_ids_buf_size, row_bytes, &area->micro_batch_ids },
        { "ffn.expert_ids_buf", "ffn.expert_ids_buf_size", context->ffn.expert_ids_buf,
          context->ffn.expert_ids_buf_size, row_bytes * id_num, &area->expert_ids },
    };
    *area = (afd__batch_area){ .out_num = out_num };
    for (int i = wants_layers ? 0 : 1; i < 4 && out_num > 0; i++) {
        afd_status status = check_buffer(buffers[i].field, buffers[i].size_field, buffers[i].address,
                                         buffers[i].bytes, buffers[i].needed, error);
        if (status != AFD_OK) {
            return status;
        }
        *buffers[i].ids = (const int32_t *)(uintptr_t)buffers[i].address;
    }
    return AFD_OK;
}

/* ---- outputs and workspace ---- */

/* The four index arrays go together, and may be missing where `slots` says the same. */
static afd_status check_indices(const afd_ffn_batch_out *out, afd_error *error)
{
    const struct {
        const char *field;
        const int32_t *array;
    } indices[4] = {
        { "out.session_ids", out->session_ids },
        { "out.micro_batch_ids", out->micro_batch_ids },
        { "out.token_ids", out->token_ids },
        { "out.expert_offsets", out->expert_offsets },
    };
    bool any_is_there = out->session_ids != NULL || out->micro_batch_ids != NULL || out->token_ids != NULL ||
                        out->expert_offsets != NULL;
    for (int i = 0; i < 4 && (any_is_there || out->slots == NULL); i++) {
        afd_status status = check_aligned(indices[i].field, (uint64_t)(uintptr_t)indices[i].array, alignof(int32_t),
                                          error);
        if (status != AFD_OK) {
            return status;
        }
    }
    return AFD_OK;
}

static afd_status check_out(const afd_ffn_batch_out *out, bool has_scale, afd_error *error)
{
    const struct {
        const char *field;
        const void *array;
        size_t align;
        bool is_needed;
    } arrays[] = {
        { "out.group_list", out->group_list, alignof(int64_t), true },
        { "out.dynamic_scale", out->dynamic_scale, alignof(float), has_scale && out->tokens != NULL },
        { "out.slots", out->slots, alignof(int64_t), false },
        { "out.layer_ids", out->layer_ids, alignof(int32_t), false },
        { "out.taken_sessions", out->taken_sessions, alignof(int32_t), false },
        { "out.wild", out->wild, alignof(afd_wild_id), out->wild_capacity > 0 },
    };
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        uint64_t address = (uint64_t)(uintptr_t)arrays[i].array;
        if (address != 0 || arrays[i].is_needed) {
            afd_status status = check_aligned(arrays[i].field, address, arrays[i].align, error);
            if (status != AFD_OK) {
                return status;
            }
        }
    }
    return check_indices(out, error);
}

static afd_status check_workspace(const afd_ffn_batch_args *args, uint64_t needed, afd_error *error)
{
    afd_status status = check_aligned("args.workspace", (uint64_t)(uintptr_t)args->workspace, 8, error);
    if (status == AFD_OK && args->workspace_bytes < needed) {
        return afd__fail(error, AFD_ERR_INVALID, "args.workspace_bytes", args->workspace_bytes, needed,
                         "args.workspace_bytes is %" PRIu64 ", must be at least %" PRIu64, args->workspace_bytes,
                         needed);
    }
    return status;
}

/* ---- all of it ---- */

/* What cannot be wrong any more. */
static void fill_in(afd__batch *batch, const afd_schedule_context *context, const afd_ffn_batch_args *args,
                    const workspace_layout *layout)
{
    char *workspace = args->workspace;
    batch->token_data = (const char *)(uintptr_t)context->ffn.window.token_data_buf;
    batch->token_data_bytes = context->ffn.window.token_data_buf_size;
    batch->expert_num = args->expert_num;
    batch->session_max = args->session_max;
    batch->need_schedule = args->need_schedule;
    batch->fail_on_wild = args->fail_on_wild;
    batch->one_layer = args->layer_num == 1;
    batch->has_scale = args->type == AFD_TOKEN_INT8;
    batch->value_bytes = args->hidden * (size_t)(batch->has_scale ? 1 : 2);
    batch->token_bytes = afd_token_bytes(args->type, args->hidden);
    batch->scale_offset = afd_token_scale_offset(args->hidden);
    batch->members = (afd__batch_member *)(void *)workspace;
    batch->cursors = (uint32_t *)(void *)(workspace + layout->cursors_at);
    batch->keys = (int32_t *)(void *)(workspace + layout->keys_at);
}

afd_status afd__batch_make(afd__batch *batch, const afd_schedule_context *context, const afd_ffn_batch_args *args,
                           const afd_ffn_batch_out *out, afd_error *error)
{
    afd__ffn_sizes sizes;
    workspace_layout layout = { 0 };
    afd_status status = check_given(context, args, out, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_shape shape = afd__context_shape(context);
    status = afd__shape_check_counts(&shape, afd__context_fields, error);
    if (status == AFD_OK) {
        status = check_args(args, shape.session_num, error);
    }
    if (status == AFD_OK) {
        status = check_sizes(&shape, args, &sizes, &layout, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    *batch = (afd__batch){
        .window = { .desc_bytes = sizes.desc_bytes, .id_num = sizes.id_num, .session_num = shape.session_num,
                    .micro_batch_num = shape.micro_batch_num, .group_size = shape.session_num },
        .micro_batch_size = shape.micro_batch_size,
        .selected_expert_num = shape.selected_expert_num,
        .slot_bytes = shape.attn_to_ffn_token_size,
    };
    if (args->need_schedule) {
        status = read_window(&batch->window, context, args, &sizes, error);
    } else {
        bool wants_layers = args->layer_num == 1 || out->layer_ids != NULL;
        status = read_area(&batch->area, context, args->session_max, sizes.id_num, wants_layers, error);
    }
    if (status == AFD_OK) {
        status = check_out(out, args->type == AFD_TOKEN_INT8, error);
    }
    if (status == AFD_OK) {
        status = check_workspace(args, layout.bytes, error);
    }
    if (status == AFD_OK) {
        fill_in(batch, context, args, &layout);
    }
    return status;
}
