/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batching, combine and the attention scheduler through the front, with streams and tensors, against the native calls:
 * the same memory before, the same bytes after, those included that nobody should have touched. The seed is printed;
 * AFD_TEST_SEED repeats a run.
 */
#include <stdlib.h>

#include "afd/attention.h"
#include "afd/ffn.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "front_test.h"
#include "operator_world.h"

enum { SHAPE_TRIES = 60, CALLS_A_SHAPE = 6 };

static uint64_t random_state;
static aclrtStream stream;

/* In [low, high]. */
static uint32_t pick(uint32_t low, uint32_t high)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return low + (uint32_t)(random_state >> 33) % (high - low + 1);
}

static void fill_randomly(void *memory, size_t byte_num)
{
    uint8_t *bytes = memory;
    for (size_t i = 0; i < byte_num; i++) {
        bytes[i] = (uint8_t)pick(0, 255);
    }
}

static int set_up(void **state)
{
    (void)state;
    const char *seed = getenv("AFD_TEST_SEED");
    random_state = seed != NULL ? strtoull(seed, NULL, 0) : afd_clock_ns();
    print_message("AFD_TEST_SEED=%llu\n", (unsigned long long)random_state);
    assert_ok(aclInit(NULL));
    assert_ok(aclrtSetDevice(0));
    assert_ok(aclrtCreateStream(&stream));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_ok(aclFinalize());
    (void)aclGetRecentErrMsg();
    return 0;
}

/* What both left behind is the same, byte for byte. */
static void assert_same(const arena *native, uint8_t *front)
{
    for (size_t i = 0; i < native->byte_num; i++) {
        if (native->memory[i] != front[i]) {
            fail_msg("byte %zu is 0x%02x natively and 0x%02x through the front", i, native->memory[i], front[i]);
        }
    }
    free(front);
}

static aclOpExecutor *repeatable(aclOpExecutor *executor)
{
    assert_ok(aclSetAclOpExecutorRepeatable(executor));
    return executor;
}

/* ---- batching ---- */

static batch_shape pick_batch_shape(void)
{
    const uint32_t session_num = pick(1, 5);
    batch_shape shape = {
        .session_num = session_num,
        .micro_batch_num = pick(1, 4),
        .micro_batch_size = pick(1, 6),
        .slot_num = pick(1, 9),
        .session_max = session_num + pick(0, 3),
        .expert_num = pick(1, 20),
        .hidden = 16 * pick(1, 5),
        .token_dtype = pick(0, 2),
    };
    /* As large as a token, larger, or much smaller, as some programs say. */
    const uint32_t token_bytes = (uint32_t)batch_token_bytes(&shape);
    const uint32_t choices[3] = { token_bytes, token_bytes + 4 * pick(1, 40), 4 * pick(0, 8) };
    shape.slot_bytes = choices[pick(0, 2)];
    return shape;
}

static int32_t pick_id(const batch_world *w, uint32_t fullness)
{
    if (pick(1, 100) <= fullness) {
        return (int32_t)pick(0, w->shape.expert_num - 1);
    }
    return pick(0, 1) == 0 ? INT32_MAX : (int32_t)pick(1000000, 0x7F7F7F7F);
}

static void publish_desc(const batch_world *w, uint32_t session, uint32_t micro_batch, uint32_t fullness)
{
    int32_t *desc = batch_desc(w, session, micro_batch);
    const uint32_t id_num = w->shape.micro_batch_size * w->shape.slot_num;
    desc[1] = (int32_t)pick(0, 60);
    for (uint32_t i = 0; i < id_num; i++) {
        desc[2 + i] = pick_id(w, fullness);
    }
    __atomic_store_n(desc, 1, __ATOMIC_RELEASE);
}

/* Some sessions, in any order, each with ids of its own: none at all now and then. */
static void fill_area(const batch_world *w, uint32_t fullness)
{
    const uint32_t id_num = w->shape.micro_batch_size * w->shape.slot_num;
    const uint32_t out_num = pick(0, w->shape.session_num);
    for (uint32_t i = 0; i < out_num; i++) {
        w->layer_ids[i] = (int32_t)pick(0, 60);
        w->session_ids[i] = (int32_t)pick(0, w->shape.session_num - 1);
        w->micro_batch_ids[i] = (int32_t)pick(0, w->shape.micro_batch_num - 1);
        for (uint32_t k = 0; k < id_num; k++) {
            w->expert_ids[i * id_num + k] = pick_id(w, fullness);
        }
    }
    context_set_u32(w->context, AT_OUT_NUM, out_num);
}

