/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an FFN worker, for its own files. */
#ifndef AFD_WORKER_FFN_WORKER_H
#define AFD_WORKER_FFN_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/worker.h"
#include "transport/ucx/plane.h"
#include "worker/worker.h"

/* What membership adds (ffn_member.h). */
typedef struct afd__ffn_member afd__ffn_member;

struct afd_ffn_worker {
    afd_shape shape;
    uint32_t hidden;
    afd_token_type result_type;
    afd_experts *experts;
    void *experts_arg;
    afd__observer observer;

    afd_window *window;
    afd_schedule_context *context;
    afd_ffn_schedule_args schedule;
    afd_ffn_batch_args batch;
    afd_ffn_batch_out out;        /* the memory that batching writes into, and what it wrote last */

    afd__memory memory;           /* of all that follows, and of what batch and out point to */
    afd_writer **writers;         /* [S]; NULL: the session is not there */
    uint64_t *round_numbers;      /* [S][M]: rounds of each that were taken since the session was accepted */
    afd_round *rounds;            /* [S]: those that the step under way answers */
    void *scheduler_memory;       /* of schedule.scheduler */
    void *results;                /* [Y][H] of result_type */

    bool has_taken;               /* from the first take on, who is accepted joins */
    afd_worker_counters counters;
    afd__ffn_member *member;      /* NULL: sessions are accepted and dropped by the engine */
    afd__plane *plane;            /* the members', where tokens come from other hosts; NULL: nowhere */
};

/* ---- the halves of a step ---- */

/* One look at the window; AFD_OK: something was taken, which is to be answered. */
afd_status afd__ffn_worker_take(afd_ffn_worker *worker, uint32_t *taken_num, afd_error *error);
afd_status afd__ffn_worker_answer(afd_ffn_worker *worker, uint32_t taken_num, afd_wild_id *wild, afd_error *error);

#endif
