/* SPDX-License-Identifier: Apache-2.0 */
/* What a scheduling call takes, and what it leaves alone: all-sync, groups, several calls, both kinds of call. */
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "cmocka_headers.h"
#include "ffn_world.h"

/* The two calls, which take the same where something is ready. */
typedef afd_status (*schedule_call)(afd_schedule_context *context, const afd_ffn_schedule_args *args,
                                    uint32_t *taken_num);

static afd_status waiting(afd_schedule_context *context, const afd_ffn_schedule_args *args, uint32_t *taken_num)
{
    return afd_ffn_schedule(context, args, NULL, taken_num, NULL);
}

static afd_status one_pass(afd_schedule_context *context, const afd_ffn_schedule_args *args, uint32_t *taken_num)
{
    return afd_ffn_schedule_poll(context, args, taken_num, NULL);
}

static const schedule_call calls[] = { waiting, one_pass };

static uint32_t take(ffn_world *world, schedule_call call, int32_t group_size)
{
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(group_size);
    uint32_t taken_num = 77;
    assert_int_equal(call(world->context, &args, &taken_num), AFD_OK);
    assert_int_equal(taken_num, world->context->ffn.out_num);
    assert_true(taken_num > 0);
    return taken_num;
}

/* Nothing can be taken: one pass says so, and a wait reaches its deadline; the window is unchanged by both. */
static void expect_nothing(ffn_world *world, int32_t group_size)
{
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(group_size);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    uint32_t taken_num = 77;
    wait.deadline_ns = 1;
    world->context->ffn.out_num = 0;
    uint8_t *before = ffn_world_copy(world);
    world->context->ffn.out_num = 9;
    assert_int_equal(afd_ffn_schedule_poll(world->context, &args, &taken_num, NULL), AFD_NOT_YET);
    assert_int_equal(taken_num, 0);
    assert_true(ffn_world_equals(world, before));
    taken_num = 77;
    world->context->ffn.out_num = 9;
    assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, &taken_num, NULL), AFD_DEADLINE);
    assert_int_equal(taken_num, 0);
    assert_true(ffn_world_equals(world, before));
    free(before);
}

static void all_sync_takes_everybody_in_session_order_and_moves_on(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        ffn_world *world = ffn_world_new(3, 2, 3, 1, 4);
        for (uint32_t round = 0; round < 5; round++) {
            uint32_t awaited = round % 2;
            assert_int_equal(world->context->ffn.polling_index, awaited);
            for (uint32_t s = 0; s < 3; s++) {
                ffn_world_arm(world, s, awaited, round, AFD_FLAG_READY);
            }
            assert_int_equal(take(world, calls[c], 3), 3);
            for (uint32_t s = 0; s < 3; s++) {
                assert_true(ffn_world_row_is(world, s, s, awaited, round));
            }
        }
        ffn_world_free(world);
    }
}

static void all_sync_waits_for_the_last_session_and_for_no_other_micro_batch(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(3, 2, 3, 1, 0);
    for (uint32_t s = 0; s < 3; s++) {
        ffn_world_arm(world, s, 1, 1, AFD_FLAG_READY); /* the other micro-batch is all there */
    }
    ffn_world_arm(world, 0, 0, 1, AFD_FLAG_READY);
    ffn_world_arm(world, 1, 0, 1, AFD_FLAG_READY);
    expect_nothing(world, 3);
    ffn_world_arm(world, 2, 0, 1, AFD_FLAG_READY);
    assert_int_equal(take(world, waiting, 3), 3);
    assert_int_equal(world->context->ffn.polling_index, 1);
    ffn_world_free(world);
}

static void one_session_alone_is_all_sync(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(1, 3, 1, 1, 0);
    world->context->ffn.polling_index = 2;
    ffn_world_arm(world, 0, 0, 1, AFD_FLAG_READY);
    expect_nothing(world, 1);
    ffn_world_arm(world, 0, 2, 1, AFD_FLAG_READY);
    assert_int_equal(take(world, waiting, 1), 1);
    assert_true(ffn_world_row_is(world, 0, 0, 2, 1));
    assert_int_equal(world->context->ffn.polling_index, 0);
    ffn_world_free(world);
}

