/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch is, case by case; test_batch_against_model has the random ones. */
#include <stdlib.h>
#include <string.h>

#include "batch_world.h"
#include "cmocka_headers.h"

enum { S = 3, M = 2, BS = 2, E = 3, H = 16, HS = 32 };

static batch_world *world_of(uint32_t expert_num, bool need_schedule)
{
    const afd_shape shape = { .session_num = S, .micro_batch_num = M, .micro_batch_size = BS,
                              .selected_expert_num = E, .attn_to_ffn_token_size = HS };
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    args.expert_num = expert_num;
    args.session_max = S;
    args.hidden = H;
    args.type = AFD_TOKEN_F16;
    args.need_schedule = need_schedule;
    return batch_world_new(&shape, &args, batch_world_data_bytes(&shape, &args));
}

/* Publishes one desc with these ids. */
static void arm(batch_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id,
                const int32_t ids[BS * E])
{
    afd_ffn_desc *desc = ffn_world_desc(world->ffn, session, micro_batch);
    memcpy(afd_ffn_desc_expert_ids(desc), ids, BS * E * sizeof(*ids));
    desc->layer_id = layer_id;
    desc->flag = AFD_FLAG_READY;
}

/* Has the sessions at micro-batch 0 taken: by batching itself, or by the scheduler in groups of one before it. */
static afd_status take_and_batch(batch_world *world, afd_error *error)
{
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(1);
    if (!world->args.need_schedule) {
        assert_int_equal(afd_ffn_schedule(world->ffn->context, &args, NULL, NULL, NULL), AFD_OK);
    }
    return batch_world_call(world, NULL, error);
}

static void expect_group(const batch_world *world, uint32_t group, int64_t expert, int64_t count)
{
    assert_int_equal(world->out.group_list[2 * group], expert);
    assert_int_equal(world->out.group_list[2 * group + 1], count);
}

static void expect_row(const batch_world *world, uint32_t row, int32_t session, int32_t token, int32_t slot)
{
    const afd_ffn_batch_out *out = &world->out;
    assert_int_equal(out->session_ids[row], session);
    assert_int_equal(out->micro_batch_ids[row], 0);
    assert_int_equal(out->token_ids[row], token);
    assert_int_equal(out->expert_offsets[row], slot);
    assert_int_equal(out->slots[row], (session * M * BS + token) * E + slot);
    assert_memory_equal((uint8_t *)out->tokens + row * HS, world->token_data + out->slots[row] * HS, HS);
}

#define NONE AFD_EXPERT_ID_NONE

static void nothing_taken_is_a_batch_of_nothing_even_with_null_buffers(void **state)
{
    (void)state;
    batch_world *world = world_of(4, false);
    afd_schedule_context *context = world->ffn->context;
    context->ffn.layer_ids_buf = context->ffn.session_ids_buf = 0;
    context->ffn.micro_batch_ids_buf = context->ffn.expert_ids_buf = 0;
    context->ffn.window.token_data_buf = 0;
    uint8_t *copy = batch_world_copy(world);
    afd_ffn_batch_out expected = batch_world_out_in(world, copy);
    memset(expected.group_list, 0, 16 * 4);
    expected.row_num = expected.group_num = expected.taken_num = expected.wild_num = 0;
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    assert_true(batch_world_equals(world, copy, &expected));
    free(copy);
    batch_world_free(world);
}

static void a_worker_that_got_no_token_has_no_rows_and_gives_the_descs_back(void **state)
{
    (void)state;
    static const int32_t empty[BS * E] = { 1000000, 0x7FFFFFFF, 0x7F7F7F7F, NONE, NONE, INT32_MAX - 1 };
    for (int need_schedule = 0; need_schedule <= 1; need_schedule++) {
        batch_world *world = world_of(4, need_schedule == 1);
        world->ffn->context->ffn.window.token_data_buf_size = 0; /* nothing is read */
        for (uint32_t s = 0; s < S; s++) {
            arm(world, s, 0, 5, empty);
        }
        assert_int_equal(take_and_batch(world, NULL), AFD_OK);
        assert_int_equal(world->out.row_num, 0);
        assert_int_equal(world->out.group_num, 0);
        assert_int_equal(world->out.taken_num, S);
        assert_int_equal(world->out.wild_num, 0);
        assert_int_equal(world->out.layer_ids[S - 1], 5);
        assert_int_equal(world->out.taken_sessions[S - 1], S - 1);
        expect_group(world, 0, 0, 0);
        assert_int_equal(ffn_world_desc(world->ffn, 2, 0)->flag, AFD_FLAG_FREE);
        batch_world_free(world);
    }
}

