/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of a desc: everything but its flag. Plain memory, which may be touched only between the two halves of a
 * hand-over (handover.h). tests/model replaces this header by one whose payload notices every unordered access.
 *
 * The payload of a slot of an attention window is its token data, of which the hand-over knows nothing.
 */
#ifndef AFD_WINDOW_DESC_H
#define AFD_WINDOW_DESC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "afd/window.h"

/* The flag of a slot of an attention window: a type of its own because the model's is another. */
typedef int32_t afd__slot_flag;

static inline const int32_t *afd__desc_flag(const afd_ffn_desc *desc)
{
    return &desc->flag;
}

static inline int32_t *afd__desc_flag_mut(afd_ffn_desc *desc)
{
    return &desc->flag;
}

static inline int32_t afd__desc_read_layer_id(const afd_ffn_desc *desc)
{
    return desc->layer_id;
}

static inline void afd__desc_read_ids(int32_t *ids, const afd_ffn_desc *desc, size_t id_num)
{
    memcpy(ids, desc + 1, id_num * sizeof(int32_t));
}

/* Fills the ids with AFD_EXPERT_ID_REFILL and ends exactly at the last: the next byte is the neighbour's live flag. */
static inline void afd__desc_refill_ids(afd_ffn_desc *desc, size_t id_num)
{
    memset(desc + 1, 0x7F, id_num * sizeof(int32_t));
}

#endif
