/* SPDX-License-Identifier: Apache-2.0 */
/* Doing without an FFN worker that is not there: the expert table without its copies, and a writer in its place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "worker/attention_member.h"

/* ---- the table ---- */

static const int32_t *row_of(const afd_expert_table *table, uint64_t row)
{
    return table->entries + row * table->width;
}

static uint64_t row_num_of(const afd_expert_table *table)
{
    return (uint64_t)table->layer_num * table->expert_num;
}

static bool is_missing(const afd_attention_worker *worker, int32_t rank)
{
    return worker->member->ties.ties[rank].is_missing;
}

bool afd__attention_member_can_spare(const afd_attention_worker *worker, uint32_t rank)
{
    const afd_expert_table *table = &worker->member->full_experts;
    for (uint64_t i = 0; i < row_num_of(table); i++) {
        const int32_t *row = row_of(table, i);
        int32_t left_num = 0;
        for (int32_t copy = 0; copy < row[0]; copy++) {
            int32_t home = row[1 + 2 * copy];
            left_num += (uint32_t)home != rank && !is_missing(worker, home) ? 1 : 0;
        }
        if (left_num == 0) {
            return false;
        }
    }
    return true;
}

static bool nobody_is_missing(const afd_attention_worker *worker)
{
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (is_missing(worker, (int32_t)rank)) {
            return false;
        }
    }
    return true;
}

/* One row without the copies at missing ranks; at least one is left. */
static void copy_row(const afd_attention_worker *worker, const int32_t *from, int32_t *to)
{
    int32_t left_num = 0;
    for (int32_t copy = 0; copy < from[0]; copy++) {
        if (!is_missing(worker, from[1 + 2 * copy])) {
            to[1 + 2 * left_num] = from[1 + 2 * copy];
            to[2 + 2 * left_num] = from[2 + 2 * copy];
            left_num++;
        }
    }
    to[0] = left_num;
}

static void use_table(afd_attention_worker *worker, const int32_t *entries)
{
    worker->experts = worker->member->full_experts;
    worker->experts.entries = entries;
    worker->dispatch.experts = worker->experts;
}

afd_status afd__attention_member_make_table(afd_attention_worker *worker, afd_error *error)
{
    struct afd__attention_member *member = worker->member;
    const afd_expert_table *full = &member->full_experts;
    if (nobody_is_missing(worker)) {
        use_table(worker, full->entries);
        return AFD_OK;
    }
    if (member->entries == NULL) {
        member->entries = calloc(row_num_of(full) * full->width, sizeof(*member->entries));
    }
    if (member->entries == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "experts", row_num_of(full) * full->width * sizeof(int32_t), 0,
                         "no memory for an expert table without the FFN workers that are missing");
    }
    for (uint64_t i = 0; i < row_num_of(full); i++) {
        copy_row(worker, row_of(full, i), member->entries + i * full->width);
    }
    use_table(worker, member->entries);
    return AFD_OK;
}

/* ---- the writer ---- */

static bool absent_is_free(const afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    (void)writer;
    (void)session;
    (void)micro_batch;
    return true;
}

static afd_status absent_put(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes,
                             afd_error *error)
{
    (void)writer;
    (void)row;
    (void)row_bytes;
    return afd__fail(error, AFD_ERR_PEER, "writer", place->token, place->slot,
                     "a token goes to an FFN worker that is gone without");
}

static void *absent_stage(afd_writer *writer, const afd_place *place)
{
    (void)writer;
    (void)place;
    return NULL;
}

/* All-sync tells every rank of every round; of one that is not there nobody waits for that. */
static afd_status absent_publish(afd_writer *writer, const afd_round *round, afd_error *error)
{
    (void)writer;
    (void)round;
    (void)error;
    return AFD_OK;
}

static void absent_discard(afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    (void)writer;
    (void)session;
    (void)micro_batch;
}

static void absent_progress(afd_writer *writer)
{
    (void)writer;
}

static bool absent_is_idle(const afd_writer *writer)
{
    (void)writer;
    return true;
}

static afd_peer_state absent_peer(const afd_writer *writer)
{
    (void)writer;
    return AFD_PEER_DEAD;
}

static void absent_close(afd_writer *writer)
{
    free(writer);
}

static const afd_writer_ops absent_ops = {
    .size = sizeof(afd_writer_ops),
    .name = "absent",
    .is_free = absent_is_free,
    .put = absent_put,
    .stage = absent_stage,
    .publish = absent_publish,
    .discard = absent_discard,
    .progress = absent_progress,
    .is_idle = absent_is_idle,
    .peer = absent_peer,
    .close = absent_close,
};

afd_status afd__absent_writer_create(const afd_attention_worker *worker, afd_writer **writer, afd_error *error)
{
    afd_writer *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "writer", sizeof(*made), 0, "no memory for a writer");
    }
    made->ops = &absent_ops;
    made->kind = AFD_WINDOW_FFN;
    made->shape = worker->shape;
    made->slot_bytes = worker->sent_slot_bytes;
    *writer = made;
    return AFD_OK;
}