static void rows_keep_the_order_of_sessions_tokens_and_slots_also_with_duplicates(void **state)
{
    (void)state;
    static const int32_t all_on_one[BS * E] = { 2, 2, 2, 0, 2, 0 };
    static const int32_t other[BS * E] = { NONE, 2, 0, 3, NONE, NONE };
    for (int need_schedule = 0; need_schedule <= 1; need_schedule++) {
        batch_world *world = world_of(4, need_schedule == 1);
        arm(world, 0, 0, 0, all_on_one);
        arm(world, 1, 0, 0, other);
        arm(world, 2, 0, 0, all_on_one);
        assert_int_equal(take_and_batch(world, NULL), AFD_OK);
        assert_int_equal(world->out.row_num, 15);
        assert_int_equal(world->out.group_num, 3);
        expect_group(world, 0, 0, 5);
        expect_group(world, 1, 2, 9);
        expect_group(world, 2, 3, 1);
        expect_group(world, 3, 0, 0);
        expect_row(world, 0, 0, 1, 0);
        expect_row(world, 1, 0, 1, 2);
        expect_row(world, 2, 1, 0, 2);
        expect_row(world, 3, 2, 1, 0);
        expect_row(world, 4, 2, 1, 2);
        expect_row(world, 5, 0, 0, 0);
        expect_row(world, 6, 0, 0, 1);
        expect_row(world, 7, 0, 0, 2);
        expect_row(world, 8, 0, 1, 1);
        expect_row(world, 9, 1, 0, 1);
        expect_row(world, 13, 2, 1, 1);
        expect_row(world, 14, 1, 1, 0);
        batch_world_free(world);
    }
}

/* Expert 1 of 4, of layers 2 and 5: ids of their own, so that a matmul never mixes the weights of two layers. */
static void sessions_at_different_layers_keep_apart_at_the_same_expert(void **state)
{
    (void)state;
    for (int need_schedule = 0; need_schedule <= 1; need_schedule++) {
        batch_world *world = world_of(4 * 6, need_schedule == 1);
        for (uint32_t s = 0; s < S; s++) {
            int32_t layer = s == 1 ? 5 : 2;
            int32_t ids[BS * E] = { 4 * layer + 1, NONE, NONE, NONE, 4 * layer + 1, NONE };
            arm(world, s, 0, layer, ids);
        }
        assert_int_equal(take_and_batch(world, NULL), AFD_OK);
        assert_int_equal(world->out.group_num, 2);
        expect_group(world, 0, 9, 4);
        expect_group(world, 1, 21, 2);
        expect_row(world, 3, 2, 1, 1);
        expect_row(world, 4, 1, 0, 0);
        assert_int_equal(world->out.layer_ids[0], 2);
        assert_int_equal(world->out.layer_ids[1], 5);
        batch_world_free(world);
    }
}

/* 257 experts x 58 layers. */
static void many_experts_are_as_good_as_few(void **state)
{
    (void)state;
    enum { EXPERTS = 14906 };
    static const int32_t ids[BS * E] = { EXPERTS - 1, 0, 7000, EXPERTS - 1, 7000, 1000000 };
    batch_world *world = world_of(EXPERTS, true);
    for (uint32_t s = 0; s < S; s++) {
        arm(world, s, 0, 0, ids);
    }
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    expect_group(world, 0, 0, 3);
    expect_group(world, 1, 7000, 6);
    expect_group(world, 2, EXPERTS - 1, 6);
    for (uint32_t g = 3; g < EXPERTS; g++) {
        expect_group(world, g, 0, 0);
    }
    expect_row(world, 14, 2, 1, 0);
    batch_world_free(world);
}

/* ---- wild ids ---- */

static void a_wild_id_costs_its_session_the_place_and_nobody_else_anything(void **state)
{
    (void)state;
    static const int32_t wild[] = { -1, INT32_MIN, 4, 999999, 1000000 - 1 };
    static const int32_t good[BS * E] = { 0, 1, 2, 3, 0, NONE };
    for (int need_schedule = 0; need_schedule <= 1; need_schedule++) {
        for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
            batch_world *world = world_of(4, need_schedule == 1);
            int32_t bad[BS * E] = { 0, 1, 2, 3, wild[i], -7 };
            arm(world, 0, 0, 1, good);
            arm(world, 1, 0, 9, bad);
            arm(world, 2, 0, 1, good);
            world->args.layer_num = 1; /* who is left out has no say in it */
            assert_int_equal(take_and_batch(world, NULL), AFD_OK);
            assert_int_equal(world->out.taken_num, 3);
            assert_int_equal(world->out.row_num, 10);
            expect_group(world, 0, 0, 4);
            expect_group(world, 3, 3, 2);
            assert_int_equal(world->out.wild_num, 1);
            assert_int_equal(world->out.wild[0].session, 1);
            assert_int_equal(world->out.wild[0].micro_batch, 0);
            assert_int_equal(world->out.wild[0].token, 1);
            assert_int_equal(world->out.wild[0].slot, 1);
            assert_int_equal(world->out.wild[0].expert_id, wild[i]);
            assert_int_equal(ffn_world_desc(world->ffn, 1, 0)->flag, AFD_FLAG_FREE);
            batch_world_free(world);
        }
    }
}