static void batch_natively(const batch_world *w, bool need_schedule)
{
    afd_schedule_context *context = (afd_schedule_context *)(void *)w->context;
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    afd_ffn_batch_out out = AFD_FFN_BATCH_OUT_INIT;
    args.expert_num = w->shape.expert_num;
    args.session_max = w->shape.session_num;
    args.hidden = w->shape.hidden;
    args.type = (afd_token_type)w->shape.token_dtype;
    args.need_schedule = need_schedule;
    args.fail_on_wild = true;
    args.workspace_bytes = afd_ffn_batch_workspace_bytes(context, &args);
    args.workspace = malloc(args.workspace_bytes);
    out.tokens = w->outputs[BATCH_TOKENS];
    out.dynamic_scale = w->shape.token_dtype == 2 ? w->outputs[BATCH_DYNAMIC_SCALE] : NULL;
    out.group_list = w->outputs[BATCH_GROUP_LIST];
    out.session_ids = w->outputs[BATCH_SESSION_IDS];
    out.micro_batch_ids = w->outputs[BATCH_MICRO_BATCH_IDS];
    out.token_ids = w->outputs[BATCH_TOKEN_IDS];
    out.expert_offsets = w->outputs[BATCH_EXPERT_OFFSETS];
    assert_int_equal(afd_ffn_batch(context, &args, &out, NULL, NULL), AFD_OK);
    *(int64_t *)w->outputs[BATCH_ACTUAL_TOKEN_NUM] = (int64_t)out.row_num;
    free(args.workspace);
}

static void batch_call(batch_world *w, aclOpExecutor *executor, void *workspace, uint64_t workspace_size,
                       bool need_schedule)
{
    const uint32_t fullness = pick(0, 3) * 33;
    const uint32_t polling_index = context_u32(w->context, AT_POLLING_INDEX);
    const uint32_t last = pick(0, w->shape.session_num - 1);
    fill_area(w, fullness);
    for (uint32_t s = 0; need_schedule && s < w->shape.session_num; s++) {
        publish_desc(w, s, polling_index, fullness);
    }
    uint8_t *before = arena_keep(&w->arena);
    if (need_schedule) { /* one session comes while the operator waits */
        __atomic_store_n(batch_desc(w, last, polling_index), 0, __ATOMIC_RELEASE);
    }
    assert_ok(aclnnFfnWorkerBatching(workspace, workspace_size, executor, stream));
    if (need_schedule) {
        __atomic_store_n(batch_desc(w, last, polling_index), 1, __ATOMIC_RELEASE);
    }
    assert_ok(aclrtSynchronizeStream(stream));
    uint8_t *front = arena_keep(&w->arena);
    arena_restore(&w->arena, before);
    free(before);
    batch_natively(w, need_schedule);
    assert_same(&w->arena, front);
}

static void batching_through_the_front_is_the_native_call(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPE_TRIES; i++) {
        batch_world w;
        const batch_shape shape = pick_batch_shape();
        const bool need_schedule = pick(0, 1) == 1;
        uint64_t workspace_size = 0;
        void *workspace = NULL;
        aclOpExecutor *executor = NULL;
        assert_int_equal(batch_world_create(&w, &shape), 0);
        fill_randomly(w.data, (size_t)((uint8_t *)w.layer_ids - w.data));
        assert_ok(batch_plan(&w, need_schedule, &workspace_size, &executor));
        assert_ok(aclrtMalloc(&workspace, workspace_size, ACL_MEM_MALLOC_HUGE_FIRST));
        repeatable(executor);
        for (int call = 0; call < CALLS_A_SHAPE; call++) {
            batch_call(&w, executor, workspace, workspace_size, need_schedule);
        }
        assert_ok(aclDestroyAclOpExecutor(executor));
        assert_ok(aclrtFree(workspace));
        batch_world_destroy(&w);
    }
}

/* ---- combine and the attention scheduler ---- */

static combine_shape pick_combine_shape(void)
{
    combine_shape shape = {
        .micro_batch_num = pick(1, 4),
        .micro_batch_size = pick(1, 6),
        .slot_num = pick(1, 9),
        .hidden = 16 * pick(1, 9),
        .token_dtype = pick(0, 1),
    };
    const uint32_t row_bytes = 2 * shape.hidden;
    const uint32_t choices[3] = { row_bytes, row_bytes + 4 * pick(1, 40), 4 * pick(0, 8) };
    shape.top_k = shape.slot_num - pick(0, shape.slot_num > 2 ? 2 : shape.slot_num - 1);
    shape.slot_bytes = choices[pick(0, 2)];
    return shape;
}

static void combine_natively(const combine_world *w, uint32_t token_num, bool need_schedule)
{
    afd_combine_args args = AFD_COMBINE_ARGS_INIT;
    args.token_num = token_num;
    args.top_k = w->shape.top_k;
    args.hidden = w->shape.hidden;
    args.type = (afd_token_type)w->shape.token_dtype;
    args.expert_scales = w->scales;
    args.need_schedule = need_schedule;
    args.output = w->y;
    assert_int_equal(afd_attention_combine((afd_schedule_context *)(void *)w->context, &args, NULL, NULL), AFD_OK);
    *w->next_layer_id = *w->layer_id + 1;
}