static void each_group_gives_its_lowest_micro_batch_that_all_of_it_have(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        ffn_world *world = ffn_world_new(6, 3, 5, 1, 8);
        world->context->ffn.polling_index = 2;
        ffn_world_arm(world, 0, 0, 1, AFD_FLAG_READY); /* group 0: only one has 0, both have 1 and 2 */
        for (uint32_t s = 0; s < 2; s++) {
            ffn_world_arm(world, s, 1, 1, AFD_FLAG_READY);
            ffn_world_arm(world, s, 2, 1, AFD_FLAG_READY);
        }
        ffn_world_arm(world, 2, 0, 1, AFD_FLAG_READY); /* group 1: they do not agree */
        ffn_world_arm(world, 3, 1, 1, AFD_FLAG_READY);
        ffn_world_arm(world, 4, 2, 1, AFD_FLAG_READY); /* group 2 */
        ffn_world_arm(world, 5, 2, 1, AFD_FLAG_READY);
        assert_int_equal(take(world, calls[c], 2), 4);
        assert_true(ffn_world_row_is(world, 0, 0, 1, 1));
        assert_true(ffn_world_row_is(world, 1, 1, 1, 1));
        assert_true(ffn_world_row_is(world, 2, 4, 2, 1));
        assert_true(ffn_world_row_is(world, 3, 5, 2, 1));
        assert_int_equal(world->context->ffn.polling_index, 2); /* groups do not move it */
        assert_int_equal(take(world, calls[c], 2), 2); /* what group 0 still has */
        assert_true(ffn_world_row_is(world, 0, 0, 2, 1));
        assert_true(ffn_world_row_is(world, 1, 1, 2, 1));
        expect_nothing(world, 2);
        ffn_world_free(world);
    }
}

static void groups_of_one_take_whoever_is_ready(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(5, 2, 2, 2, 0);
    ffn_world_arm(world, 1, 1, 3, AFD_FLAG_READY);
    ffn_world_arm(world, 4, 0, 3, AFD_FLAG_READY);
    assert_int_equal(take(world, waiting, 1), 2);
    assert_true(ffn_world_row_is(world, 0, 1, 1, 3));
    assert_true(ffn_world_row_is(world, 1, 4, 0, 3));
    ffn_world_free(world);
}

static void without_fairness_the_lowest_micro_batch_always_goes_first(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(2, 4, 1, 1, 0);
    for (uint32_t m = 0; m < 4; m++) {
        ffn_world_arm(world, 0, m, 0, AFD_FLAG_READY);
    }
    for (uint32_t round = 1; round < 100; round++) {
        ffn_world_arm(world, 0, 0, round, AFD_FLAG_READY);
        assert_int_equal(take(world, waiting, 1), 1);
        assert_true(ffn_world_row_is(world, 0, 0, 0, round));
    }
    ffn_world_free(world);
}

/* The word at `index` of the token info. */
static int32_t word_at(const ffn_world *world, uint64_t index)
{
    int32_t word = 0;
    memcpy(&word, world->token_info + 4 * index, sizeof(word));
    return word;
}

static void a_taken_desc_is_refilled_to_its_last_id_and_its_neighbours_are_untouched(void **state)
{
    (void)state;
    for (uint32_t id_num = 1; id_num <= 67; id_num += 2) { /* odd: descs and lines of the cache do not agree */
        ffn_world *world = ffn_world_new(3, 1, id_num, 1, 4);
        uint64_t words = 2 + id_num;
        uint8_t *before = ffn_world_copy(world);
        ffn_world_arm(world, 1, 0, 5, AFD_FLAG_READY);
        assert_int_equal(take(world, waiting, 1), 1);
        assert_true(ffn_world_row_is(world, 0, 1, 0, 5));
        assert_int_equal(word_at(world, words), AFD_FLAG_FREE);
        assert_int_equal(word_at(world, words + 1), ffn_world_layer_id(1, 0, 5)); /* layer_id stays */
        for (uint64_t i = 0; i < id_num; i++) {
            assert_int_equal(word_at(world, words + 2 + i), AFD_EXPERT_ID_REFILL);
        }
        plain_memory old = ffn_world_plain(world, before);
        assert_memory_equal(world->token_info, old.token_info, 4 * words);
        assert_memory_equal(world->token_info + 8 * words, old.token_info + 8 * words, 4 * words);
        free(before);
        ffn_world_free(world);
    }
}

