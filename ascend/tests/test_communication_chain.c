/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way of tokens through the front, a thread a rank: attention to FFN, the FFN scheduler, batching, experts
 * that return what they get, FFN to attention, the attention scheduler. Rounds without a token, with fewer than BS and
 * with a mask are among them, so nobody may wait for what was not sent. And how a dispatch that waits ends.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "aclnnop/aclnn_attention_to_ffn.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "aclnnop/aclnn_ffn_to_attention.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "afd/context.h"
#include "afd/window.h"
#include "communication_world.h"
#include "front_test.h"
#include "strided.h"

enum { SESSIONS = 3, FFN_RANKS = 2, RANKS = SESSIONS + FFN_RANKS, ROUNDS = 40, HIDDEN = 1024, TABLE_WIDTH = 5 };
enum { MICRO_BATCHES = 2, TOKENS = 3, TOP_K = 2, SLOTS = 3, ROUTED = 4, EXPERTS = 5 };
enum { ROW_MAX = SESSIONS * TOKENS * SLOTS };

static rank_world ranks;

static const dispatch_shape shape = {
    .session_num = SESSIONS,
    .micro_batch_num = MICRO_BATCHES,
    .micro_batch_size = TOKENS,
    .token_num = TOKENS,
    .top_k = TOP_K,
    .shared_num = SLOTS - TOP_K,
    .routed_num = ROUTED,
    .layer_num = 1,
    .table_width = TABLE_WIDTH,
    .hidden = HIDDEN,
    .slot_elements = HIDDEN,
    .type = ACL_BF16,
};

/* Also for threads other than cmocka's own, where its assertions must not be used. */
static void need(int code, const char *what)
{
    if (code != 0) {
        const char *message = aclGetRecentErrMsg();
        (void)fprintf(stderr, "%s: %d: %s\n", what, code, message != NULL ? message : "");
        abort();
    }
}

static int set_up(void **state)
{
    (void)state;
    strided_seed();
    need(setenv("HCCL_BUFFSIZE", "1", 1), "setenv");
    need(aclInit(NULL), "aclInit");
    need(rank_world_create(&ranks, RANKS), "rank_world_create");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rank_world_destroy(&ranks);
    need(aclFinalize(), "aclFinalize");
    (void)aclGetRecentErrMsg();
    return 0;
}

/* ---- tensors and contexts ---- */

