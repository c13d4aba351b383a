/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reply checks before it puts a row, in this order: args there, of the right size; hidden and type; what the
 * counts say is there; then row after row session, its writer, micro-batch, token, slot and the size of the row; then
 * the same of every round. A writer that nothing goes through is not looked at and may be NULL.
 */
#include <inttypes.h>
#include <stdalign.h>

#include "base/check.h"
#include "base/checked.h"
#include "base/error.h"
#include "ffn/reply.h"

/* ---- arguments ---- */

static afd_status check_given(const afd_ffn_reply_args *args, afd_error *error)
{
    afd_status status = afd__check_not_null("args", args, error);
    if (status == AFD_OK) {
        status = afd__check_size("args.size", args->size, sizeof(*args), "AFD_FFN_REPLY_ARGS_INIT", error);
    }
    if (status == AFD_OK) {
        status = afd__check_hidden("args.hidden", args->hidden, error);
    }
    if (status == AFD_OK) {
        status = afd__check_float_type("args.type", args->type, error);
    }
    return status;
}

static afd_status check_array(const char *field, const void *array, size_t align, bool is_needed, afd_error *error)
{
    uint64_t address = (uint64_t)(uintptr_t)array;
    if ((address == 0 && is_needed) || address % align != 0) {
        return afd__fail(error, AFD_ERR_INVALID, field, address, align,
                         "%s is 0x%" PRIx64 ", must be %zu-byte aligned and not null", field, address, align);
    }
    return AFD_OK;
}

static afd_status check_arrays(const afd_ffn_reply_args *args, afd_error *error)
{
    bool has_rows = args->row_num > 0;
    const struct {
        const char *field;
        const void *array;
        size_t align;
        bool is_needed;
    } arrays[] = {
        { "args.rows", args->rows, 1, has_rows },
        { "args.session_ids", args->session_ids, alignof(int32_t), has_rows },
        { "args.micro_batch_ids", args->micro_batch_ids, alignof(int32_t), has_rows },
        { "args.token_ids", args->token_ids, alignof(int32_t), has_rows },
        { "args.expert_offsets", args->expert_offsets, alignof(int32_t), has_rows },
        { "args.writers", args->writers, alignof(afd_writer *), args->writer_num > 0 },
        { "args.session_writers", args->session_writers, alignof(int32_t), false },
        { "args.rounds", args->rounds, alignof(afd_round), args->round_num > 0 },
    };
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        afd_status status = check_array(arrays[i].field, arrays[i].array, arrays[i].align, arrays[i].is_needed, error);
        if (status != AFD_OK) {
            return status;
        }
    }
    return AFD_OK;
}

/* ---- rows and rounds ---- */

/* What is being checked, for the sentence: `array`[`number`]. */
typedef struct entry_name {
    const char *what; /* "row" or "round" */
    uint64_t number;
} entry_name;

__attribute__((cold)) static afd_status fail_entry(const entry_name *name, const char *field, int64_t value,
                                                   uint64_t bound, afd_error *error)
{
    return afd__fail(error, AFD_ERR_INVALID, field, (uint64_t)value, bound,
                     "%s of %s %" PRIu64 " is %" PRId64 ", must be in [0, %" PRIu64 ")", field, name->what,
                     name->number, value, bound);
}

static inline bool is_below(int64_t value, uint64_t bound)
{
    return value >= 0 && (uint64_t)value < bound;
}

__attribute__((cold)) static afd_status fail_writer(const entry_name *name, int64_t session, const char *why,
                                                    afd_error *error)
{
    return afd__fail(error, AFD_ERR_INVALID, "args.writers", (uint64_t)session, 0,
                     "the writer of session %" PRId64 ", of %s %" PRIu64 ", %s", session, name->what, name->number,
                     why);
}

/* From a session to its writer; NULL, and *error says why, if it has none that rows can go through. */
static const afd_writer *find_writer(const afd__reply *reply, const entry_name *name, int64_t session,
                                     afd_error *error)
{
    if (!is_below(session, reply->session_num)) {
        (void)fail_entry(name, "session", session, reply->session_num, error);
        return NULL;
    }
    int64_t number = reply->session_writers == NULL ? session : reply->session_writers[session];
    if (!is_below(number, reply->writer_num)) {
        (void)fail_entry(name, "the session's writer", number, reply->writer_num, error);
        return NULL;
    }
    const afd_writer *writer = reply->writers[number];
    if (writer == NULL) {
        (void)fail_writer(name, session, "is null", error);
    } else if (writer->kind != AFD_WINDOW_ATTENTION) {
        (void)fail_writer(name, session, "does not write into an attention window", error);
        return NULL;
    }
    return writer;
}