static void wild_sessions_are_counted_past_the_capacity(void **state)
{
    (void)state;
    static const int32_t bad[BS * E] = { NONE, NONE, NONE, NONE, NONE, -1 };
    batch_world *world = world_of(4, true);
    for (uint32_t s = 0; s < S; s++) {
        arm(world, s, 0, 0, bad);
    }
    world->out.wild_capacity = 1;
    afd_wild_id untouched = world->out.wild[1];
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    assert_int_equal(world->out.wild_num, 3);
    assert_int_equal(world->out.wild[0].session, 0);
    assert_memory_equal(&world->out.wild[1], &untouched, sizeof(untouched));
    batch_world_free(world);
}

static void with_fail_on_wild_nothing_is_taken_until_the_session_is_dropped(void **state)
{
    (void)state;
    static _Alignas(8) char memory[512];
    static const int32_t good[BS * E] = { 0, 1, 2, 3, 0, NONE };
    static const int32_t bad[BS * E] = { 0, 1, 2, 3, 4, NONE };
    batch_world *world = world_of(4, true);
    world->args.fail_on_wild = true;
    assert_int_equal(afd_ffn_scheduler_new(S, M, NULL, memory, sizeof(memory), &world->args.scheduler, NULL), AFD_OK);
    arm(world, 0, 0, 0, good);
    arm(world, 1, 0, 0, bad);
    arm(world, 2, 0, 0, good);
    uint8_t *before = ffn_world_copy(world->ffn);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_ERR_INVALID);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_ERR_INVALID);
    assert_true(ffn_world_equals(world->ffn, before));
    assert_int_equal(afd_ffn_scheduler_drop(world->args.scheduler, 1, NULL), AFD_OK);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    assert_int_equal(world->out.taken_num, 2);
    assert_int_equal(world->out.taken_sessions[1], 2);
    assert_int_equal(ffn_world_desc(world->ffn, 1, 0)->flag, AFD_FLAG_READY); /* dropped: it stays as it is */
    free(before);
    batch_world_free(world);
}

/* ---- reading and moving ---- */

static void index_only_says_the_same_and_reads_no_token(void **state)
{
    (void)state;
    static const int32_t ids[BS * E] = { 3, 1, NONE, 1, 0, 3 };
    batch_world *moving = world_of(4, true);
    batch_world *index_only = world_of(4, true);
    index_only->out.tokens = NULL;
    index_only->ffn->context->ffn.window.token_data_buf = 0;
    index_only->ffn->context->ffn.window.token_data_buf_size = 0;
    for (uint32_t s = 0; s < S; s++) {
        arm(moving, s, 0, 0, ids);
        arm(index_only, s, 0, 0, ids);
    }
    assert_int_equal(take_and_batch(moving, NULL), AFD_OK);
    assert_int_equal(take_and_batch(index_only, NULL), AFD_OK);
    assert_int_equal(index_only->out.row_num, moving->out.row_num);
    for (uint32_t row = 0; row < moving->out.row_num; row++) {
        assert_int_equal(index_only->out.slots[row], moving->out.slots[row]);
        assert_memory_equal((uint8_t *)moving->out.tokens + row * HS,
                            moving->token_data + index_only->out.slots[row] * HS, HS);
    }
    batch_world_free(moving);
    batch_world_free(index_only);
}

/* As in the official example: slots of 32 bytes, tokens of 160. What counts is where the last token that is read
 * ends. */
