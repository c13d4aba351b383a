/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention and FFN workers in one thread, connected with each other, with the plain model beside them: a test says who
 * does what, step by step. What is made or sent here is expected to succeed.
 */
#ifndef WORKER_WORLD_H
#define WORKER_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/worker.h"
#include "layer_case.h"

enum { WORLD_WORKER_MAX = 4, WORLD_STAGE_MAX = 64 };

/* What an observer was told. */
typedef struct stage_event {
    afd_stage stage;
    bool begins;
    uint32_t micro_batch;
    int32_t layer_id;
} stage_event;

typedef struct stage_record {
    stage_event events[WORLD_STAGE_MAX];
    uint32_t event_num;
} stage_record;

typedef struct worker_world worker_world;

typedef struct world_rank {
    worker_world *world;
    uint32_t rank;
    uint32_t call_num;        /* of the experts */
    uint32_t last_group_num;  /* of the last call */
    uint64_t last_row_num;
    afd_status answer;        /* what the experts return; AFD_OK at first */
    afd_ffn_worker *worker;
    stage_record stages;
} world_rank;

typedef struct world_session {
    afd_attention_worker *worker;
    stage_record stages;
    layer_round rounds[3];     /* by micro-batch: the last that was sent */
    uint16_t *tokens[3];       /* [BS][H] */
    int32_t *expert_ids[3];    /* [BS][K] */
    float *expert_scales[3];   /* [BS][K] */
} world_session;

struct worker_world {
    layer_case c;
    world_rank ranks[WORLD_WORKER_MAX];
    world_session sessions[WORLD_WORKER_MAX];
};

/* A case of 2 sessions, 2 ranks, M = 2, BS = 3, E = 2 + 1, H = 32, f16, every expert once; to be changed at will. */
layer_case world_case(void);

/* Makes the workers; world_connect() connects all with all. */
worker_world *world_new(const layer_case *c);
void world_connect(worker_world *world);

/* A writer from one side to the other, for who connects by hand. */
afd_writer *world_writer_to_session(worker_world *world, uint32_t session);
afd_writer *world_writer_to_rank(worker_world *world, uint32_t rank);

/* Sends a micro-batch with the traffic of the case. */
void world_dispatch(worker_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id);

/* The same with so many tokens, in [0, BS]. */
void world_dispatch_tokens(worker_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id,
                           uint32_t token_num);

/* The same with all routed slots to one expert. */
void world_dispatch_to(worker_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id, int32_t expert);

/* Steps every rank until none has anything to answer. */
void world_answer(worker_world *world);

/* Collects and compares with the model. */
void world_collect(worker_world *world, uint32_t session, uint32_t micro_batch);

void world_free(worker_world *world);

/* A wait whose deadline has passed: what is not there is late at once. */
afd_wait world_expired_wait(afd_late *late, uint32_t late_capacity);

/* The error names the field, with the value and the bound, and has a sentence. */
void world_expect_error(const afd_error *error, const char *field, uint64_t value, uint64_t bound);

#endif
