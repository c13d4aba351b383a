/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for src/window/desc.h in the model: the flag is an atomic of relacy, and every word of the payload is a
 * variable that notices two accesses without an order between them.
 */
#ifndef AFD_MODEL_WINDOW_DESC_H
#define AFD_MODEL_WINDOW_DESC_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

/* The values of flags and sentinels are those of the public header; its desc, which is plain memory, stands aside. */
#define afd_ffn_desc afd_model_plain_desc
#include "afd/window.h"
#undef afd_ffn_desc

typedef model_word afd__slot_flag;

enum { MODEL_ID_NUM = 2 };

typedef struct afd_ffn_desc {
    model_word flag;
    rl::var<int32_t> layer_id;
    rl::var<int32_t> expert_ids[MODEL_ID_NUM];
} afd_ffn_desc;

static inline const model_word *afd__desc_flag(const afd_ffn_desc *desc)
{
    return &desc->flag;
}

static inline model_word *afd__desc_flag_mut(afd_ffn_desc *desc)
{
    return &desc->flag;
}

static inline int32_t afd__desc_read_layer_id(const afd_ffn_desc *desc)
{
    return desc->layer_id(RL_INFO).load();
}

static inline void afd__desc_read_ids(int32_t *ids, const afd_ffn_desc *desc, size_t id_num)
{
    for (size_t i = 0; i < id_num; i++) {
        ids[i] = desc->expert_ids[i](RL_INFO).load();
    }
}

static inline void afd__desc_refill_ids(afd_ffn_desc *desc, size_t id_num)
{
    for (size_t i = 0; i < id_num; i++) {
        desc->expert_ids[i](RL_INFO).store(AFD_EXPERT_ID_REFILL);
    }
}

#endif
