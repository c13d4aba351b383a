/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "companion.h"
#include "traffic.h"

typedef struct batch_memory {
    void *workspace;
    uint64_t workspace_bytes;
    void *scheduler_memory;
    afd_ffn_scheduler *scheduler;
    uint16_t rows[ROW_MAX * HIDDEN];
    int64_t group_list[EXPERT_NUM * 2];
    int32_t session_ids[ROW_MAX];
    int32_t micro_batch_ids[ROW_MAX];
    int32_t token_ids[ROW_MAX];
    int32_t expert_offsets[ROW_MAX];
    int32_t layer_ids[SESSION_MAX];
} batch_memory;

static void *allocate(uint64_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory == NULL) {
        traffic_fail("no memory");
    }
    return memory;
}

static afd_ffn_batch_args args_of(const companion_case *c, const batch_memory *memory)
{
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    args.expert_num = EXPERT_NUM;
    args.session_max = c->shape.session_num;
    args.hidden = HIDDEN;
    args.type = AFD_TOKEN_BF16;
    args.need_schedule = true;
    args.fail_on_wild = true;
    args.layer_num = 1;
    args.scheduler = memory->scheduler;
    args.workspace = memory->workspace;
    args.workspace_bytes = memory->workspace_bytes;
    return args;
}

static void make_memory(const companion_party *self, batch_memory *memory)
{
    const afd_shape *shape = &self->c->shape;
    afd_ffn_batch_args args = args_of(self->c, memory);
    afd_error error;
    memory->workspace_bytes = afd_ffn_batch_workspace_bytes(self->context, &args);
    memory->workspace = allocate(memory->workspace_bytes);
    if (self->c->with_object) {
        uint64_t bytes = afd_ffn_scheduler_footprint(shape->session_num, shape->micro_batch_num);
        memory->scheduler_memory = allocate(bytes);
        companion_expect_ok(afd_ffn_scheduler_new(shape->session_num, shape->micro_batch_num, NULL,
                                                  memory->scheduler_memory, bytes, &memory->scheduler, &error),
                            &error, "scheduler of rank", self->number);
    }
}

/* One row of the batch; enters its slot, which is all that this expert does. */
static void serve_row(const companion_party *self, batch_memory *memory, uint64_t row, int64_t expert_id,
                      companion_place at)
{
    uint16_t *numbers = &memory->rows[row * HIDDEN];
    uint32_t slot = (uint32_t)memory->expert_offsets[row];
    at.session = (uint32_t)memory->session_ids[row];
    at.token = (uint32_t)memory->token_ids[row];
    uint32_t expert = companion_expert(self->c, at, slot);
    if ((uint32_t)memory->micro_batch_ids[row] != at.micro_batch || companion_rank(at, expert) != self->number ||
        companion_local_id(at, expert) != (uint64_t)expert_id) {
        traffic_fail("rank %" PRIu32 ": row %" PRIu64 " of session %" PRIu32 ", token %" PRIu32 ", slot %" PRIu32
                     " came out for expert %" PRId64,
                     self->number, row, at.session, at.token, slot, expert_id);
    }
    for (uint32_t column = 0; column < HIDDEN; column++) {
        companion_check_number("batched", at, column, numbers[column], companion_number(self->c, at, column));
    }
    numbers[AT_SLOT] = companion_bf16(slot + 1);
}

/* How many slots of the round this rank gets: none is lost, and one that came twice would be in place of another. */
static uint64_t expected_rows(const companion_party *self, companion_place at)
{
    uint64_t row_num = 0;
    for (at.session = 0; at.session < self->c->shape.session_num; at.session++) {
        uint32_t token_num = companion_token_num(self->c, at);
        companion_place slot_at = at;
        for (slot_at.token = 0; slot_at.token < token_num; slot_at.token++) {
            for (uint32_t slot = 0; slot < self->c->shape.selected_expert_num; slot++) {
                row_num += companion_rank(slot_at, companion_expert(self->c, slot_at, slot)) == self->number;
            }
        }
    }
    return row_num;
}

static void reply(const companion_party *self, batch_memory *memory, uint64_t row_num)
{
    afd_error error;
    afd_ffn_reply_args args = AFD_FFN_REPLY_ARGS_INIT;
    args.rows = memory->rows;
    args.row_num = row_num;
    args.hidden = HIDDEN;
    args.type = AFD_TOKEN_BF16;
    args.session_ids = memory->session_ids;
    args.micro_batch_ids = memory->micro_batch_ids;
    args.token_ids = memory->token_ids;
    args.expert_offsets = memory->expert_offsets;
    args.writers = self->writers;
    args.writer_num = self->c->shape.session_num;
    companion_expect_ok(afd_ffn_reply(&args, &error), &error, "reply of rank", self->number);
}

static void serve_round(const companion_party *self, batch_memory *memory, companion_place at)
{
    afd_error error;
    afd_wait wait = companion_wait(self->c);
    afd_ffn_batch_args args = args_of(self->c, memory);
    afd_ffn_batch_out out = AFD_FFN_BATCH_OUT_INIT;
    out.tokens = memory->rows;
    out.group_list = memory->group_list;
    out.session_ids = memory->session_ids;
    out.micro_batch_ids = memory->micro_batch_ids;
    out.token_ids = memory->token_ids;
    out.expert_offsets = memory->expert_offsets;
    out.layer_ids = memory->layer_ids;
    companion_expect_ok(afd_ffn_batch(self->context, &args, &out, &wait, &error), &error, "batch of rank",
                        self->number);
    if (out.taken_num != self->c->shape.session_num || out.row_num != expected_rows(self, at) ||
        out.layer_ids[0] != (int32_t)(at.round % LAYER_NUM)) {
        traffic_fail("rank %" PRIu32 ": %" PRIu64 " rows of %" PRIu32 " sessions at layer %" PRId32
                     ", should be %" PRIu64 " of round %" PRIu32,
                     self->number, out.row_num, out.taken_num, out.layer_ids[0], expected_rows(self, at), at.round);
    }
    uint64_t row = 0;
    for (uint32_t group = 0; group < out.group_num; group++) {
        for (int64_t i = 0; i < out.group_list[2 * group + 1]; i++) {
            serve_row(self, memory, row++, out.group_list[2 * group], at);
        }
    }
    reply(self, memory, row);
}

void *companion_run_ffn(void *argument)
{
    const companion_party *self = argument;
    batch_memory *memory = calloc(1, sizeof(*memory));
    companion_place at = { 0 };
    if (memory == NULL) {
        traffic_fail("no memory");
    }
    make_memory(self, memory);
    for (at.round = 0; at.round < self->c->round_num; at.round++) {
        for (at.micro_batch = 0; at.micro_batch < self->c->shape.micro_batch_num; at.micro_batch++) {
            serve_round(self, memory, at);
        }
    }
    free(memory->scheduler_memory);
    free(memory->workspace);
    free(memory);
    return NULL;
}
