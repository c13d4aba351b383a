/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The experts of one FFN worker: what an engine's grouped matmul is, computed for real over the pool of weights. Tokens
 * come in sorted by expert; each group goes through its expert in chunks, so that what is between the two products
 * stays within RUN_EXPERTS_BUFFER_BYTES. Inputs of a product are bf16, sums are f32: f16 tokens are rounded to bf16,
 * int8 ones are exact in it, and their scale is applied to the sums.
 *
 * Made and used by one thread, the worker's.
 */
#ifndef AFD_CLI_RUN_EXPERTS_H
#define AFD_CLI_RUN_EXPERTS_H

#include <stdint.h>

#include "afd/worker.h"

#include "run/experts/matmul.h"
#include "run/weights/weights.h"

enum { RUN_EXPERTS_ROW_MAX = 128 };
#define RUN_EXPERTS_BUFFER_BYTES (UINT64_C(32) << 20)

typedef struct run_experts_options {
    const run_weights *weights;   /* must stay */
    const uint32_t *local_experts; /* experts of each layer that this worker has, by its local number; must stay */
    uint32_t local_num;
    run_matmul_kind kind;
} run_experts_options;

typedef struct run_experts run_experts;

/* NULL if the kind of product is not to be had here. Ends with run_experts_destroy(). */
run_experts *run_experts_create(const run_experts_options *options);
void run_experts_destroy(run_experts *experts); /* NULL is allowed */

/*
 * An afd_experts with the run_experts as its argument. A group's id is layer * local_num + local expert.
 * AFD_ERR_INVALID, with nothing written, if a group's id or the sum of the groups is not the worker's, or a type or the
 * hidden size is another; AFD_ERR_SYSTEM if the library that multiplies failed.
 */
afd_status run_experts_compute(void *experts, const afd_experts_call *call);

const char *run_experts_name(const run_experts *experts);

#endif
