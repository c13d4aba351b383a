/* SPDX-License-Identifier: Apache-2.0 */
#include "run/flight.h"

#include <stdlib.h>

#include "out.h"
#include "run/hidden/hidden.h"
#include "run/random.h"

void run_flight_create(run_flight *flight, const run_traffic *traffic, uint32_t session, uint32_t micro_batch)
{
    size_t token_num = traffic->batch_size;
    size_t values = token_num * traffic->model->hidden;
    size_t choices = token_num * traffic->model->top_k;
    *flight = (run_flight){
        .traffic = traffic,
        .session = session,
        .micro_batch = micro_batch,
        .states = afd_cli_alloc(values, sizeof(uint16_t)),
        .next = afd_cli_alloc(values, sizeof(uint16_t)),
        .combined = afd_cli_alloc(values, sizeof(uint16_t)),
        .experts = afd_cli_alloc(choices, sizeof(int32_t)),
        .weights = afd_cli_alloc(choices, sizeof(float)),
        .quantized = afd_cli_alloc(traffic->model->hidden, sizeof(int8_t)),
    };
}

void run_flight_destroy(run_flight *flight)
{
    free(flight->states);
    free(flight->next);
    free(flight->combined);
    free(flight->experts);
    free(flight->weights);
    free(flight->quantized);
    *flight = (run_flight){ 0 };
}

/* Micro-batches are numbered through all sessions. */
static uint64_t number_of(const run_flight *flight)
{
    return (uint64_t)flight->session * flight->traffic->micro_batch_num + flight->micro_batch;
}

/* Decode batches vary: one in eight is not full, down to nothing at all. */
static uint32_t choose_token_num(const run_flight *flight, uint64_t step)
{
    uint32_t batch_size = flight->traffic->batch_size;
    run_random random = run_random_of(flight->traffic->seed, number_of(flight), step, UINT64_MAX);
    if (run_random_next(&random) % 8 != 0) {
        return batch_size;
    }
    return (uint32_t)(run_random_next(&random) % (batch_size + 1));
}

static void begin_step(run_flight *flight, uint64_t step)
{
    uint32_t hidden = flight->traffic->model->hidden;
    flight->token_num = choose_token_num(flight, step);
    for (uint32_t token = 0; token < flight->token_num; token++) {
        run_random random = run_random_of(flight->traffic->seed, number_of(flight), step, token);
        run_hidden_begin(run_random_next(&random), hidden, &flight->states[(size_t)token * hidden]);
    }
}

static void advance(run_flight *flight, uint32_t layer)
{
    uint32_t hidden = flight->traffic->model->hidden;
    for (uint32_t token = 0; token < flight->token_num; token++) {
        size_t at = (size_t)token * hidden;
        run_hidden_advance(layer, hidden, &flight->states[at], &flight->combined[at], &flight->next[at]);
    }
    uint16_t *spare = flight->states;
    flight->states = flight->next;
    flight->next = spare;
}

/* Tokens of a trace are numbered through all sessions and micro-batches. */
static uint64_t trace_token(const run_flight *flight, uint32_t token)
{
    return number_of(flight) * flight->traffic->batch_size + token;
}

static void route(run_flight *flight, uint32_t layer)
{
    const run_traffic *traffic = flight->traffic;
    const run_model *model = traffic->model;
    for (uint32_t token = 0; token < flight->token_num; token++) {
        int32_t *experts = &flight->experts[(size_t)token * model->top_k];
        float *weights = &flight->weights[(size_t)token * model->top_k];
        if (traffic->trace != NULL && traffic->trace->token_num > 0) {
            run_trace_route(traffic->trace, layer, trace_token(flight, token), experts, weights);
            continue;
        }
        float features[RUN_ROUTER_WIDTH];
        run_hidden_features(model->hidden, &flight->states[(size_t)token * model->hidden], features);
        run_router_choose(traffic->router, layer, features, experts, weights);
    }
}

void run_flight_next(run_flight *flight)
{
    uint32_t layer_num = flight->traffic->layer_num;
    uint32_t layer = (uint32_t)(flight->round % layer_num);
    if (layer == 0) {
        begin_step(flight, flight->round / layer_num);
    } else {
        advance(flight, layer - 1);
    }
    flight->round++;
    route(flight, layer);
}
