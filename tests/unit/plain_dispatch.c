/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_dispatch.h"

#include <math.h>
#include <string.h>

double plain_value(uint16_t bits, afd_token_type type)
{
    int mantissa_bits = type == AFD_TOKEN_F16 ? 10 : 7;
    int exponent_max = type == AFD_TOKEN_F16 ? 31 : 255;
    int bias = exponent_max / 2;
    int exponent = bits >> mantissa_bits & exponent_max;
    int mantissa = bits & ((1 << mantissa_bits) - 1);
    double sign = (bits & 0x8000) != 0 ? -1 : 1;
    if (exponent == exponent_max) {
        return mantissa == 0 ? sign * (double)INFINITY : (double)NAN;
    }
    if (exponent == 0) {
        return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    }
    return sign * ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

/* v of one value: a product of two floats is exact in a double, so it is rounded once. */
static float scaled_value(const uint16_t *token, const float *smooth_scales, uint32_t i, afd_token_type type)
{
    double value = plain_value(token[i], type);
    return smooth_scales == NULL ? (float)value : (float)(value * (double)smooth_scales[i]);
}

void plain_quantize(uint8_t *slot, const uint16_t *token, const float *smooth_scales, uint32_t hidden,
                    afd_token_type type)
{
    uint32_t scale_offset = (hidden + 31) / 32 * 32;
    float largest = 0;
    float scale = 0;
    bool is_finite = true;
    memset(slot, 0, scale_offset);
    for (uint32_t i = 0; i < hidden; i++) {
        float value = scaled_value(token, smooth_scales, i, type);
        is_finite = is_finite && isfinite(value);
        largest = fmaxf(largest, fabsf(value));
    }
    if (!is_finite) {
        const uint32_t quiet_nan = 0x7FC00000;
        memcpy(&scale, &quiet_nan, sizeof(scale));
    } else if ((double)largest >= ldexp(1, -119)) {
        float d = (float)(127.0L / (long double)largest);
        scale = (float)(1.0L / (long double)d);
        for (uint32_t i = 0; i < hidden; i++) {
            float product = (float)((double)scaled_value(token, smooth_scales, i, type) * (double)d);
            slot[i] = (uint8_t)(int8_t)rintl((long double)product);
        }
    }
    memcpy(slot + scale_offset, &scale, sizeof(scale));
}

static bool is_sent(const afd_dispatch_args *args, uint32_t token)
{
    return token < args->token_num && (args->active_mask == NULL || args->active_mask[token] != 0);
}

static uint32_t expert_of(const dispatch_world *world, uint32_t token, uint32_t k)
{
    const afd_dispatch_args *args = &world->args;
    if (k < args->top_k) {
        return (uint32_t)args->expert_ids[token * args->top_k + k];
    }
    return world->plan.routed_num + k - args->top_k;
}

static const int32_t *copy_of(const dispatch_world *world, uint32_t expert)
{
    const afd_expert_table *table = &world->args.experts;
    uint32_t layer = table->layer_num == 1 ? 0 : (uint32_t)world->args.layer_id;
    const int32_t *row = table->entries + (layer * table->expert_num + expert) * table->width;
    return row + 1 + 2 * (world->args.session % (uint32_t)row[0]);
}

static bool gets_a_token(const dispatch_world *world, uint32_t writer)
{
    const afd_shape *shape = &world->plan.shape;
    for (uint32_t token = 0; token < shape->micro_batch_size; token++) {
        for (uint32_t k = 0; is_sent(&world->args, token) && k < shape->selected_expert_num; k++) {
            if (copy_of(world, expert_of(world, token, k))[0] - world->args.first_rank == (int32_t)writer) {
                return true;
            }
        }
    }
    return false;
}

static bool is_published(const dispatch_world *world, uint32_t writer)
{
    return !world->args.only_ranks_with_tokens || gets_a_token(world, writer);
}

static int32_t read_i32(const uint8_t *copy, uint64_t offset)
{
    int32_t value;
    memcpy(&value, copy + offset, sizeof(value));
    return value;
}

static void write_i32(uint8_t *copy, uint64_t offset, int32_t value)
{
    memcpy(copy + offset, &value, sizeof(value));
}

static void send(const dispatch_world *world, uint8_t *copy, uint32_t token, uint32_t k)
{
    const afd_dispatch_args *args = &world->args;
    const afd_shape *shape = &world->plan.shape;
    uint32_t expert = expert_of(world, token, k);
    const int32_t *home = copy_of(world, expert);
    uint32_t writer = (uint32_t)(home[0] - args->first_rank);
    uint64_t slot = (uint64_t)token * shape->selected_expert_num + k;
    uint64_t desc = dispatch_world_desc_offset(world, writer, args->session, args->micro_batch);
    uint8_t *data = copy + dispatch_world_data_offset(world, writer, args->session, args->micro_batch) +
                    slot * shape->attn_to_ffn_token_size;
    const uint16_t *row = world->tokens + (size_t)token * args->hidden;
    write_i32(copy, desc + 8 + 4 * slot, home[1]);
    if (!args->quantize) {
        memcpy(data, row, 2 * (size_t)args->hidden);
        return;
    }
    uint32_t layer = args->experts.layer_num == 1 ? 0 : (uint32_t)args->layer_id;
    size_t scales_at = ((size_t)layer * args->experts.expert_num + expert) * args->hidden;
    plain_quantize(data, row, args->smooth_scales == NULL ? NULL : args->smooth_scales + scales_at, args->hidden,
                   args->type);
}

static bool anybody_is_late(const dispatch_world *world, const uint8_t *copy, bool is_late[DISPATCH_WORLD_WRITERS_MAX])
{
    bool anybody = false;
    for (uint32_t writer = 0; writer < world->args.writer_num; writer++) {
        uint64_t flag = dispatch_world_desc_offset(world, writer, world->args.session, world->args.micro_batch);
        is_late[writer] = is_published(world, writer) && read_i32(copy, flag) == 1;
        anybody = anybody || is_late[writer];
    }
    return anybody;
}

afd_status plain_dispatch(const dispatch_world *world, uint8_t *copy, bool is_late[DISPATCH_WORLD_WRITERS_MAX])
{
    const afd_dispatch_args *args = &world->args;
    const afd_shape *shape = &world->plan.shape;
    uint32_t slot_num = shape->micro_batch_size * shape->selected_expert_num;
    uint64_t own = world->own_offset + 4 * (uint64_t)args->micro_batch * slot_num;
    for (uint32_t i = 0; i < slot_num; i++) {
        if (read_i32(copy, own + 4 * (uint64_t)i) == 1) {
            return AFD_ERR_INVALID;
        }
    }
    if (anybody_is_late(world, copy, is_late)) {
        return AFD_DEADLINE;
    }
    for (uint32_t token = 0; token < shape->micro_batch_size; token++) {
        for (uint32_t k = 0; k < shape->selected_expert_num; k++) {
            if (is_sent(args, token)) {
                send(world, copy, token, k);
            } else {
                write_i32(copy, own + 4 * (uint64_t)(token * shape->selected_expert_num + k), 1);
            }
        }
    }
    for (uint32_t writer = 0; writer < args->writer_num; writer++) {
        if (is_published(world, writer)) {
            uint64_t desc = dispatch_world_desc_offset(world, writer, args->session, args->micro_batch);
            write_i32(copy, desc, 1);
            write_i32(copy, desc + 4, args->layer_id);
        }
    }
    return AFD_OK;
}