/* All flags of the next micro-batch are 1; of the others any. Returns where one of them stands. */
static int32_t *set_flags(const combine_world *w)
{
    const uint32_t id_num = w->shape.micro_batch_size * w->shape.slot_num;
    const uint32_t next = (context_u32(w->context, AT_MICRO_BATCH_ID) + 1) % w->shape.micro_batch_num;
    for (uint32_t i = 0; i < w->shape.micro_batch_num * id_num; i++) {
        w->flags[i] = i / id_num == next ? 1 : (int32_t)pick(0, 2);
    }
    return &w->flags[next * id_num + pick(0, id_num - 1)];
}

typedef int launcher(void *workspace, uint64_t workspace_size, aclOpExecutor *executor, aclrtStream on);

/* Runs what waits for flags, one of which comes later, and puts the memory back. */
static uint8_t *run_with_a_late_flag(combine_world *w, launcher *launch, aclOpExecutor *executor, bool waits)
{
    int32_t *late = set_flags(w);
    uint8_t *before = arena_keep(&w->arena);
    if (waits) {
        __atomic_store_n(late, (int32_t)pick(0, 1) * 2, __ATOMIC_RELEASE);
    }
    assert_ok(launch(NULL, 0, executor, stream));
    if (waits) {
        __atomic_store_n(late, 1, __ATOMIC_RELEASE);
    }
    assert_ok(aclrtSynchronizeStream(stream));
    uint8_t *front = arena_keep(&w->arena);
    arena_restore(&w->arena, before);
    free(before);
    return front;
}

static void combine_call(combine_world *w, aclOpExecutor *const *executors, bool need_schedule)
{
    const uint32_t token_num = pick(0, w->shape.micro_batch_size);
    *w->layer_id = (int32_t)pick(0, 90);
    uint8_t *front = run_with_a_late_flag(w, aclnnAttentionWorkerCombine, executors[token_num], need_schedule);
    combine_natively(w, token_num, need_schedule);
    assert_same(&w->arena, front);
}

static void combine_through_the_front_is_the_native_call(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPE_TRIES; i++) {
        combine_world w;
        const combine_shape shape = pick_combine_shape();
        const bool need_schedule = pick(0, 1) == 1;
        uint64_t workspace_size = 4711;
        aclOpExecutor *executors[7] = { NULL }; /* one for each batch size */
        assert_int_equal(combine_world_create(&w, &shape), 0);
        fill_randomly(w.data, (size_t)((uint8_t *)w.scales - w.data));
        fill_randomly(w.scales, shape.micro_batch_size * shape.top_k * sizeof(float));
        for (uint32_t t = 0; t <= shape.micro_batch_size; t++) {
            assert_ok(combine_plan(&w, t, need_schedule, &workspace_size, &executors[t]));
            assert_int_equal(workspace_size, 0);
            repeatable(executors[t]);
        }
        for (int call = 0; call < CALLS_A_SHAPE; call++) {
            combine_call(&w, executors, need_schedule);
        }
        for (uint32_t t = 0; t <= shape.micro_batch_size; t++) {
            assert_ok(aclDestroyAclOpExecutor(executors[t]));
        }
        combine_world_destroy(&w);
    }
}

static void attention_schedule_call(combine_world *w, aclOpExecutor *executor)
{
    uint8_t *front = run_with_a_late_flag(w, aclnnInplaceAttentionWorkerScheduler, executor, true);
    assert_int_equal(afd_attention_schedule((afd_schedule_context *)(void *)w->context, AFD_MICRO_BATCH_NEXT, NULL,
                                            NULL, NULL),
                     AFD_OK);
    assert_same(&w->arena, front);
}

static void the_attention_scheduler_through_the_front_is_the_native_call(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPE_TRIES; i++) {
        combine_world w;
        const combine_shape shape = pick_combine_shape();
        uint64_t workspace_size = 4711;
        aclOpExecutor *executor = NULL;
        assert_int_equal(combine_world_create(&w, &shape), 0);
        assert_ok(aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(w.context_tensor, &workspace_size, &executor));
        assert_int_equal(workspace_size, 0);
        repeatable(executor);
        for (int call = 0; call < CALLS_A_SHAPE; call++) {
            attention_schedule_call(&w, executor);
        }
        assert_ok(aclDestroyAclOpExecutor(executor));
        combine_world_destroy(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batching_through_the_front_is_the_native_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(combine_through_the_front_is_the_native_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_attention_scheduler_through_the_front_is_the_native_call, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("operators against native", tests, NULL, NULL);
}
