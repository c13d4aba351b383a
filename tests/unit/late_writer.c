/* SPDX-License-Identifier: Apache-2.0 */
#include "late_writer.h"

#include "cmocka_headers.h"

static late_writer *late_of(const afd_writer *writer)
{
    return (late_writer *)(uintptr_t)writer;
}

static bool is_of(const afd_place *place, uint32_t session, uint32_t micro_batch)
{
    return place->session == session && place->micro_batch == micro_batch;
}

static bool late_is_free(const afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    const late_writer *late = late_of(writer);
    for (uint32_t i = 0; i < late->round_num; i++) {
        if (late->rounds[i].session == session && late->rounds[i].micro_batch == micro_batch) {
            return false;
        }
    }
    return afd_writer_is_free(late->inner, session, micro_batch);
}

static afd_status late_put(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes,
                           afd_error *error)
{
    late_writer *late = late_of(writer);
    (void)error;
    assert_true(late->row_num < LATE_ROW_MAX);
    late->rows[late->row_num++] = (late_row){ *place, row, row_bytes };
    return AFD_OK;
}

static void *late_stage(afd_writer *writer, const afd_place *place)
{
    (void)writer;
    (void)place;
    return NULL; /* it has no memory of its own */
}

static afd_status late_publish(afd_writer *writer, const afd_round *round, afd_error *error)
{
    late_writer *late = late_of(writer);
    (void)error;
    assert_true(late->round_num < LATE_ROUND_MAX);
    late->rounds[late->round_num++] = *round;
    late->missing_num = late->delay;
    return AFD_OK;
}

/* Takes the rows of one (session, micro-batch) out, through the inner writer if `sends`. */
static void take_rows(late_writer *late, uint32_t session, uint32_t micro_batch, bool sends)
{
    uint32_t kept_num = 0;
    for (uint32_t i = 0; i < late->row_num; i++) {
        const late_row *row = &late->rows[i];
        if (!is_of(&row->place, session, micro_batch)) {
            late->rows[kept_num++] = *row;
        } else if (sends) {
            assert_int_equal(afd_writer_put(late->inner, &row->place, row->row, row->row_bytes, NULL), AFD_OK);
        }
    }
    late->row_num = kept_num;
}

static void late_discard(afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    take_rows(late_of(writer), session, micro_batch, false);
}

static void late_progress(afd_writer *writer)
{
    late_writer *late = late_of(writer);
    if (late->missing_num > 0) {
        late->missing_num--;
    }
    for (uint32_t i = 0; late->missing_num == 0 && i < late->round_num; i++) {
        take_rows(late, late->rounds[i].session, late->rounds[i].micro_batch, true);
        assert_int_equal(afd_writer_publish(late->inner, &late->rounds[i], NULL), AFD_OK);
    }
    late->round_num = late->missing_num == 0 ? 0 : late->round_num;
}

static bool late_is_idle(const afd_writer *writer)
{
    return late_of(writer)->round_num == 0;
}

static afd_peer_state late_peer(const afd_writer *writer)
{
    return afd_writer_peer(late_of(writer)->inner);
}

static void late_close(afd_writer *writer)
{
    afd_writer_close(late_of(writer)->inner); /* what was not sent is given up */
}

static const afd_writer_ops late_ops = {
    .size = sizeof(afd_writer_ops),
    .name = "late",
    .is_free = late_is_free,
    .put = late_put,
    .stage = late_stage,
    .publish = late_publish,
    .discard = late_discard,
    .progress = late_progress,
    .is_idle = late_is_idle,
    .peer = late_peer,
    .close = late_close,
};

void late_writer_make(late_writer *late, afd_writer *inner, uint32_t delay)
{
    *late = (late_writer){ .base = *inner, .inner = inner, .delay = delay };
    late->base.ops = &late_ops;
}
