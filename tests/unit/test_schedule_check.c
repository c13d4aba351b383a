/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scheduling call refuses: each check provoked alone, with the field, value and bound that it names; and in
 * pairs, of which the earlier is the one that is named. In every case the whole world is compared before and after.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "cmocka_headers.h"
#include "ffn_world.h"

/* S=4 M=3 BS=3 E=3: a desc of 44 bytes, 528 of them all, rows of 16, expert ids of 144. */
enum { S = 4, M = 3, BS = 3, E = 3, INFO_BYTES = 528, ROW_BYTES = 16, EXPERT_BYTES = 144 };

/* Where a provocation writes: at a byte of the context, or into an argument. */
enum {
    GROUP_SIZE = 2000,
    EXECUTE_MODE = 2001,
    SCHEDULER = 2002,
    PARTS_SIZE = 2003,
    PART_NUM = 2004,
    PARTS_RUN = 2005,
    NOWHERE = -1
};

typedef struct patch {
    int at;
    int bytes; /* 4 or 8 */
    uint64_t value;
    bool is_added; /* to what is there, for addresses */
} patch;

typedef struct provocation {
    patch patches[2];
    afd_status status;
    const char *field;
    uint64_t value; /* 0 where it is an address, and then not compared */
    uint64_t bound;
} provocation;

#define AT(field) ((int)offsetof(afd_schedule_context, field))
#define NO_PATCH { NOWHERE, 0, 0, false }
#define SIZE_OF(field) ((int)sizeof(((afd_schedule_context *)0)->field))
#define ONE(field, value_) { { AT(field), SIZE_OF(field), (value_), false }, NO_PATCH }
#define ADDED(field, value_) { { AT(field), 8, (value_), true }, NO_PATCH }
#define ARGUMENT(which, value_) { { (which), 4, (value_), false }, NO_PATCH }
#define MINUS(number) ((uint64_t)(-(int64_t)(number)))

