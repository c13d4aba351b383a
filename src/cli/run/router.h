/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router of a mixture-of-experts model: a gate matrix a layer, whose top-k experts a token goes to, and the shared
 * experts, which get every token. The gate is random from a seed, and skewed, so that experts are loaded as unevenly as
 * in life.
 */
#ifndef AFD_CLI_RUN_ROUTER_H
#define AFD_CLI_RUN_ROUTER_H

#include <stdint.h>

#include "run/model.h"

/* Elements of the stand-in for a token's hidden state. The choice of experts has the statistics of a full-width gate at
 * a hundredth of its cost, which is what a test of the scheduler wants to pay. */
enum { RUN_ROUTER_WIDTH = 32 };

typedef struct run_router {
    const run_model *model;
    uint32_t layer_num;
    float *gate; /* [layer_num][routed][RUN_ROUTER_WIDTH + 1], the last element the expert's bias */
} run_router;

/* Ends with run_router_destroy(). */
void run_router_create(run_router *router, const run_model *model, uint32_t layer_num, uint64_t seed);
void run_router_destroy(run_router *router);

/*
 * The routed experts of one token, experts[top_k] in [0, routed), best first, and their weights: the softmax of the
 * chosen logits. Of equal logits the lower expert goes first. `features` are run_hidden_features() of its input; the
 * same features give the same bits.
 */
void run_router_choose(const run_router *router, uint32_t layer, const float features[RUN_ROUTER_WIDTH],
                       int32_t *experts, float *weights);

#endif
