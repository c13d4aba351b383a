/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attention workers say they sent, beside the window and independent of it: the checker holds what comes out
 * of the scheduler against this. It lives in anonymous shared memory that forked workers inherit, so it has no name and
 * cannot be left behind.
 *
 * Of an entry (session, micro-batch): the attention worker writes everything but `answered_round`, then publishes the
 * desc in the window; whoever takes the desc may read the entry, because the desc's flag orders it. The FFN worker
 * stores answered_round (release) when it has checked; the attention worker waits for that (acquire) before it uses the
 * entry or the token data of that micro-batch again, as it would wait for the experts' results.
 */
#ifndef AFD_CLI_RUN_LEDGER_H
#define AFD_CLI_RUN_LEDGER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a session has come. Written by its attention worker alone, read by anyone. */
typedef struct run_progress {
    alignas(64) atomic_uint_least64_t sent_num; /* micro-batches published; release after the two below */
    atomic_uint micro_batch;                    /* of the last */
    atomic_uint layer;                          /* of the last */
    atomic_bool joined;                         /* it has the window open */
} run_progress;

typedef struct run_entry {
    alignas(64) _Atomic(uint64_t) answered_round;
    uint64_t round;        /* how often this (session, micro-batch) was sent, from 1 */
    uint64_t publish_ns;   /* just before the flag, on CLOCK_MONOTONIC */
    uint32_t layer;
    uint32_t token_num;    /* tokens [0, token_num) have ids; the slots of the others keep the sentinel */
    int32_t expert_ids[];  /* [BS][E], the first token_num * E of them */
} run_entry;

typedef struct run_ledger {
    int32_t *stop;         /* the stop word of every worker of the run */
    atomic_bool *go;       /* everybody has joined: start sending */
    run_progress *progress; /* [session_num] */
    char *entries;         /* [session_num][micro_batch_num] of entry_bytes */
    size_t entry_bytes;
    uint32_t session_num;
    uint32_t micro_batch_num;
    void *mapping;
    size_t mapping_bytes;
} run_ledger;

/* False if there is no memory; errno says why. Ends with run_ledger_destroy(). */
bool run_ledger_create(run_ledger *ledger, uint32_t session_num, uint32_t micro_batch_num, uint64_t id_num);
void run_ledger_destroy(run_ledger *ledger);

static inline run_entry *run_ledger_entry(const run_ledger *ledger, uint32_t session, uint32_t micro_batch)
{
    size_t number = (size_t)session * ledger->micro_batch_num + micro_batch;
    return (run_entry *)(void *)(ledger->entries + number * ledger->entry_bytes);
}

#endif
