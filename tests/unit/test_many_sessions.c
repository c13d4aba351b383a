/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More sessions than a pass finds before it takes (AFD__FFN_FOUND_MAX), one fewer and just as many: each mode against
 * the plain model, every byte, with and without an object, fair and not, with sessions away and joining.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "cmocka_headers.h"
#include "ffn/take.h"
#include "ffn_world.h"
#include "random_numbers.h"

enum { M = 3, CALL_NUM = 4, MANY = 2 * AFD__FFN_FOUND_MAX + 88 };

typedef enum object { NO_OBJECT, LOWEST_FIRST, FAIR, OBJECT_NUM } object;

/* A world, an object and the model of both. */
typedef struct crowd {
    random_numbers *numbers;
    ffn_world *world;
    afd_ffn_schedule_args args;
    plain_scheduler *plain;
    uint32_t round;
} crowd;

static void gather(crowd *c, random_numbers *numbers, uint32_t session_num, uint32_t group_size, object what)
{
    *c = (crowd){ .numbers = numbers, .world = ffn_world_new(session_num, M, 5, 1, 4) };
    c->args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)group_size);
    if (what != NO_OBJECT) {
        afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
        uint64_t bytes = afd_ffn_scheduler_footprint(session_num, M);
        void *memory = malloc(bytes);
        options.fair = what == FAIR;
        assert_non_null(memory);
        assert_int_equal(afd_ffn_scheduler_new(session_num, M, &options, memory, bytes, &c->args.scheduler, NULL),
                         AFD_OK);
        c->plain = plain_scheduler_new(session_num, M, options.fair, false);
    }
}

static void disperse(crowd *c)
{
    plain_scheduler_free(c->plain);
    free(c->args.scheduler);
    ffn_world_free(c->world);
}

/* Everything is ready but `missing_percent`. */
static void arm(crowd *c, uint32_t missing_percent)
{
    c->round++;
    for (uint32_t s = 0; s < c->world->shape.session_num; s++) {
        for (uint32_t m = 0; m < M; m++) {
            bool is_missing = random_chance(c->numbers, missing_percent);
            ffn_world_arm(c->world, s, m, c->round, is_missing ? AFD_FLAG_FREE : AFD_FLAG_READY);
        }
    }
}

/* Some go, and some of those come again. */
static void change_members(crowd *c)
{
    for (uint32_t s = 0; s < c->world->shape.session_num; s++) {
        uint32_t what = random_below(c->numbers, 6);
        if (what <= 1) {
            plain_scheduler_drop(c->plain, s);
            assert_int_equal(afd_ffn_scheduler_drop(c->args.scheduler, s, NULL), AFD_OK);
        }
        if (what == 1) {
            plain_scheduler_admit(c->plain, s);
            assert_int_equal(afd_ffn_scheduler_admit(c->args.scheduler, s, NULL), AFD_OK);
        }
    }
}

static void call_and_compare(crowd *c)
{
    uint8_t *copy = ffn_world_copy(c->world);
    plain_memory memory = ffn_world_plain(c->world, copy);
    uint32_t expected_num = 0;
    uint32_t taken_num = 0;
    afd_status expected = plain_schedule(&memory, c->args.sync_group_size, 0, c->plain, &expected_num);
    assert_int_equal(afd_ffn_schedule_poll(c->world->context, &c->args, &taken_num, NULL), expected);
    assert_int_equal(taken_num, expected_num);
    if (expected == AFD_OK) { /* else early copies may lie in the outputs */
        assert_true(ffn_world_equals(c->world, copy));
    }
    for (uint32_t s = 0; c->plain != NULL && s < c->world->shape.session_num; s++) {
        assert_int_equal(afd_ffn_scheduler_state(c->args.scheduler, s) == AFD_SESSION_LIVE,
                         c->plain->members[s] == PLAIN_LIVE);
    }
    free(copy);
}

static void compare_crowds(uint32_t group_size_of_many)
{
    static const uint32_t session_nums[] = { AFD__FFN_FOUND_MAX - 1, AFD__FFN_FOUND_MAX, AFD__FFN_FOUND_MAX + 1,
                                             2 * AFD__FFN_FOUND_MAX, 2 * AFD__FFN_FOUND_MAX + 1, MANY };
    random_numbers numbers = { 1 + group_size_of_many };
    for (size_t i = 0; i < sizeof(session_nums) / sizeof(session_nums[0]); i++) {
        uint32_t session_num = session_nums[i];
        uint32_t group_size = group_size_of_many == MANY ? session_num
                              : session_num % group_size_of_many == 0 ? group_size_of_many : 1;
        for (int what = NO_OBJECT; what < OBJECT_NUM; what++) {
            crowd c;
            gather(&c, &numbers, session_num, group_size, (object)what);
            for (uint32_t call = 0; call < CALL_NUM; call++) {
                arm(&c, call < 2 || group_size == session_num ? 0 : 10);
                call_and_compare(&c);
                if (c.plain != NULL) {
                    change_members(&c);
                }
            }
            disperse(&c);
        }
    }
}

static void many_groups_of_one_are_taken_as_the_model_says(void **state)
{
    (void)state;
    compare_crowds(1);
}

static void many_groups_of_several_are_taken_as_the_model_says(void **state)
{
    (void)state;
    compare_crowds(3);   /* of 255 and 513 */
    compare_crowds(8);   /* of 256, 512 and 600 */
    compare_crowds(300); /* a group that is more than a pass finds before it takes */
}

static void all_of_many_are_taken_as_the_model_says(void **state)
{
    (void)state;
    compare_crowds(MANY);
}

/* All but one are copied early, and the last comes; also with every third away. */
static void many_early_copies_are_taken_as_the_model_says(void **state)
{
    (void)state;
    random_numbers numbers = { 3 };
    for (int with_gaps = 0; with_gaps < 2; with_gaps++) {
        crowd c;
        gather(&c, &numbers, MANY, MANY, LOWEST_FIRST);
        arm(&c, 0);
        for (uint32_t s = 0; with_gaps && s < MANY; s += 3) {
            plain_scheduler_drop(c.plain, s);
            assert_int_equal(afd_ffn_scheduler_drop(c.args.scheduler, s, NULL), AFD_OK);
        }
        ffn_world_desc(c.world, 400, 0)->flag = AFD_FLAG_FREE;
        ffn_world_desc(c.world, 7, 0)->flag = AFD_FLAG_FREE;
        assert_int_equal(afd_ffn_schedule_poll(c.world->context, &c.args, NULL, NULL), AFD_NOT_YET);
        assert_int_equal(c.world->layer_ids[with_gaps ? 0 : 1], ffn_world_layer_id(1, 0, 1)); /* it was copied */
        ffn_world_desc(c.world, 400, 0)->flag = AFD_FLAG_READY;
        assert_int_equal(afd_ffn_schedule_poll(c.world->context, &c.args, NULL, NULL), AFD_NOT_YET);
        ffn_world_desc(c.world, 7, 0)->flag = AFD_FLAG_READY;
        call_and_compare(&c);
        assert_int_equal(c.world->context->ffn.out_num, with_gaps ? MANY - MANY / 3 : MANY);
        disperse(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_groups_of_one_are_taken_as_the_model_says),
        cmocka_unit_test(many_groups_of_several_are_taken_as_the_model_says),
        cmocka_unit_test(all_of_many_are_taken_as_the_model_says),
        cmocka_unit_test(many_early_copies_are_taken_as_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
