/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_batch.h"

#include <string.h>

/* One call, as everything below wants it. */
typedef struct call {
    const afd_shape *shape;
    const afd_ffn_batch_args *args;
    const plain_taken *taken;
    const uint8_t *token_data;
    uint64_t token_data_bytes;
} call;

static int32_t id_at(const call *c, uint32_t i, uint32_t token, uint32_t slot)
{
    uint64_t row = (uint64_t)i * c->shape->micro_batch_size + token;
    return c->taken->expert_ids[row * c->shape->selected_expert_num + slot];
}

static bool is_wild(const call *c, int32_t id)
{
    return id < 0 || ((uint32_t)id >= c->args->expert_num && id < 1000000);
}

/* The first wild slot of a session, token * E + slot; -1 if it has none. */
static int64_t find_wild(const call *c, uint32_t i)
{
    for (uint32_t t = 0; t < c->shape->micro_batch_size; t++) {
        for (uint32_t k = 0; k < c->shape->selected_expert_num; k++) {
            if (is_wild(c, id_at(c, i, t, k))) {
                return (int64_t)t * c->shape->selected_expert_num + k;
            }
        }
    }
    return -1;
}

static int64_t slot_number(const call *c, uint32_t i, uint32_t token, uint32_t slot)
{
    int64_t desc = (int64_t)c->taken->session_ids[i] * c->shape->micro_batch_num + c->taken->micro_batch_ids[i];
    return (desc * c->shape->micro_batch_size + token) * c->shape->selected_expert_num + slot;
}

static uint64_t bytes_read(const call *c)
{
    uint64_t hidden = c->args->hidden;
    return c->args->type == AFD_TOKEN_INT8 ? (hidden + 31) / 32 * 32 + 4 : 2 * hidden;
}

static bool members_are_good(const call *c)
{
    const plain_taken *taken = c->taken;
    int64_t layer = INT64_MAX;
    for (uint32_t i = 0; i < taken->num; i++) {
        if (taken->session_ids[i] < 0 || (uint32_t)taken->session_ids[i] >= c->shape->session_num ||
            taken->micro_batch_ids[i] < 0 || (uint32_t)taken->micro_batch_ids[i] >= c->shape->micro_batch_num) {
            return false;
        }
        if (find_wild(c, i) >= 0) {
            if (c->args->fail_on_wild) {
                return false;
            }
            continue;
        }
        if (c->args->layer_num == 1 && layer != INT64_MAX && taken->layer_ids[i] != layer) {
            return false;
        }
        layer = taken->layer_ids[i];
    }
    return true;
}

/* Every token that a row would come from is inside of the token data. */
static bool reads_are_good(const call *c)
{
    for (uint32_t i = 0; i < c->taken->num; i++) {
        for (uint32_t t = 0; t < c->shape->micro_batch_size && find_wild(c, i) < 0; t++) {
            for (uint32_t k = 0; k < c->shape->selected_expert_num; k++) {
                uint64_t at = (uint64_t)slot_number(c, i, t, k) * c->shape->attn_to_ffn_token_size;
                if (id_at(c, i, t, k) < 1000000 && at + bytes_read(c) > c->token_data_bytes) {
                    return false;
                }
            }
        }
    }
    return true;
}

static void write_row(const call *c, uint32_t i, uint32_t token, uint32_t slot, afd_ffn_batch_out *out)
{
    uint64_t row = out->row_num++;
    int64_t number = slot_number(c, i, token, slot);
    if (out->session_ids != NULL) {
        out->session_ids[row] = c->taken->session_ids[i];
        out->micro_batch_ids[row] = c->taken->micro_batch_ids[i];
        out->token_ids[row] = (int32_t)token;
        out->expert_offsets[row] = (int32_t)slot;
    }
    if (out->slots != NULL) {
        out->slots[row] = number;
    }
    if (out->tokens != NULL) {
        const uint8_t *from = c->token_data + (uint64_t)number * c->shape->attn_to_ffn_token_size;
        uint64_t hidden = c->args->hidden;
        uint64_t bytes = c->args->type == AFD_TOKEN_INT8 ? hidden : 2 * hidden;
        memcpy((uint8_t *)out->tokens + row * bytes, from, bytes);
        if (c->args->type == AFD_TOKEN_INT8) {
            memcpy(&out->dynamic_scale[row], from + (hidden + 31) / 32 * 32, 4);
        }
    }
}

static void write_expert(const call *c, uint32_t expert, afd_ffn_batch_out *out)
{
    uint64_t rows_before = out->row_num;
    for (uint32_t i = 0; i < c->taken->num; i++) {
        if (find_wild(c, i) >= 0) {
            continue;
        }
        for (uint32_t t = 0; t < c->shape->micro_batch_size; t++) {
            for (uint32_t k = 0; k < c->shape->selected_expert_num; k++) {
                if (id_at(c, i, t, k) == (int32_t)expert) {
                    write_row(c, i, t, k, out);
                }
            }
        }
    }
    if (out->row_num > rows_before) {
        out->group_list[2 * out->group_num] = expert;
        out->group_list[2 * out->group_num + 1] = (int64_t)(out->row_num - rows_before);
        out->group_num++;
    }
}

static void write_members(const call *c, afd_ffn_batch_out *out)
{
    for (uint32_t i = 0; i < c->taken->num; i++) {
        int64_t wild = find_wild(c, i);
        if (out->layer_ids != NULL) {
            out->layer_ids[i] = c->taken->layer_ids[i];
        }
        if (out->taken_sessions != NULL) {
            out->taken_sessions[i] = c->taken->session_ids[i];
        }
        if (wild < 0) {
            continue;
        }
        uint32_t token = (uint32_t)(wild / c->shape->selected_expert_num);
        uint32_t slot = (uint32_t)(wild % c->shape->selected_expert_num);
        if (out->wild_num < out->wild_capacity) {
            out->wild[out->wild_num] = (afd_wild_id){
                (uint32_t)c->taken->session_ids[i], (uint32_t)c->taken->micro_batch_ids[i], token, slot,
                id_at(c, i, token, slot)
            };
        }
        out->wild_num++;
    }
}

bool plain_batch(const afd_shape *shape, const afd_ffn_batch_args *args, const plain_taken *taken,
                 const uint8_t *token_data, uint64_t token_data_bytes, afd_ffn_batch_out *out)
{
    const call c = { shape, args, taken, token_data, token_data_bytes };
    if (taken->num > args->session_max || !members_are_good(&c) || (out->tokens != NULL && !reads_are_good(&c))) {
        return false;
    }
    out->row_num = 0;
    out->group_num = 0;
    out->taken_num = taken->num;
    out->wild_num = 0;
    write_members(&c, out);
    for (uint32_t e = 0; e < args->expert_num; e++) {
        write_expert(&c, e, out);
    }
    for (uint32_t g = out->group_num; g < args->expert_num; g++) {
        out->group_list[2 * (uint64_t)g] = 0;
        out->group_list[2 * (uint64_t)g + 1] = 0;
    }
    return true;
}
