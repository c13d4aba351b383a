/* SPDX-License-Identifier: Apache-2.0 */
/* The mixture-of-experts models whose shapes `afd run` knows by name. */
#ifndef AFD_CLI_RUN_MODEL_H
#define AFD_CLI_RUN_MODEL_H

#include <stdint.h>
#include <stdio.h>

typedef struct run_model {
    const char *name;
    uint32_t hidden;             /* elements of a token */
    uint32_t moe_layers;
    uint32_t routed_expert_num;  /* of a layer */
    uint32_t shared_expert_num;  /* of a layer; every token goes to all of them */
    uint32_t top_k;              /* routed experts of a token */
    uint32_t expert_width;       /* rows of an expert's W1 and of its W3, columns of its W2 */
} run_model;

/* NULL if there is no model of that name. */
const run_model *run_model_find(const char *name);

/* Writes the names and shapes, a model a line. */
void run_model_list(FILE *stream);

/* Slots of a token: E. */
static inline uint32_t run_model_slot_num(const run_model *model)
{
    return model->top_k + model->shared_expert_num;
}

/* Experts of a layer, routed and shared. */
static inline uint32_t run_model_expert_num(const run_model *model)
{
    return model->routed_expert_num + model->shared_expert_num;
}

#endif
