/* SPDX-License-Identifier: Apache-2.0 */
/* What combine adds up, in cases that a person can follow. test_attention_against_model has the others. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_world.h"
#include "base/half.h"
#include "cmocka_headers.h"

enum { M = 2, HIDDEN = 16, SLOT_BYTES = 2 * HIDDEN, OUTPUT_BYTE = 0xEE };

static uint16_t narrow(afd_token_type type, float value)
{
    return type == AFD_TOKEN_BF16 ? afd__f32_to_bf16(value) : afd__f32_to_f16(value);
}

/* Fills a slot with one value. */
static void put(const attention_world *world, afd_token_type type, uint32_t m, uint32_t token, uint32_t slot,
                float value)
{
    uint16_t half = narrow(type, value);
    size_t row = ((size_t)m * world->shape.micro_batch_size + token) * world->shape.selected_expert_num + slot;
    for (size_t h = 0; h < HIDDEN; h++) {
        memcpy(world->token_data + row * world->shape.ffn_to_attn_token_size + 2 * h, &half, sizeof(half));
    }
}

static afd_combine_args args_of(afd_token_type type, uint32_t token_num, uint32_t top_k, const float *scales,
                                uint16_t *output)
{
    afd_combine_args args = AFD_COMBINE_ARGS_INIT;
    args.token_num = token_num;
    args.top_k = top_k;
    args.hidden = HIDDEN;
    args.type = type;
    args.expert_scales = scales;
    args.output = output;
    return args;
}

static void routed_slots_are_weighted_and_shared_ones_are_not(void **state)
{
    (void)state;
    static const float scales[] = { 0.5F, -2.0F };
    for (int type = AFD_TOKEN_F16; type <= AFD_TOKEN_BF16; type++) {
        for (uint32_t shared_num = 0; shared_num <= 2; shared_num++) {
            attention_world *world = attention_world_new(M, 1, 2 + shared_num, SLOT_BYTES);
            uint16_t output[HIDDEN];
            afd_combine_args args = args_of((afd_token_type)type, 1, 2, scales, output);
            world->context->attention.micro_batch_id = 1;
            put(world, args.type, 1, 0, 0, 3.0F);
            put(world, args.type, 1, 0, 1, 0.25F);
            for (uint32_t k = 0; k < shared_num; k++) {
                put(world, args.type, 1, 0, 2 + k, 10.0F);
            }
            assert_int_equal(afd_attention_combine(world->context, &args, NULL, NULL), AFD_OK);
            for (int h = 0; h < HIDDEN; h++) {
                assert_int_equal(output[h], narrow(args.type, 1.0F + 10.0F * (float)shared_num));
            }
            attention_world_free(world);
        }
    }
}

/* (1 + 2^-7)^2 needs 15 bits more than a float's sum with -1 has room for when it was rounded first. */
static void a_product_is_rounded_before_it_is_added(void **state)
{
    (void)state;
    const float scales[] = { 1.0F, 1.0F + 0x1p-23F };
    const float factor = 1.0F + 0x1p-7F;
    attention_world *world = attention_world_new(M, 1, 2, SLOT_BYTES);
    uint16_t output[HIDDEN];
    afd_combine_args args = args_of(AFD_TOKEN_BF16, 1, 2, scales, output);
    put(world, args.type, M - 1, 0, 0, -factor);
    put(world, args.type, M - 1, 0, 1, factor);
    volatile float product = scales[1] * factor;
    volatile float separate = -factor + product;
    float fused = fmaf(scales[1], factor, -factor);
    assert_true(narrow(args.type, separate) != narrow(args.type, fused)); /* else the case shows nothing */
    assert_int_equal(afd_attention_combine(world->context, &args, NULL, NULL), AFD_OK);
    assert_int_equal(output[0], narrow(args.type, separate));
    attention_world_free(world);
}

static void slots_are_added_in_their_order_from_plus_zero(void **state)
{
    (void)state;
    static const float ones[] = { 1.0F, 1.0F, 1.0F };
    attention_world *world = attention_world_new(M, 2, 3, SLOT_BYTES);
    uint16_t output[2 * HIDDEN];
    const float scales[] = { ones[0], ones[1], ones[2], -1.0F, -1.0F, -1.0F };
    afd_combine_args args = args_of(AFD_TOKEN_BF16, 2, 3, scales, output);
    put(world, args.type, M - 1, 0, 0, 0x1p30F); /* takes the 1 away only if it comes first */
    put(world, args.type, M - 1, 0, 1, 1.0F);
    put(world, args.type, M - 1, 0, 2, -0x1p30F);
    for (uint32_t k = 0; k < 3; k++) {
        put(world, args.type, M - 1, 1, k, 0.0F);
    }
    assert_int_equal(afd_attention_combine(world->context, &args, NULL, NULL), AFD_OK);
    assert_int_equal(output[0], 0);
    assert_int_equal(output[HIDDEN], 0); /* +0 and three times -0 */
    attention_world_free(world);
}