/* A micro-batch that is accepted is a bound of what pairs there are. */
static afd_status check_micro_batch(afd__reply *reply, const entry_name *name, const afd_writer *writer,
                                    int64_t micro_batch, afd_error *error)
{
    uint32_t micro_batch_num = writer->shape.micro_batch_num;
    if (!is_below(micro_batch, micro_batch_num)) {
        return fail_entry(name, "micro_batch", micro_batch, micro_batch_num, error);
    }
    reply->stride = micro_batch_num > reply->stride ? micro_batch_num : reply->stride;
    return AFD_OK;
}

static afd_status check_row(afd__reply *reply, uint64_t row, afd_error *error)
{
    const entry_name name = { "row", row };
    const afd_writer *writer = find_writer(reply, &name, reply->session_ids[row], error);
    if (writer == NULL) {
        return AFD_ERR_INVALID;
    }
    const afd_shape *shape = &writer->shape;
    afd_status status = check_micro_batch(reply, &name, writer, reply->micro_batch_ids[row], error);
    if (status != AFD_OK) {
        return status;
    }
    if (!is_below(reply->token_ids[row], shape->micro_batch_size)) {
        return fail_entry(&name, "token", reply->token_ids[row], shape->micro_batch_size, error);
    }
    if (!is_below(reply->expert_offsets[row], shape->selected_expert_num)) {
        return fail_entry(&name, "slot", reply->expert_offsets[row], shape->selected_expert_num, error);
    }
    if (reply->row_bytes > writer->slot_bytes) {
        return afd__fail(error, AFD_ERR_INVALID, "args.hidden", reply->row_bytes, writer->slot_bytes,
                         "row %" PRIu64 " has %zu bytes, a slot of the window of session %" PRId32 " has %" PRIu64, row,
                         reply->row_bytes, reply->session_ids[row], writer->slot_bytes);
    }
    return AFD_OK;
}

static afd_status check_round(afd__reply *reply, uint32_t number, afd_error *error)
{
    const entry_name name = { "round", number };
    const afd_writer *writer = find_writer(reply, &name, reply->rounds[number].session, error);
    if (writer == NULL) {
        return AFD_ERR_INVALID;
    }
    return check_micro_batch(reply, &name, writer, reply->rounds[number].micro_batch, error);
}

static afd_status check_entries(afd__reply *reply, afd_error *error)
{
    for (uint64_t row = 0; row < reply->row_num; row++) {
        afd_status status = check_row(reply, row, error);
        if (status != AFD_OK) {
            return status;
        }
    }
    for (uint32_t number = 0; reply->rounds != NULL && number < reply->round_num; number++) {
        afd_status status = check_round(reply, number, error);
        if (status != AFD_OK) {
            return status;
        }
    }
    return AFD_OK;
}

/* ---- all of it ---- */

afd_status afd__reply_make(afd__reply *reply, const afd_ffn_reply_args *args, afd_error *error)
{
    afd_status status = check_given(args, error);
    if (status == AFD_OK) {
        status = check_arrays(args, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    uint64_t row_bytes = afd_token_bytes(args->type, args->hidden);
    uint64_t rows_bytes = 0;
    if (!afd__mul_u64(args->row_num, row_bytes, &rows_bytes)) {
        return afd__fail(error, AFD_ERR_OVERFLOW, "args.row_num", args->row_num, UINT64_MAX / row_bytes,
                         "%" PRIu64 " rows of %" PRIu64 " bytes do not fit 64 bits", args->row_num, row_bytes);
    }
    *reply = (afd__reply){
        .rows = args->rows,
        .row_num = args->row_num,
        .row_bytes = row_bytes,
        .session_ids = args->session_ids,
        .micro_batch_ids = args->micro_batch_ids,
        .token_ids = args->token_ids,
        .expert_offsets = args->expert_offsets,
        .writers = args->writers,
        .writer_num = args->writer_num,
        .session_writers = args->session_writers,
        .session_num = args->session_writers == NULL ? args->writer_num : args->session_num,
        .rounds = args->rounds,
        .round_num = args->round_num,
    };
    return check_entries(reply, error);
}
