/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the members of a run share beside their windows: how far each is, what each found, and what was sent, so that
 * what comes out can be held against it. It lives in anonymous shared memory that forked workers inherit, so it has no
 * name and cannot be left behind.
 *
 * Members are numbered: FFN workers [0, F), then attention workers [F, F + A).
 *
 * A sheet (session, micro-batch) says what was sent in its round, and what came back. The attention worker fills it in
 * before it dispatches, and the FFN workers read of it what has arrived; an FFN worker writes the marks of the slots
 * that are its own before it replies, and the attention worker reads them. In shared memory the flags of descs and
 * slots order that. Over UCX a socket stands in between, which no compiler sees; so a sheet has orders of its own.
 */
#ifndef AFD_CLI_RUN_BOARD_H
#define AFD_CLI_RUN_BOARD_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/worker.h"

#include "run/failure.h"
#include "run/findings.h"

enum { RUN_ADDRESS_BYTES = 64 };

typedef enum run_phase {
    RUN_PHASE_STARTED = 0,
    RUN_PHASE_MADE = 1,      /* its window is there */
    RUN_PHASE_CONNECTED = 2, /* it can write into everybody's */
    RUN_PHASE_DONE = 3,      /* all its work is done, and what it found stands in the seat */
    RUN_PHASE_FAILED = 4,    /* it gave up, and its seat says why */
    RUN_PHASE_NUM            /* later than any of them */
} run_phase;

/* One member's place. Written by the member alone; what is not atomic may be read once it is done, or dead. */
typedef struct run_seat {
    alignas(64) atomic_int phase;        /* a run_phase; release, with everything below */
    atomic_uint_least64_t round_num;     /* micro-batches collected (attention) or answered (FFN) */
    atomic_uint micro_batch;             /* of the last */
    atomic_uint layer;                   /* of the last */
    afd_window *window;                  /* once it is there; only its own thread or process may look into it */
    char address[RUN_ADDRESS_BYTES];     /* FFN, over UCX: where it listens, once its window is there */
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t deadline_num;               /* waits that were reported late */
    run_findings findings;
    char refusal[AFD_ERROR_MESSAGE_BYTES]; /* why it gave up */
    uint64_t window_bytes;
    uint64_t private_bytes;              /* the most memory of its own: neither windows nor weights */
    afd_worker_counters counters;
} run_seat;

typedef struct run_sheet {
    atomic_uint_least64_t round; /* how often this (session, micro-batch) was sent, from 1; release, what was sent */
    atomic_uint_least64_t marked_num; /* rows that FFN workers marked, of all rounds; release, with the marks */
    uint32_t layer;
    uint32_t token_num;
    int32_t *experts;     /* [BS][top_k], in [0, routed) */
    uint64_t *token_marks; /* [BS]: run_mark_of() each row that was sent, as it will arrive */
    uint64_t *row_marks;  /* [BS][E]: of each row that came from its expert */
} run_sheet;

typedef struct run_board {
    int32_t *stop;        /* the stop word of the attention workers, and of everybody while the run begins */
    int32_t *ffn_stop;    /* the stop word of the FFN workers: raised when nothing more will come */
    atomic_int *go;       /* the run_phase that everybody has reached */
    run_seat *seats;      /* [member_num] */
    run_sheet *sheets;    /* [session_num][micro_batch_num] */
    uint32_t member_num;
    uint32_t micro_batch_num;
    void *mapping;
    size_t mapping_bytes;
} run_board;

/* False if there is no memory. Ends with run_board_destroy(). */
bool run_board_create(run_board *board, uint32_t ffn_num, const afd_shape *shape, uint32_t top_k,
                      run_failure *failure);
void run_board_destroy(run_board *board);

static inline run_sheet *run_board_sheet(const run_board *board, uint32_t session, uint32_t micro_batch)
{
    return &board->sheets[(size_t)session * board->micro_batch_num + micro_batch];
}

/* Whether a member may have left a window behind. One that gave up before it had one was refused the name: whatever has
 * it is somebody else's. */
bool run_seat_may_have_window(const run_seat *seat);

/* A number that stands for `bytes` of memory, of which there is an even number of 8; never 0. */
uint64_t run_mark_of(const void *memory, size_t bytes);

#endif
