/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the waits of batching, combine and the attention scheduler end when what they wait for does not come, and that a
 * call which fails has changed nothing.
 */
#include <pthread.h>
#include <stdlib.h>

#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "front_test.h"
#include "operator_world.h"

enum { WORKSPACE_WORDS = 64 };

static const combine_shape small_combine = {
    .micro_batch_num = 2,
    .micro_batch_size = 2,
    .slot_num = 3,
    .top_k = 2,
    .hidden = 16,
    .slot_bytes = 32,
};

static aclrtStream stream;
static batch_world b;
static combine_world c; /* of combine */
static combine_world a; /* of the attention scheduler */
static uint64_t workspace[WORKSPACE_WORDS];

static int set_up(void **state)
{
    (void)state;
    assert_ok(aclInit(NULL));
    assert_ok(aclrtSetDevice(0));
    assert_ok(aclrtCreateStream(&stream));
    assert_int_equal(batch_world_create(&b, &batch_world_small), 0);
    assert_int_equal(combine_world_create(&c, &small_combine), 0);
    assert_int_equal(combine_world_create(&a, &small_combine), 0);
    *c.layer_id = 7;
    memset(b.data, 3, (size_t)((uint8_t *)b.layer_ids - b.data));
    memset(c.data, 0, (size_t)((uint8_t *)c.scales - c.data));
    memset(c.scales, 0, sizeof(float) * 4);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_ok(aclFinalize());
    batch_world_destroy(&b);
    combine_world_destroy(&c);
    combine_world_destroy(&a);
    (void)aclGetRecentErrMsg();
    return 0;
}

/* ---- both phases of each ---- */

static void batch(aclrtStream on)
{
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    assert_ok(batch_plan(&b, 1, &workspace_size, &executor));
    assert_true(workspace_size <= sizeof(workspace));
    assert_ok(aclnnFfnWorkerBatching(workspace, workspace_size, executor, on));
}

static void combine(aclrtStream on)
{
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    assert_ok(combine_plan(&c, 2, 1, &workspace_size, &executor));
    assert_ok(aclnnAttentionWorkerCombine(NULL, 0, executor, on));
}

static void schedule(aclrtStream on)
{
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    assert_ok(aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(a.context_tensor, &workspace_size, &executor));
    assert_ok(aclnnInplaceAttentionWorkerScheduler(NULL, 0, executor, on));
}

typedef struct operator_case {
    void (*launch)(aclrtStream on);
    arena *memory;
    uint8_t **context;
} operator_case;

static const operator_case cases[] = {
    { batch, &b.arena, &b.context },
    { combine, &c.arena, &c.context },
    { schedule, &a.arena, &a.context },
};

enum { CASE_NUM = sizeof(cases) / sizeof(cases[0]) };

/* Everything each of them waits for. */
static void publish_all(void)
{
    for (uint32_t s = 0; s < b.shape.session_num; s++) {
        int32_t *desc = batch_desc(&b, s, 0);
        desc[2] = (int32_t)s;
        __atomic_store_n(desc, 1, __ATOMIC_RELEASE);
    }
    for (int i = 0; i < 6; i++) {
        __atomic_store_n(&c.flags[i], 1, __ATOMIC_RELEASE);
        __atomic_store_n(&a.flags[i], 1, __ATOMIC_RELEASE);
    }
}

static int64_t actual_token_num(void)
{
    return *(const int64_t *)b.outputs[BATCH_ACTUAL_TOKEN_NUM];
}

/* All of them did what there was to do. */
static void assert_all_done(void)
{
    assert_int_equal(actual_token_num(), 2);
    assert_int_equal(((const int32_t *)b.outputs[BATCH_SESSION_IDS])[1], 1);
    assert_int_equal(context_u32(b.context, AT_POLLING_INDEX), 1);
    assert_int_equal(*c.next_layer_id, 8);
    assert_int_equal(context_u32(c.context, AT_MICRO_BATCH_ID), 0);
    assert_int_equal(context_u32(a.context, AT_MICRO_BATCH_ID), 0);
    assert_int_equal(a.flags[0], 0);
}

/* ---- the run flag ---- */

static void stop(uint8_t *context)
{
    const int32_t run_flag = 0;
    assert_ok(aclrtMemcpy(context + AT_RUN_FLAG, sizeof(run_flag), &run_flag, sizeof(run_flag),
                          ACL_MEMCPY_HOST_TO_DEVICE));
}

/* The one that says that there is nothing, in its outputs. */
static void expect_empty_batch(uint8_t *before)
{
    const ptrdiff_t groups_at = (uint8_t *)b.outputs[BATCH_GROUP_LIST] - b.arena.memory;
    const ptrdiff_t actual_at = (uint8_t *)b.outputs[BATCH_ACTUAL_TOKEN_NUM] - b.arena.memory;
    memset(before + groups_at, 0, b.shape.expert_num * 2 * sizeof(int64_t));
    memset(before + actual_at, 0, sizeof(int64_t));
}

