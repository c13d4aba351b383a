/* SPDX-License-Identifier: Apache-2.0 */
#include "run/experts/experts.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "out.h"
#include "run/experts/number.h"

struct run_experts {
    run_experts_options options;
    uint32_t hidden;
    uint32_t width;
    uint32_t row_max;   /* of a chunk */
    run_matmul *up;
    run_matmul *down;
    uint16_t *tokens;   /* bf16[row_max][hidden] */
    float *gate_and_up; /* [row_max][2 * width] */
    uint16_t *inner;    /* bf16[row_max][width] */
    float *sums;        /* [row_max][hidden] */
};

/* Rows of one group that go through their expert together. */
typedef struct chunk {
    uint64_t first_row; /* of the call */
    uint32_t row_num;
    run_expert expert;
} chunk;

static uint64_t row_bytes(uint32_t hidden, uint32_t width)
{
    return (uint64_t)hidden * (sizeof(uint16_t) + sizeof(float)) +
           (uint64_t)width * (2 * sizeof(float) + sizeof(uint16_t));
}

static void *rows_of(const run_experts *experts, uint32_t elements, size_t element_bytes)
{
    return afd_cli_alloc((size_t)experts->row_max * elements, element_bytes);
}

run_experts *run_experts_create(const run_experts_options *options)
{
    const run_model *model = options->weights->model;
    uint64_t fitting = RUN_EXPERTS_BUFFER_BYTES / row_bytes(model->hidden, model->expert_width);
    run_experts *experts = afd_cli_alloc(1, sizeof(*experts));
    *experts = (run_experts){
        .options = *options,
        .hidden = model->hidden,
        .width = model->expert_width,
        .row_max = fitting < RUN_EXPERTS_ROW_MAX ? (uint32_t)fitting : RUN_EXPERTS_ROW_MAX,
    };
    const run_matmul_shape up = { experts->hidden, 2 * experts->width, experts->row_max };
    const run_matmul_shape down = { experts->width, experts->hidden, experts->row_max };
    experts->up = run_matmul_create(options->kind, &up);
    experts->down = run_matmul_create(options->kind, &down);
    if (experts->up == NULL || experts->down == NULL) {
        run_experts_destroy(experts);
        return NULL;
    }
    experts->tokens = rows_of(experts, experts->hidden, sizeof(uint16_t));
    experts->gate_and_up = rows_of(experts, 2 * experts->width, sizeof(float));
    experts->inner = rows_of(experts, experts->width, sizeof(uint16_t));
    experts->sums = rows_of(experts, experts->hidden, sizeof(float));
    return experts;
}

void run_experts_destroy(run_experts *experts)
{
    if (experts == NULL) {
        return;
    }
    run_matmul_destroy(experts->up);
    run_matmul_destroy(experts->down);
    free(experts->tokens);
    free(experts->gate_and_up);
    free(experts->inner);
    free(experts->sums);
    free(experts);
}

static void load_tokens(run_experts *experts, const afd_experts_call *call, const chunk *part)
{
    size_t first = part->first_row * experts->hidden;
    size_t num = (size_t)part->row_num * experts->hidden;
    const uint16_t *halves = (const uint16_t *)call->tokens + first;
    const int8_t *bytes = (const int8_t *)call->tokens + first;
    switch (call->type) {
    case AFD_TOKEN_BF16:
        memcpy(experts->tokens, halves, num * sizeof(uint16_t));
        break;
    case AFD_TOKEN_F16:
        for (size_t i = 0; i < num; i++) {
            experts->tokens[i] = run_bf16_narrow(run_f16_widen(halves[i]));
        }
        break;
    case AFD_TOKEN_INT8:
        for (size_t i = 0; i < num; i++) {
            experts->tokens[i] = run_bf16_narrow((float)bytes[i]);
        }
        break;
    }
}

static float silu(float value)
{
    return value / (1.0F + expf(-value));
}

