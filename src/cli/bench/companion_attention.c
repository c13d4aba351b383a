/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch and combine. */
#include <string.h>

#include "bench/companion.h"
#include "bench/random.h"

enum { LAYER_ID = 7, TOKEN_VALUES = 81, SLOT_VALUES = 13 };

/* The own context and window. */
static afd_status make_own(bench_companion *world, const afd_shape *shape, afd_error *error)
{
    afd_status status = afd_attention_context_create(shape, &world->context, error);
    if (status == AFD_OK) {
        status = afd_attention_window_create_private(shape, &world->own_window, error);
    }
    return status == AFD_OK ? afd_window_bind(world->own_window, world->context, error) : status;
}

/* ---- dispatch: what is sent ---- */

/* Whole numbers whose largest is 127 also after the smooth scale, 1 or 2, so that int8 holds them as they are. */
static int token_value(uint32_t token, uint32_t h)
{
    return h == 0 ? 127 : (int)((token * 31 + h * 7) % TOKEN_VALUES) - TOKEN_VALUES / 2;
}

static int smooth_scale(uint32_t h)
{
    return h % 2 == 0 ? 1 : 2;
}

static void fill_tokens(bench_companion *world, uint16_t *tokens)
{
    for (uint32_t t = 0; t < world->token_num; t++) {
        for (uint32_t h = 0; h < world->hidden; h++) {
            tokens[(size_t)t * world->hidden + h] =
                bench_companion_half((float)token_value(t, h), world->type);
        }
    }
}

static void fill_smooth_scales(const bench_companion *world, float *scales, size_t expert_num)
{
    for (size_t e = 0; e < expert_num; e++) {
        for (uint32_t h = 0; h < world->hidden; h++) {
            scales[e * world->hidden + h] = (float)smooth_scale(h);
        }
    }
}

/* Experts go to the ranks in order; shared ones are the last expert of the last ranks. */
static void fill_table(int32_t *table, uint32_t expert_num)
{
    for (uint32_t e = 0; e < expert_num; e++) {
        bool is_routed = e < BENCH_RANK_NUM * BENCH_RANK_EXPERT_NUM;
        table[3 * e] = 1;
        table[3 * e + 1] = is_routed ? (int32_t)(e / BENCH_RANK_EXPERT_NUM) : 0;
        table[3 * e + 2] = is_routed ? (int32_t)(e % BENCH_RANK_EXPERT_NUM) : BENCH_RANK_EXPERT_NUM;
    }
}

/* K different experts a token: a random first one, and steps that visit all before one comes again. */
static void fill_expert_ids(bench_companion *world, int32_t *ids)
{
    const uint32_t routed_num = BENCH_RANK_NUM * BENCH_RANK_EXPERT_NUM;
    for (uint32_t t = 0; t < world->token_num; t++) {
        uint32_t expert = bench_random_below(&world->random_state, routed_num);
        for (uint32_t k = 0; k < world->top_k; k++) {
            ids[(size_t)t * world->top_k + k] = (int32_t)expert;
            expert = (expert + 37) % routed_num;
        }
    }
}

/* ---- dispatch: the world ---- */

static uint32_t expert_of(const bench_companion *world, uint32_t token, uint32_t slot)
{
    const afd_dispatch_args *args = &world->dispatch;
    return slot < args->top_k ? (uint32_t)args->expert_ids[(size_t)token * args->top_k + slot]
                              : args->experts.expert_num - 1;
}

/* Where a slot comes to lie, as the table says. */
static const bench_reference_window *peer_of(const bench_companion *world, uint32_t token, uint32_t slot)
{
    return &world->peers[world->dispatch.experts.entries[3 * (size_t)expert_of(world, token, slot) + 1]];
}

static char *slot_of(const bench_companion *world, uint32_t token, uint32_t slot)
{
    const bench_reference_window *peer = peer_of(world, token, slot);
    return peer->data + ((size_t)token * world->slot_num + slot) * peer->slot_bytes;
}

static void name_slots(bench_companion *world, size_t row_bytes)
{
    bench_companion_pieces(&world->writes, (size_t)world->token_num * world->slot_num, row_bytes);
    for (uint32_t t = 0; t < world->token_num; t++) {
        for (uint32_t k = 0; k < world->slot_num; k++) {
            char *slot = slot_of(world, t, k);
            world->writes.at[(size_t)t * world->slot_num + k] = slot;
            memset(slot, 0, row_bytes);
        }
    }
}

