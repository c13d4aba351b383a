/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One case of the whole loop: how many workers of each side, the shapes, which expert is where, and every token,
 * routing and weight as a function of a seed, so that threads and processes agree on them without a word.
 */
#ifndef LAYER_CASE_H
#define LAYER_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/attention.h"
#include "afd/context.h"
#include "afd/token.h"
#include "afd/worker.h"
#include "plain_layer.h"

typedef struct layer_case {
    /* To be filled in before layer_case_make(). */
    uint64_t seed;
    uint32_t attention_num; /* A = S */
    uint32_t ffn_num;       /* F */
    uint32_t micro_batch_num;
    uint32_t micro_batch_size;
    uint32_t layer_num;
    uint32_t step_num;      /* how often a micro-batch goes through all layers, each time with its own size */
    uint32_t hidden;
    uint32_t routed_num;
    uint32_t shared_num;
    uint32_t top_k;
    uint32_t copy_min;      /* of an expert; 0 is 1 */
    uint32_t copy_max;
    uint32_t sync_group_size;
    bool fair;
    afd_token_type type;    /* AFD_TOKEN_F16 or AFD_TOKEN_BF16 */
    bool quantize;
    bool smooth;            /* with factors before quantising */

    /* Made from these. */
    afd_shape shape;
    afd_expert_table experts;
    int32_t *entries;
    uint32_t *local_nums;    /* [F]: experts of a rank, in one layer */
    uint32_t *local_experts; /* [F][experts]: which, by their local number */
    float *smooth_scales;    /* or NULL */
} layer_case;

/* Places the experts, at most copy_max copies of each on as many ranks. Aborts without memory. */
void layer_case_make(layer_case *c);
void layer_case_free(layer_case *c);

/* One micro-batch of one session on its way through the layers. */
typedef struct layer_round {
    uint32_t session;
    uint32_t micro_batch;
    uint32_t step;
    int32_t layer_id;
} layer_round;

/* 0, 1, BS or anything between; the same in all layers of a step. */
uint32_t layer_case_token_num(const layer_case *c, const layer_round *round);

/* The tokens of the first layer, [token_num][H]; some are all zeros. */
void layer_case_tokens(const layer_case *c, const layer_round *round, uint16_t *tokens);

/* expert_ids and expert_scales are [token_num][top_k]. Some rounds go to one rank alone, some keep off one, in some all
 * slots go to one expert. */
void layer_case_route(const layer_case *c, const layer_round *round, int32_t *expert_ids, float *expert_scales);

/* The model's answer, [token_num][H]. */
void layer_case_expect(const layer_case *c, const layer_round *round, const uint16_t *tokens,
                       const int32_t *expert_ids, const float *expert_scales, uint16_t *output);

/* The rank that a session finds an expert at. */
uint32_t layer_case_rank_of(const layer_case *c, uint32_t session, uint32_t expert);

/* The options of one worker, without name, experts and observer. */
afd_ffn_worker_options layer_case_ffn_options(const layer_case *c, uint32_t rank);
afd_attention_worker_options layer_case_attention_options(const layer_case *c, uint32_t session);

/* The experts of rank `rank`; checks the call, and returns false, with a word why, where it is wrong. */
bool layer_case_run_experts(const layer_case *c, uint32_t rank, const afd_experts_call *call, const char **why);

#endif
