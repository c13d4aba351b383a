/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token path allocates nothing: this program has its own malloc and its own mmap, which count, and the calls of the
 * path are made with nothing to be counted. A control makes sure that the counting works. Skipped in sanitizer builds,
 * whose runtime has to have malloc for itself.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef AFD_TEST_SANITIZED

int main(void)
{
    (void)fprintf(stderr, "skipped: a sanitizer replaces malloc itself\n");
    return 77;
}

#else

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "afd/ffn.h"
#include "afd/transport.h"
#include "attention_world.h"
#include "batch_world.h"
#include "cmocka_headers.h"
#include "dispatch_world.h"
#include "ffn_world.h"
#include "worker_world.h"

static uint64_t request_num; /* of memory, of any kind, since it was last set to 0 */

/* glibc's own, under the names that it keeps for programs like this one. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *memory);

void *malloc(size_t bytes)
{
    request_num++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    request_num++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    request_num++;
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    request_num++;
    return __libc_memalign(align, bytes);
}

void *memalign(size_t align, size_t bytes);
void *memalign(size_t align, size_t bytes)
{
    request_num++;
    return __libc_memalign(align, bytes);
}

int posix_memalign(void **memory, size_t align, size_t bytes)
{
    request_num++;
    *memory = __libc_memalign(align, bytes);
    return *memory == NULL ? ENOMEM : 0;
}

/* Counted too: who frees on the token path has allocated somewhere. */
void free(void *memory)
{
    request_num += memory != NULL;
    __libc_free(memory);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    request_num++;
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return mmap(address, bytes, protection, flags, fd, offset);
}

int munmap(void *address, size_t bytes)
{
    request_num++;
    return (int)syscall(SYS_munmap, address, bytes);
}

/* The break of the process, for whatever asks the kernel past all of the above. */
static void *program_break(void)
{
    return (void *)syscall(SYS_brk, 0);
}

enum { S = 8, M = 3 };

static void counting_counts(void **state)
{
    (void)state;
    const afd_shape shape = { .session_num = S, .micro_batch_num = M, .micro_batch_size = 5, .selected_expert_num = 3 };
    afd_schedule_context *context = NULL;
    afd_window *window = NULL;
    request_num = 0;
    assert_int_equal(afd_ffn_context_create(&shape, &context, NULL), AFD_OK);
    assert_int_equal(request_num, 1); /* the context */
    request_num = 0;
    assert_int_equal(afd_ffn_window_create_private(&shape, &window, NULL), AFD_OK);
    assert_int_equal(request_num, 2); /* the object and the mapping */
    afd_window_close(window);
    afd_context_destroy(context);
    request_num = 0;
    free(malloc(1));
    assert_int_equal(request_num, 2);
}

static uint32_t poll_num;

static void count_poll(void *arg)
{
    (void)arg;
    poll_num++;
}

/* A producer's half: publishes what is free. */
static void publish_all(const ffn_world *world)
{
    for (uint32_t s = 0; s < S; s++) {
        for (uint32_t m = 0; m < M; m++) {
            afd_ffn_desc *desc = ffn_world_desc(world, s, m);
            if (afd_ffn_desc_is_free(desc)) {
                desc->layer_id = (int32_t)m;
                afd_ffn_desc_expert_ids(desc)[0] = (int32_t)s;
                afd_ffn_desc_publish(desc);
            }
        }
    }
}

/* Takes all there is and then runs into a deadline, by both calls. No assertion in here, for those may allocate. */
static bool run_token_path(const ffn_world *world, const afd_ffn_schedule_args *args, afd_wait *wait)
{
    afd_error error;
    uint32_t taken_num = 0;
    bool is_right = true;
    publish_all(world);
    is_right &= afd_ffn_schedule(world->context, args, wait, &taken_num, &error) == AFD_OK && taken_num == S;
    for (uint32_t i = 1; i < M; i++) {
        is_right &= afd_ffn_schedule_poll(world->context, args, &taken_num, &error) == AFD_OK && taken_num == S;
    }
    is_right &= afd_ffn_schedule_poll(world->context, args, &taken_num, &error) == AFD_NOT_YET;
    is_right &= afd_ffn_schedule(world->context, args, wait, &taken_num, &error) == AFD_DEADLINE;
    return is_right;
}