static bool make_inputs(bench_companion *world, bool quantize)
{
    const uint32_t routed_num = BENCH_RANK_NUM * BENCH_RANK_EXPERT_NUM;
    const uint32_t expert_num = routed_num + world->slot_num - world->top_k;
    const size_t token_bytes = 2 * (size_t)world->token_num * world->hidden;
    const size_t scale_bytes = sizeof(float) * expert_num * world->hidden;
    uint16_t *tokens = bench_companion_map(world, token_bytes);
    int32_t *ids = bench_companion_map(world, sizeof(int32_t) * world->token_num * world->top_k);
    int32_t *table = bench_companion_map(world, sizeof(int32_t) * 3 * expert_num);
    float *scales = quantize ? bench_companion_map(world, scale_bytes) : NULL;
    if (tokens == NULL || ids == NULL || table == NULL || (quantize && scales == NULL)) {
        return false;
    }
    fill_tokens(world, tokens);
    fill_expert_ids(world, ids);
    fill_table(table, expert_num);
    bench_companion_reads(world, tokens, token_bytes);
    if (quantize) {
        fill_smooth_scales(world, scales, expert_num);
        bench_companion_reads(world, scales, scale_bytes);
    }
    afd_dispatch_args *args = &world->dispatch;
    *args = (afd_dispatch_args)AFD_DISPATCH_ARGS_INIT;
    args->layer_id = LAYER_ID;
    args->tokens = tokens;
    args->token_num = world->token_num;
    args->hidden = world->hidden;
    args->type = world->type;
    args->quantize = quantize;
    args->expert_ids = ids;
    args->top_k = world->top_k;
    args->experts = (afd_expert_table){ table, 1, expert_num, 3 };
    args->smooth_scales = scales;
    args->writers = world->writers;
    args->writer_num = world->peer_num;
    return true;
}

