/* SPDX-License-Identifier: Apache-2.0 */
#include "reply_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_headers.h"

const afd_shape reply_shape = { .session_num = 8, .micro_batch_num = M, .micro_batch_size = BS,
                                .selected_expert_num = E, .ffn_to_attn_token_size = ROW_BYTES };

static recording_writer *recording(afd_writer *writer)
{
    return (recording_writer *)(void *)writer;
}

static afd_status say_no(const char *what, uint32_t micro_batch, afd_error *error)
{
    if (error != NULL) {
        error->status = AFD_ERR_SYSTEM;
        error->field = what;
        error->value = micro_batch;
        error->system_error = 0;
        (void)snprintf(error->message, sizeof(error->message), "%s said no", what);
    }
    return AFD_ERR_SYSTEM;
}

static afd_status record_put(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes,
                             afd_error *error)
{
    recording_writer *record = recording(writer);
    assert_int_equal(row_bytes, ROW_BYTES);
    if (place->micro_batch == record->fail_put_of) {
        return say_no("put", place->micro_batch, error);
    }
    assert_true(record->put_num < record->capacity);
    record->puts[record->put_num++] = (put_record){ *place, row, false };
    return AFD_OK;
}

static bool is_of(const put_record *put, uint32_t session, uint32_t micro_batch)
{
    return put->place.session == session && put->place.micro_batch == micro_batch;
}

static afd_status record_publish(afd_writer *writer, const afd_round *round, afd_error *error)
{
    recording_writer *record = recording(writer);
    if (round->micro_batch == record->fail_publish_of) {
        return say_no("publish", round->micro_batch, error);
    }
    for (uint32_t i = 0; i < record->put_num; i++) {
        if (is_of(&record->puts[i], round->session, round->micro_batch)) {
            record->order_fault = record->puts[i].is_published ? "published twice" : record->order_fault;
            record->puts[i].is_published = true;
        }
    }
    record->publish_num++;
    record->last_round = *round;
    return AFD_OK;
}

static void record_discard(afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    recording_writer *record = recording(writer);
    uint32_t kept_num = 0;
    for (uint32_t i = 0; i < record->put_num; i++) {
        if (record->puts[i].is_published || !is_of(&record->puts[i], session, micro_batch)) {
            record->puts[kept_num++] = record->puts[i];
        }
    }
    record->put_num = kept_num;
    record->discard_num++;
}

static const afd_writer_ops recording_ops = {
    .size = sizeof(afd_writer_ops),
    .name = "recording",
    .put = record_put,
    .publish = record_publish,
    .discard = record_discard,
};

recording_writer recording_of(uint32_t micro_batch_num, uint32_t capacity)
{
    recording_writer record = { .base = { .ops = &recording_ops, .kind = AFD_WINDOW_ATTENTION, .shape = reply_shape,
                                          .slot_bytes = ROW_BYTES },
                                .capacity = capacity, .fail_put_of = -1, .fail_publish_of = -1 };
    record.base.shape.micro_batch_num = micro_batch_num;
    record.puts = calloc(capacity, sizeof(*record.puts));
    assert_non_null(record.puts);
    return record;
}

uint32_t published_num(const recording_writer *record)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < record->put_num; i++) {
        num += record->puts[i].is_published;
    }
    return num;
}

few *few_new(void)
{
    few *f = malloc(sizeof(*f));
    assert_non_null(f);
    *f = (few){
        .sessions = { 0, 2, 0, 2, 0, 2 },
        .micro_batches = { 1, 1, 2, 1, 1, 1 },
        .tokens = { 0, 1, 2, 3, 0, 0 },
        .slots = { 0, 1, 0, 1, 1, 1 },
        .rounds = { { 2, 1, 7, 70 }, { 1, 0, 8, 80 } },
        .session_writers = { 0, 1, 2 },
        .args = AFD_FFN_REPLY_ARGS_INIT,
    };
    for (uint32_t i = 0; i < FEW_WRITERS; i++) {
        f->records[i] = recording_of(M, FEW);
        f->writers[i] = &f->records[i].base;
    }
    for (int i = 0; i < FEW; i++) {
        memset(f->rows[i], 'a' + i, ROW_BYTES);
    }
    f->args.rows = f->rows;
    f->args.row_num = FEW;
    f->args.hidden = H;
    f->args.type = AFD_TOKEN_BF16;
    f->args.session_ids = f->sessions;
    f->args.micro_batch_ids = f->micro_batches;
    f->args.token_ids = f->tokens;
    f->args.expert_offsets = f->slots;
    f->args.writers = f->writers;
    f->args.writer_num = FEW_WRITERS;
    f->args.session_num = FEW_WRITERS;
    return f;
}

void few_free(few *f)
{
    for (uint32_t i = 0; i < FEW_WRITERS; i++) {
        free(f->records[i].puts);
    }
    free(f);
}
