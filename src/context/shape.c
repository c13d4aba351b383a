/* SPDX-License-Identifier: Apache-2.0 */
#include "context/shape.h"

#include <inttypes.h>
#include <stdalign.h>

#include "base/checked.h"
#include "base/error.h"

const char *const afd__shape_fields[4] = { "shape.session_num", "shape.micro_batch_num", "shape.micro_batch_size",
                                           "shape.selected_expert_num" };
const char *const afd__context_fields[4] = { "common.session_num", "common.micro_batch_num",
                                             "common.micro_batch_size", "common.selected_expert_num" };

afd_status afd__context_check(const afd_schedule_context *context, afd_error *error)
{
    if (context == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "context", 0, 0, "context is null");
    }
    if ((uintptr_t)context % alignof(afd_schedule_context) != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "context", (uint64_t)(uintptr_t)context,
                         alignof(afd_schedule_context), "context is %p, must be %zu-byte aligned",
                         (const void *)context, alignof(afd_schedule_context));
    }
    return AFD_OK;
}

afd_status afd__shape_check_counts(const afd_shape *shape, const char *const field_names[4], afd_error *error)
{
    const uint32_t counts[4] = { shape->session_num, shape->micro_batch_num, shape->micro_batch_size,
                                 shape->selected_expert_num };
    for (int i = 0; i < 4; i++) {
        if (counts[i] == 0) {
            return afd__fail(error, AFD_ERR_INVALID, field_names[i], 0, 1, "%s is 0, must be at least 1",
                             field_names[i]);
        }
    }
    return AFD_OK;
}

bool afd__ffn_sizes_of(const afd_shape *shape, afd__ffn_sizes *sizes)
{
    /* These two cannot overflow: 32 by 32 bits. */
    sizes->id_num = (uint64_t)shape->micro_batch_size * shape->selected_expert_num;
    sizes->desc_num = (uint64_t)shape->session_num * shape->micro_batch_num;
    sizes->row_ids_bytes = (uint64_t)shape->session_num * sizeof(int32_t);

    uint64_t ids_bytes = 0;
    return afd__mul_u64(sizes->id_num, sizeof(int32_t), &ids_bytes) &&
           afd__add_u64(ids_bytes, 2 * sizeof(int32_t), &sizes->desc_bytes) &&
           afd__mul_u64(sizes->desc_num, sizes->desc_bytes, &sizes->token_info_bytes) &&
           afd__mul_u64(shape->session_num, ids_bytes, &sizes->expert_ids_bytes);
}

bool afd__attention_sizes_of(const afd_shape *shape, afd__attention_sizes *sizes)
{
    sizes->slot_num = (uint64_t)shape->micro_batch_size * shape->selected_expert_num;
    return afd__mul_u64(sizes->slot_num, sizeof(int32_t), &sizes->flags_bytes) &&
           afd__mul_u64(sizes->flags_bytes, shape->micro_batch_num, &sizes->token_info_bytes);
}

afd_status afd__shape_fail_overflow(const afd_shape *shape, const char *field, afd_error *error)
{
    return afd__fail(error, AFD_ERR_OVERFLOW, field, 0, UINT64_MAX,
                     "%s does not fit 64 bits for S=%" PRIu32 " M=%" PRIu32 " BS=%" PRIu32 " E=%" PRIu32
                     " HS=%" PRIu32 " there and %" PRIu32 " back",
                     field, shape->session_num, shape->micro_batch_num, shape->micro_batch_size,
                     shape->selected_expert_num, shape->attn_to_ffn_token_size, shape->ffn_to_attn_token_size);
}

afd_shape afd__context_shape(const afd_schedule_context *context)
{
    return (afd_shape){
        .session_num = context->common.session_num,
        .micro_batch_num = context->common.micro_batch_num,
        .micro_batch_size = context->common.micro_batch_size,
        .selected_expert_num = context->common.selected_expert_num,
        .expert_num = context->common.expert_num,
        .attn_to_ffn_token_size = context->common.attn_to_ffn_token_size,
        .ffn_to_attn_token_size = context->common.ffn_to_attn_token_size,
    };
}
