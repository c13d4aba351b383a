/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which expert is at which FFN worker. Routed experts are dealt out in blocks, the same at every layer; a block may
 * have copies, at the FFN workers that come next, so that one of them can be gone without. Every FFN worker has a copy
 * of each shared expert, so that sessions spread over them.
 */
#ifndef AFD_CLI_RUN_PLACEMENT_H
#define AFD_CLI_RUN_PLACEMENT_H

#include <stdint.h>

#include "afd/attention.h"

#include "run/model.h"

typedef struct run_placement {
    uint32_t ffn_num;
    uint32_t layer_num;
    uint32_t *local_nums;    /* [ffn_num]: experts of a layer that a worker has */
    uint32_t **local_experts; /* [ffn_num][local_nums]: which, by their local number */
    afd_expert_table table;  /* for afd_attention_dispatch(): a row an expert and layer */
    int32_t *entries;
} run_placement;

/* ffn_num is at most the routed experts; each of these is at copy_num FFN workers, in [1, ffn_num]. Ends with
 * run_placement_destroy(). */
void run_placement_create(run_placement *placement, const run_model *model, uint32_t layer_num, uint32_t ffn_num,
                          uint32_t copy_num);
void run_placement_destroy(run_placement *placement);

#endif
