/* SPDX-License-Identifier: Apache-2.0 */
/* Routing that was recorded, to be replayed: docs/trace-format.md. Read as a whole before a run and read-only then. */
#ifndef AFD_CLI_RUN_TRACE_H
#define AFD_CLI_RUN_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "run/failure.h"
#include "run/model.h"

/* Bounds that keep a wrong number from asking for terabytes. */
enum { RUN_TRACE_TOKEN_MAX = 1000000, RUN_TRACE_WEIGHT_MAX = 1000 };

typedef struct run_trace {
    uint32_t layer_num;
    uint32_t token_num;
    uint32_t top_k;
    int32_t *experts; /* [layer_num][token_num][top_k] */
    float *weights;   /* the same shape */
} run_trace;

/*
 * Reads the first `layer_num` layers of a trace for `model`. False, with line, value and bound, if anything in the file
 * is wrong, or a token of a layer is missing or there twice. Ends with run_trace_destroy().
 */
bool run_trace_read(run_trace *trace, const char *path, const run_model *model, uint32_t layer_num,
                    run_failure *failure);
void run_trace_destroy(run_trace *trace);

/* experts[top_k] and weights[top_k] of the token; a trace of fewer tokens begins again. */
void run_trace_route(const run_trace *trace, uint32_t layer, uint64_t token, int32_t *experts, float *weights);

#endif
