/* SPDX-License-Identifier: Apache-2.0 */
/* How large a window is, and what a fresh one holds. */
#include "window/measure.h"

#include <assert.h>
#include <inttypes.h>
#include <stdalign.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "context/shape.h"

static_assert(sizeof(afd_ffn_desc) == 8, "a desc begins with two words");
static_assert(alignof(afd_ffn_desc) == 4, "descs follow each other at multiples of 4 bytes");
static_assert(AFD_FLAG_FREE == 0, "flags are made free by filling them with zeros");

/* The data behind the info, both of which were measured. */
static bool measure_whole(afd_window_sizes *sizes)
{
    return afd__round_up_u64(sizes->token_info_bytes, AFD_TOKEN_INFO_ALIGN_BYTES, &sizes->token_data_offset) &&
           afd__add_u64(sizes->token_data_offset, sizes->token_data_bytes, &sizes->window_bytes);
}

static bool measure_ffn(const afd_shape *shape, afd_window_sizes *sizes)
{
    afd__ffn_sizes ids;
    uint64_t slot_num = 0;
    if (!afd__ffn_sizes_of(shape, &ids) || !afd__mul_u64(ids.desc_num, ids.id_num, &slot_num)) {
        return false;
    }
    sizes->desc_bytes = ids.desc_bytes;
    sizes->token_info_bytes = ids.token_info_bytes;
    return afd__mul_u64(slot_num, shape->attn_to_ffn_token_size, &sizes->token_data_bytes) && measure_whole(sizes);
}

static bool measure_attention(const afd_shape *shape, afd_window_sizes *sizes)
{
    afd__attention_sizes flags;
    uint64_t slot_num = 0;
    if (!afd__attention_sizes_of(shape, &flags) ||
        !afd__mul_u64(flags.slot_num, shape->micro_batch_num, &slot_num)) {
        return false;
    }
    sizes->desc_bytes = flags.flags_bytes;
    sizes->token_info_bytes = flags.token_info_bytes;
    return afd__mul_u64(slot_num, shape->ffn_to_attn_token_size, &sizes->token_data_bytes) && measure_whole(sizes);
}

afd_status afd__window_measure(afd_window_kind kind, const afd_shape *shape, afd_window_sizes *sizes, afd_error *error)
{
    if (shape == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "shape", 0, 0, "shape is null");
    }
    afd_status status = afd__shape_check_counts(shape, afd__shape_fields, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_window_sizes measured;
    bool fits = kind == AFD_WINDOW_ATTENTION ? measure_attention(shape, &measured) : measure_ffn(shape, &measured);
    if (!fits) {
        return afd__shape_fail_overflow(shape, "the window", error);
    }
    *sizes = measured;
    return AFD_OK;
}

afd_status afd_ffn_window_measure(const afd_shape *shape, afd_window_sizes *sizes, afd_error *error)
{
    return afd__window_measure(AFD_WINDOW_FFN, shape, sizes, error);
}

afd_status afd_attention_window_measure(const afd_shape *shape, afd_window_sizes *sizes, afd_error *error)
{
    return afd__window_measure(AFD_WINDOW_ATTENTION, shape, sizes, error);
}

static void format_desc(afd_ffn_desc *desc, uint64_t id_num)
{
    desc->flag = AFD_FLAG_FREE;
    desc->layer_id = 0;
    int32_t *ids = afd_ffn_desc_expert_ids(desc);
    for (uint64_t i = 0; i < id_num; i++) {
        ids[i] = AFD_EXPERT_ID_NONE;
    }
}

static void format_descs(const afd_shape *shape, void *memory, const afd_window_sizes *sizes)
{
    uint64_t id_num = (uint64_t)shape->micro_batch_size * shape->selected_expert_num;
    for (uint64_t at = 0; at < sizes->token_info_bytes; at += sizes->desc_bytes) {
        format_desc((afd_ffn_desc *)(void *)((char *)memory + at), id_num);
    }
}

afd_status afd__window_format(afd_window_kind kind, const afd_shape *shape, void *memory, uint64_t bytes,
                              afd_error *error)
{
    afd_window_sizes sizes = { 0 };
    afd_status status = afd__window_measure(kind, shape, &sizes, error);
    if (status != AFD_OK) {
        return status;
    }
    if (memory == NULL || (uintptr_t)memory % alignof(int32_t) != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "memory", (uint64_t)(uintptr_t)memory, alignof(int32_t),
                         "memory is %p, must be %zu-byte aligned and not null", memory, alignof(int32_t));
    }
    if (bytes < sizes.window_bytes) {
        return afd__fail(error, AFD_ERR_INVALID, "bytes", bytes, sizes.window_bytes,
                         "the memory for the window has %" PRIu64 " bytes, needs %" PRIu64, bytes,
                         sizes.window_bytes);
    }
    if (kind == AFD_WINDOW_ATTENTION) {
        memset(memory, 0, sizes.token_info_bytes);
    } else {
        format_descs(shape, memory, &sizes);
    }
    return AFD_OK;
}

afd_status afd_ffn_window_format(const afd_shape *shape, void *memory, uint64_t bytes, afd_error *error)
{
    return afd__window_format(AFD_WINDOW_FFN, shape, memory, bytes, error);
}

afd_status afd_attention_window_format(const afd_shape *shape, void *memory, uint64_t bytes, afd_error *error)
{
    return afd__window_format(AFD_WINDOW_ATTENTION, shape, memory, bytes, error);
}
