/* SPDX-License-Identifier: Apache-2.0 */
/*
 * afd_writer: how rows get into the window of one peer, whatever lies between.
 *
 * A transport makes writers (transport.h has those that libafd brings); afd_attention_dispatch() writes through them
 * into FFN windows and afd_ffn_reply() into attention windows. An engine with a transport of its own fills in an
 * afd_writer_ops and needs nothing else.
 *
 * The life of one message, which is everything that this worker sends to that peer for one (session, micro-batch):
 *
 *     is_free(s, m)          FFN windows only: the peer has given the desc back (H5 of ARCHITECTURE.md)
 *     put(place, row) ...    gathers a row; or stage(place), which lends the memory and the caller writes the row there
 *     publish(round)         sends what was put for (round.session, round.micro_batch), also when that is nothing
 *  or discard(s, m)          takes back what was put since the last publish, as if it had never been
 *
 * The peer sees nothing before publish(), and after it everything: its flags are set last, with release. A row handed
 * to put() and memory lent by stage() stay as they are until the round was discarded, or was published and is_idle()
 * says that it has left; on the local and shm transports that is at once when publish() returns. A transport that sends
 * later does so in progress(), which whoever waits for anything calls at every writer.
 *
 * Threads: a writer belongs to one thread at a time. Different writers are independent, also toward one peer, as long
 * as they write different sessions (FFN windows) or different slots (attention windows). fork: the child does not use
 * it.
 */
#ifndef AFD_WRITER_H
#define AFD_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/status.h"
#include "afd/window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* Where a row goes: slot `slot` of token `token`. An attention window has one session, its own; there `session` and
 * `expert_id` travel along and are not written. */
typedef struct afd_place {
    uint32_t session;     /* in [0, S) */
    uint32_t micro_batch; /* in [0, M) */
    uint32_t token;       /* in [0, BS) */
    uint32_t slot;        /* in [0, E) */
    int32_t expert_id;    /* as the FFN worker numbers its experts, in [0, AFD_EXPERT_ID_LIMIT) */
} afd_place;

/* What one publish is about. */
typedef struct afd_round {
    uint32_t session;
    uint32_t micro_batch;
    int32_t layer_id;
    uint64_t number; /* of this (session, micro-batch), counted by whoever publishes it; never in the window */
} afd_round;

typedef enum afd_peer_state {
    AFD_PEER_ALIVE = 0,
    AFD_PEER_DEAD = 1,   /* it will never read what is sent */
    AFD_PEER_UNKNOWN = 2 /* it cannot be seen from here */
} afd_peer_state;

typedef struct afd_writer afd_writer;

/*
 * What a transport implements. Every function may assume places that are in range: the afd_writer_*() below check. put
 * and publish return AFD_OK or an error. is_idle must come true when progress() is called often enough, also where the
 * peer is lost: what cannot be sent any more is given up. After close() no row is looked at.
 */
typedef struct afd_writer_ops {
    size_t size;      /* sizeof(afd_writer_ops), so that it can grow */
    const char *name; /* of the transport, "shm"; static memory */
    bool (*is_free)(const afd_writer *writer, uint32_t session, uint32_t micro_batch);
    afd_status (*put)(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes, afd_error *error);
    void *(*stage)(afd_writer *writer, const afd_place *place);
    afd_status (*publish)(afd_writer *writer, const afd_round *round, afd_error *error);
    void (*discard)(afd_writer *writer, uint32_t session, uint32_t micro_batch);
    void (*progress)(afd_writer *writer);
    bool (*is_idle)(const afd_writer *writer);
    afd_peer_state (*peer)(const afd_writer *writer);
    void (*close)(afd_writer *writer);
} afd_writer_ops;

/* The public part of every writer; a transport has it first in its own structure. */
struct afd_writer {
    const afd_writer_ops *ops;
    afd_window_kind kind;    /* of the window that it writes into */
    afd_shape shape;         /* of that window: the bounds of places */
    uint64_t slot_bytes;     /* HS of that window: the bound of a row */
};

/* Whether the desc of (session, micro_batch) may be written; FFN windows only. False for one that is out of range. */
bool afd_writer_is_free(const afd_writer *writer, uint32_t session, uint32_t micro_batch);

/* Gathers a row of row_bytes in [1, slot_bytes]. AFD_ERR_INVALID names the part of `place` that is out of range. */
afd_status afd_writer_put(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes,
                          afd_error *error);

/* As put, but the caller writes the row, at most slot_bytes, into *row before publish. */
afd_status afd_writer_stage(afd_writer *writer, const afd_place *place, void **row, afd_error *error);

afd_status afd_writer_publish(afd_writer *writer, const afd_round *round, afd_error *error);
void afd_writer_discard(afd_writer *writer, uint32_t session, uint32_t micro_batch);
void afd_writer_progress(afd_writer *writer);

/* Whether everything that was published has left, so that its rows may be written again. True for NULL. */
bool afd_writer_is_idle(const afd_writer *writer);

afd_peer_state afd_writer_peer(const afd_writer *writer);

/* Ends the writer and frees what it holds. What was put and not published is lost. NULL is allowed. */
void afd_writer_close(afd_writer *writer);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