/* In the order in which the header of afd_ffn_schedule_check() names them. */
static const provocation provocations[] = {
    { ONE(common.schedule_mode, 1), AFD_ERR_INVALID, "common.schedule_mode", 1, 0 },
    { ONE(common.schedule_mode, 2), AFD_ERR_INVALID, "common.schedule_mode", 2, 0 },
    { ONE(common.schedule_mode, MINUS(1)), AFD_ERR_INVALID, "common.schedule_mode", MINUS(1), 0 },
    { ONE(common.session_num, 0), AFD_ERR_INVALID, "common.session_num", 0, 1 },
    { ONE(common.micro_batch_num, 0), AFD_ERR_INVALID, "common.micro_batch_num", 0, 1 },
    { ONE(common.micro_batch_size, 0), AFD_ERR_INVALID, "common.micro_batch_size", 0, 1 },
    { ONE(common.selected_expert_num, 0), AFD_ERR_INVALID, "common.selected_expert_num", 0, 1 },
    { ONE(ffn.window.token_info_buf, 0), AFD_ERR_INVALID, "ffn.token_info_buf", 0, 0 },
    { ONE(ffn.window.token_data_buf, 0), AFD_ERR_INVALID, "ffn.token_data_buf", 0, 0 },
    { ONE(ffn.layer_ids_buf, 0), AFD_ERR_INVALID, "ffn.layer_ids_buf", 0, 0 },
    { ONE(ffn.session_ids_buf, 0), AFD_ERR_INVALID, "ffn.session_ids_buf", 0, 0 },
    { ONE(ffn.micro_batch_ids_buf, 0), AFD_ERR_INVALID, "ffn.micro_batch_ids_buf", 0, 0 },
    { ONE(ffn.expert_ids_buf, 0), AFD_ERR_INVALID, "ffn.expert_ids_buf", 0, 0 },
    { { { AT(common.micro_batch_size), 4, UINT32_MAX, false },
        { AT(common.selected_expert_num), 4, UINT32_MAX, false } }, AFD_ERR_OVERFLOW, "the token info", 0, UINT64_MAX },
    { ONE(ffn.window.token_info_buf_size, INFO_BYTES - 1), AFD_ERR_INVALID, "ffn.token_info_buf_size", INFO_BYTES - 1,
      INFO_BYTES },
    { ONE(ffn.layer_ids_buf_size, ROW_BYTES - 1), AFD_ERR_INVALID, "ffn.layer_ids_buf_size", ROW_BYTES - 1, ROW_BYTES },
    { ONE(ffn.session_ids_buf_size, 0), AFD_ERR_INVALID, "ffn.session_ids_buf_size", 0, ROW_BYTES },
    { ONE(ffn.micro_batch_ids_buf_size, ROW_BYTES - 1), AFD_ERR_INVALID, "ffn.micro_batch_ids_buf_size", ROW_BYTES - 1,
      ROW_BYTES },
    { ONE(ffn.expert_ids_buf_size, EXPERT_BYTES - 1), AFD_ERR_INVALID, "ffn.expert_ids_buf_size", EXPERT_BYTES - 1,
      EXPERT_BYTES },
    { ONE(ffn.polling_index, M), AFD_ERR_INVALID, "ffn.polling_index", M, M },
    { ONE(ffn.polling_index, UINT64_C(1) << 32), AFD_ERR_INVALID, "ffn.polling_index", UINT64_C(1) << 32, M },
    { ONE(ffn.polling_index, UINT64_MAX), AFD_ERR_INVALID, "ffn.polling_index", UINT64_MAX, M },
    { ARGUMENT(GROUP_SIZE, 0), AFD_ERR_INVALID, "sync_group_size", 0, S },
    { ARGUMENT(GROUP_SIZE, MINUS(1)), AFD_ERR_INVALID, "sync_group_size", MINUS(1), S },
    { ARGUMENT(GROUP_SIZE, 0x80000000), AFD_ERR_INVALID, "sync_group_size", MINUS(0x80000000), S },
    { ARGUMENT(GROUP_SIZE, S + 1), AFD_ERR_INVALID, "sync_group_size", S + 1, S },
    { ARGUMENT(GROUP_SIZE, 2 * S), AFD_ERR_INVALID, "sync_group_size", 2 * S, S },
    { ARGUMENT(GROUP_SIZE, 3), AFD_ERR_INVALID, "sync_group_size", 3, S },
    { ARGUMENT(EXECUTE_MODE, 1), AFD_ERR_INVALID, "execute_mode", 1, 0 },
    { ARGUMENT(EXECUTE_MODE, MINUS(1)), AFD_ERR_INVALID, "execute_mode", MINUS(1), 0 },
    { ADDED(ffn.window.token_info_buf, 1), AFD_ERR_INVALID, "ffn.token_info_buf", 0, 4 },
    { ADDED(ffn.layer_ids_buf, 2), AFD_ERR_INVALID, "ffn.layer_ids_buf", 0, 4 },
    { ADDED(ffn.session_ids_buf, 3), AFD_ERR_INVALID, "ffn.session_ids_buf", 0, 4 },
    { ADDED(ffn.micro_batch_ids_buf, 1), AFD_ERR_INVALID, "ffn.micro_batch_ids_buf", 0, 4 },
    { ADDED(ffn.expert_ids_buf, 2), AFD_ERR_INVALID, "ffn.expert_ids_buf", 0, 4 },
    { ARGUMENT(SCHEDULER, S + 1), AFD_ERR_INVALID, "args.scheduler.session_num", S + 1, S },
    { ARGUMENT(PARTS_SIZE, sizeof(afd_part_runner) - 1), AFD_ERR_INVALID, "args.parts.size",
      sizeof(afd_part_runner) - 1, sizeof(afd_part_runner) },
    { ARGUMENT(PART_NUM, 0), AFD_ERR_INVALID, "args.parts.part_num", 0, 1 },
    { ARGUMENT(PARTS_RUN, 0), AFD_ERR_INVALID, "args.parts.run", 0, 0 },
};

