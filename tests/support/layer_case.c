/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_case.h"

#include <stdlib.h>
#include <string.h>

#include "random_numbers.h"

static uint32_t expert_num_of(const layer_case *c)
{
    return c->routed_num + c->shared_num;
}

static void *allocate(size_t count, size_t each)
{
    void *memory = calloc(count, each);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* ---- where the experts are ---- */

static int32_t *row_of(const layer_case *c, uint32_t layer, uint32_t expert)
{
    return c->entries + ((size_t)layer * expert_num_of(c) + expert) * c->experts.width;
}

static void place_copy(layer_case *c, uint32_t expert, uint32_t rank)
{
    uint32_t local = c->local_nums[rank]++;
    int32_t *row = row_of(c, 0, expert);
    c->local_experts[(size_t)rank * expert_num_of(c) + local] = expert;
    row[1 + 2 * row[0]] = (int32_t)rank;
    row[2 + 2 * row[0]] = (int32_t)local;
    row[0]++;
}

/* The same ranks in every layer, with local ids that keep the layers apart. */
static void repeat_for_layers(layer_case *c)
{
    for (uint32_t layer = 1; layer < c->layer_num; layer++) {
        for (uint32_t expert = 0; expert < expert_num_of(c); expert++) {
            const int32_t *first = row_of(c, 0, expert);
            int32_t *row = row_of(c, layer, expert);
            memcpy(row, first, c->experts.width * sizeof(*row));
            for (int32_t copy = 0; copy < row[0]; copy++) {
                row[2 + 2 * copy] += (int32_t)(layer * c->local_nums[first[1 + 2 * copy]]);
            }
        }
    }
}

static void place_experts(layer_case *c, random_numbers *numbers)
{
    uint32_t copy_max = c->copy_max < c->ffn_num ? c->copy_max : c->ffn_num;
    uint32_t copy_min = c->copy_min > 1 ? c->copy_min : 1;
    c->experts = (afd_expert_table){ NULL, c->layer_num, expert_num_of(c), 2 * copy_max + 2 };
    c->entries = allocate((size_t)c->layer_num * expert_num_of(c) * c->experts.width, sizeof(*c->entries));
    c->experts.entries = c->entries;
    c->local_nums = allocate(c->ffn_num, sizeof(*c->local_nums));
    c->local_experts = allocate((size_t)c->ffn_num * expert_num_of(c), sizeof(*c->local_experts));
    for (uint32_t expert = 0; expert < expert_num_of(c); expert++) {
        uint32_t first_rank = random_below(numbers, c->ffn_num);
        uint32_t copies = copy_min + random_below(numbers, copy_max - copy_min + 1);
        for (uint32_t copy = 0; copy < copies; copy++) {
            place_copy(c, expert, (first_rank + copy) % c->ffn_num);
        }
    }
    repeat_for_layers(c);
}

static void make_smooth_scales(layer_case *c, random_numbers *numbers)
{
    size_t scale_num = (size_t)c->layer_num * expert_num_of(c) * c->hidden;
    c->smooth_scales = allocate(scale_num, sizeof(*c->smooth_scales));
    for (size_t i = 0; i < scale_num; i++) {
        c->smooth_scales[i] = (float)(1 + random_below(numbers, 4000)) / 1000.0F;
    }
}

void layer_case_make(layer_case *c)
{
    random_numbers numbers = { c->seed };
    afd_token_type sent = c->quantize ? AFD_TOKEN_INT8 : c->type;
    c->shape = (afd_shape){
        .session_num = c->attention_num,
        .micro_batch_num = c->micro_batch_num,
        .micro_batch_size = c->micro_batch_size,
        .selected_expert_num = c->top_k + c->shared_num,
        .expert_num = expert_num_of(c),
        .attn_to_ffn_token_size = (uint32_t)afd_token_slot_bytes(sent, c->hidden) + 4 * random_below(&numbers, 3),
        .ffn_to_attn_token_size = (uint32_t)afd_token_slot_bytes(c->type, c->hidden) + 4 * random_below(&numbers, 3),
    };
    place_experts(c, &numbers);
    c->smooth_scales = NULL;
    if (c->quantize && c->smooth) {
        make_smooth_scales(c, &numbers);
    }
}

void layer_case_free(layer_case *c)
{
    free(c->smooth_scales);
    free(c->local_experts);
    free(c->local_nums);
    free(c->entries);
}

uint32_t layer_case_rank_of(const layer_case *c, uint32_t session, uint32_t expert)
{
    const int32_t *row = row_of(c, 0, expert);
    return (uint32_t)row[1 + 2 * (session % (uint32_t)row[0])];
}

/* ---- what is sent ---- */

/* Numbers of their own for each purpose and round. */
static random_numbers numbers_of(const layer_case *c, const layer_round *round, uint64_t purpose)
{
    random_numbers numbers = { c->seed ^ purpose << 56 };
    numbers.state ^= random_u64(&numbers) + round->session;
    numbers.state ^= random_u64(&numbers) + round->micro_batch;
    numbers.state ^= random_u64(&numbers) + round->step;
    numbers.state ^= random_u64(&numbers) + (uint64_t)round->layer_id;
    return numbers;
}

enum { PURPOSE_SIZE = 1, PURPOSE_TOKENS, PURPOSE_ROUTING };

uint32_t layer_case_token_num(const layer_case *c, const layer_round *round)
{
    layer_round first = *round;
    first.layer_id = 0;
    random_numbers numbers = numbers_of(c, &first, PURPOSE_SIZE);
    switch (random_below(&numbers, 4)) {
    case 0:
        return random_below(&numbers, 2);
    case 1:
        return random_below(&numbers, c->micro_batch_size + 1);
    default:
        return c->micro_batch_size;
    }
}

void layer_case_tokens(const layer_case *c, const layer_round *round, uint16_t *tokens)
{
    random_numbers numbers = numbers_of(c, round, PURPOSE_TOKENS);
    for (uint32_t t = 0; t < layer_case_token_num(c, round); t++) {
        bool is_zero = random_chance(&numbers, 20);
        for (uint32_t h = 0; h < c->hidden; h++) {
            uint64_t bits = random_u64(&numbers);
            tokens[(size_t)t * c->hidden + h] = is_zero ? 0 : plain_value(c->type, bits);
        }
    }
}

typedef enum routing_kind { ROUTING_ANY, ROUTING_ONE_RANK, ROUTING_NOT_ONE_RANK, ROUTING_ONE_EXPERT } routing_kind;

/* An expert that fits the kind, or any where there is none. */
static uint32_t choose_expert(const layer_case *c, uint32_t session, routing_kind kind, uint32_t rank,
                              random_numbers *numbers)
{
    uint32_t first = random_below(numbers, c->routed_num);
    if (kind == ROUTING_ONE_EXPERT) {
        return rank % c->routed_num;
    }
    for (uint32_t i = 0; kind != ROUTING_ANY && i < c->routed_num; i++) {
        uint32_t expert = (first + i) % c->routed_num;
        if ((layer_case_rank_of(c, session, expert) == rank) == (kind == ROUTING_ONE_RANK)) {
            return expert;
        }
    }
    return first;
}

void layer_case_route(const layer_case *c, const layer_round *round, int32_t *expert_ids, float *expert_scales)
{
    random_numbers numbers = numbers_of(c, round, PURPOSE_ROUTING);
    routing_kind kind = (routing_kind)random_below(&numbers, 4);
    uint32_t rank = random_below(&numbers, c->ffn_num);
    uint32_t id_num = layer_case_token_num(c, round) * c->top_k;
    for (uint32_t i = 0; i < id_num; i++) {
        expert_ids[i] = (int32_t)choose_expert(c, round->session, kind, rank, &numbers);
        expert_scales[i] = ((float)random_below(&numbers, 4001) - 1000.0F) / 1777.0F;
    }
}

void layer_case_expect(const layer_case *c, const layer_round *round, const uint16_t *tokens,
                       const int32_t *expert_ids, const float *expert_scales, uint16_t *output)
{
    size_t layer_scales = (size_t)round->layer_id * expert_num_of(c) * c->hidden;
    const plain_layer layer = {
        .layer_id = round->layer_id,
        .hidden = c->hidden,
        .type = c->type,
        .quantize = c->quantize,
        .smooth_scales = c->smooth_scales == NULL ? NULL : c->smooth_scales + layer_scales,
        .routed_num = c->routed_num,
        .shared_num = c->shared_num,
        .top_k = c->top_k,
    };
    for (uint32_t t = 0; t < layer_case_token_num(c, round); t++) {
        plain_layer_run(&layer, tokens + (size_t)t * c->hidden, expert_ids + (size_t)t * c->top_k,
                        expert_scales + (size_t)t * c->top_k, output + (size_t)t * c->hidden);
    }
}

/* ---- the workers ---- */

afd_ffn_worker_options layer_case_ffn_options(const layer_case *c, uint32_t rank)
{
    uint32_t expert_num = c->local_nums[rank] * c->layer_num;
    return (afd_ffn_worker_options){
        .size = sizeof(afd_ffn_worker_options),
        .shape = c->shape,
        .sync_group_size = c->sync_group_size,
        .fair = c->fair,
        .hidden = c->hidden,
        .type = c->quantize ? AFD_TOKEN_INT8 : c->type,
        .result_type = c->type,
        .expert_num = expert_num > 0 ? expert_num : 1,
    };
}

afd_attention_worker_options layer_case_attention_options(const layer_case *c, uint32_t session)
{
    return (afd_attention_worker_options){
        .size = sizeof(afd_attention_worker_options),
        .shape = c->shape,
        .session = session,
        .hidden = c->hidden,
        .type = c->type,
        .quantize = c->quantize,
        .top_k = c->top_k,
        .experts = c->experts,
        .smooth_scales = c->smooth_scales,
        .ffn_num = c->ffn_num,
        .sync_group_size = c->sync_group_size,
    };
}

static void run_group(const layer_case *c, uint32_t rank, const afd_experts_call *call, int64_t id, uint64_t first_row,
                      uint64_t row_num)
{
    uint32_t local_num = c->local_nums[rank];
    uint32_t expert = c->local_experts[(size_t)rank * expert_num_of(c) + (uint64_t)id % local_num];
    int32_t layer_id = (int32_t)(id / local_num);
    size_t value_bytes = call->type == AFD_TOKEN_INT8 ? 1 : 2;
    for (uint64_t row = first_row; row < first_row + row_num; row++) {
        const char *token = (const char *)call->tokens + row * call->hidden * value_bytes;
        uint16_t *result = (uint16_t *)call->results + row * call->hidden;
        plain_expert(layer_id, expert, call->type, token, call->type == AFD_TOKEN_INT8 ? call->dynamic_scale[row] : 0,
                     call->hidden, call->result_type, result);
    }
}

bool layer_case_run_experts(const layer_case *c, uint32_t rank, const afd_experts_call *call, const char **why)
{
    uint64_t row = 0;
    int64_t last_id = -1;
    *why = call->row_num == 0 ? "a call without rows" : NULL;
    for (uint32_t g = 0; *why == NULL && g < call->group_num; g++) {
        int64_t id = call->group_list[2 * (size_t)g];
        int64_t row_num = call->group_list[2 * (size_t)g + 1];
        if (id <= last_id || id >= (int64_t)c->local_nums[rank] * c->layer_num) {
            *why = "an expert id that is out of order or out of range";
        } else if (row_num <= 0 || (uint64_t)row_num > call->row_num - row) {
            *why = "a group whose rows are not there";
        } else {
            run_group(c, rank, call, id, row, (uint64_t)row_num);
            row += (uint64_t)row_num;
            last_id = id;
        }
    }
    if (*why == NULL && row != call->row_num) {
        *why = "rows of no group";
    }
    return *why == NULL;
}
