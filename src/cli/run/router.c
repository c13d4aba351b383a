/* SPDX-License-Identifier: Apache-2.0 */
#include "run/router.h"

#include <math.h>
#include <stdlib.h>

#include "out.h"
#include "run/random.h"

enum { ROW = RUN_ROUTER_WIDTH + 1, SLOT_MAX = 16 };

/* How far apart the experts' biases are, against logits of a standard deviation of about 1.9: it makes the busiest of
 * 64 experts get about three times the mean. */
static const float bias_spread = 1.5F;

void run_router_create(run_router *router, const run_model *model, uint32_t layer_num, uint64_t seed)
{
    size_t row_num = (size_t)layer_num * model->routed_expert_num;
    *router = (run_router){
        .model = model,
        .layer_num = layer_num,
        .gate = afd_cli_alloc(row_num * ROW, sizeof(float)),
    };
    run_random random = run_random_of(seed, 'g', 'a', 't');
    for (size_t row = 0; row < row_num; row++) {
        float *weights = &router->gate[row * ROW];
        for (int i = 0; i < RUN_ROUTER_WIDTH; i++) {
            weights[i] = run_random_unit(&random);
        }
        weights[RUN_ROUTER_WIDTH] = bias_spread * run_random_unit(&random);
    }
}

void run_router_destroy(run_router *router)
{
    free(router->gate);
    router->gate = NULL;
}

static float logit(const float *weights, const float *hidden)
{
    float sum = weights[RUN_ROUTER_WIDTH];
    for (int i = 0; i < RUN_ROUTER_WIDTH; i++) {
        sum += weights[i] * hidden[i];
    }
    return sum;
}

/* The best `top_k` so far, best first. */
typedef struct best_list {
    uint32_t num;
    float logits[SLOT_MAX];
    int32_t experts[SLOT_MAX];
} best_list;

static void offer(best_list *best, uint32_t top_k, float value, int32_t expert)
{
    if (best->num == top_k && value <= best->logits[top_k - 1]) {
        return;
    }
    uint32_t at = best->num < top_k ? best->num++ : top_k - 1;
    for (; at > 0 && best->logits[at - 1] < value; at--) {
        best->logits[at] = best->logits[at - 1];
        best->experts[at] = best->experts[at - 1];
    }
    best->logits[at] = value;
    best->experts[at] = expert;
}

/* A router takes the top-k of the softmax. That keeps the order of the logits, so the choice is theirs. */
static void choose(const run_router *router, uint32_t layer, const float *hidden, best_list *best)
{
    const run_model *model = router->model;
    const float *rows = &router->gate[(size_t)layer * model->routed_expert_num * ROW];
    for (uint32_t expert = 0; expert < model->routed_expert_num; expert++) {
        offer(best, model->top_k, logit(&rows[(size_t)expert * ROW], hidden), (int32_t)expert);
    }
}

void run_router_choose(const run_router *router, uint32_t layer, const float features[RUN_ROUTER_WIDTH],
                       int32_t *experts, float *weights)
{
    uint32_t top_k = router->model->top_k;
    best_list best = { 0 };
    choose(router, layer, features, &best);
    float sum = 0.0F;
    for (uint32_t k = 0; k < top_k; k++) {
        experts[k] = best.experts[k];
        /* The best is first, so no exponent is positive and the sum is in [1, top_k]. */
        weights[k] = expf(best.logits[k] - best.logits[0]);
        sum += weights[k];
    }
    for (uint32_t k = 0; k < top_k; k++) {
        weights[k] /= sum;
    }
}