enum { PROVOCATION_NUM = sizeof(provocations) / sizeof(provocations[0]) };

/* A scheduler object for another number of sessions. */
static _Alignas(8) char other_scheduler[64 * (S + 1) * M];

/* A part runner that nobody has a reason to use: the world is small, and no call gets that far. */
static void run_never(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg, uint32_t part_num)
{
    (void)run_arg;
    (void)part;
    (void)part_arg;
    fail_msg("asked for %u parts", (unsigned int)part_num);
}

static const afd_part_runner right_parts = { sizeof(right_parts), 2, run_never, NULL };
static afd_part_runner wrong_parts;

static void apply_to_parts(const patch *p, afd_ffn_schedule_args *args)
{
    if (args->parts == NULL) {
        wrong_parts = right_parts;
        args->parts = &wrong_parts;
    }
    if (p->at == PARTS_SIZE) {
        wrong_parts.size = (size_t)p->value;
    } else if (p->at == PART_NUM) {
        wrong_parts.part_num = (uint32_t)p->value;
    } else {
        wrong_parts.run = NULL;
    }
}

static void apply_one(const patch *p, ffn_world *world, afd_ffn_schedule_args *args)
{
    uint64_t value = p->value;
    if (p->at == GROUP_SIZE) {
        args->sync_group_size = (int32_t)(uint32_t)value;
    } else if (p->at == EXECUTE_MODE) {
        args->execute_mode = (int32_t)(uint32_t)value;
    } else if (p->at == SCHEDULER) {
        assert_int_equal(afd_ffn_scheduler_new((uint32_t)value, M, NULL, other_scheduler, sizeof(other_scheduler),
                                               &args->scheduler, NULL), AFD_OK);
    } else if (p->at >= PARTS_SIZE) {
        apply_to_parts(p, args);
    } else if (p->at != NOWHERE) {
        uint8_t *at = (uint8_t *)world->context + p->at;
        if (p->is_added) {
            uint64_t old = 0;
            memcpy(&old, at, sizeof(old));
            value += old;
        }
        memcpy(at, &value, (size_t)p->bytes);
    }
}

static void apply(const provocation *p, ffn_world *world, afd_ffn_schedule_args *args)
{
    apply_one(&p->patches[0], world, args);
    apply_one(&p->patches[1], world, args);
}

/* A world in which everything is ready, so that a call which is not refused would take something. */
static ffn_world *ready_world(void)
{
    ffn_world *world = ffn_world_new(S, M, BS, E, 0);
    for (uint32_t s = 0; s < S; s++) {
        for (uint32_t m = 0; m < M; m++) {
            ffn_world_arm(world, s, m, 1, AFD_FLAG_READY);
        }
    }
    return world;
}

static void expect_error(const provocation *p, afd_status status, const afd_error *error)
{
    assert_int_equal(status, p->status);
    assert_int_equal(error->status, p->status);
    assert_string_equal(error->field, p->field);
    assert_int_equal(error->bound, p->bound);
    if (!p->patches[0].is_added) {
        assert_int_equal(error->value, p->value);
    }
    assert_true(strlen(error->message) > 0);
    assert_int_equal(error->system_error, 0);
}

/* All three calls refuse, for the same reason, and nothing changes. */
static void expect_refusal(const provocation *p, ffn_world *world, const afd_ffn_schedule_args *args)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint8_t *before = ffn_world_copy(world);
    afd_error error;
    uint32_t taken_num = 77;
    expect_error(p, afd_ffn_schedule_check(world->context, args, &error), &error);
    memset(&error, 0xAA, sizeof(error));
    expect_error(p, afd_ffn_schedule(world->context, args, &wait, &taken_num, &error), &error);
    assert_int_equal(taken_num, 0);
    taken_num = 77;
    memset(&error, 0xAA, sizeof(error));
    expect_error(p, afd_ffn_schedule_poll(world->context, args, &taken_num, &error), &error);
    assert_int_equal(taken_num, 0);
    assert_int_equal(afd_ffn_schedule(world->context, args, NULL, NULL, NULL), p->status);
    assert_true(ffn_world_equals(world, before));
    free(before);
}

