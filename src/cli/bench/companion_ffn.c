/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batching and reply, on an FFN rank with 8 sessions. Where tokens are moved the rank is one of 8, so that an eighth of
 * the slots of each session are its own and as many rows come as one session has slots; index-only, every slot is.
 */
#include <string.h>

#include "bench/companion.h"
#include "bench/random.h"

enum { RANK_SHARE = 8 };

/* ---- which slots are ours, and in which order they come ---- */

static size_t slot_total(const bench_companion *world)
{
    return (size_t)world->shape.session_num * world->token_num * world->slot_num;
}

/* As a scheduler leaves them: our experts where a slot is ours, the sentinel elsewhere. */
static void fill_ids(bench_companion *world, int32_t *ids, uint32_t share)
{
    for (size_t i = 0; i < slot_total(world); i++) {
        bool is_ours = bench_random_below(&world->random_state, share) == 0;
        uint32_t expert = bench_random_below(&world->random_state, BENCH_RANK_EXPERT_NUM);
        ids[i] = is_ours ? (int32_t)expert : AFD_EXPERT_ID_REFILL;
    }
}

/* The slots of each expert in turn, in their order. False where there is no memory. */
static bool order_rows(bench_companion *world, const int32_t *ids)
{
    world->rows = bench_companion_map(world, slot_total(world) * sizeof(*world->rows));
    if (world->rows == NULL) {
        return false;
    }
    for (int32_t expert = 0; expert < BENCH_RANK_EXPERT_NUM; expert++) {
        for (uint32_t i = 0; i < slot_total(world); i++) {
            if (ids[i] == expert) {
                world->rows[world->row_num++] = i;
            }
        }
    }
    return true;
}

/* What the row of a slot begins and ends with, and what is between: its number, in every line. */
static void fill_row(const bench_companion *world, char *row, uint32_t slot)
{
    for (size_t at = 0; at < 2 * (size_t)world->hidden; at += sizeof(slot)) {
        uint32_t word = slot * 8191 + (uint32_t)at;
        memcpy(row + at, &word, sizeof(word));
    }
}

static bool row_is(const bench_companion *world, const char *row, uint32_t slot)
{
    bool right = true;
    for (size_t at = 0; at < 2 * (size_t)world->hidden; at += sizeof(slot)) {
        uint32_t word;
        memcpy(&word, row + at, sizeof(word));
        right &= word == slot * 8191 + (uint32_t)at;
    }
    return right;
}

/* ---- batching ---- */

/* The context's output area after a call of the scheduler that took everybody. */
static int32_t *fill_area(bench_companion *world, uint32_t share)
{
    int32_t *session_ids = (int32_t *)(uintptr_t)world->context->ffn.session_ids_buf;
    int32_t *micro_batch_ids = (int32_t *)(uintptr_t)world->context->ffn.micro_batch_ids_buf;
    int32_t *layer_ids = (int32_t *)(uintptr_t)world->context->ffn.layer_ids_buf;
    int32_t *ids = (int32_t *)(uintptr_t)world->context->ffn.expert_ids_buf;
    for (uint32_t s = 0; s < world->shape.session_num; s++) {
        session_ids[s] = (int32_t)s;
        micro_batch_ids[s] = 0;
        layer_ids[s] = 0;
    }
    world->context->ffn.out_num = world->shape.session_num;
    fill_ids(world, ids, share);
    return ids;
}

