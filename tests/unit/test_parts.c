/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking in parts, on the caller's threads: every byte against the plain model, with runners that go through the parts
 * in order, backwards and by real threads, in all modes, below and above the size from which a call is cut.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "cmocka_headers.h"
#include "ffn_world.h"

enum { PART_NUM_MAX = 7 };

/* What a runner was asked for. */
typedef struct runner_log {
    uint32_t part_num; /* that it was made with */
    uint32_t run_num;
} runner_log;

static void note_run(void *run_arg, uint32_t part_num)
{
    runner_log *log = run_arg;
    assert_int_equal(part_num, log->part_num);
    log->run_num++;
}

static void run_in_order(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg,
                         uint32_t part_num)
{
    note_run(run_arg, part_num);
    for (uint32_t i = 0; i < part_num; i++) {
        part(part_arg, i);
    }
}

static void run_backwards(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg,
                          uint32_t part_num)
{
    note_run(run_arg, part_num);
    for (uint32_t i = part_num; i > 0; i--) {
        part(part_arg, i - 1);
    }
}

typedef struct job {
    void (*part)(void *part_arg, uint32_t index);
    void *part_arg;
    uint32_t index;
} job;

static void *run_job(void *arg)
{
    const job *j = arg;
    j->part(j->part_arg, j->index);
    return NULL;
}

static void run_by_threads(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg,
                           uint32_t part_num)
{
    pthread_t threads[PART_NUM_MAX];
    job jobs[PART_NUM_MAX];
    note_run(run_arg, part_num);
    for (uint32_t i = 1; i < part_num; i++) {
        jobs[i] = (job){ part, part_arg, i };
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    part(part_arg, 0);
    for (uint32_t i = 1; i < part_num; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* How many times a call on everything at once is cut: 128 KiB of descs and more, of up to 256 descs each. */
typedef struct size_case {
    uint32_t session_num;
    uint32_t id_num;
    uint32_t group_size; /* of the mode that is neither of one nor of all */
    uint32_t run_num;
} size_case;

static const size_case sizes[] = {
    { 8, 64, 2, 0 },
    { 31, 1055, 1, 0 },    /* 4 bytes less than 128 KiB */
    { 32, 1022, 4, 1 },    /* 128 KiB to the byte */
    { 64, 1152, 8, 1 },
    { 2, 40000, 1, 1 },    /* more parts than descs */
    { 300, 130, 50, 1 },   /* 256 descs are cut, the 44 behind them are not */
    { 520, 601, 13, 2 },   /* 256, 256 and 8 */
};

static afd_ffn_scheduler *new_scheduler(uint32_t session_num, uint32_t micro_batch_num, bool fair)
{
    afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    afd_ffn_scheduler *scheduler = NULL;
    uint64_t bytes = afd_ffn_scheduler_footprint(session_num, micro_batch_num);
    void *memory = malloc(bytes);
    options.fair = fair;
    assert_non_null(memory);
    assert_int_equal(afd_ffn_scheduler_new(session_num, micro_batch_num, &options, memory, bytes, &scheduler, NULL),
                     AFD_OK);
    return scheduler;
}

/* One call on everything ready, compared with the model; then once more with half of it ready. */
static void take_in_parts(const size_case *size, uint32_t group_size, bool with_object, const afd_part_runner *parts)
{
    ffn_world *world = ffn_world_new(size->session_num, 2, size->id_num, 1, 12);
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)group_size);
    afd_ffn_scheduler *scheduler = with_object ? new_scheduler(size->session_num, 2, true) : NULL;
    plain_scheduler *plain = with_object ? plain_scheduler_new(size->session_num, 2, true, false) : NULL;
    runner_log *log = parts->run_arg;
    args.scheduler = scheduler;
    args.parts = parts;
    for (uint32_t call = 0; call < 2; call++) {
        for (uint32_t s = 0; s < size->session_num; s++) {
            ffn_world_arm(world, s, 0, 1 + call, s % 2 < 2 - call ? AFD_FLAG_READY : AFD_FLAG_FREE);
            ffn_world_arm(world, s, 1, 1 + call, AFD_FLAG_READY);
        }
        uint8_t *copy = ffn_world_copy(world);
        plain_memory memory = ffn_world_plain(world, copy);
        uint32_t expected_num = 0;
        uint32_t taken_num = 0;
        log->run_num = 0;
        assert_int_equal(plain_schedule(&memory, (int32_t)group_size, 0, plain, &expected_num), AFD_OK);
        assert_int_equal(afd_ffn_schedule(world->context, &args, NULL, &taken_num, NULL), AFD_OK);
        assert_int_equal(taken_num, expected_num);
        assert_int_equal(taken_num, size->session_num);
        assert_true(ffn_world_equals(world, copy));
        assert_int_equal(log->run_num, size->run_num);
        free(copy);
    }
    plain_scheduler_free(plain);
    free(scheduler);
    ffn_world_free(world);
}

static void take_with(void (*run)(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg,
                                  uint32_t part_num))
{
    static const uint32_t part_nums[] = { 1, 2, 3, PART_NUM_MAX };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizeof(part_nums) / sizeof(part_nums[0]); k++) {
            runner_log log = { .part_num = part_nums[k] };
            const afd_part_runner parts = { sizeof(parts), part_nums[k], run, &log };
            for (int with_object = 0; with_object < 2; with_object++) {
                take_in_parts(&sizes[i], sizes[i].session_num, with_object != 0, &parts);
                take_in_parts(&sizes[i], sizes[i].group_size, with_object != 0, &parts);
                take_in_parts(&sizes[i], 1, with_object != 0, &parts);
            }
        }
    }
}

static void parts_in_order_are_the_whole(void **state)
{
    (void)state;
    take_with(run_in_order);
}

static void parts_backwards_are_the_whole(void **state)
{
    (void)state;
    take_with(run_backwards);
}

static void parts_by_threads_are_the_whole(void **state)
{
    (void)state;
    take_with(run_by_threads);
}

static void what_is_not_taken_is_not_cut(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(64, 2, 1152, 1, 0);
    runner_log log = { .part_num = 2 };
    const afd_part_runner parts = { sizeof(parts), 2, run_in_order, &log };
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(64);
    args.parts = &parts;
    assert_int_equal(afd_ffn_schedule_poll(world->context, &args, NULL, NULL), AFD_NOT_YET);
    args.sync_group_size = 1;
    assert_int_equal(afd_ffn_schedule_poll(world->context, &args, NULL, NULL), AFD_NOT_YET);
    ffn_world_arm(world, 5, 1, 1, AFD_FLAG_READY);
    assert_int_equal(afd_ffn_schedule_poll(world->context, &args, NULL, NULL), AFD_OK);
    assert_true(ffn_world_row_is(world, 0, 5, 1, 1));
    assert_int_equal(log.run_num, 0);
    ffn_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_in_order_are_the_whole),
        cmocka_unit_test(parts_backwards_are_the_whole),
        cmocka_unit_test(parts_by_threads_are_the_whole),
        cmocka_unit_test(what_is_not_taken_is_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