static void *allocate(size_t bytes)
{
    void *memory = NULL;
    need(aclrtMalloc(&memory, bytes, ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
    return memory;
}

static aclTensor *line(int64_t dim, aclDataType type, void *data)
{
    aclTensor *tensor = aclCreateTensor(&dim, 1, type, NULL, 0, ACL_FORMAT_ND, &dim, 1, data);
    need(tensor != NULL ? 0 : -1, "aclCreateTensor");
    return tensor;
}

static aclTensor *table(int64_t row_num, int64_t column_num, aclDataType type, void *data)
{
    const int64_t dims[2] = { row_num, column_num };
    aclTensor *tensor = aclCreateTensor(dims, 2, type, NULL, 0, ACL_FORMAT_ND, dims, 2, data);
    need(tensor != NULL ? 0 : -1, "aclCreateTensor");
    return tensor;
}

/* A context on the window of a rank; one side of it is used. */
static afd_schedule_context *make_context(uint32_t rank, afd_window_kind kind)
{
    const afd_shape of = { SESSIONS, MICRO_BATCHES, TOKENS, SLOTS, EXPERTS, HIDDEN * 2, HIDDEN * 2 };
    const uint64_t start = (uint64_t)(uintptr_t)rank_world_window(&ranks, rank);
    afd_schedule_context *context = allocate(sizeof(*context));
    int32_t *outputs = allocate((3 * SESSIONS + SESSIONS * TOKENS * SLOTS) * sizeof(int32_t));
    afd_window_sizes sizes;
    need(kind == AFD_WINDOW_FFN ? afd_ffn_window_measure(&of, &sizes, NULL)
                                : afd_attention_window_measure(&of, &sizes, NULL), "measure");
    const afd_window_fields window = { start, sizes.token_info_bytes, start + sizes.token_data_offset,
                                       sizes.token_data_bytes };
    memset(context, 0, sizeof(*context));
    context->common.session_num = SESSIONS;
    context->common.micro_batch_num = MICRO_BATCHES;
    context->common.micro_batch_size = TOKENS;
    context->common.selected_expert_num = SLOTS;
    context->common.attn_to_ffn_token_size = HIDDEN * 2;
    context->common.ffn_to_attn_token_size = HIDDEN * 2;
    context->common.schedule_mode = kind == AFD_WINDOW_FFN ? 0 : 1;
    context->control.run_flag = 1;
    *(kind == AFD_WINDOW_FFN ? &context->ffn.window : &context->attention.window) = window;
    context->attention.micro_batch_id = MICRO_BATCHES - 1;
    context->ffn.layer_ids_buf = (uint64_t)(uintptr_t)outputs;
    context->ffn.session_ids_buf = (uint64_t)(uintptr_t)(outputs + SESSIONS);
    context->ffn.micro_batch_ids_buf = (uint64_t)(uintptr_t)(outputs + 2 * SESSIONS);
    context->ffn.expert_ids_buf = (uint64_t)(uintptr_t)(outputs + 3 * SESSIONS);
    context->ffn.layer_ids_buf_size = SESSIONS * sizeof(int32_t);
    context->ffn.session_ids_buf_size = SESSIONS * sizeof(int32_t);
    context->ffn.micro_batch_ids_buf_size = SESSIONS * sizeof(int32_t);
    context->ffn.expert_ids_buf_size = SESSIONS * TOKENS * SLOTS * sizeof(int32_t);
    return context;
}

static void free_context(afd_schedule_context *context)
{
    need(aclrtFree((void *)(uintptr_t)context->ffn.layer_ids_buf), "aclrtFree");
    need(aclrtFree(context), "aclrtFree");
}

/* ---- an attention rank ---- */

typedef struct attention_plan {
    uint32_t token_num;  /* Bs of each round, and how many of them are active; no mask where all are */
    uint32_t active_num;
} attention_plan;

static attention_plan plans[SESSIONS][ROUNDS];

/* Experts are at the FFN ranks in turn, those with two copies at both. */
static void fill_table(int32_t *row)
{
    for (int32_t expert = 0; expert < EXPERTS; expert++, row += TABLE_WIDTH) {
        row[0] = 1 + expert % 2;
        for (int32_t copy = 0; copy < row[0]; copy++) {
            row[1 + 2 * copy] = SESSIONS + (expert / 2 + copy) % FFN_RANKS;
            row[2 + 2 * copy] = expert;
        }
    }
}

static uint16_t value_of(uint32_t session, int round, uint32_t token)
{
    return (uint16_t)(0x3C00 + session * 1000 + (uint32_t)round * 10 + token);
}

static void send(uint32_t session, int round)
{
    const attention_plan *p = &plans[session][round];
    dispatch_shape of = shape;
    dispatch_call call;
    uint64_t size = 0;
    aclOpExecutor *executor = NULL;
    of.token_num = p->token_num;
    need(dispatch_call_create(&call, &of, &ranks), "dispatch_call_create");
    for (uint32_t i = 0; i < p->token_num * HIDDEN; i++) {
        ((uint16_t *)call.data[DISPATCH_X])[i] = value_of(session, round, i / HIDDEN);
    }
    for (uint32_t i = 0; i < p->token_num * TOP_K; i++) {
        ((int32_t *)call.data[DISPATCH_EXPERT_IDS])[i] = (int32_t)((session + (uint32_t)round + i) % ROUTED);
    }
    memset(call.data[DISPATCH_MASK], 1, p->active_num);
    call.with_mask = p->active_num < p->token_num;
    fill_table(call.data[DISPATCH_TABLE]);
    *(int32_t *)call.data[DISPATCH_SESSION_ID] = (int32_t)session;
    *(int32_t *)call.data[DISPATCH_MICRO_BATCH_ID] = round % MICRO_BATCHES;
    need(dispatch_plan(&call, &size, &executor), "first phase");
    need(run_phase(aclnnAttentionToFFN, size, executor, ranks.streams[session]), "attention to FFN");
    dispatch_call_destroy(&call);
}

/* The results of a round are what was sent. */
static void receive(uint32_t session, int round, const afd_schedule_context *context, aclTensor *tensor)
{
    uint64_t size = 0;
    aclOpExecutor *executor = NULL;
    need(aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(tensor, &size, &executor), "first phase");
    need(run_phase(aclnnInplaceAttentionWorkerScheduler, size, executor, ranks.streams[session]), "the scheduler");
    need(context->attention.micro_batch_id == (uint32_t)(round % MICRO_BATCHES) ? 0 : -1, "another micro-batch");
    const uint16_t *slots = (const uint16_t *)(uintptr_t)context->attention.window.token_data_buf;
    slots += (size_t)(round % MICRO_BATCHES) * TOKENS * SLOTS * HIDDEN;
    for (uint32_t i = 0; i < plans[session][round].active_num * SLOTS * HIDDEN; i++) {
        need(slots[i] == value_of(session, round, i / HIDDEN / SLOTS) ? 0 : -1, "another token");
    }
}

/* M rounds are in flight. */
static void *attention_rank(void *session_)
{
    const uint32_t session = *(const uint32_t *)session_;
    need(aclrtSetDevice((int32_t)session), "aclrtSetDevice");
    afd_schedule_context *context = make_context(session, AFD_WINDOW_ATTENTION);
    aclTensor *tensor = line(AFD_CONTEXT_BYTES, ACL_INT8, context);
    for (int round = 0; round < ROUNDS + MICRO_BATCHES - 1; round++) {
        if (round < ROUNDS) {
            send(session, round);
        }
        if (round >= MICRO_BATCHES - 1) {
            receive(session, round - (MICRO_BATCHES - 1), context, tensor);
        }
    }
    need(aclDestroyTensor(tensor), "aclDestroyTensor");
    free_context(context);
    return NULL;
}

/* ---- an FFN rank ---- */

typedef struct ffn_tensors {
    void *memory[8];
    aclTensor *tensors[8]; /* as batching has them: y, groupList, four ids, dynamicScale, actualTokenNum */
} ffn_tensors;

static void make_tensors(ffn_tensors *t)
{
    t->memory[0] = allocate((size_t)ROW_MAX * HIDDEN * 2);
    t->memory[1] = allocate((size_t)EXPERTS * 2 * sizeof(int64_t));
    t->tensors[0] = table(ROW_MAX, HIDDEN, ACL_BF16, t->memory[0]);
    t->tensors[1] = table(EXPERTS, 2, ACL_INT64, t->memory[1]);
    for (int i = 2; i < 8; i++) {
        t->memory[i] = allocate(ROW_MAX * sizeof(int64_t));
    }
    for (int i = 2; i < 6; i++) {
        t->tensors[i] = line(ROW_MAX, ACL_INT32, t->memory[i]);
    }
    t->tensors[6] = line(ROW_MAX, ACL_FLOAT, t->memory[6]);
    t->tensors[7] = line(1, ACL_INT64, t->memory[7]);
}

/* The three tasks of a round, in one stream. */
static void serve(uint32_t rank, aclTensor *context, const ffn_tensors *t, aclIntArray *const shapes[3])
{
    aclTensor *const *b = t->tensors;
    uint64_t sizes[3] = { 0 };
    aclOpExecutor *executors[3] = { NULL };
    need(aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(context, SESSIONS, 0, &sizes[0], &executors[0]), "scheduler");
    need(aclnnFfnWorkerBatchingGetWorkspaceSize(context, EXPERTS, shapes[0], 1, 0, 0, b[0], b[1], b[2], b[3], b[4],
                                                b[5], b[6], b[7], &sizes[1], &executors[1]),
         "batching");
    need(aclnnFFNToAttentionGetWorkspaceSize(b[0], b[2], b[3], b[4], b[5], b[7], NULL, ranks.group, RANKS, shapes[1],
                                             shapes[2], &sizes[2], &executors[2]),
         "FFN to attention");
    void *workspace = allocate(sizes[1] + 1);
    need(sizes[2] == 0 ? 0 : -1, "nothing is gathered");
    need(aclnnInplaceFfnWorkerScheduler(NULL, sizes[0], executors[0], ranks.streams[rank]), "scheduler");
    need(aclnnFfnWorkerBatching(workspace, sizes[1], executors[1], ranks.streams[rank]), "batching");
    need(aclnnFFNToAttention(NULL, 0, executors[2], ranks.streams[rank]), "FFN to attention");
    need(aclrtSynchronizeStream(ranks.streams[rank]), "the stream");
    need(aclrtFree(workspace), "aclrtFree");
}

static void *ffn_rank(void *rank_)
{
    const uint32_t rank = *(const uint32_t *)rank_;
    const int64_t batch[4] = { SESSIONS, TOKENS, SLOTS, HIDDEN };
    const int64_t slots[4] = { MICRO_BATCHES, TOKENS, SLOTS, HIDDEN };
    aclIntArray *const shapes[3] = { aclCreateIntArray(batch, 4), aclCreateIntArray(slots, 3),
                                     aclCreateIntArray(slots, 4) };
    ffn_tensors t;
    need(aclrtSetDevice((int32_t)rank), "aclrtSetDevice");
    afd_schedule_context *context = make_context(rank, AFD_WINDOW_FFN);
    aclTensor *tensor = line(AFD_CONTEXT_BYTES, ACL_INT8, context);
    make_tensors(&t);
    for (int round = 0; round < ROUNDS; round++) {
        serve(rank, tensor, &t, shapes);
    }
    for (int i = 0; i < 8; i++) {
        need(aclDestroyTensor(t.tensors[i]), "aclDestroyTensor");
        need(aclrtFree(t.memory[i]), "aclrtFree");
    }
    for (int i = 0; i < 3; i++) {
        need(aclDestroyIntArray(shapes[i]), "aclDestroyIntArray");
    }
    need(aclDestroyTensor(tensor), "aclDestroyTensor");
    free_context(context);
    return NULL;
}

/* ---- tests ---- */

static void tokens_go_to_the_experts_and_back(void **state)
{
    pthread_t threads[RANKS];
    uint32_t numbers[RANKS];
    (void)state;
    for (int i = 0; i < SESSIONS * ROUNDS; i++) {
        attention_plan *p = &plans[i / ROUNDS][i % ROUNDS];
        p->token_num = strided_pick(1, TOKENS);
        p->active_num = strided_pick(0, p->token_num);
    }
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        numbers[rank] = rank;
        need(pthread_create(&threads[rank], NULL, rank < SESSIONS ? attention_rank : ffn_rank, &numbers[rank]),
             "pthread_create");
    }
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        need(pthread_join(threads[rank], NULL), "pthread_join");
    }
}

