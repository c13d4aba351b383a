/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MARK_BYTE = 0x5A };

static void *allocate(size_t num, size_t bytes)
{
    void *memory = calloc(num, bytes);
    if (memory == NULL) {
        traffic_fail("no memory for the ledger");
    }
    return memory;
}

taken_ledger ledger_new(const traffic_plan *traffic, uint32_t group_size)
{
    uint32_t session_num = traffic->shape.session_num;
    taken_ledger made = { .traffic = traffic, .group_size = group_size };
    made.taken_rounds = allocate((size_t)session_num * traffic->shape.micro_batch_num, sizeof(uint32_t));
    made.states = allocate(session_num, sizeof(afd_session_state));
    for (uint32_t s = 0; s < session_num; s++) {
        made.states[s] = AFD_SESSION_LIVE;
    }
    return made;
}

void ledger_free(taken_ledger *ledger)
{
    free(ledger->taken_rounds);
    free(ledger->states);
}

uint32_t *ledger_round(const taken_ledger *ledger, uint32_t session, uint32_t micro_batch)
{
    return &ledger->taken_rounds[session * ledger->traffic->shape.micro_batch_num + micro_batch];
}

/* ---- rows past the taken ones ---- */

static void *output(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

void ledger_mark_outputs(const afd_schedule_context *context)
{
    memset(output(context->ffn.layer_ids_buf), MARK_BYTE, context->ffn.layer_ids_buf_size);
    memset(output(context->ffn.session_ids_buf), MARK_BYTE, context->ffn.session_ids_buf_size);
    memset(output(context->ffn.micro_batch_ids_buf), MARK_BYTE, context->ffn.micro_batch_ids_buf_size);
    memset(output(context->ffn.expert_ids_buf), MARK_BYTE, context->ffn.expert_ids_buf_size);
}

static void check_marks_of(const char *name, uint64_t address, uint64_t bytes, uint64_t from)
{
    const unsigned char *buffer = output(address);
    for (uint64_t i = from; i < bytes; i++) {
        if (buffer[i] != MARK_BYTE) {
            traffic_fail("%s was written at byte %" PRIu64 ", the taken rows end at %" PRIu64, name, i, from);
        }
    }
}

void ledger_check_marks(const taken_ledger *ledger, const afd_schedule_context *context, uint32_t taken_num)
{
    uint64_t row_bytes = sizeof(int32_t);
    uint64_t ids_bytes = row_bytes * traffic_id_num(ledger->traffic);
    check_marks_of("layer_ids", context->ffn.layer_ids_buf, context->ffn.layer_ids_buf_size, taken_num * row_bytes);
    check_marks_of("session_ids", context->ffn.session_ids_buf, context->ffn.session_ids_buf_size,
                   taken_num * row_bytes);
    check_marks_of("micro_batch_ids", context->ffn.micro_batch_ids_buf, context->ffn.micro_batch_ids_buf_size,
                   taken_num * row_bytes);
    check_marks_of("expert_ids", context->ffn.expert_ids_buf, context->ffn.expert_ids_buf_size,
                   taken_num * ids_bytes);
}

/* ---- taken rows ---- */

static void check_row_content(taken_ledger *ledger, const afd_schedule_context *context, uint32_t row)
{
    const traffic_plan *traffic = ledger->traffic;
    traffic_round round = {
        .session = (uint32_t)afd_context_session_ids(context)[row],
        .micro_batch = (uint32_t)afd_context_micro_batch_ids(context)[row],
    };
    if (round.session >= traffic->shape.session_num || round.micro_batch >= traffic->shape.micro_batch_num) {
        traffic_fail("row %" PRIu32 " is of session %" PRIu32 " micro-batch %" PRIu32, row, round.session,
                     round.micro_batch);
    }
    round.round = (*ledger_round(ledger, round.session, round.micro_batch))++;
    int32_t layer_id = afd_context_layer_ids(context)[row];
    if (layer_id != traffic_layer_id(traffic, round)) {
        traffic_fail("session %" PRIu32 " micro-batch %" PRIu32 " round %" PRIu32 ": layer_id %" PRId32
                     " was taken, %" PRId32 " was sent",
                     round.session, round.micro_batch, round.round, layer_id, traffic_layer_id(traffic, round));
    }
    uint32_t id_num = traffic_id_num(traffic);
    const int32_t *ids = afd_context_expert_ids(context) + (size_t)row * id_num;
    for (uint32_t slot = 0; slot < id_num; slot++) {
        int32_t sent = traffic_expert_id(traffic, round, slot);
        if (ids[slot] != sent) {
            traffic_fail("session %" PRIu32 " micro-batch %" PRIu32 " round %" PRIu32 " slot %" PRIu32
                         ": id 0x%08" PRIx32 " was taken, 0x%08" PRIx32 " was there",
                         round.session, round.micro_batch, round.round, slot, (uint32_t)ids[slot], (uint32_t)sent);
        }
    }
}

/* Nobody who was away was taken; and of a group that was taken, nobody who was live is missing. */
static void check_members(const taken_ledger *ledger, const int32_t *session_ids, uint32_t row, uint32_t end)
{
    uint32_t first = (uint32_t)session_ids[row] / ledger->group_size * ledger->group_size;
    for (uint32_t s = first; s < first + ledger->group_size; s++) {
        bool taken = row < end && (uint32_t)session_ids[row] == s;
        row += taken;
        if (taken && ledger->states[s] == AFD_SESSION_AWAY) {
            traffic_fail("session %" PRIu32 " was taken while it was away", s);
        }
        if (!taken && ledger->states[s] == AFD_SESSION_LIVE) {
            traffic_fail("session %" PRIu32 ", which is live, is missing in a group that was taken", s);
        }
    }
}

/* The rows from `row` on that belong to its group; they follow each other. Returns the first row of the next group. */
static uint32_t check_group(const taken_ledger *ledger, const afd_schedule_context *context, uint32_t row,
                            uint32_t taken_num)
{
    const int32_t *session_ids = afd_context_session_ids(context);
    const int32_t *micro_batch_ids = afd_context_micro_batch_ids(context);
    uint32_t group = (uint32_t)session_ids[row] / ledger->group_size;
    uint32_t end = row;
    while (end < taken_num && (uint32_t)session_ids[end] / ledger->group_size == group) {
        if (micro_batch_ids[end] != micro_batch_ids[row]) {
            traffic_fail("group %" PRIu32 " was taken with micro-batches %" PRId32 " and %" PRId32, group,
                         micro_batch_ids[row], micro_batch_ids[end]);
        }
        if (end > row && session_ids[end] <= session_ids[end - 1]) {
            traffic_fail("session %" PRId32 " follows session %" PRId32, session_ids[end], session_ids[end - 1]);
        }
        end++;
    }
    if (end < taken_num && session_ids[end] <= session_ids[end - 1]) {
        traffic_fail("session %" PRId32 " follows session %" PRId32, session_ids[end], session_ids[end - 1]);
    }
    check_members(ledger, session_ids, row, end);
    return end;
}

static void check_polling_index(const taken_ledger *ledger, const afd_schedule_context *context, uint64_t polling_index)
{
    uint32_t micro_batch_num = ledger->traffic->shape.micro_batch_num;
    bool all_sync = ledger->group_size == ledger->traffic->shape.session_num;
    uint64_t expected = all_sync ? (polling_index + 1) % micro_batch_num : polling_index;
    if (context->ffn.polling_index != expected) {
        traffic_fail("polling_index is %" PRIu64 " after a call, should be %" PRIu64, context->ffn.polling_index,
                     expected);
    }
    if (all_sync && (uint64_t)afd_context_micro_batch_ids(context)[0] != polling_index) {
        traffic_fail("all-sync took micro-batch %" PRId32 ", polling_index was %" PRIu64,
                     afd_context_micro_batch_ids(context)[0], polling_index);
    }
}

void ledger_check_call(taken_ledger *ledger, const afd_schedule_context *context, uint32_t taken_num,
                       uint64_t polling_index)
{
    if (taken_num == 0 || taken_num > ledger->traffic->shape.session_num || context->ffn.out_num != taken_num) {
        traffic_fail("a call took %" PRIu32 " and left out_num %" PRIu32, taken_num, context->ffn.out_num);
    }
    for (uint32_t row = 0; row < taken_num; row++) {
        check_row_content(ledger, context, row);
    }
    for (uint32_t row = 0; row < taken_num;) {
        row = check_group(ledger, context, row, taken_num);
    }
    check_polling_index(ledger, context, polling_index);
    ledger->taken_num += taken_num;
}