static afd_status make_area(bench_companion *world, uint32_t share, afd_error *error)
{
    afd_status status = afd_ffn_context_create(&world->shape, &world->context, error);
    if (status == AFD_OK) {
        status = afd_ffn_window_create_private(&world->shape, &world->own_window, error);
    }
    if (status == AFD_OK) {
        status = afd_window_bind(world->own_window, world->context, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    const int32_t *ids = fill_area(world, share);
    return order_rows(world, ids) ? AFD_OK : bench_companion_no_memory(error);
}

static void fill_batch_args(bench_companion *world)
{
    world->batch = (afd_ffn_batch_args)AFD_FFN_BATCH_ARGS_INIT;
    world->batch.expert_num = BENCH_RANK_EXPERT_NUM;
    world->batch.session_max = world->shape.session_num;
    world->batch.hidden = world->hidden;
    world->batch.type = world->type;
    world->out = (afd_ffn_batch_out)AFD_FFN_BATCH_OUT_INIT;
}

/* Workspace, group list and slots; they are written and not counted among the bytes that a floor moves. */
static bool make_batch_outputs(bench_companion *world)
{
    fill_batch_args(world);
    const uint64_t workspace_bytes = afd_ffn_batch_workspace_bytes(world->context, &world->batch);
    world->batch.workspace_bytes = workspace_bytes;
    world->batch.workspace = bench_companion_map(world, workspace_bytes);
    world->out.group_list = bench_companion_map(world, 2 * sizeof(int64_t) * BENCH_RANK_EXPERT_NUM);
    world->out.slots = bench_companion_map(world, sizeof(int64_t) * slot_total(world));
    return world->batch.workspace != NULL && world->out.group_list != NULL && world->out.slots != NULL;
}

static afd_status make_batch(bench_companion *world, afd_error *error)
{
    const size_t row_bytes = 2 * (size_t)world->hidden;
    afd_status status = make_area(world, RANK_SHARE, error);
    if (status != AFD_OK) {
        return status;
    }
    const size_t bytes = world->row_num * row_bytes;
    world->out.tokens = NULL;
    if (!make_batch_outputs(world) || (world->out.tokens = bench_companion_map(world, bytes)) == NULL ||
        !bench_companion_blocks(world, bytes, bytes, bytes, row_bytes)) {
        return bench_companion_no_memory(error);
    }
    bench_pieces *pieces = &world->reads[world->read_num++];
    bench_companion_pieces(pieces, world->row_num, row_bytes);
    for (size_t row = 0; row < world->row_num; row++) {
        pieces->at[row] = (char *)afd_window_token_data(world->own_window, 0, 0) + world->rows[row] * row_bytes;
        fill_row(world, pieces->at[row], world->rows[row]);
    }
    bench_companion_reads(world, (void *)(uintptr_t)world->context->ffn.expert_ids_buf,
                          slot_total(world) * sizeof(int32_t));
    bench_companion_pieces(&world->writes, 1, bytes);
    world->writes.at[0] = world->out.tokens;
    return AFD_OK;
}

static afd_status make_index(bench_companion *world, afd_error *error)
{
    afd_status status = make_area(world, 1, error);
    if (status != AFD_OK) {
        return status;
    }
    const size_t id_bytes = slot_total(world) * sizeof(int32_t);
    if (!make_batch_outputs(world) || !bench_companion_blocks(world, id_bytes, id_bytes, 2 * id_bytes, id_bytes)) {
        return bench_companion_no_memory(error);
    }
    bench_companion_reads(world, (void *)(uintptr_t)world->context->ffn.expert_ids_buf, id_bytes);
    bench_companion_pieces(&world->writes, 1, 2 * id_bytes);
    world->writes.at[0] = (char *)world->out.slots;
    return AFD_OK;
}

/* So that counts of the last call are not taken for those of this one. */
static void reset_batch(bench_companion *world)
{
    world->out.row_num = 0;
    world->out.group_num = 0;
    world->out.group_list[0] = -1;
}

static void batch(bench_companion *world)
{
    afd_error error;
    bench_companion_expect(world, afd_ffn_batch(world->context, &world->batch, &world->out, NULL, &error), &error);
}

static void batch_plainly(bench_companion *world)
{
    bench_reference_batch(world->context, &world->batch, &world->out);
}

/* The group list names every expert that has rows, and how many. */
static bool groups_are_right(const bench_companion *world)
{
    const int32_t *ids = (const int32_t *)(uintptr_t)world->context->ffn.expert_ids_buf;
    size_t row = 0;
    bool right = true;
    for (uint32_t g = 0; g < world->out.group_num && right; g++) {
        int64_t expert = world->out.group_list[2 * (size_t)g];
        int64_t count = world->out.group_list[2 * (size_t)g + 1];
        right = count > 0 && row + (size_t)count <= world->row_num;
        for (int64_t i = 0; i < count && right; i++, row++) {
            right = ids[world->rows[row]] == expert;
        }
    }
    return right && row == world->row_num;
}

static bool is_batched(const bench_companion *world)
{
    const size_t row_bytes = 2 * (size_t)world->hidden;
    const char *tokens = world->out.tokens;
    bool right = world->out.row_num == world->row_num && groups_are_right(world);
    for (size_t row = 0; row < world->row_num && right; row++) {
        right = world->out.slots[row] == world->rows[row] &&
                (tokens == NULL || row_is(world, tokens + row * row_bytes, world->rows[row]));
    }
    return right;
}

/* ---- reply ---- */

/* Where every row goes, as batching says it. */
static bool fill_routes(bench_companion *world)
{
    const size_t per_session = (size_t)world->token_num * world->slot_num;
    const size_t bytes = world->row_num * sizeof(int32_t);
    int32_t *sessions = bench_companion_map(world, bytes);
    int32_t *micro_batches = bench_companion_map(world, bytes);
    int32_t *tokens = bench_companion_map(world, bytes);
    int32_t *slots = bench_companion_map(world, bytes);
    if (sessions == NULL || micro_batches == NULL || tokens == NULL || slots == NULL) {
        return false;
    }
    for (size_t row = 0; row < world->row_num; row++) {
        size_t place = world->rows[row] % per_session;
        sessions[row] = (int32_t)(world->rows[row] / per_session);
        tokens[row] = (int32_t)(place / world->slot_num);
        slots[row] = (int32_t)(place % world->slot_num);
    }
    world->reply.session_ids = sessions;
    world->reply.micro_batch_ids = micro_batches;
    world->reply.token_ids = tokens;
    world->reply.expert_offsets = slots;
    return true;
}

/* Which slots came: those of a batch of another call. */
static afd_status make_routes(bench_companion *world, afd_error *error)
{
    int32_t *ids = bench_companion_map(world, slot_total(world) * sizeof(int32_t));
    if (ids == NULL) {
        return bench_companion_no_memory(error);
    }
    fill_ids(world, ids, RANK_SHARE);
    world->reply = (afd_ffn_reply_args)AFD_FFN_REPLY_ARGS_INIT;
    return order_rows(world, ids) && fill_routes(world) ? AFD_OK : bench_companion_no_memory(error);
}

static char *reply_slot(const bench_companion *world, size_t row)
{
    const size_t per_session = (size_t)world->token_num * world->slot_num;
    const bench_reference_window *peer = &world->peers[world->rows[row] / per_session];
    return peer->data + world->rows[row] % per_session * peer->slot_bytes;
}

static int32_t *reply_flag(const bench_companion *world, size_t row)
{
    const size_t per_session = (size_t)world->token_num * world->slot_num;
    return &world->peers[world->rows[row] / per_session].info[world->rows[row] % per_session];
}

static afd_status make_reply(bench_companion *world, afd_error *error)
{
    const size_t row_bytes = 2 * (size_t)world->hidden;
    afd_status status = make_routes(world, error);
    for (uint32_t s = 0; s < world->shape.session_num && status == AFD_OK; s++) {
        status = bench_companion_add_peer(world, AFD_WINDOW_ATTENTION, &world->shape, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    const size_t bytes = world->row_num * row_bytes;
    char *rows = bench_companion_map(world, bytes);
    if (rows == NULL || !bench_companion_blocks(world, bytes, bytes, bytes, row_bytes)) {
        return bench_companion_no_memory(error);
    }
    bench_companion_pieces(&world->writes, world->row_num, row_bytes);
    for (size_t row = 0; row < world->row_num; row++) {
        fill_row(world, rows + row * row_bytes, world->rows[row]);
        world->writes.at[row] = reply_slot(world, row);
        memset(world->writes.at[row], 0, row_bytes);
    }
    bench_companion_reads(world, rows, bytes);
    world->reply.rows = rows;
    world->reply.row_num = world->row_num;
    world->reply.hidden = world->hidden;
    world->reply.type = world->type;
    world->reply.writers = world->writers;
    world->reply.writer_num = world->peer_num;
    return AFD_OK;
}

/* As the attention workers clear them. */
static void reset_reply(bench_companion *world)
{
    for (size_t row = 0; row < world->row_num; row++) {
        *reply_flag(world, row) = AFD_FLAG_FREE;
    }
}

static void reply(bench_companion *world)
{
    afd_error error;
    bench_companion_expect(world, afd_ffn_reply(&world->reply, &error), &error);
}

static void reply_plainly(bench_companion *world)
{
    bench_reference_reply(&world->reply, world->slot_num, world->peers);
}

static bool is_replied(const bench_companion *world)
{
    bool right = true;
    for (size_t row = 0; row < world->row_num && right; row++) {
        right = *reply_flag(world, row) == AFD_FLAG_READY &&
                row_is(world, reply_slot(world, row), world->rows[row]);
    }
    return right;
}

const bench_operator bench_batch = { make_batch,    reset_batch, batch,
                                     batch_plainly, is_batched,  { &bench_floor_copy, &bench_floor_copy_ahead },
                                     2 };
const bench_operator bench_index = { make_index, reset_batch, batch, batch_plainly, is_batched,
                                     { &bench_floor_widen }, 1 };
const bench_operator bench_reply = { make_reply,    reset_reply, reply,
                                     reply_plainly, is_replied,  { &bench_floor_copy, &bench_floor_copy_ahead },
                                     2 };
