/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The experts' weights: a pool of bf16 matrices in one read-only mapping, made before anybody forks, so that workers
 * and the reference look at the same pages. The pool holds as many different experts as fit in what was asked for; the
 * experts of a model share them, each with two factors of its own, so that a token at the wrong expert or at the wrong
 * layer gives another result.
 *
 *     y = output_scale * W2 (silu(W1 x) * (up_scale * W3 x))
 *
 * W1 and W3 stand in one matrix `up` of 2 * width outputs (W1 first) and hidden inputs; W2 is `down`, of hidden outputs
 * and width inputs. A matrix is stored in panels of 64 outputs, in each of which pairs of inputs follow one another:
 *
 *     element (output j, input i) is at  (j / 64) * 64 * inputs + (i / 2) * 128 + (j % 64) * 2 + i % 2
 *
 * A product reads it from front to back, whatever the number of rows, and two inputs of one output lie where the
 * processor's dot products of bf16 pairs want them. In plain rows the same product takes twice as long
 * (docs/performance.md).
 */
#ifndef AFD_CLI_RUN_WEIGHTS_H
#define AFD_CLI_RUN_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/failure.h"
#include "run/model.h"

enum { RUN_PANEL_OUTPUTS = 64, RUN_PANEL_INPUTS = 32 }; /* outputs and inputs are multiples of these */

/* A byte count that asks for a matrix of its own for every expert. */
#define RUN_WEIGHTS_FULL UINT64_MAX

typedef struct run_weights {
    const run_model *model;
    uint32_t layer_num;
    uint64_t seed;
    uint64_t expert_num;   /* of all layers, routed and shared */
    uint64_t distinct_num; /* experts whose matrices are in the pool, in [1, expert_num] */
    size_t expert_bytes;   /* of both matrices of one */
    const uint16_t *pool;  /* [distinct_num][expert_bytes], read-only */
} run_weights;

typedef struct run_expert {
    const uint16_t *up;   /* 2 * width outputs, hidden inputs */
    const uint16_t *down; /* hidden outputs, width inputs */
    float up_scale;       /* both in [0.5, 1.5) */
    float output_scale;
} run_expert;

/*
 * Fills a pool of at most `byte_max` bytes, or of one expert where that is more. False, with what is needed and what is
 * there, if `available_bytes` are too few: run_memory_available(""). Starts no thread. Ends with run_weights_destroy().
 */
bool run_weights_create(run_weights *weights, const run_model *model, uint32_t layer_num, uint64_t seed,
                        uint64_t byte_max, uint64_t available_bytes, run_failure *failure);
void run_weights_destroy(run_weights *weights);

/* Expert `expert` in [0, routed + shared), the shared ones last, of `layer` in [0, layer_num). */
run_expert run_weights_expert(const run_weights *weights, uint32_t layer, uint32_t expert);

#endif
