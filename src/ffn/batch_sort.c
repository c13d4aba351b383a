/* SPDX-License-Identifier: Apache-2.0 */
/* The counting half of the sort: how many rows each expert has, and so where they begin. */
#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "ffn/batch.h"

/* ---- counting ---- */

/* Adds a member's slots to the counts, up to the first wild id. Returns its index, or the number of ids. */
static size_t count_member(const afd__batch *batch, const int32_t *keys)
{
    size_t id_num = batch->window.id_num;
    for (size_t i = 0; i < id_num; i++) {
        if (afd__batch_takes_part(batch, keys[i])) {
            batch->cursors[keys[i]]++;
        } else if (keys[i] < AFD_EXPERT_ID_LIMIT) {
            return i;
        }
    }
    return id_num;
}

/* Takes the first `num` slots of a member off the counts again. */
static void uncount(const afd__batch *batch, const int32_t *keys, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        if (afd__batch_takes_part(batch, keys[i])) {
            batch->cursors[keys[i]]--;
        }
    }
}

static afd_wild_id wild_id_at(const afd__batch *batch, const afd__batch_member *member, const int32_t *keys,
                              size_t index)
{
    return (afd_wild_id){
        .session = member->session,
        .micro_batch = member->micro_batch,
        .token = (uint32_t)(index / batch->selected_expert_num),
        .slot = (uint32_t)(index % batch->selected_expert_num),
        .expert_id = keys[index],
    };
}

static afd_status fail_wild(const afd__batch *batch, const afd_wild_id *wild, afd_error *error)
{
    return afd__fail(error, AFD_ERR_INVALID, "expert_id", (uint64_t)(int64_t)wild->expert_id, batch->expert_num,
                     "the expert id of session %" PRIu32 ", micro-batch %" PRIu32 ", token %" PRIu32 ", slot %" PRIu32
                     " is %" PRId32 ", must be in [0, %" PRIu32 "), or at least %d for an empty slot",
                     wild->session, wild->micro_batch, wild->token, wild->slot, wild->expert_id, batch->expert_num,
                     AFD_EXPERT_ID_LIMIT);
}

static afd_status count_all(afd__batch *batch, afd_error *error)
{
    memset(batch->cursors, 0, batch->expert_num * sizeof(*batch->cursors));
    for (uint32_t i = 0; i < batch->member_num; i++) {
        const int32_t *keys = afd__batch_keys(batch, i);
        size_t counted_num = count_member(batch, keys);
        if (counted_num == batch->window.id_num) {
            continue;
        }
        if (batch->fail_on_wild) {
            afd_wild_id wild = wild_id_at(batch, &batch->members[i], keys, counted_num);
            return fail_wild(batch, &wild, error);
        }
        uncount(batch, keys, counted_num);
        batch->members[i].is_left_out = true;
    }
    return AFD_OK;
}

/* ---- what has to hold of the members together ---- */

/* Who was left out does not have a say. */
static afd_status check_layers(const afd__batch *batch, afd_error *error)
{
    const afd__batch_member *first = NULL;
    for (uint32_t i = 0; i < batch->member_num; i++) {
        const afd__batch_member *member = &batch->members[i];
        if (member->is_left_out) {
            continue;
        }
        if (first == NULL) {
            first = member;
        }
        if (member->layer_id != first->layer_id) {
            return afd__fail(error, AFD_ERR_INVALID, "layer_id", (uint64_t)(int64_t)member->layer_id,
                             (uint64_t)(int64_t)first->layer_id,
                             "session %" PRIu32 " is at layer %" PRId32 " and session %" PRIu32 " at layer %" PRId32
                             "; with args.layer_num 1 all must be at one",
                             first->session, first->layer_id, member->session, member->layer_id);
        }
    }
    return AFD_OK;
}

/* The end of a token in the token data, for the slot that is number `slot` of it; false if it does not fit 64 bits. */
static bool end_of_token(const afd__batch *batch, uint64_t slot, uint64_t *end)
{
    return afd__mul_u64(slot, batch->slot_bytes, end) && afd__add_u64(*end, batch->token_bytes, end);
}

