/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_attention.h"

#include <string.h>

#include "plain_half.h"

static uint32_t next_of(const attention_world *world)
{
    return (world->context->attention.micro_batch_id + 1) % world->shape.micro_batch_num;
}

afd_status plain_attention_schedule(attention_world *world, uint32_t micro_batch)
{
    uint32_t m = micro_batch == AFD_MICRO_BATCH_NEXT ? next_of(world) : micro_batch;
    if (world->context->control.run_flag == 0) {
        return AFD_STOPPED;
    }
    for (uint32_t t = 0; t < world->shape.micro_batch_size; t++) {
        for (uint32_t k = 0; k < world->shape.selected_expert_num; k++) {
            if (*attention_world_flag(world, m, t, k) != 1) {
                return AFD_NOT_YET;
            }
        }
    }
    attention_world_arm(world, m, 0);
    world->context->attention.micro_batch_id = m;
    return AFD_OK;
}

static const plain_half_format *format_of(afd_token_type type)
{
    return type == AFD_TOKEN_F16 ? &plain_f16 : &plain_bf16;
}

/* Value h of slot k of token t: rows of the context's stride, or one row after the other where that is too small. */
static float value_at(const attention_world *world, const afd_combine_args *args, uint32_t m, uint32_t t, uint32_t k,
                      uint32_t h)
{
    uint16_t half;
    size_t stride = world->context->common.ffn_to_attn_token_size;
    if (stride < (size_t)args->hidden * 2) {
        stride = (size_t)args->hidden * 2;
    }
    size_t row = ((size_t)m * world->shape.micro_batch_size + t) * world->shape.selected_expert_num + k;
    memcpy(&half, world->token_data + row * stride + (size_t)h * 2, sizeof(half));
    return plain_half_value(format_of(args->type), half);
}

/* Volatile, so that each product and each sum is rounded to a float, whatever the compiler would rather do. */
static uint16_t combine_one(const attention_world *world, const afd_combine_args *args, uint32_t m, uint32_t t,
                            uint32_t h)
{
    volatile float sum = 0.0F;
    for (uint32_t k = 0; k < world->shape.selected_expert_num; k++) {
        volatile float term = value_at(world, args, m, t, k, h);
        if (k < args->top_k) {
            term = args->expert_scales[(size_t)t * args->top_k + k] * term;
        }
        sum = sum + term;
    }
    return plain_half_nearest(format_of(args->type), sum);
}

void plain_attention_combine(const attention_world *world, const afd_combine_args *args, uint16_t *output)
{
    uint32_t m = args->need_schedule ? next_of(world) : world->context->attention.micro_batch_id;
    for (uint32_t t = 0; t < args->token_num; t++) {
        for (uint32_t h = 0; h < args->hidden; h++) {
            output[(size_t)t * args->hidden + h] = combine_one(world, args, m, t, h);
        }
    }
}

bool plain_attention_equal(afd_token_type type, const uint16_t *a, const uint16_t *b, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        bool both_nan = plain_half_is_nan(format_of(type), a[i]) && plain_half_is_nan(format_of(type), b[i]);
        if (a[i] != b[i] && !both_nan) {
            return false;
        }
    }
    return true;
}
