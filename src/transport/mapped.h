/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer into a window that is memory of this process, whoever mapped it there: what the transports local and shm
 * have in common. mapped.c is the token path; mapped_create.c makes and ends writers.
 */
#ifndef AFD_TRANSPORT_MAPPED_H
#define AFD_TRANSPORT_MAPPED_H

#include <stddef.h>
#include <stdint.h>

#include "afd/transport.h"
#include "afd/window.h"
#include "afd/writer.h"

/* What a writer knows of one (session, micro-batch) of an FFN window, or of one micro-batch of an attention window. */
typedef enum afd__mapped_round {
    AFD__ROUND_UNTOUCHED = 0, /* FFN: never written by this writer, so its ids may be anything */
    AFD__ROUND_CLEAN = 1,     /* nothing is put that was not published */
    AFD__ROUND_PUT = 2        /* something is */
} afd__mapped_round;

typedef struct afd__mapped_writer {
    afd_writer base;          /* first: a pointer to it is a pointer to this */
    char *token_info;
    char *token_data;         /* not used where slot_bytes is 0 */
    size_t info_bytes;        /* of one round: a desc, or the flags of a micro-batch */
    size_t slot_num;          /* BS*E, of one round */
    size_t mask_words;        /* of one round in put_masks */
    uint8_t *rounds;          /* afd__mapped_round[S][M], or [M] */
    uint64_t *put_masks;      /* attention: a bit for each slot that was put and not published; FFN: NULL */
    const afd_window *window; /* whose owner is the peer; NULL: nobody knows, so it counts as alive */
    afd_window *joined;       /* to close with the writer, or NULL */
} afd__mapped_writer;

/* Where a writer writes. */
typedef struct afd__mapped_target {
    const afd_writer_ops *ops;
    afd_window_kind kind;
    afd_shape shape;
    afd_window_sizes sizes; /* what the shape measures; the memory below is at least that large */
    void *token_info;
    void *token_data;
    const afd_window *window;
    afd_window *joined;
} afd__mapped_target;

/* AFD_ERR_NO_MEMORY says how much it wanted; the joined window then stays the caller's. */
afd_status afd__mapped_create(const afd__mapped_target *target, afd_writer **writer, afd_error *error);

/* The target that an open, writable window is; `joined` stays NULL. */
afd__mapped_target afd__mapped_target_of(const afd_window *window, const afd_writer_ops *ops);

/* A writer into a window that becomes the writer's, to be closed with it: memory of this process, or joined by name. On
 * an error the window stays the caller's. */
afd_status afd__writer_local_adopt(afd_window *window, afd_writer **writer, afd_error *error);
afd_status afd__writer_shm_adopt(afd_window *window, afd_writer **writer, afd_error *error);

/* Takes back everything that was put and not published. */
void afd__mapped_discard_all(afd__mapped_writer *writer);

/* The functions of an afd_writer_ops; the first seven are the token path. */
bool afd__mapped_is_free(const afd_writer *base, uint32_t session, uint32_t micro_batch);
afd_status afd__mapped_put(afd_writer *base, const afd_place *place, const void *row, size_t row_bytes,
                           afd_error *error);
void *afd__mapped_stage(afd_writer *base, const afd_place *place);
afd_status afd__mapped_publish(afd_writer *base, const afd_round *round, afd_error *error);
void afd__mapped_discard(afd_writer *base, uint32_t session, uint32_t micro_batch);
void afd__mapped_progress(afd_writer *base);
bool afd__mapped_is_idle(const afd_writer *base);
afd_peer_state afd__mapped_peer(const afd_writer *base);
void afd__mapped_close(afd_writer *base);

#endif
