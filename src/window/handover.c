/* SPDX-License-Identifier: Apache-2.0 */
/* The exported twins of the inline hand-overs, for producers and for who looks. */
#include "window/handover.h"

int32_t *afd_ffn_desc_expert_ids(afd_ffn_desc *desc)
{
    return (int32_t *)(void *)(desc + 1);
}

bool afd_ffn_desc_is_free(const afd_ffn_desc *desc)
{
    return afd__desc_is_free(desc);
}

void afd_ffn_desc_publish(afd_ffn_desc *desc)
{
    afd__desc_publish(desc);
}

int32_t afd_ffn_desc_peek_flag(const afd_ffn_desc *desc)
{
    return afd__desc_peek_flag(desc);
}

int32_t afd_ffn_desc_peek_layer_id(const afd_ffn_desc *desc)
{
    return afd__load_relaxed_i32(&desc->layer_id);
}

int32_t afd_ffn_desc_peek_expert_id(const afd_ffn_desc *desc, size_t index)
{
    return afd__load_relaxed_i32((const int32_t *)(const void *)(desc + 1) + index);
}

void afd_slot_publish(int32_t *flag)
{
    afd__slot_publish(flag);
}

int32_t afd_slot_peek_flag(const int32_t *flag)
{
    return afd__slot_peek_flag(flag);
}