static void infinities_and_nans_go_through(void **state)
{
    (void)state;
    const struct {
        float scale;
        float routed;
        float shared;
        float expected;
    } rows[] = {
        { 1.0F, INFINITY, 1.0F, INFINITY },   { -1.0F, INFINITY, 1.0F, -INFINITY }, { 1.0F, INFINITY, -INFINITY, NAN },
        { 0.0F, INFINITY, 1.0F, NAN },        { 1.0F, NAN, 1.0F, NAN },             { NAN, 1.0F, 1.0F, NAN },
        { 1.0F, 0.0F, NAN, NAN },             { INFINITY, 1.0F, 0.0F, INFINITY },   { 3e38F, 60000.0F, 0.0F, INFINITY },
        { 2.0F, 60000.0F, -60000.0F, 60000.0F }, /* above f16's range on the way only */
    };
    for (int type = AFD_TOKEN_F16; type <= AFD_TOKEN_BF16; type++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            attention_world *world = attention_world_new(M, 1, 2, SLOT_BYTES);
            uint16_t output[HIDDEN];
            afd_combine_args args = args_of((afd_token_type)type, 1, 1, &rows[i].scale, output);
            put(world, args.type, M - 1, 0, 0, rows[i].routed);
            put(world, args.type, M - 1, 0, 1, rows[i].shared);
            assert_int_equal(afd_attention_combine(world->context, &args, NULL, NULL), AFD_OK);
            float got = type == AFD_TOKEN_BF16 ? afd__bf16_to_f32(output[0]) : afd__f16_to_f32(output[0]);
            if (isnan(rows[i].expected)) {
                assert_true(isnan(got));
            } else {
                assert_int_equal(output[0], narrow(args.type, rows[i].expected));
            }
            attention_world_free(world);
        }
    }
}

/* Publishes what is awaited, with its data, in the middle of the wait. */
static void bring_results(void *arg)
{
    const attention_world *world = arg;
    put(world, AFD_TOKEN_BF16, 0, 0, 0, 5.0F);
    attention_world_arm(world, 0, AFD_FLAG_READY);
}

static void with_need_schedule_it_waits_reads_clears_and_moves_on(void **state)
{
    (void)state;
    static const float scale = 1.0F;
    attention_world *world = attention_world_new(M, 1, 1, SLOT_BYTES);
    uint16_t output[HIDDEN] = { 0 };
    afd_combine_args args = args_of(AFD_TOKEN_BF16, 1, 1, &scale, output);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.poll = bring_results;
    wait.poll_arg = world;
    args.need_schedule = true;
    attention_world_arm(world, 1, AFD_FLAG_READY);
    put(world, args.type, 1, 0, 0, 7.0F);
    assert_int_equal(afd_attention_combine(world->context, &args, &wait, NULL), AFD_OK);
    assert_int_equal(output[0], narrow(args.type, 5.0F));
    assert_int_equal(world->context->attention.micro_batch_id, 0);
    assert_int_equal(*attention_world_flag(world, 0, 0, 0), AFD_FLAG_FREE);
    assert_int_equal(*attention_world_flag(world, 1, 0, 0), AFD_FLAG_READY);
    assert_int_equal(afd_attention_combine(world->context, &args, NULL, NULL), AFD_OK);
    assert_int_equal(output[0], narrow(args.type, 7.0F));
    assert_int_equal(world->context->attention.micro_batch_id, 1);
    /* And once more without waiting: the same data, and the flags are nobody's business. */
    args.need_schedule = false;
    output[0] = 0;
    uint8_t *before = attention_world_copy(world);
    assert_int_equal(afd_attention_combine(world->context, &args, NULL, NULL), AFD_OK);
    assert_int_equal(output[0], narrow(args.type, 7.0F));
    assert_true(attention_world_equals(world, before));
    free(before);
    attention_world_free(world);
}

static void a_micro_batch_without_tokens_is_taken_too(void **state)
{
    (void)state;
    attention_world *world = attention_world_new(M, 2, 3, 0);
    afd_combine_args args = args_of(AFD_TOKEN_F16, 0, 2, NULL, NULL);
    args.need_schedule = true;
    attention_world_arm(world, 0, AFD_FLAG_READY);
    assert_int_equal(afd_attention_combine(world->context, &args, NULL, NULL), AFD_OK);
    assert_int_equal(world->context->attention.micro_batch_id, 0);
    assert_int_equal(*attention_world_flag(world, 0, 1, 2), AFD_FLAG_FREE);
    attention_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routed_slots_are_weighted_and_shared_ones_are_not),
        cmocka_unit_test(a_product_is_rounded_before_it_is_added),
        cmocka_unit_test(slots_are_added_in_their_order_from_plus_zero),
        cmocka_unit_test(infinities_and_nans_go_through),
        cmocka_unit_test(with_need_schedule_it_waits_reads_clears_and_moves_on),
        cmocka_unit_test(a_micro_batch_without_tokens_is_taken_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