static void stop_one(const operator_case *one, bool while_it_waits)
{
    uint8_t *before = arena_keep(one->memory);
    const ptrdiff_t run_flag_at = *one->context + AT_RUN_FLAG - one->memory->memory;
    memset(before + run_flag_at, 0, sizeof(int32_t));
    if (!while_it_waits) {
        stop(*one->context);
    }
    one->launch(stream);
    if (while_it_waits) {
        assert_code(aclrtSynchronizeStreamWithTimeout(stream, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
        stop(*one->context);
    }
    assert_ok(aclrtSynchronizeStream(stream));
    if (one->launch == batch) {
        expect_empty_batch(before);
    }
    assert_memory_equal(one->memory->memory, before, one->memory->byte_num);
    free(before);
}

static void a_run_flag_of_0_is_success_with_nothing_taken(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_NUM; i++) {
        stop_one(&cases[i], false);
    }
}

static void clearing_the_run_flag_ends_a_wait(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_NUM; i++) {
        stop_one(&cases[i], true);
    }
}

/* ---- the stream ---- */

typedef struct synchronizer {
    aclrtStream stream;
    int code;
} synchronizer;

static void *synchronize(void *argument)
{
    synchronizer *mine = argument;
    mine->code = aclrtSynchronizeStream(mine->stream);
    return NULL;
}

static void destroying_a_stream_ends_a_wait_that_has_changed_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_NUM; i++) {
        pthread_t thread;
        synchronizer mine = { .code = 0 };
        uint8_t *before = arena_keep(cases[i].memory);
        assert_ok(aclrtCreateStream(&mine.stream));
        cases[i].launch(mine.stream);
        assert_int_equal(pthread_create(&thread, NULL, synchronize, &mine), 0);
        assert_code(aclrtSynchronizeStreamWithTimeout(mine.stream, 20), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
        assert_ok(aclrtDestroyStream(mine.stream));
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(mine.code, ACL_ERROR_RT_INVALID_HANDLE);
        assert_memory_equal(cases[i].memory->memory, before, cases[i].memory->byte_num);
        free(before);
    }
}

/* The first waits for ever, so that the others find the stream closing when they are run. */
static void a_stream_that_is_destroyed_does_what_can_be_done(void **state)
{
    world waiting;
    (void)state;
    assert_int_equal(world_create(&waiting, 2, 1), 0);
    assert_ok(world_schedule(&waiting, 2, stream));
    publish_all();
    for (int i = 0; i < CASE_NUM; i++) {
        cases[i].launch(stream);
    }
    assert_code(aclrtSynchronizeStreamWithTimeout(stream, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    assert_ok(aclrtDestroyStream(stream));
    assert_int_equal(world_out_num(&waiting), 0);
    assert_all_done();
    world_destroy(&waiting);
}

/* ---- what comes late, and what fails ---- */

static void what_is_waited_for_may_come_late(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_NUM; i++) {
        cases[i].launch(stream);
    }
    assert_code(aclrtSynchronizeStreamWithTimeout(stream, 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    publish_all();
    assert_ok(aclrtSynchronizeStream(stream));
    assert_all_done();
}

static void a_wild_id_changes_nothing(void **state)
{
    (void)state;
    publish_all();
    batch_desc(&b, 1, 0)[5] = -1;
    uint8_t *before = arena_keep(&b.arena);
    batch(stream);
    assert_code(aclrtSynchronizeStream(stream), ACL_ERROR_RT_AICORE_EXCEPTION);
    assert_message_has("session 1|micro-batch 0|token 1|slot 1|is -1");
    assert_memory_equal(b.arena.memory, before, b.arena.byte_num);
    free(before);
}

/* With nothing taken the buffers of the output area are not looked at. */
static void no_sessions_need_no_id_buffers(void **state)
{
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    (void)state;
    memset(b.context + 512, 0, 64);
    assert_ok(batch_plan(&b, 0, &workspace_size, &executor));
    assert_ok(aclnnFfnWorkerBatching(workspace, workspace_size, executor, stream));
    assert_ok(aclrtSynchronizeStream(stream));
    assert_int_equal(actual_token_num(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_flag_of_0_is_success_with_nothing_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clearing_the_run_flag_ends_a_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(destroying_a_stream_ends_a_wait_that_has_changed_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_that_is_destroyed_does_what_can_be_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_waited_for_may_come_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wild_id_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_sessions_need_no_id_buffers, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("operator waits", tests, NULL, NULL);
}
