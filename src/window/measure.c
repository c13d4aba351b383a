/* SPDX-License-Identifier: Apache-2.0 */
/* How large an FFN window is, and what a fresh one holds. */
#include <assert.h>
#include <inttypes.h>
#include <stdalign.h>

#include "afd/window.h"
#include "base/checked.h"
#include "base/error.h"
#include "context/shape.h"

static_assert(sizeof(afd_ffn_desc) == 8, "a desc begins with two words");
static_assert(alignof(afd_ffn_desc) == 4, "descs follow each other at multiples of 4 bytes");

static bool measure(const afd_shape *shape, afd_ffn_window_sizes *sizes)
{
    afd__ffn_sizes ids;
    uint64_t slot_num = 0;
    if (!afd__ffn_sizes_of(shape, &ids) || !afd__mul_u64(ids.desc_num, ids.id_num, &slot_num)) {
        return false;
    }
    sizes->desc_bytes = ids.desc_bytes;
    sizes->token_info_bytes = ids.token_info_bytes;
    return afd__mul_u64(slot_num, shape->attn_to_ffn_token_size, &sizes->token_data_bytes) &&
           afd__round_up_u64(ids.token_info_bytes, AFD_TOKEN_INFO_ALIGN_BYTES, &sizes->token_data_offset) &&
           afd__add_u64(sizes->token_data_offset, sizes->token_data_bytes, &sizes->window_bytes);
}

afd_status afd_ffn_window_measure(const afd_shape *shape, afd_ffn_window_sizes *sizes, afd_error *error)
{
    if (shape == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "shape", 0, 0, "shape is null");
    }
    afd_status status = afd__shape_check_counts(shape, afd__shape_fields, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_ffn_window_sizes measured;
    if (!measure(shape, &measured)) {
        return afd__shape_fail_overflow(shape, "the window", error);
    }
    *sizes = measured;
    return AFD_OK;
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

afd_status afd_ffn_window_format(const afd_shape *shape, void *memory, uint64_t bytes, afd_error *error)
{
    afd_ffn_window_sizes sizes;
    afd_status status = afd_ffn_window_measure(shape, &sizes, error);
    if (status != AFD_OK) {
        return status;
    }
    if (memory == NULL || (uintptr_t)memory % alignof(afd_ffn_desc) != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "memory", (uint64_t)(uintptr_t)memory, alignof(afd_ffn_desc),
                         "memory is %p, must be %zu-byte aligned and not null", memory, alignof(afd_ffn_desc));
    }
    if (bytes < sizes.window_bytes) {
        return afd__fail(error, AFD_ERR_INVALID, "bytes", bytes, sizes.window_bytes,
                         "the memory for the window has %" PRIu64 " bytes, needs %" PRIu64, bytes,
                         sizes.window_bytes);
    }
    uint64_t id_num = (uint64_t)shape->micro_batch_size * shape->selected_expert_num;
    for (uint64_t at = 0; at < sizes.token_info_bytes; at += sizes.desc_bytes) {
        format_desc((afd_ffn_desc *)(void *)((char *)memory + at), id_num);
    }
    return AFD_OK;
}
