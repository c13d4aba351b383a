/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "run/experts/number.h"
#include "run/quantized.h"

static void multiply(const uint16_t *from, uint32_t num, float factor, uint16_t *to)
{
    for (uint32_t i = 0; i < num; i++) {
        to[i] = run_bf16_narrow(run_bf16_widen(from[i]) * factor);
    }
}

/* Of expert number n of all layers: n % hidden places, and factor n / hidden of 1, -1, 1/2, -1/2, 1/4, ... The largest
 * models have five times as many experts as channels, so the factors stay far from what bf16 cannot hold. */
static void apply(uint32_t number, uint32_t hidden, const uint16_t *row, uint16_t *result)
{
    uint32_t step = 0;
    uint32_t places = number;
    for (; places >= hidden; places -= hidden) {
        step++;
    }
    float factor = (step % 2 == 0 ? 1.0F : -1.0F) / (float)(1U << step / 2);
    multiply(row + places, hidden - places, factor, result);
    multiply(row, places, factor, result + hidden - places);
}

/* What an expert makes of an int8 token before it does anything else. */
static void widen_row(const int8_t *values, float scale, uint32_t hidden, uint16_t *row)
{
    for (uint32_t i = 0; i < hidden; i++) {
        row[i] = run_bf16_narrow((float)values[i] * scale);
    }
}

void serve_check_experts_create(serve_check_experts *experts, const run_placement *placement, uint32_t rank,
                                uint32_t hidden)
{
    *experts = (serve_check_experts){
        .placement = placement,
        .rank = rank,
        .row = afd_cli_alloc(hidden, sizeof(uint16_t)),
    };
}

void serve_check_experts_destroy(serve_check_experts *experts)
{
    free(experts->row);
}

static const uint16_t *token_of(const serve_check_experts *experts, const afd_experts_call *call, uint64_t row)
{
    if (call->type != AFD_TOKEN_INT8) {
        return (const uint16_t *)call->tokens + row * call->hidden;
    }
    widen_row((const int8_t *)call->tokens + row * call->hidden, call->dynamic_scale[row], call->hidden, experts->row);
    return experts->row;
}

afd_status serve_check_experts_compute(void *arg, const afd_experts_call *call)
{
    const serve_check_experts *experts = arg;
    const run_placement *placement = experts->placement;
    uint32_t local_num = placement->local_nums[experts->rank];
    uint64_t row = 0;
    for (uint32_t group = 0; group < call->group_num; group++) {
        uint32_t id = (uint32_t)call->group_list[2 * group];
        uint32_t expert = placement->local_experts[experts->rank][id % local_num];
        uint32_t number = id / local_num * placement->table.expert_num + expert;
        for (int64_t i = 0; i < call->group_list[2 * group + 1]; i++, row++) {
            apply(number, call->hidden, token_of(experts, call, row), (uint16_t *)call->results + row * call->hidden);
        }
    }
    return AFD_OK;
}

void serve_checker_create(serve_checker *checker, run_findings *findings, uint32_t hidden)
{
    *checker = (serve_checker){
        .findings = findings,
        .row = afd_cli_alloc(hidden, sizeof(uint16_t)),
        .result = afd_cli_alloc(hidden, sizeof(uint16_t)),
        .sums = afd_cli_alloc(hidden, sizeof(float)),
        .expected = afd_cli_alloc(hidden, sizeof(uint16_t)),
    };
}

void serve_checker_destroy(serve_checker *checker)
{
    free(checker->row);
    free(checker->result);
    free(checker->sums);
    free(checker->expected);
}

static const uint16_t *as_experts_see_it(serve_checker *checker, const run_flight *flight, const uint16_t *state)
{
    uint32_t hidden = flight->traffic->model->hidden;
    if (!flight->traffic->quantize) {
        return state;
    }
    float scale = run_quantize(state, hidden, flight->quantized);
    widen_row(flight->quantized, scale, hidden, checker->row);
    return checker->row;
}

static void add(serve_checker *checker, const run_flight *flight, uint32_t expert, const uint16_t *row, float weight)
{
    const run_model *model = flight->traffic->model;
    apply(run_flight_layer(flight) * run_model_expert_num(model) + expert, model->hidden, row, checker->result);
    for (uint32_t i = 0; i < model->hidden; i++) {
        checker->sums[i] += weight * run_bf16_widen(checker->result[i]);
    }
}

/* As combining is documented to: sums in f32, slot by slot, from 0 on; the shared experts' as they are. A weight of 1
 * changes no bit. */
static void expect(serve_checker *checker, const run_flight *flight, uint32_t token)
{
    const run_model *model = flight->traffic->model;
    const uint16_t *row = as_experts_see_it(checker, flight, &flight->states[(size_t)token * model->hidden]);
    memset(checker->sums, 0, model->hidden * sizeof(float));
    for (uint32_t k = 0; k < model->top_k; k++) {
        size_t choice = (size_t)token * model->top_k + k;
        add(checker, flight, (uint32_t)flight->experts[choice], row, flight->weights[choice]);
    }
    for (uint32_t shared = 0; shared < model->shared_expert_num; shared++) {
        add(checker, flight, model->routed_expert_num + shared, row, 1.0F);
    }
    for (uint32_t i = 0; i < model->hidden; i++) {
        checker->expected[i] = run_bf16_narrow(checker->sums[i]);
    }
}

void serve_checker_look(serve_checker *checker, const run_flight *flight)
{
    uint32_t hidden = flight->traffic->model->hidden;
    for (uint32_t token = 0; token < flight->token_num; token++) {
        const uint16_t *combined = &flight->combined[(size_t)token * hidden];
        expect(checker, flight, token);
        checker->findings->verified_num++;
        if (memcmp(combined, checker->expected, hidden * sizeof(uint16_t)) != 0) {
            run_findings_mismatch(checker->findings, "session %" PRIu32 ", micro-batch %" PRIu32 ", layer %" PRIu32
                                  ", token %" PRIu32 ": the row is not the one that its experts make",
                                  flight->session, flight->micro_batch, run_flight_layer(flight), token);
        }
    }
    checker->findings->token_num += flight->token_num;
}
