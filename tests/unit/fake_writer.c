/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_writer.h"

#include <errno.h>
#include <stdio.h>

static fake_writer *fake_of(const afd_writer *writer)
{
    return (fake_writer *)(uintptr_t)writer;
}

static bool fake_is_free(const afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    fake_writer *fake = fake_of(writer);
    (void)session;
    (void)micro_batch;
    return ++fake->is_free_num > fake->free_after;
}

static afd_status fail(const fake_writer *fake, const char *what, afd_error *error)
{
    if (error != NULL && !fake->is_silent) {
        error->status = AFD_ERR_SYSTEM;
        error->field = "wire";
        error->system_error = EPIPE;
        (void)snprintf(error->message, sizeof(error->message), "the wire broke in a %s", what);
    }
    return AFD_ERR_SYSTEM;
}

static bool gather(fake_writer *fake, const afd_place *place)
{
    if (fake->put_num + 1 == fake->fail_put) {
        return false;
    }
    fake->put_num++;
    fake->place = *place;
    return true;
}

static afd_status fake_put(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes,
                           afd_error *error)
{
    (void)row;
    (void)row_bytes;
    return gather(fake_of(writer), place) ? AFD_OK : fail(fake_of(writer), "put", error);
}

static void *fake_stage(afd_writer *writer, const afd_place *place)
{
    return gather(fake_of(writer), place) ? fake_of(writer)->staged : NULL;
}

static afd_status fake_publish(afd_writer *writer, const afd_round *round, afd_error *error)
{
    fake_writer *fake = fake_of(writer);
    if (fake->fail_publish) {
        return fail(fake, "publish", error);
    }
    fake->publish_num++;
    fake->put_num = 0;
    fake->unsent_num = fake->idle_after;
    fake->round = *round;
    return AFD_OK;
}

static void fake_discard(afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    (void)session;
    (void)micro_batch;
    fake_of(writer)->discard_num++;
    fake_of(writer)->put_num = 0;
}

static void fake_progress(afd_writer *writer)
{
    fake_writer *fake = fake_of(writer);
    fake->progress_num++;
    fake->unsent_num -= fake->unsent_num > 0;
}

static bool fake_is_idle(const afd_writer *writer)
{
    return fake_of(writer)->unsent_num == 0;
}

static afd_peer_state fake_peer(const afd_writer *writer)
{
    return fake_of(writer)->state;
}

static void fake_close(afd_writer *writer)
{
    fake_of(writer)->close_num++;
}

static const afd_writer_ops fake_ops = {
    .size = sizeof(afd_writer_ops),
    .name = "fake",
    .is_free = fake_is_free,
    .put = fake_put,
    .stage = fake_stage,
    .publish = fake_publish,
    .discard = fake_discard,
    .progress = fake_progress,
    .is_idle = fake_is_idle,
    .peer = fake_peer,
    .close = fake_close,
};

fake_writer fake_writer_of(afd_window_kind kind, const afd_shape *shape)
{
    bool is_ffn = kind == AFD_WINDOW_FFN;
    fake_writer fake = { .base = { .ops = &fake_ops, .kind = kind, .shape = *shape } };
    fake.base.slot_bytes = is_ffn ? shape->attn_to_ffn_token_size : shape->ffn_to_attn_token_size;
    return fake;
}
