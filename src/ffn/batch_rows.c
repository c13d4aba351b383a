/* SPDX-License-Identifier: Apache-2.0 */
/* The scattering half of the sort. Members, tokens and slots are gone through in their order, so that the rows of each
 * expert keep it. */
#include "ffn/batch.h"

/* A slot on its way to its row. */
typedef struct slot_place {
    int32_t session;
    int32_t micro_batch;
    int32_t token;
    int32_t slot;
    uint64_t number; /* in the token data */
} slot_place;

static void write_indices(const afd_ffn_batch_out *out, uint32_t row, const slot_place *place)
{
    if (out->session_ids != NULL) { /* all four are there, or none */
        out->session_ids[row] = place->session;
        out->micro_batch_ids[row] = place->micro_batch;
        out->token_ids[row] = place->token;
        out->expert_offsets[row] = place->slot;
    }
    if (out->slots != NULL) {
        out->slots[row] = (int64_t)place->number;
    }
}

/* Inside of the token data: check_reads() has looked at the last of them. */
static void move_token(const afd__batch *batch, const afd_ffn_batch_out *out, uint32_t row, uint64_t number)
{
    const char *token = batch->token_data + number * batch->slot_bytes;
    memcpy((char *)out->tokens + row * batch->value_bytes, token, batch->value_bytes);
    if (batch->has_scale) {
        memcpy(&out->dynamic_scale[row], token + batch->scale_offset, sizeof(float));
    }
}

static void write_member(const afd__batch *batch, uint32_t number, const afd_ffn_batch_out *out)
{
    const afd__batch_member *member = &batch->members[number];
    const int32_t *key = afd__batch_keys(batch, number);
    slot_place place = {
        .session = (int32_t)member->session,
        .micro_batch = (int32_t)member->micro_batch,
        .number = afd__batch_first_slot(batch, member),
    };
    for (uint32_t t = 0; t < batch->micro_batch_size; t++) {
        place.token = (int32_t)t;
        for (uint32_t k = 0; k < batch->selected_expert_num; k++, key++, place.number++) {
            if (!afd__batch_takes_part(batch, *key)) {
                continue;
            }
            uint32_t row = batch->cursors[*key]++;
            place.slot = (int32_t)k;
            write_indices(out, row, &place);
            if (out->tokens != NULL) {
                move_token(batch, out, row, place.number);
            }
        }
    }
}

void afd__batch_write_rows(const afd__batch *batch, const afd_ffn_batch_out *out)
{
    for (uint32_t i = 0; i < batch->member_num; i++) {
        if (!batch->members[i].is_left_out) {
            write_member(batch, i, out);
        }
    }
}