static void each_check_names_its_field_and_nothing_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROVOCATION_NUM; i++) {
        ffn_world *world = ready_world();
        afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(2);
        assert_int_equal(afd_ffn_schedule_check(world->context, &args, NULL), AFD_OK);
        args.parts = &right_parts;
        assert_int_equal(afd_ffn_schedule_check(world->context, &args, NULL), AFD_OK);
        args.parts = NULL;
        apply(&provocations[i], world, &args);
        expect_refusal(&provocations[i], world, &args);
        ffn_world_free(world);
    }
}

static bool share_a_place(const provocation *a, const provocation *b)
{
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            if (a->patches[i].at != NOWHERE && a->patches[i].at == b->patches[j].at) {
                return true;
            }
        }
    }
    return false;
}

static void of_two_that_are_wrong_the_earlier_is_named(void **state)
{
    (void)state;
    int pair_num = 0;
    for (size_t i = 0; i < PROVOCATION_NUM; i++) {
        for (size_t j = i + 1; j < PROVOCATION_NUM; j++) {
            if (!share_a_place(&provocations[i], &provocations[j])) {
                ffn_world *world = ready_world();
                afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(2);
                apply(&provocations[i], world, &args);
                apply(&provocations[j], world, &args);
                expect_refusal(&provocations[i], world, &args);
                ffn_world_free(world);
                pair_num++;
            }
        }
    }
    assert_true(pair_num > 500);
}

