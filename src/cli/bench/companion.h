/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows of the scheduler's companions work on: dispatch, batching, reply and combine, with windows, contexts
 * and writers made as a user of libafd makes them. Ours and the reference read the same memory and write into the same;
 * floors read and write contiguous blocks of their own.
 *
 * Inputs are written once, so that what must come out is known without computing it as those do who are timed. Before
 * a call its memory is brought into the row's state, a word in every line of what it writes is overwritten, and the
 * flags that it sets are taken back.
 */
#ifndef AFD_CLI_BENCH_COMPANION_H
#define AFD_CLI_BENCH_COMPANION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/attention.h"
#include "afd/ffn.h"
#include "afd/transport.h"
#include "afd/window.h"
#include "bench/companion_floor.h"
#include "bench/companion_reference.h"
#include "bench/row.h"

enum {
    BENCH_RANK_NUM = 4,          /* FFN ranks that dispatch sends to */
    BENCH_RANK_EXPERT_NUM = 64,  /* routed experts on each */
    BENCH_PEER_MAX = 8,
    BENCH_PIECES_MAX = 3,
    BENCH_MAPPING_MAX = 16
};

/* Memory that a call reads or writes: so many pieces of one size, behind each other or wherever they are. */
typedef struct bench_pieces {
    char **at;
    size_t num;
    size_t bytes;
} bench_pieces;

typedef struct bench_companion bench_companion;

/* One operator: what is made for it, and what takes turns. */
typedef struct bench_operator {
    afd_status (*make)(bench_companion *world, afd_error *error);
    void (*reset)(bench_companion *world); /* takes back the flags of the last call; NULL: it sets none */
    void (*ours)(bench_companion *world);
    void (*reference)(bench_companion *world);
    bool (*is_right)(const bench_companion *world);
    const bench_companion_floor *floors[2];
    size_t floor_num;
} bench_operator;

extern const bench_operator bench_dispatch;
extern const bench_operator bench_dispatch_int8;
extern const bench_operator bench_combine;
extern const bench_operator bench_batch;
extern const bench_operator bench_index;
extern const bench_operator bench_reply;

struct bench_companion {
    const bench_row *row;
    const bench_operator *operator;
    afd_shape shape;      /* of the windows */
    uint32_t token_num;   /* BS */
    uint32_t slot_num;    /* E */
    uint32_t top_k;
    uint32_t hidden;
    afd_token_type type;
    uint64_t random_state;

    afd_schedule_context *context;
    afd_window *windows[BENCH_PEER_MAX]; /* the peers'; for combine the own */
    afd_writer *writers[BENCH_PEER_MAX];
    bench_reference_window peers[BENCH_PEER_MAX];
    uint32_t peer_num;
    afd_window *own_window; /* dispatch: with the flags of what was not sent */

    afd_dispatch_args dispatch;
    afd_combine_args combine;
    afd_ffn_batch_args batch;
    afd_ffn_batch_out out;
    afd_ffn_reply_args reply;
    uint32_t *rows;       /* FFN: the number of the slot that each row of the batch is, in order */
    size_t row_num;

    bench_pieces reads[BENCH_PIECES_MAX];
    size_t read_num;
    bench_pieces writes;
    bench_floor_work floor;

    struct {
        void *memory;
        size_t bytes;
    } mappings[BENCH_MAPPING_MAX];
    size_t mapping_num;
    const char *failed; /* what a call said that should not fail, NULL if nothing */
    char message[AFD_ERROR_MESSAGE_BYTES];
};

/* Memory that ends with the world, touched, in huge pages where the system has them; NULL where there is none. */
void *bench_companion_map(bench_companion *world, size_t bytes);

/* Adds memory that is read, as one piece. */
void bench_companion_reads(bench_companion *world, void *memory, size_t bytes);

/* Makes room for `num` pieces that the caller then names. */
void bench_companion_pieces(bench_pieces *pieces, size_t num, size_t bytes);

/* The floor's blocks, and how much of the first is read. False where there is no memory. */
bool bench_companion_blocks(bench_companion *world, size_t from_bytes, size_t read_bytes, size_t to_bytes,
                            size_t row_bytes);

/* Window, writer and reference's view of the next peer. */
afd_status bench_companion_add_peer(bench_companion *world, afd_window_kind kind, const afd_shape *shape,
                                    afd_error *error);

afd_status bench_companion_no_memory(afd_error *error);

/* Remembers that a call failed, for the check. */
void bench_companion_expect(bench_companion *world, afd_status status, const afd_error *error);

/* Ends everything that was made, also where that was not all. */
void bench_companion_free(bench_companion *world);

/* A small whole number as f16 or bf16, or one with a fraction of few bits. */
uint16_t bench_companion_half(float value, afd_token_type type);

#endif