static afd_status make_dispatch_of(bench_companion *world, bool quantize, afd_error *error)
{
    const afd_token_type sent = quantize ? AFD_TOKEN_INT8 : world->type;
    const size_t row_bytes = afd_token_bytes(sent, world->hidden);
    const size_t token_bytes = 2 * (size_t)world->token_num * world->hidden;
    const size_t slot_num = (size_t)world->token_num * world->slot_num;
    world->shape.attn_to_ffn_token_size = (uint32_t)afd_token_slot_bytes(sent, world->hidden);
    afd_status status = make_own(world, &world->shape, error);
    for (int i = 0; i < BENCH_RANK_NUM && status == AFD_OK; i++) {
        status = bench_companion_add_peer(world, AFD_WINDOW_FFN, &world->shape, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    if (!make_inputs(world, quantize)) {
        return bench_companion_no_memory(error);
    }
    name_slots(world, row_bytes);
    const size_t scale_bytes = quantize ? world->reads[1].bytes : 0;
    const size_t read_bytes = token_bytes + (quantize ? slot_num * sizeof(float) * world->hidden : 0);
    return bench_companion_blocks(world, token_bytes + scale_bytes, read_bytes, slot_num * row_bytes,
                                  2 * (size_t)world->hidden)
               ? AFD_OK
               : bench_companion_no_memory(error);
}

static afd_status make_dispatch(bench_companion *world, afd_error *error)
{
    return make_dispatch_of(world, false, error);
}

static afd_status make_dispatch_int8(bench_companion *world, afd_error *error)
{
    return make_dispatch_of(world, true, error);
}

/* As the scheduler gives a desc back. */
static void reset_dispatch(bench_companion *world)
{
    for (uint32_t rank = 0; rank < world->peer_num; rank++) {
        afd_ffn_desc *desc = afd_window_desc(world->windows[rank], 0, 0);
        memset(afd_ffn_desc_expert_ids(desc), 0x7F,
               sizeof(int32_t) * (size_t)world->token_num * world->slot_num);
        desc->layer_id = 0;
        desc->flag = AFD_FLAG_FREE;
    }
    world->dispatch.round++;
}

/* ---- dispatch: the calls and their check ---- */

static void dispatch(bench_companion *world)
{
    afd_error error;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    bench_companion_expect(world, afd_attention_dispatch(world->context, &world->dispatch, &wait, &error), &error);
}

static void dispatch_plainly(bench_companion *world)
{
    bench_reference_dispatch(&world->dispatch, world->slot_num, world->peers);
}

static bool is_quantized(const bench_companion *world, uint32_t token, const char *slot)
{
    float scale;
    bool right = true;
    for (uint32_t h = 0; h < world->hidden; h++) {
        right &= (signed char)slot[h] == token_value(token, h) * smooth_scale(h);
    }
    memcpy(&scale, slot + afd_token_scale_offset(world->hidden), sizeof(scale));
    return right && scale == 1.0F;
}

static bool slot_is_sent(const bench_companion *world, uint32_t token, uint32_t slot)
{
    const afd_dispatch_args *args = &world->dispatch;
    const bench_reference_window *peer = peer_of(world, token, slot);
    const char *row = slot_of(world, token, slot);
    const size_t row_bytes = 2 * (size_t)world->hidden;
    bool right = args->quantize ? is_quantized(world, token, row)
                                : memcmp(row, (const char *)args->tokens + token * row_bytes, row_bytes) == 0;
    return right && peer->info[2 + (size_t)token * world->slot_num + slot] ==
                        args->experts.entries[3 * (size_t)expert_of(world, token, slot) + 2];
}

static bool is_dispatched(const bench_companion *world)
{
    bool right = true;
    for (uint32_t rank = 0; rank < world->peer_num; rank++) {
        right = right && world->peers[rank].info[0] == AFD_FLAG_READY && world->peers[rank].info[1] == LAYER_ID;
    }
    for (uint32_t t = 0; t < world->token_num; t++) {
        for (uint32_t k = 0; k < world->slot_num; k++) {
            right = right && slot_is_sent(world, t, k);
        }
    }
    return right;
}

/* ---- combine ---- */

/* Multiples of a quarter that stay below 64 when they are added up: f16 and bf16 hold every one of the sums. */
static int slot_value(uint32_t token, uint32_t slot, uint32_t h)
{
    return (int)((token * 31 + slot * 17 + h * 7) % SLOT_VALUES) - SLOT_VALUES / 2;
}

static int quarters(uint32_t token, uint32_t slot)
{
    return 1 << (token + slot) % 3;
}

static void fill_slots(const bench_companion *world, uint16_t *slots)
{
    for (uint32_t t = 0; t < world->token_num; t++) {
        for (uint32_t k = 0; k < world->slot_num; k++) {
            uint16_t *slot = slots + ((size_t)t * world->slot_num + k) * world->hidden;
            for (uint32_t h = 0; h < world->hidden; h++) {
                slot[h] = bench_companion_half((float)slot_value(t, k, h), world->type);
            }
        }
    }
}

static void fill_scales(const bench_companion *world, float *scales)
{
    for (uint32_t t = 0; t < world->token_num; t++) {
        for (uint32_t k = 0; k < world->top_k; k++) {
            scales[(size_t)t * world->top_k + k] = (float)quarters(t, k) / 4;
        }
    }
}

static afd_status make_combine(bench_companion *world, afd_error *error)
{
    const size_t row_bytes = 2 * (size_t)world->hidden;
    const size_t output_bytes = world->token_num * row_bytes;
    const size_t slots_bytes = output_bytes * world->slot_num;
    const size_t scale_bytes = sizeof(float) * (size_t)world->token_num * world->top_k;
    afd_status status = make_own(world, &world->shape, error);
    if (status != AFD_OK) {
        return status;
    }
    uint16_t *slots = afd_window_token_data(world->own_window, 0, 0);
    float *scales = bench_companion_map(world, scale_bytes);
    char *output = bench_companion_map(world, output_bytes);
    if (scales == NULL || output == NULL ||
        !bench_companion_blocks(world, slots_bytes, slots_bytes, output_bytes, row_bytes)) {
        return bench_companion_no_memory(error);
    }
    fill_slots(world, slots);
    fill_scales(world, scales);
    bench_companion_reads(world, slots, slots_bytes);
    bench_companion_reads(world, scales, scale_bytes);
    bench_companion_pieces(&world->writes, 1, output_bytes);
    world->writes.at[0] = output;
    world->combine = (afd_combine_args)AFD_COMBINE_ARGS_INIT;
    world->combine.token_num = world->token_num;
    world->combine.top_k = world->top_k;
    world->combine.hidden = world->hidden;
    world->combine.type = world->type;
    world->combine.expert_scales = scales;
    world->combine.output = output;
    return AFD_OK;
}

static void combine(bench_companion *world)
{
    afd_error error;
    bench_companion_expect(world, afd_attention_combine(world->context, &world->combine, NULL, &error), &error);
}

static void combine_plainly(bench_companion *world)
{
    bench_reference_combine(&world->combine, world->slot_num, afd_window_token_data(world->own_window, 0, 0));
}

static uint16_t expected_sum(const bench_companion *world, uint32_t token, uint32_t h)
{
    int sum = 0;
    for (uint32_t k = 0; k < world->slot_num; k++) {
        sum += slot_value(token, k, h) * (k < world->top_k ? quarters(token, k) : 4);
    }
    return bench_companion_half((float)sum / 4, world->type);
}

static bool is_combined(const bench_companion *world)
{
    const uint16_t *output = world->combine.output;
    bool right = true;
    for (uint32_t t = 0; t < world->token_num; t++) {
        for (uint32_t h = 0; h < world->hidden; h++) {
            right &= output[(size_t)t * world->hidden + h] == expected_sum(world, t, h);
        }
    }
    return right;
}

const bench_operator bench_dispatch = { make_dispatch,    reset_dispatch, dispatch,
                                        dispatch_plainly, is_dispatched,  { &bench_floor_repeat },
                                        1 };
const bench_operator bench_dispatch_int8 = { make_dispatch_int8, reset_dispatch, dispatch,
                                             dispatch_plainly,   is_dispatched,
                                             { &bench_floor_overwrite, &bench_floor_fold },
                                             2 };
const bench_operator bench_combine = { make_combine,    NULL,        combine,
                                       combine_plainly, is_combined, { &bench_floor_overwrite, &bench_floor_fold },
                                       2 };