static void only_a_flag_of_exactly_one_is_taken(void **state)
{
    (void)state;
    const int32_t flags[] = { 0, 2, -1, 0x7F7F7F7F, 256, 257, 0x10001, INT32_MIN, INT32_MIN + 1, INT32_MAX };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        ffn_world *world = ffn_world_new(2, 1, 3, 1, 0);
        ffn_world_arm(world, 0, 0, 1, flags[i]);
        expect_nothing(world, 1);
        ffn_world_arm(world, 1, 0, 1, AFD_FLAG_READY);
        expect_nothing(world, 2);
        assert_int_equal(take(world, waiting, 1), 1); /* the other one */
        assert_true(ffn_world_row_is(world, 0, 1, 0, 1));
        assert_int_equal(ffn_world_desc(world, 0, 0)->flag, flags[i]);
        ffn_world_free(world);
    }
}

static void ids_and_layers_pass_through_unread(void **state)
{
    (void)state;
    const int32_t numbers[] = { INT32_MIN, -1, 0, 999999, 1000000, 0x7F7F7F7F, INT32_MAX };
    ffn_world *world = ffn_world_new(1, 1, 7, 1, 0);
    ffn_world_arm(world, 0, 0, 0, AFD_FLAG_READY);
    memcpy(afd_ffn_desc_expert_ids(ffn_world_desc(world, 0, 0)), numbers, sizeof(numbers));
    ffn_world_desc(world, 0, 0)->layer_id = -5;
    assert_int_equal(take(world, waiting, 1), 1);
    assert_memory_equal(world->expert_ids, numbers, sizeof(numbers));
    assert_int_equal(world->layer_ids[0], -5);
    ffn_world_free(world);
}

static void outputs_past_the_taken_and_the_rest_of_the_context_are_untouched(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        ffn_world *world = ffn_world_new(4, 2, 3, 3, 4);
        ffn_world_arm(world, 2, 1, 1, AFD_FLAG_READY);
        uint8_t *copy = ffn_world_copy(world);
        plain_memory plain = ffn_world_plain(world, copy);
        uint32_t taken_num = 0;
        /* The model writes row 0, one desc and out_num; every other byte of the world must be as before. */
        assert_int_equal(plain_schedule(&plain, 1, 0, NULL, &taken_num), AFD_OK);
        assert_int_equal(take(world, calls[c], 1), 1);
        assert_true(ffn_world_equals(world, copy));
        assert_int_equal(((uint8_t *)&world->expert_ids[9])[0], FFN_WORLD_OUTPUT_BYTE);
        free(copy);
        ffn_world_free(world);
    }
}

static void the_number_taken_need_not_be_asked_for(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(1, 1, 1, 1, 0);
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(1);
    ffn_world_arm(world, 0, 0, 1, AFD_FLAG_READY);
    assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, NULL, NULL), AFD_OK);
    ffn_world_arm(world, 0, 0, 1, AFD_FLAG_READY);
    assert_int_equal(afd_ffn_schedule_poll(world->context, &args, NULL, NULL), AFD_OK);
    assert_int_equal(world->context->ffn.out_num, 1);
    ffn_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sync_takes_everybody_in_session_order_and_moves_on),
        cmocka_unit_test(all_sync_waits_for_the_last_session_and_for_no_other_micro_batch),
        cmocka_unit_test(one_session_alone_is_all_sync),
        cmocka_unit_test(each_group_gives_its_lowest_micro_batch_that_all_of_it_have),
        cmocka_unit_test(groups_of_one_take_whoever_is_ready),
        cmocka_unit_test(without_fairness_the_lowest_micro_batch_always_goes_first),
        cmocka_unit_test(a_taken_desc_is_refilled_to_its_last_id_and_its_neighbours_are_untouched),
        cmocka_unit_test(only_a_flag_of_exactly_one_is_taken),
        cmocka_unit_test(ids_and_layers_pass_through_unread),
        cmocka_unit_test(outputs_past_the_taken_and_the_rest_of_the_context_are_untouched),
        cmocka_unit_test(the_number_taken_need_not_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