/* ---- how a dispatch that waits ends ---- */

/* Two streams of one rank, each with a round of session 0 that is to wait, because a first one was not taken. */
typedef struct waiting_rounds {
    dispatch_call call;
    aclOpExecutor *executor; /* repeatable */
    aclrtStream streams[2];
    void *workspaces[2];
    int codes[2]; /* of synchronizing with them */
} waiting_rounds;

static void start_waiting(waiting_rounds *w)
{
    uint64_t size = 0;
    need(dispatch_call_create(&w->call, &shape, &ranks), "dispatch_call_create");
    fill_table(w->call.data[DISPATCH_TABLE]);
    assert_ok(dispatch_plan(&w->call, &size, &w->executor));
    assert_ok(aclSetAclOpExecutorRepeatable(w->executor));
    assert_ok(run_phase(aclnnAttentionToFFN, size, w->executor, ranks.streams[0]));
    for (int i = 0; i < 2; i++) {
        w->workspaces[i] = allocate(size);
        assert_ok(aclrtCreateStream(&w->streams[i]));
        assert_ok(aclnnAttentionToFFN(w->workspaces[i], size, w->executor, w->streams[i]));
        assert_code(aclrtSynchronizeStreamWithTimeout(w->streams[i], 5), ACL_ERROR_RT_STREAM_SYNC_TIMEOUT);
    }
}

