/* SPDX-License-Identifier: Apache-2.0 */
/* The checking half of every writer: what reaches a transport is in range. */
#include "afd/writer.h"

#include <inttypes.h>

#include "base/error.h"

/* One part of a place or a round against the count that it must stay below. */
static inline afd_status check_below(const char *field, uint32_t value, uint32_t bound, afd_error *error)
{
    if (value < bound) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, value, bound, "%s is %" PRIu32 ", must be below %" PRIu32, field,
                     value, bound);
}

static afd_status check_expert_id(int32_t expert_id, afd_error *error)
{
    if (expert_id >= 0 && expert_id < AFD_EXPERT_ID_LIMIT) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "place.expert_id", (uint64_t)(int64_t)expert_id, AFD_EXPERT_ID_LIMIT,
                     "place.expert_id is %" PRId32 ", must be in [0, %d)", expert_id, AFD_EXPERT_ID_LIMIT);
}

static afd_status check_place(const afd_writer *writer, const afd_place *place, afd_error *error)
{
    const afd_shape *shape = &writer->shape;
    afd_status status = AFD_OK;
    if (writer->kind == AFD_WINDOW_FFN) { /* an attention window has one session and no expert ids */
        status = check_below("place.session", place->session, shape->session_num, error);
    }
    if (status == AFD_OK) {
        status = check_below("place.micro_batch", place->micro_batch, shape->micro_batch_num, error);
    }
    if (status == AFD_OK) {
        status = check_below("place.token", place->token, shape->micro_batch_size, error);
    }
    if (status == AFD_OK) {
        status = check_below("place.slot", place->slot, shape->selected_expert_num, error);
    }
    if (status == AFD_OK && writer->kind == AFD_WINDOW_FFN) {
        status = check_expert_id(place->expert_id, error);
    }
    return status;
}

static afd_status fail_null(const char *field, afd_error *error)
{
    return afd__fail(error, AFD_ERR_INVALID, field, 0, 0, "%s is null", field);
}

bool afd_writer_is_free(const afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    return writer != NULL && writer->kind == AFD_WINDOW_FFN && session < writer->shape.session_num &&
           micro_batch < writer->shape.micro_batch_num && writer->ops->is_free(writer, session, micro_batch);
}

afd_status afd_writer_put(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes,
                          afd_error *error)
{
    if (writer == NULL || place == NULL || row == NULL) {
        return fail_null(writer == NULL ? "writer" : place == NULL ? "place" : "row", error);
    }
    afd_status status = check_place(writer, place, error);
    if (status != AFD_OK) {
        return status;
    }
    if (row_bytes == 0 || row_bytes > writer->slot_bytes) {
        return afd__fail(error, AFD_ERR_INVALID, "row_bytes", row_bytes, writer->slot_bytes,
                         "row_bytes is %zu, must be in [1, %" PRIu64 "], what a slot of the window has", row_bytes,
                         writer->slot_bytes);
    }
    return writer->ops->put(writer, place, row, row_bytes, error);
}

afd_status afd_writer_stage(afd_writer *writer, const afd_place *place, void **row, afd_error *error)
{
    if (writer == NULL || place == NULL || row == NULL) {
        return fail_null(writer == NULL ? "writer" : place == NULL ? "place" : "row", error);
    }
    afd_status status = check_place(writer, place, error);
    if (status != AFD_OK) {
        return status;
    }
    if (writer->slot_bytes == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "writer.slot_bytes", 0, 1, "the window carries no token data");
    }
    void *staged = writer->ops->stage(writer, place);
    if (staged == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "writer", 0, 0, "the transport %s has no memory for a row",
                         writer->ops->name);
    }
    *row = staged;
    return AFD_OK;
}

afd_status afd_writer_publish(afd_writer *writer, const afd_round *round, afd_error *error)
{
    if (writer == NULL || round == NULL) {
        return fail_null(writer == NULL ? "writer" : "round", error);
    }
    afd_status status = AFD_OK;
    if (writer->kind == AFD_WINDOW_FFN) {
        status = check_below("round.session", round->session, writer->shape.session_num, error);
    }
    if (status == AFD_OK) {
        status = check_below("round.micro_batch", round->micro_batch, writer->shape.micro_batch_num, error);
    }
    return status == AFD_OK ? writer->ops->publish(writer, round, error) : status;
}

void afd_writer_discard(afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    if (writer != NULL && micro_batch < writer->shape.micro_batch_num &&
        (writer->kind != AFD_WINDOW_FFN || session < writer->shape.session_num)) {
        writer->ops->discard(writer, session, micro_batch);
    }
}

void afd_writer_progress(afd_writer *writer)
{
    if (writer != NULL) {
        writer->ops->progress(writer);
    }
}

bool afd_writer_is_idle(const afd_writer *writer)
{
    return writer == NULL || writer->ops->is_idle(writer);
}

afd_peer_state afd_writer_peer(const afd_writer *writer)
{
    return writer != NULL ? writer->ops->peer(writer) : AFD_PEER_UNKNOWN;
}

void afd_writer_close(afd_writer *writer)
{
    if (writer != NULL) {
        writer->ops->close(writer);
    }
}