static void the_token_path_allocates_nothing(void **state)
{
    (void)state;
    static _Alignas(8) char memory[64 * S * M];
    static const int32_t group_sizes[] = { 1, 2, S };
    static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };
    afd_late late[S];
    for (int i = 0; i < 18; i++) {
        ffn_world *world = ffn_world_new(S, M, 5, 3, 4);
        afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(group_sizes[i % 3]);
        afd_wait wait = AFD_WAIT_INIT(strategies[i / 3 % 3]);
        if (i >= 9) {
            assert_int_equal(afd_ffn_scheduler_new(S, M, NULL, memory, sizeof(memory), &args.scheduler, NULL), AFD_OK);
        }
        wait.deadline_ns = 1;
        wait.late = late;
        wait.late_capacity = S;
        wait.poll = count_poll;
        poll_num = 0;
        const void *break_before = program_break();
        request_num = 0;
        bool is_right = run_token_path(world, &args, &wait);
        uint64_t counted = request_num;
        assert_true(is_right);
        assert_int_equal(counted, 0);
        assert_ptr_equal(program_break(), break_before);
        assert_true(poll_num > 0);
        assert_int_equal(wait.late_num, S);
        ffn_world_free(world);
    }
}

enum { BS = 5, E = 3, HIDDEN = 16 };

/* Schedules, polls, combines with and without waiting, runs into a deadline and into a refusal. */
static bool run_attention_path(const attention_world *world, afd_combine_args *args, afd_wait *wait)
{
    afd_schedule_context *context = world->context;
    afd_error error;
    uint32_t ready = 0;
    bool is_right = true;
    for (uint32_t m = 0; m < M; m++) {
        attention_world_arm(world, m, AFD_FLAG_READY);
    }
    is_right &= afd_attention_schedule(context, AFD_MICRO_BATCH_NEXT, wait, &ready, &error) == AFD_OK;
    is_right &= afd_attention_combine(context, args, wait, &error) == AFD_OK;
    args->need_schedule = true;
    is_right &= afd_attention_combine(context, args, wait, &error) == AFD_OK;
    is_right &= afd_attention_schedule_poll(context, AFD_MICRO_BATCH_NEXT, &ready, &error) == AFD_OK;
    is_right &= afd_attention_schedule_poll(context, AFD_MICRO_BATCH_NEXT, &ready, &error) == AFD_NOT_YET;
    is_right &= afd_attention_combine(context, args, wait, &error) == AFD_DEADLINE;
    is_right &= afd_attention_schedule(context, AFD_MICRO_BATCH_NEXT, wait, &ready, &error) == AFD_DEADLINE;
    is_right &= afd_attention_schedule(context, M, wait, &ready, &error) == AFD_ERR_INVALID;
    return is_right;
}

static void the_attention_side_allocates_nothing(void **state)
{
    (void)state;
    static const float scales[BS * E];
    uint16_t output[BS * HIDDEN];
    afd_late late[BS * E];
    for (int i = 0; i < 6; i++) {
        attention_world *world = attention_world_new(M, BS, E, 2 * HIDDEN);
        afd_wait wait = AFD_WAIT_INIT((afd_wait_strategy)(i % 3));
        afd_combine_args args = AFD_COMBINE_ARGS_INIT;
        args.token_num = BS;
        args.top_k = E;
        args.hidden = HIDDEN;
        args.type = i < 3 ? AFD_TOKEN_F16 : AFD_TOKEN_BF16;
        args.expert_scales = scales;
        args.output = output;
        wait.deadline_ns = 1;
        wait.late = late;
        wait.late_capacity = BS * E;
        const void *break_before = program_break();
        request_num = 0;
        bool is_right = run_attention_path(world, &args, &wait);
        uint64_t counted = request_num;
        assert_true(is_right);
        assert_int_equal(counted, 0);
        assert_ptr_equal(program_break(), break_before);
        assert_int_equal(wait.late_num, BS * E);
        attention_world_free(world);
    }
}