static void a_missing_context_or_argument_is_refused(void **state)
{
    (void)state;
    ffn_world *world = ready_world();
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(2);
    uint8_t *before = ffn_world_copy(world);
    afd_error error;
    assert_int_equal(afd_ffn_schedule(NULL, &args, NULL, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "context");
    assert_int_equal(afd_ffn_schedule(world->context, NULL, NULL, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args");
    args.size -= 8;
    assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.size");
    assert_int_equal(error.value, sizeof(args) - 8);
    assert_int_equal(error.bound, sizeof(args));
    assert_true(ffn_world_equals(world, before));
    free(before);
    ffn_world_free(world);
}

static void a_wait_that_is_wrong_is_refused_before_anything_is_written(void **state)
{
    (void)state;
    ffn_world *world = ready_world();
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(2);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint8_t *before = ffn_world_copy(world);
    uint32_t taken_num = 77;
    afd_error error;
    wait.late_capacity = 1;
    assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, &taken_num, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "wait.late");
    assert_int_equal(taken_num, 0);
    args.sync_group_size = 3; /* of two that are wrong, the context's check comes first */
    assert_int_equal(afd_ffn_schedule(world->context, &args, &wait, &taken_num, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "sync_group_size");
    assert_true(ffn_world_equals(world, before));
    free(before);
    ffn_world_free(world);
}

/* Counts whose products wrap in 32 or in 64 bits, with buffers that are small. */
static void impossible_counts_are_refused_and_nothing_is_read_or_written(void **state)
{
    (void)state;
    const uint32_t max = UINT32_MAX;
    const uint32_t half = UINT32_C(1) << 31;
    const struct {
        uint32_t counts[4];
        afd_status status;
        uint64_t bound;
    } rows[] = {
        { { half, 2, 1, 1 }, AFD_ERR_INVALID, UINT64_C(12) << 32 }, /* S*M is 0 in 32 bits */
        { { 1 << 16, 1 << 16, 1, 1 }, AFD_ERR_INVALID, UINT64_C(12) << 32 },
        { { 4, 1 << 30, 1, 1 }, AFD_ERR_INVALID, UINT64_C(12) << 32 },
        { { half, 1, 1, 1 }, AFD_ERR_INVALID, UINT64_C(12) << 31 },
        { { 1, 1, half, 2 }, AFD_ERR_INVALID, 8 + (UINT64_C(4) << 32) }, /* BS*E is 0 in 32 bits */
        { { 4, 1, 1 << 16, 1 << 16 }, AFD_ERR_INVALID, 4 * (8 + (UINT64_C(4) << 32)) },
        { { 1, 1, half, half }, AFD_ERR_OVERFLOW, UINT64_MAX },     /* 4*BS*E is 0 in 64 bits */
        { { 1, 1, half - 1, half + 1 }, AFD_ERR_OVERFLOW, UINT64_MAX }, /* it fits, and 8 more do not */
        { { max, max, 1, 1 }, AFD_ERR_OVERFLOW, UINT64_MAX },
        { { half, 2, half, 1 }, AFD_ERR_OVERFLOW, UINT64_MAX },
        { { 1 << 16, 1 << 16, 1 << 15, 1 << 15 }, AFD_ERR_OVERFLOW, UINT64_MAX },
        { { max, max, max, max }, AFD_ERR_OVERFLOW, UINT64_MAX },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ffn_world *world = ready_world();
        afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(1);
        afd_error error;
        world->context->common.session_num = rows[i].counts[0];
        world->context->common.micro_batch_num = rows[i].counts[1];
        world->context->common.micro_batch_size = rows[i].counts[2];
        world->context->common.selected_expert_num = rows[i].counts[3];
        uint8_t *before = ffn_world_copy(world);
        assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, NULL, &error), rows[i].status);
        assert_int_equal(error.bound, rows[i].bound);
        assert_int_equal(afd_ffn_schedule_poll(world->context, &args, NULL, NULL), rows[i].status);
        assert_true(ffn_world_equals(world, before));
        free(before);
        ffn_world_free(world);
    }
}

static void a_negative_group_is_refused_however_many_sessions_there_are(void **state)
{
    (void)state;
    ffn_world *world = ready_world();
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(-1);
    afd_error error;
    world->context->common.session_num = UINT32_MAX; /* what -1 is as an unsigned number */
    world->context->ffn.window.token_info_buf_size = UINT64_MAX;
    world->context->ffn.layer_ids_buf_size = UINT64_MAX;
    world->context->ffn.session_ids_buf_size = UINT64_MAX;
    world->context->ffn.micro_batch_ids_buf_size = UINT64_MAX;
    world->context->ffn.expert_ids_buf_size = UINT64_MAX;
    assert_int_equal(afd_ffn_schedule_check(world->context, &args, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "sync_group_size");
    args.sync_group_size = 1; /* the check alone looks into no buffer */
    assert_int_equal(afd_ffn_schedule_check(world->context, &args, &error), AFD_OK);
    ffn_world_free(world);
}

static void what_is_not_the_schedulers_is_not_looked_at(void **state)
{
    (void)state;
    ffn_world *world = ready_world();
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(S);
    uint32_t taken_num = 0;
    /* The attention side's fields hold junk from the start; so does the address of the token data. */
    world->context->attention.window.token_info_buf = 0;
    world->context->ffn.window.token_data_buf = 3;
    world->context->ffn.window.token_data_buf_size = 0;
    assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, &taken_num, NULL), AFD_OK);
    assert_int_equal(taken_num, S);
    ffn_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_names_its_field_and_nothing_is_written),
        cmocka_unit_test(of_two_that_are_wrong_the_earlier_is_named),
        cmocka_unit_test(a_missing_context_or_argument_is_refused),
        cmocka_unit_test(a_wait_that_is_wrong_is_refused_before_anything_is_written),
        cmocka_unit_test(impossible_counts_are_refused_and_nothing_is_read_or_written),
        cmocka_unit_test(a_negative_group_is_refused_however_many_sessions_there_are),
        cmocka_unit_test(what_is_not_the_schedulers_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