static void activate(run_experts *experts, const afd_experts_call *call, const chunk *part)
{
    uint32_t width = experts->width;
    for (uint32_t row = 0; row < part->row_num; row++) {
        float scale = call->type == AFD_TOKEN_INT8 ? call->dynamic_scale[part->first_row + row] : 1.0F;
        float up_scale = scale * part->expert.up_scale;
        const float *gate = experts->gate_and_up + (size_t)row * 2 * width;
        for (uint32_t i = 0; i < width; i++) {
            float value = silu(scale * gate[i]) * (up_scale * gate[width + i]);
            experts->inner[(size_t)row * width + i] = run_bf16_narrow(value);
        }
    }
}

static void store_results(const run_experts *experts, const afd_experts_call *call, const chunk *part)
{
    uint16_t *results = (uint16_t *)call->results + part->first_row * experts->hidden;
    size_t num = (size_t)part->row_num * experts->hidden;
    float scale = part->expert.output_scale;
    if (call->result_type == AFD_TOKEN_BF16) {
        for (size_t i = 0; i < num; i++) {
            results[i] = run_bf16_narrow(scale * experts->sums[i]);
        }
    } else {
        for (size_t i = 0; i < num; i++) {
            results[i] = run_f16_narrow(scale * experts->sums[i]);
        }
    }
}

static bool compute_chunk(run_experts *experts, const afd_experts_call *call, const chunk *part)
{
    load_tokens(experts, call, part);
    if (!run_matmul_apply(experts->up, part->row_num, experts->tokens, part->expert.up, experts->gate_and_up)) {
        return false;
    }
    activate(experts, call, part);
    if (!run_matmul_apply(experts->down, part->row_num, experts->inner, part->expert.down, experts->sums)) {
        return false;
    }
    store_results(experts, call, part);
    return true;
}

static bool is_valid(const run_experts *experts, const afd_experts_call *call)
{
    uint64_t id_limit = (uint64_t)experts->options.local_num * experts->options.weights->layer_num;
    uint64_t row_num = 0;
    for (uint32_t group = 0; group < call->group_num; group++) {
        int64_t id = call->group_list[(size_t)2 * group];
        int64_t count = call->group_list[(size_t)2 * group + 1];
        if (id < 0 || (uint64_t)id >= id_limit || count < 0 || (uint64_t)count > call->row_num - row_num) {
            return false;
        }
        row_num += (uint64_t)count;
    }
    bool is_known = call->type == AFD_TOKEN_F16 || call->type == AFD_TOKEN_BF16 ||
                    (call->type == AFD_TOKEN_INT8 && call->dynamic_scale != NULL);
    bool is_known_result = call->result_type == AFD_TOKEN_F16 || call->result_type == AFD_TOKEN_BF16;
    return row_num == call->row_num && call->hidden == experts->hidden && is_known && is_known_result;
}

static bool compute_group(run_experts *experts, const afd_experts_call *call, uint64_t first_row, uint64_t row_num,
                          uint64_t id)
{
    const run_experts_options *options = &experts->options;
    uint32_t layer = (uint32_t)(id / options->local_num);
    chunk part = {
        .expert = run_weights_expert(options->weights, layer, options->local_experts[id % options->local_num]),
    };
    for (uint64_t row = 0; row < row_num; row += part.row_num) {
        uint64_t left = row_num - row;
        part.first_row = first_row + row;
        part.row_num = left < experts->row_max ? (uint32_t)left : experts->row_max;
        if (!compute_chunk(experts, call, &part)) {
            return false;
        }
    }
    return true;
}

afd_status run_experts_compute(void *argument, const afd_experts_call *call)
{
    run_experts *experts = argument;
    uint64_t row = 0;
    if (!is_valid(experts, call)) {
        return AFD_ERR_INVALID;
    }
    for (uint32_t group = 0; group < call->group_num; group++) {
        uint64_t id = (uint64_t)call->group_list[(size_t)2 * group];
        uint64_t count = (uint64_t)call->group_list[(size_t)2 * group + 1];
        if (!compute_group(experts, call, row, count, id)) {
            return AFD_ERR_SYSTEM;
        }
        row += count;
    }
    return AFD_OK;
}

const char *run_experts_name(const run_experts *experts)
{
    return run_matmul_name(experts->up);
}