/* The last slot of the member that takes part, -1 if none does. */
static ptrdiff_t last_slot(const afd__batch *batch, const int32_t *keys)
{
    ptrdiff_t i = (ptrdiff_t)batch->window.id_num - 1;
    while (i >= 0 && !afd__batch_takes_part(batch, keys[i])) {
        i--;
    }
    return i;
}

/* Every read stays inside of the token data. Slots may be smaller than tokens, so that what counts is the end of the
 * token that is read last, and not the size of all slots. */
static afd_status check_reads(const afd__batch *batch, afd_error *error)
{
    for (uint32_t i = 0; i < batch->member_num; i++) {
        const afd__batch_member *member = &batch->members[i];
        ptrdiff_t last = member->is_left_out ? -1 : last_slot(batch, afd__batch_keys(batch, i));
        uint64_t end = 0;
        if (last < 0) {
            continue;
        }
        if (batch->token_data == NULL) {
            return afd__fail(error, AFD_ERR_INVALID, "ffn.token_data_buf", 0, 0, "ffn.token_data_buf is null");
        }
        bool fits = end_of_token(batch, afd__batch_first_slot(batch, member) + (uint64_t)last, &end);
        if (!fits || end > batch->token_data_bytes) {
            end = fits ? end : UINT64_MAX;
            return afd__fail(error, AFD_ERR_INVALID, "ffn.token_data_buf_size", batch->token_data_bytes, end,
                             "ffn.token_data_buf_size is %" PRIu64 ", must be at least %" PRIu64
                             " for slot %td of session %" PRIu32 ", micro-batch %" PRIu32,
                             batch->token_data_bytes, end, last, member->session, member->micro_batch);
        }
    }
    return AFD_OK;
}

afd_status afd__batch_count(afd__batch *batch, bool moves_rows, afd_error *error)
{
    afd_status status = count_all(batch, error);
    if (status == AFD_OK && batch->one_layer) {
        status = check_layers(batch, error);
    }
    if (status == AFD_OK && moves_rows) {
        status = check_reads(batch, error);
    }
    return status;
}

/* ---- what is written of it ---- */

void afd__batch_write_groups(const afd__batch *batch, afd_ffn_batch_out *out)
{
    uint32_t row_num = 0;
    uint32_t group_num = 0;
    int64_t *group_list = out->group_list;
    for (uint32_t e = 0; e < batch->expert_num; e++) {
        uint32_t count = batch->cursors[e];
        batch->cursors[e] = row_num;
        if (count > 0) {
            group_list[2 * (size_t)group_num] = e;
            group_list[2 * (size_t)group_num + 1] = count;
            group_num++;
            row_num += count;
        }
    }
    size_t unused_num = batch->expert_num - group_num;
    memset(group_list + 2 * (size_t)group_num, 0, unused_num * 2 * sizeof(*group_list));
    out->row_num = row_num;
    out->group_num = group_num;
}

static void write_wild(const afd__batch *batch, uint32_t member, afd_ffn_batch_out *out)
{
    if (out->wild_num < out->wild_capacity) {
        const int32_t *keys = afd__batch_keys(batch, member);
        size_t index = 0;
        while (afd__batch_takes_part(batch, keys[index]) || keys[index] >= AFD_EXPERT_ID_LIMIT) {
            index++; /* ends: who was left out has a wild id */
        }
        out->wild[out->wild_num] = wild_id_at(batch, &batch->members[member], keys, index);
    }
    out->wild_num++;
}

void afd__batch_write_members(const afd__batch *batch, afd_ffn_batch_out *out)
{
    out->taken_num = batch->member_num;
    out->wild_num = 0;
    for (uint32_t i = 0; i < batch->member_num; i++) {
        const afd__batch_member *member = &batch->members[i];
        if (out->layer_ids != NULL) {
            out->layer_ids[i] = member->layer_id;
        }
        if (out->taken_sessions != NULL) {
            out->taken_sessions[i] = (int32_t)member->session;
        }
        if (member->is_left_out) {
            write_wild(batch, i, out);
        }
    }
}
