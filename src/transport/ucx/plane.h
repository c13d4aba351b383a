/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of tokens between hosts: a plane is a worker's, and has a link to each peer. A link is an afd_writer toward
 * the peer's window, and receives what the peer sends into the own window; so both directions of a pair of workers.
 *
 *     attention worker                                      FFN worker
 *       afd__link_connect(key) ─── ATTACH ─────────────────►  afd__link_expect(key)
 *                              ◄── ATTACHED ────────────────
 *       put, publish ────────────── ROUND m, n ────────────►  checked, written into its window, desc published
 *                              ◄── ANSWER m, n ────────────   put, publish: the answer of that round, also an empty one
 *
 * Credits: one ROUND is under way per (link, micro-batch), and its ANSWER gives the credit back. So is_free() of an
 * attention worker's link is true when nothing of that micro-batch is under way. Rounds are counted by the link itself,
 * from 1 in each micro-batch. A ROUND that comes in while the ANSWER before it has not left waits in the link's memory:
 * a peer that does not read holds up nobody else, and no FFN worker waits for it.
 *
 * One message carries everything that goes to one peer for one (session, micro-batch): a header that is checked field
 * by field, the rows, and where they belong. The receiver's own thread copies rows into its window and then sets the
 * flags; nothing relies on the order of two messages. Every message has the link's key, a random number that its two
 * ends know from the door; what comes with another one is of an incarnation that is over, or of nobody: it is dropped
 * and counted, and if its connection is no link's yet, that is ended, by which who has a key that is over learns it. A
 * message that has the key and breaks the rules breaks the link, as do a ROUND into a micro-batch that is not free and
 * an ANSWER with slots that its ROUND did not have. One without the key breaks nothing: over whose connection it came
 * UCX only knows from the message itself.
 *
 * Rows are copied into the link's memory by put() and lent from it by stage(), so a writer is always idle. A broken
 * link takes everything, which goes nowhere, as a dead process's window does: it must not fail a reply that serves
 * others. Its is_free() stays false, and whoever owns it looks at its state.
 *
 * Nothing blocks. Threads: a plane and its links belong to the worker's thread. fork: the child does not use them.
 */
#ifndef AFD_TRANSPORT_UCX_PLANE_H
#define AFD_TRANSPORT_UCX_PLANE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/status.h"
#include "afd/window.h"
#include "afd/writer.h"
#include "transport/ucx/address.h"
#include "transport/ucx/allow.h"

typedef struct afd__plane afd__plane;
typedef struct afd__link afd__link;

typedef struct afd__plane_options {
    const afd__address *listen;  /* FFN worker: where links are made to; NULL: nobody can */
    const afd__address *connect; /* attention worker: any address that will be connected to, for the device */
    uint32_t half_open_max;      /* connections that have not attached themselves to a link; more are turned away */
    uint64_t patience_ns;        /* for how long one may stay so; it is ended then */
    const afd__allow *allow;     /* who may connect, copied; NULL: everybody */
} afd__plane_options;

/* What came in and was not used. */
typedef struct afd__plane_counters {
    uint64_t stale_num;       /* messages of a key or a round that is over */
    uint64_t garbage_num;     /* messages that break the rules */
    uint64_t credit_wait_num; /* times that a dispatch found a micro-batch not free yet */
    uint64_t sent_bytes;      /* in messages, headers included */
    uint64_t received_bytes;
} afd__plane_counters;

/* AFD_ERR_NOT_FOUND without UCX, naming the package; AFD_ERR_EXISTS if the port is taken; AFD_ERR_SYSTEM. `listen` and
 * `connect` are copied. */
afd_status afd__plane_open(const afd__plane_options *options, afd__plane **plane, afd_error *error);

/* Closes all links first; waits for UCX to let go of them, 200 ms at most. NULL is allowed. */
void afd__plane_close(afd__plane *plane);

const afd__address *afd__plane_address(const afd__plane *plane);

/* Sends and receives what there is; on the token path. */
void afd__plane_progress(afd__plane *plane);

afd__plane_counters afd__plane_count(const afd__plane *plane);

typedef enum afd__link_state {
    AFD__LINK_PENDING = 0,  /* not attached yet */
    AFD__LINK_ATTACHED = 1,
    AFD__LINK_BROKEN = 2    /* the peer is gone, cannot be reached, or broke the rules */
} afd__link_state;

typedef struct afd__link_options {
    uint64_t key;            /* not 0 */
    uint32_t session;        /* of the attention worker */
    afd_window_kind kind;    /* of the peer's window: what the link's writer writes */
    afd_shape shape;         /* of both windows */
    uint64_t sent_bytes;     /* of a row on its way out, slot_bytes of the writer; at most HS of the peer's window */
    uint64_t received_bytes; /* of a row that comes in; at most HS of the own window */
    afd_window *window;      /* the own one, open until the link is closed */
} afd__link_options;

/* FFN worker: waits for whoever has the key. AFD_ERR_EXISTS if a link of the plane has it. */
afd_status afd__link_expect(afd__plane *plane, const afd__link_options *options, afd__link **link, afd_error *error);

/* Attention worker: connects. That nobody is there is found out later, by the state. */
afd_status afd__link_connect(afd__plane *plane, const afd__address *address, const afd__link_options *options,
                             afd__link **link, afd_error *error);

afd__link_state afd__link_state_of(const afd__link *link);

/* Why a link is broken: AFD_ERR_INVALID where the peer broke the rules, AFD_ERR_PEER where it is gone; with a sentence.
 * AFD_OK while it is not. */
afd_status afd__link_trouble(const afd__link *link, afd_error *error);

/* The writer of a link, to be ended with afd_writer_close() or afd__link_close(), which are the same. Its progress()
 * progresses the plane in one link of each plane and does nothing in the others, so whoever progresses all writers
 * progresses the plane once. */
afd_writer *afd__link_writer(afd__link *link);

/* Whatever of it is still under way is given up; nothing is written into the own window any more. NULL is allowed. */
void afd__link_close(afd__link *link);

#endif