static void tokens_may_be_larger_than_their_slots(void **state)
{
    (void)state;
    enum { WIDE = 80, LAST = (2 * M * BS + 1) * E + 1, NEEDED = LAST * HS + 2 * WIDE };
    static const int32_t ids[BS * E] = { 0, 0, 0, 0, 0, NONE };
    const afd_shape shape = { .session_num = S, .micro_batch_num = M, .micro_batch_size = BS,
                              .selected_expert_num = E, .attn_to_ffn_token_size = HS };
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    afd_error error;
    args.expert_num = 1;
    args.session_max = S;
    args.hidden = WIDE;
    args.need_schedule = true;
    batch_world *world = batch_world_new(&shape, &args, NEEDED);
    for (uint32_t s = 0; s < S; s++) {
        arm(world, s, 0, 0, ids);
    }
    world->ffn->context->ffn.window.token_data_buf_size--;
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "ffn.token_data_buf_size");
    assert_int_equal(error.bound, NEEDED);
    world->ffn->context->ffn.window.token_data_buf_size++;
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_OK);
    assert_memory_equal((uint8_t *)world->out.tokens + (world->out.row_num - 1) * 2 * WIDE,
                        world->token_data + LAST * HS, 2 * WIDE);
    batch_world_free(world);
}

static void an_int8_token_comes_with_its_scale(void **state)
{
    (void)state;
    enum { NARROW = 48, SLOT = 68 }; /* the scale stands at 64, not at 48 */
    static const int32_t ids[BS * E] = { NONE, 1, NONE, NONE, NONE, 0 };
    const afd_shape shape = { .session_num = 1, .micro_batch_num = 1, .micro_batch_size = BS,
                              .selected_expert_num = E, .attn_to_ffn_token_size = SLOT };
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    const float scale = 0.375F;
    args.expert_num = 2;
    args.session_max = 1;
    args.hidden = NARROW;
    args.type = AFD_TOKEN_INT8;
    args.need_schedule = true;
    batch_world *world = batch_world_new(&shape, &args, (uint64_t)BS * E * SLOT);
    memcpy(world->token_data + 5 * SLOT + 64, &scale, sizeof(scale));
    arm(world, 0, 0, 0, ids);
    assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
    assert_int_equal(world->out.row_num, 2);
    assert_true(world->out.dynamic_scale[0] == scale);
    assert_memory_equal(world->out.tokens, world->token_data + 5 * SLOT, NARROW);
    assert_memory_equal((uint8_t *)world->out.tokens + NARROW, world->token_data + 1 * SLOT, NARROW);
    batch_world_free(world);
}

static void need_schedule_goes_round_the_micro_batches_and_leaves_the_output_area_alone(void **state)
{
    (void)state;
    static const int32_t ids[BS * E] = { 0, 1, 2, 3, 0, 1 };
    batch_world *world = world_of(4, true);
    ffn_world *ffn = world->ffn;
    ffn->context->ffn.out_num = 77; /* not looked at either */
    for (uint32_t round = 0; round < 2 * M; round++) {
        for (uint32_t s = 0; s < S; s++) {
            arm(world, s, round % M, (int32_t)round, ids);
        }
        assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
        assert_int_equal(world->out.micro_batch_ids[0], round % M);
        assert_int_equal(world->out.layer_ids[2], round);
        assert_int_equal(ffn->context->ffn.polling_index, (round + 1) % M);
        assert_int_equal(ffn->context->ffn.out_num, 77);
        assert_int_equal(ffn->session_ids[0], (int32_t)0xEEEEEEEE);
        for (uint32_t s = 0; s < S; s++) {
            const afd_ffn_desc *desc = ffn_world_desc(ffn, s, round % M);
            assert_int_equal(desc->flag, AFD_FLAG_FREE);
            assert_int_equal(desc->layer_id, round);
            assert_int_equal(((const int32_t *)(desc + 1))[BS * E - 1], AFD_EXPERT_ID_REFILL);
        }
    }
    batch_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_taken_is_a_batch_of_nothing_even_with_null_buffers),
        cmocka_unit_test(a_worker_that_got_no_token_has_no_rows_and_gives_the_descs_back),
        cmocka_unit_test(rows_keep_the_order_of_sessions_tokens_and_slots_also_with_duplicates),
        cmocka_unit_test(sessions_at_different_layers_keep_apart_at_the_same_expert),
        cmocka_unit_test(many_experts_are_as_good_as_few),
        cmocka_unit_test(a_wild_id_costs_its_session_the_place_and_nobody_else_anything),
        cmocka_unit_test(wild_sessions_are_counted_past_the_capacity),
        cmocka_unit_test(with_fail_on_wild_nothing_is_taken_until_the_session_is_dropped),
        cmocka_unit_test(index_only_says_the_same_and_reads_no_token),
        cmocka_unit_test(tokens_may_be_larger_than_their_slots),
        cmocka_unit_test(an_int8_token_comes_with_its_scale),
        cmocka_unit_test(need_schedule_goes_round_the_micro_batches_and_leaves_the_output_area_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