static void a_refused_call_allocates_nothing_either(void **state)
{
    (void)state;
    ffn_world *world = ffn_world_new(S, M, 5, 3, 0);
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(3);
    afd_error error;
    request_num = 0;
    afd_status status = afd_ffn_schedule(world->context, &args, NULL, NULL, &error);
    uint64_t counted = request_num;
    assert_int_equal(status, AFD_ERR_INVALID);
    assert_int_equal(counted, 0);
    ffn_world_free(world);
}

/* Sends a round, takes back another one, and runs into a deadline. No assertion in here either. */
static bool run_dispatch(dispatch_world *world, afd_wait *wait)
{
    const afd_place place = { .micro_batch = 1, .expert_id = 3 };
    afd_error error;
    bool is_right = afd_writer_put(world->writers[0], &place, world->tokens, 4, &error) == AFD_OK;
    afd_writer_discard(world->writers[0], 0, 1);
    afd_writer_progress(world->writers[0]);
    is_right &= afd_attention_dispatch(world->context, &world->args, wait, &error) == AFD_OK;
    is_right &= afd_attention_dispatch(world->context, &world->args, wait, &error) == AFD_DEADLINE;
    world->args.layer_id = -1;
    is_right &= afd_attention_dispatch(world->context, &world->args, wait, &error) == AFD_ERR_INVALID;
    return is_right;
}

static void a_dispatch_allocates_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        random_numbers numbers = { 5 };
        const dispatch_plan plan = {
            .shape = { .session_num = 2, .micro_batch_num = 2, .micro_batch_size = 5, .selected_expert_num = 3,
                       .attn_to_ffn_token_size = 256, .ffn_to_attn_token_size = 64 },
            .writer_num = 4, .top_k = 2, .routed_num = 8, .layer_num = 1, .copy_max = 3, .hidden = 32,
            .quantize = i > 0, .smooth = i > 1,
        };
        dispatch_world *world = dispatch_world_new(&plan, &numbers);
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
        wait.deadline_ns = 1;
        world->args.only_ranks_with_tokens = i % 2 == 1;
        const void *break_before = program_break();
        request_num = 0;
        bool is_right = run_dispatch(world, &wait);
        uint64_t counted = request_num;
        assert_true(is_right);
        assert_int_equal(counted, 0);
        assert_ptr_equal(program_break(), break_before);
        dispatch_world_free(world);
    }
}

/* ---- batching and the reply ---- */

enum { TOKEN_BYTES = 2 * HIDDEN };

static const afd_shape batch_shape = { .session_num = S, .micro_batch_num = M, .micro_batch_size = 5,
                                       .selected_expert_num = 3, .attn_to_ffn_token_size = TOKEN_BYTES,
                                       .ffn_to_attn_token_size = TOKEN_BYTES };

/* By both ways into a batch, then back; and a wait that runs into its deadline. */
static bool run_batch_path(batch_world *world, afd_ffn_reply_args *reply, afd_wait *wait)
{
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(S);
    afd_error error;
    bool is_right = true;
    publish_all(world->ffn);
    world->args.need_schedule = false;
    is_right &= afd_ffn_schedule(world->ffn->context, &args, wait, NULL, &error) == AFD_OK;
    is_right &= batch_world_call(world, wait, &error) == AFD_OK && world->out.row_num == (uint64_t)S * 5 * 3;
    world->args.need_schedule = true;
    for (uint32_t i = 1; i < M; i++) {
        is_right &= batch_world_call(world, wait, &error) == AFD_OK;
    }
    reply->row_num = world->out.row_num;
    is_right &= afd_ffn_reply(reply, &error) == AFD_OK;
    is_right &= batch_world_call(world, wait, &error) == AFD_DEADLINE;
    reply->hidden = 0;
    is_right &= afd_ffn_reply(reply, &error) == AFD_ERR_INVALID;
    return is_right;
}

