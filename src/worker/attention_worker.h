/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an attention worker, for its own files. */
#ifndef AFD_WORKER_ATTENTION_WORKER_H
#define AFD_WORKER_ATTENTION_WORKER_H

#include <stdint.h>

#include "afd/worker.h"
#include "transport/ucx/plane.h"
#include "worker/worker.h"

/* Where a micro-batch stands. */
typedef enum afd__round_state {
    AFD__ROUND_CLOSED = 0, /* nothing is under way: it may be dispatched */
    AFD__ROUND_OPEN = 1,   /* dispatched; results are missing, or nobody has looked yet */
    AFD__ROUND_COMPLETE = 2 /* all results were there and their flags are cleared; they were not combined yet */
} afd__round_state;

typedef struct afd__attention_round {
    uint64_t number;     /* of the latest dispatch that was tried */
    afd__round_state state;
    uint32_t token_num;
    int32_t layer_id;
    int32_t *expert_ids; /* [BS][K]: what went out, to say later whose slot is late */
} afd__attention_round;

/* What membership adds (attention_member.h). */
typedef struct afd__attention_member afd__attention_member;

struct afd_attention_worker {
    afd_shape shape;
    uint32_t session;              /* AFD_SESSION_ANY until it has joined, where it takes any */
    uint32_t sync_group_size;
    uint32_t hidden;
    afd_token_type type;
    uint32_t top_k;
    afd_expert_table experts;
    uint32_t ffn_num;
    uint32_t connected_num;
    bool takes_turns;              /* the FFN workers go round the micro-batches, so dispatches must too */
    uint32_t next_micro_batch;     /* whose turn it is */
    uint64_t sent_bytes;           /* of a token on its way out; */
    uint64_t sent_slot_bytes;      /* and what a slot for it must have */
    afd__observer observer;

    afd_window *window;
    afd_schedule_context *context;
    afd_dispatch_args dispatch;    /* what is the same in every dispatch */

    afd__memory memory;            /* of all that follows */
    afd_writer **writers;          /* [ffn_num]; NULL: not connected yet */
    afd__attention_round *rounds;  /* [M] */
    int32_t *expert_ids;           /* [M][BS][K], of the rounds */

    afd_worker_counters counters;
    afd__attention_member *member; /* NULL: its ways to the FFN workers are the engine's to make */
    afd__plane *plane;             /* the members', where tokens go to other hosts; NULL: nowhere */
};

#endif
