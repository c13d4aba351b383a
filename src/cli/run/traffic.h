/* SPDX-License-Identifier: Apache-2.0 */
/* What attention workers send: whose decode it is, how much of it at a time, and where its tokens are routed. */
#ifndef AFD_CLI_RUN_TRAFFIC_H
#define AFD_CLI_RUN_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"

#include "run/model.h"
#include "run/router.h"
#include "run/trace/trace.h"

typedef struct run_traffic {
    const run_model *model;
    uint32_t layer_num;
    uint32_t micro_batch_num;
    uint32_t batch_size;      /* tokens of a micro-batch, at most */
    bool quantize;            /* tokens travel as int8 */
    uint64_t seed;
    const run_router *router;
    const run_trace *trace;   /* NULL, or without tokens: routing is the router's */
} run_traffic;

/* The shape of the windows that it goes through, of so many sessions. */
afd_shape run_traffic_shape(const run_traffic *traffic, uint32_t session_num);

#endif