static void batching_and_replying_allocate_nothing(void **state)
{
    (void)state;
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    args.expert_num = 16;
    args.session_max = S;
    args.hidden = HIDDEN;
    batch_world *world = batch_world_new(&batch_shape, &args, batch_world_data_bytes(&batch_shape, &args));
    afd_window *windows[S] = { NULL };
    afd_writer *writers[S] = { NULL };
    for (uint32_t s = 0; s < S; s++) {
        assert_int_equal(afd_attention_window_create_private(&batch_shape, &windows[s], NULL), AFD_OK);
        assert_int_equal(afd_writer_local_create(windows[s], &writers[s], NULL), AFD_OK);
        for (uint32_t m = 0; m < M; m++) {
            int32_t *ids = afd_ffn_desc_expert_ids(ffn_world_desc(world->ffn, s, m));
            for (uint32_t i = 0; i < 5 * 3; i++) {
                ids[i] = (int32_t)i;
            }
        }
    }
    afd_ffn_reply_args reply = AFD_FFN_REPLY_ARGS_INIT;
    reply.rows = world->out.tokens;
    reply.hidden = HIDDEN;
    reply.session_ids = world->out.session_ids;
    reply.micro_batch_ids = world->out.micro_batch_ids;
    reply.token_ids = world->out.token_ids;
    reply.expert_offsets = world->out.expert_offsets;
    reply.writers = writers;
    reply.writer_num = S;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    wait.deadline_ns = 1;
    const void *break_before = program_break();
    request_num = 0;
    bool is_right = run_batch_path(world, &reply, &wait);
    uint64_t counted = request_num;
    assert_true(is_right);
    assert_int_equal(counted, 0);
    assert_ptr_equal(program_break(), break_before);
    for (uint32_t s = 0; s < S; s++) {
        afd_writer_close(writers[s]);
        afd_window_close(windows[s]);
    }
    batch_world_free(world);
}

/* ---- workers ---- */

/* A round of each session, there and back, and waits that run into their deadlines. */
static bool run_workers(worker_world *world, uint16_t *output, afd_wait *wait)
{
    bool is_right = true;
    for (uint32_t s = 0; s < 2; s++) {
        world_dispatch_to(world, s, 0, 1, 2);
    }
    is_right &= afd_attention_worker_leave(world->sessions[0].worker, wait, NULL) == AFD_DEADLINE;
    for (uint32_t rank = 0; rank < 2; rank++) {
        is_right &= afd_ffn_worker_await(world->ranks[rank].worker, wait, NULL, NULL) == AFD_OK;
        is_right &= afd_ffn_worker_await(world->ranks[rank].worker, wait, NULL, NULL) == AFD_DEADLINE;
    }
    for (uint32_t s = 0; s < 2; s++) {
        is_right &= afd_attention_worker_collect(world->sessions[s].worker, 0, world->sessions[s].expert_scales[0],
                                                 output, wait, NULL) == AFD_OK;
    }
    return is_right;
}

static void steps_and_rounds_of_workers_allocate_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        layer_case c = world_case();
        c.sync_group_size = 2;
        c.quantize = i == 1;
        worker_world *world = world_new(&c);
        uint16_t output[3 * 32];
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
        wait.deadline_ns = 1;
        world_connect(world);
        const void *break_before = program_break();
        request_num = 0;
        bool is_right = run_workers(world, output, &wait);
        uint64_t counted = request_num;
        assert_true(is_right);
        assert_int_equal(counted, 0);
        assert_ptr_equal(program_break(), break_before);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_counts),
        cmocka_unit_test(the_token_path_allocates_nothing),
        cmocka_unit_test(the_attention_side_allocates_nothing),
        cmocka_unit_test(a_refused_call_allocates_nothing_either),
        cmocka_unit_test(a_dispatch_allocates_nothing),
        cmocka_unit_test(batching_and_replying_allocate_nothing),
        cmocka_unit_test(steps_and_rounds_of_workers_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