static void end_waiting(waiting_rounds *w)
{
    for (int i = 0; i < 2; i++) {
        assert_ok(aclrtFree(w->workspaces[i]));
    }
    assert_ok(aclDestroyAclOpExecutor(w->executor));
    dispatch_call_destroy(&w->call);
}

/* FFN ranks give the desc of session 0's micro-batch 0 back. */
static void give_back(void)
{
    for (uint32_t rank = SESSIONS; rank < RANKS; rank++) {
        uint8_t *desc = rank_world_window(&ranks, rank);
        while (__atomic_load_n((int32_t *)(void *)desc, __ATOMIC_ACQUIRE) != AFD_FLAG_READY) {
            (void)sched_yield();
        }
        memset(desc + 8, 0x7F, TOKENS * SLOTS * sizeof(int32_t));
        __atomic_store_n((int32_t *)(void *)desc, AFD_FLAG_FREE, __ATOMIC_RELEASE);
    }
}

static void a_dispatch_waits_until_its_descs_are_given_back(void **state)
{
    waiting_rounds w;
    (void)state;
    start_waiting(&w);
    give_back();
    give_back(); /* what the first of the two that waited sent */
    for (int i = 0; i < 2; i++) {
        assert_ok(aclrtSynchronizeStream(w.streams[i]));
        assert_ok(aclrtDestroyStream(w.streams[i]));
    }
    end_waiting(&w);
}

static void *synchronize(void *w_)
{
    waiting_rounds *w = w_;
    w->codes[0] = aclrtSynchronizeStream(w->streams[0]);
    return NULL;
}

/* The one that was enqueued last is destroyed first: it must not be stuck behind the other. */
static void a_dispatch_that_waits_ends_with_its_stream(void **state)
{
    waiting_rounds w;
    pthread_t thread;
    (void)state;
    start_waiting(&w);
    need(pthread_create(&thread, NULL, synchronize, &w), "pthread_create");
    assert_ok(aclrtDestroyStream(w.streams[1]));
    assert_ok(aclrtDestroyStream(w.streams[0]));
    need(pthread_join(thread, NULL), "pthread_join");
    assert_code(w.codes[0], ACL_ERROR_RT_INVALID_HANDLE);
    end_waiting(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tokens_go_to_the_experts_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dispatch_waits_until_its_descs_are_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dispatch_that_waits_ends_with_its_stream, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("communication chain", tests, NULL, NULL);
}
