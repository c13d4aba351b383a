/* SPDX-License-Identifier: Apache-2.0 */
/* One micro-batch on its way through the layers: its tokens' hidden states, where they are routed, what came back. */
#ifndef AFD_CLI_RUN_FLIGHT_H
#define AFD_CLI_RUN_FLIGHT_H

#include <stdint.h>

#include "run/traffic.h"

typedef struct run_flight {
    const run_traffic *traffic;
    uint32_t session;
    uint32_t micro_batch;
    uint64_t round;     /* 0 before the first; then step * layers + layer + 1 */
    uint32_t token_num;
    uint16_t *states;   /* [BS][H] bf16: the input of the layer */
    uint16_t *next;     /* [BS][H] */
    uint16_t *combined; /* [BS][H]: the experts' results */
    int32_t *experts;   /* [BS][top_k] */
    float *weights;     /* [BS][top_k] */
    int8_t *quantized;  /* [H]: a row on its way, where it goes as int8 */
} run_flight;

/* `traffic` must stay. Ends with run_flight_destroy(). */
void run_flight_create(run_flight *flight, const run_traffic *traffic, uint32_t session, uint32_t micro_batch);
void run_flight_destroy(run_flight *flight);

/* Goes on to the next round: the next layer, or new tokens for the next step; and routes them. */
void run_flight_next(run_flight *flight);

static inline uint32_t run_flight_layer(const run_flight *flight)
{
    return (uint32_t)((flight->round - 1) % flight->traffic->layer_num);
}

#endif
