/* SPDX-License-Identifier: Apache-2.0 */
/* Registered memory as windows, and the writers into all windows, in one process. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "afd/window.h"
#include "comm/comm.h"
#include "front_test.h"
#include "hccl/hccl.h"

enum { RANKS = 3, OWN_BYTES = 8192 };

static const afd_shape small = {
    .session_num = 2,
    .micro_batch_num = 3,
    .micro_batch_size = 2,
    .selected_expert_num = 2,
    .expert_num = 4,
    .attn_to_ffn_token_size = 64,
    .ffn_to_attn_token_size = 32,
};

typedef struct ranks {
    HcclComm handles[RANKS];
    afd__acl_comm *comms[RANKS];
    void *tokens[RANKS];
    int32_t memory[RANKS][OWN_BYTES / 4];
} ranks;

static void start(ranks *r)
{
    int32_t devices[RANKS] = { 0, 1, 2 };
    memset(r, 0, sizeof(*r));
    assert_ok(HcclCommInitAll(RANKS, devices, r->handles));
    for (int i = 0; i < RANKS; i++) {
        r->comms[i] = afd__acl_comm_hold(r->handles[i]);
        assert_non_null(r->comms[i]);
    }
}

static void end(ranks *r)
{
    for (int i = 0; i < RANKS; i++) {
        assert_ok(HcclCommDestroy(r->handles[i]));
        afd__acl_object_release(r->comms[i]);
    }
}

static void register_own(ranks *r, int rank)
{
    assert_ok(HcclCommRegister(r->handles[rank], r->memory[rank], OWN_BYTES, &r->tokens[rank], 0));
}

static void *window(ranks *r, int of, int seen_by)
{
    afd__acl_comm_window found = { 0 };
    return afd__acl_comm_window_of(r->comms[seen_by], (uint32_t)of, &found) ? found.memory : NULL;
}

static void *buffer(ranks *r, int rank)
{
    void *memory = NULL;
    uint64_t bytes = 0;
    assert_ok(HcclGetHcclBuffer(r->handles[rank], &memory, &bytes));
    return memory;
}

static void what_was_registered_and_exchanged_is_the_window_until_it_is_taken_back(void **state)
{
    static ranks r;
    uint32_t everybody[RANKS] = { 0, 1, 2 };
    (void)state;
    start(&r);
    for (int i = 0; i < RANKS; i++) {
        register_own(&r, i);
    }
    assert_ptr_equal(window(&r, 1, 1), r.memory[1]);
    assert_int_equal(afd__acl_comm_window_bytes(r.comms[1]), OWN_BYTES);
    assert_null(window(&r, 2, 1));
    assert_message_has("rank 2 has registered memory, which rank 1 has not exchanged|HcclCommExchangeMem");
    for (int i = 0; i < RANKS; i++) {
        assert_ok(HcclCommExchangeMem(r.handles[i], r.tokens[i], everybody, RANKS));
        for (int k = 0; k < RANKS; k++) {
            assert_ptr_equal(window(&r, k, i), r.memory[k]);
        }
    }
    assert_ok(HcclCommDeregister(r.handles[2], r.tokens[2]));
    assert_ptr_equal(window(&r, 2, 2), buffer(&r, 2));
    assert_ptr_equal(window(&r, 2, 0), buffer(&r, 2));
    assert_ptr_equal(window(&r, 1, 0), r.memory[1]);
    register_own(&r, 2); /* another registration than the one that was exchanged */
    assert_null(window(&r, 2, 0));
    assert_ok(HcclCommExchangeMem(r.handles[0], r.tokens[0], &everybody[2], 1));
    assert_ptr_equal(window(&r, 2, 0), r.memory[2]);
    end(&r);
}

static void the_window_of_a_rank_that_went_is_its_buffer_again(void **state)
{
    static ranks r;
    uint32_t peer = 1;
    (void)state;
    start(&r);
    register_own(&r, 0);
    register_own(&r, 1);
    assert_ok(HcclCommExchangeMem(r.handles[0], r.tokens[0], &peer, 1));
    void *const before = buffer(&r, 1);
    assert_ok(HcclCommDestroy(r.handles[1]));
    assert_ptr_equal(window(&r, 1, 0), before);
    ((char *)before)[0] = 1;
    assert_ok(HcclCommDestroy(r.handles[0]));
    assert_ok(HcclCommDestroy(r.handles[2]));
    for (int i = 0; i < RANKS; i++) {
        afd__acl_object_release(r.comms[i]);
    }
}

static void another_order_is_an_error_that_says_so(void **state)
{
    static ranks r;
    uint32_t peers[2] = { 2, 3 };
    void *other = (void *)&r;
    (void)state;
    start(&r);
    assert_code(HcclCommExchangeMem(r.handles[0], &r, peers, 1), HCCL_E_PARA);
    assert_message_has("rank 0 has no registered memory|register, exchange, use, deregister");
    assert_code(HcclCommDeregister(r.handles[0], &r), HCCL_E_PARA);
    assert_message_has("rank 0 has no registered memory");
    register_own(&r, 0);
    register_own(&r, 1);
    assert_code(HcclCommRegister(r.handles[0], r.memory[1], 8, &other, 0), HCCL_E_PARA);
    assert_message_has("has registered 8192 bytes already");
    assert_ptr_equal(other, &r);
    assert_code(HcclCommDeregister(r.handles[0], r.tokens[1]), HCCL_E_PARA);
    assert_message_has("not the one that HcclCommRegister() gave to rank 0");
    assert_code(HcclCommExchangeMem(r.handles[0], r.tokens[0], peers, 0), HCCL_E_PARA);
    assert_code(HcclCommExchangeMem(r.handles[0], r.tokens[0], peers, 4), HCCL_E_PARA);
    assert_message_has("peerRankNum is 4, must be in [1, 3]");
    assert_code(HcclCommExchangeMem(r.handles[0], r.tokens[0], peers, 2), HCCL_E_PARA);
    assert_message_has("peerRanks[1] is 3, must be below 3");
    assert_ok(HcclCommDeregister(r.handles[0], r.tokens[0]));
    assert_code(HcclCommDeregister(r.handles[0], r.tokens[0]), HCCL_E_PARA);
    end(&r);
}

static void memory_that_cannot_be_a_window_is_refused(void **state)
{
    static ranks r;
    (void)state;
    start(&r);
    char *const memory = (char *)r.memory[0];
    assert_code(HcclCommRegister(r.handles[0], NULL, 8, &r.tokens[0], 0), HCCL_E_PTR);
    assert_code(HcclCommRegister(r.handles[0], memory, 8, NULL, 0), HCCL_E_PTR);
    assert_code(HcclCommRegister(NULL, memory, 8, &r.tokens[0], 0), HCCL_E_PTR);
    assert_code(HcclCommRegister(r.handles[0], memory, 0, &r.tokens[0], 0), HCCL_E_PARA);
    assert_message_has("size is 0");
    assert_code(HcclCommRegister(r.handles[0], memory, UINT64_MAX, &r.tokens[0], 0), HCCL_E_PARA);
    assert_code(HcclCommRegister(r.handles[0], memory, 8, &r.tokens[0], 1), HCCL_E_PARA);
    assert_message_has("flag is 1, must be 0");
    assert_code(HcclCommRegister(r.handles[0], memory + 1, 8, &r.tokens[0], 0), HCCL_E_PARA);
    assert_message_has("must be a multiple of 4");
    assert_null(r.tokens[0]);
    end(&r);
}

static void an_exchange_waits_and_names_who_registered_nothing(void **state)
{
    static ranks r;
    uint32_t peers[3] = { 0, 1, 2 };
    (void)state;
    start(&r);
    assert_int_equal(setenv("HCCL_CONNECT_TIMEOUT", "1", 1), 0);
    register_own(&r, 0);
    register_own(&r, 1);
    assert_code(HcclCommExchangeMem(r.handles[0], r.tokens[0], peers, 3), HCCL_E_TIMEOUT);
    assert_message_has("rank 0: rank 2 registered no memory in time");
    assert_ptr_equal(window(&r, 1, 0), r.memory[1]); /* the others are exchanged */
    assert_int_equal(setenv("HCCL_CONNECT_TIMEOUT", "never", 1), 0);
    assert_code(HcclCommExchangeMem(r.handles[0], r.tokens[0], peers, 3), HCCL_E_PARA);
    assert_message_has("HCCL_CONNECT_TIMEOUT is 'never'|[1, 7200]");
    assert_int_equal(unsetenv("HCCL_CONNECT_TIMEOUT"), 0);
    end(&r);
}

/* ---- writers ---- */

static void a_row_goes_where_the_format_says(void **state)
{
    static ranks r;
    unsigned char row[32];
    const afd_place place = { .session = 0, .micro_batch = 2, .token = 1, .slot = 1, .expert_id = 3 };
    const afd_round round = { .session = 0, .micro_batch = 2, .layer_id = 7, .number = 1 };
    afd_window_sizes sizes;
    (void)state;
    start(&r);
    memset(row, 0x5A, sizeof(row));
    for (int kind = AFD_WINDOW_FFN; kind <= AFD_WINDOW_ATTENTION; kind++) {
        afd_writer *const *writers = afd__acl_comm_lock_writers(r.comms[0], (afd_window_kind)kind, &small, NULL);
        assert_non_null(writers);
        assert_int_equal(afd_writer_put(writers[1], &place, row, sizeof(row), NULL), AFD_OK);
        assert_int_equal(afd_writer_publish(writers[1], &round, NULL), AFD_OK);
        afd__acl_comm_unlock_writers(r.comms[0]);
        if (kind == AFD_WINDOW_FFN) {
            const int32_t *desc = (const int32_t *)buffer(&r, 1) + 2 * 6;
            assert_int_equal(afd_ffn_window_measure(&small, &sizes, NULL), AFD_OK);
            assert_int_equal(desc[0], 1);
            assert_int_equal(desc[1], 7);
            assert_int_equal(desc[2 + 3], 3);
            assert_memory_equal((char *)buffer(&r, 1) + sizes.token_data_offset + (2 * 4 + 3) * 64, row, sizeof(row));
        } else {
            assert_int_equal(afd_attention_window_measure(&small, &sizes, NULL), AFD_OK);
            assert_int_equal(((int32_t *)buffer(&r, 1))[2 * 4 + 3], 1);
            assert_memory_equal((char *)buffer(&r, 1) + sizes.token_data_offset + (2 * 4 + 3) * 32, row, sizeof(row));
        }
        memset(buffer(&r, 1), 0, sizes.window_bytes);
    }
    assert_int_equal(((int32_t *)buffer(&r, 0))[0] | ((int32_t *)buffer(&r, 2))[0], 0);
    end(&r);
}

/* The writers of each rank are compared with those before: making them anew costs every call. */
static void writers_are_kept_until_shape_or_a_window_changes(void **state)
{
    static ranks r;
    uint32_t peer = 1;
    afd_shape other = small;
    (void)state;
    start(&r);
    afd_writer *const *first = afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &small, NULL);
    assert_non_null(first);
    afd_writer *const kept = first[0];
    afd__acl_comm_unlock_writers(r.comms[0]);
    /* It has a place of its own. */
    assert_non_null(afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_ATTENTION, &small, NULL));
    afd__acl_comm_unlock_writers(r.comms[0]);
    assert_ptr_equal(afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &small, NULL), first);
    assert_ptr_equal(first[0], kept);
    afd__acl_comm_unlock_writers(r.comms[0]);
    other.micro_batch_num = 1;
    afd_writer *const *changed = afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &other, NULL);
    assert_int_equal(changed[2]->shape.micro_batch_num, 1);
    afd__acl_comm_unlock_writers(r.comms[0]);
    register_own(&r, 0);
    register_own(&r, 1);
    assert_null(afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &other, NULL));
    assert_message_has("rank 1 has registered memory, which rank 0 has not exchanged");
    assert_ok(HcclCommExchangeMem(r.handles[0], r.tokens[0], &peer, 1));
    changed = afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &other, NULL);
    const afd_round round = { .session = 1, .layer_id = 4, .number = 1 };
    assert_int_equal(afd_writer_publish(changed[1], &round, NULL), AFD_OK);
    afd__acl_comm_unlock_writers(r.comms[0]);
    assert_int_equal(r.memory[1][6], 1); /* the desc of session 1, in the registered memory */
    assert_int_equal(r.memory[1][7], 4);
    assert_ok(HcclCommDeregister(r.handles[1], r.tokens[1])); /* the same shape, and another window */
    changed = afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &other, NULL);
    assert_int_equal(afd_writer_publish(changed[1], &round, NULL), AFD_OK);
    afd__acl_comm_unlock_writers(r.comms[0]);
    assert_int_equal(((int32_t *)buffer(&r, 1))[6], 1);
    end(&r);
}

static void a_window_that_is_too_small_says_what_would_do(void **state)
{
    static ranks r;
    afd_shape big = small;
    uint32_t peers[2] = { 1, 2 };
    (void)state;
    start(&r);
    big.attn_to_ffn_token_size = 1U << 24; /* 24 slots: 512 + 24 * 16 MiB */
    assert_null(afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &big, NULL));
    assert_message_has("rank 0's window has 209715200 bytes (HCCL_BUFFSIZE is 200)|needs 402653696|"
                       "HCCL_BUFFSIZE=385 would do");
    assert_non_null(afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_ATTENTION, &big, NULL)); /* nothing was locked */
    afd__acl_comm_unlock_writers(r.comms[0]);
    for (int i = 0; i < RANKS; i++) {
        register_own(&r, i);
    }
    assert_ok(HcclCommDeregister(r.handles[0], r.tokens[0]));
    assert_ok(HcclCommRegister(r.handles[0], r.memory[0], 4, &r.tokens[0], 0));
    assert_ok(HcclCommExchangeMem(r.handles[0], r.tokens[0], peers, 2));
    assert_null(afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &small, NULL));
    assert_message_has("rank 0's window has 4 bytes, which it registered|FFN window of this shape needs 2048");
    static const uint8_t others[RANKS] = { 0, 1, 1 }; /* an attention rank's window need be no FFN window */
    afd_writer *const *writers = afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &small, others);
    assert_non_null(writers);
    assert_non_null(writers[1]);
    assert_null(writers[0]);
    afd__acl_comm_unlock_writers(r.comms[0]);
    big.attn_to_ffn_token_size = UINT32_MAX;
    big.session_num = UINT32_MAX;
    big.micro_batch_num = UINT32_MAX;
    assert_null(afd__acl_comm_lock_writers(r.comms[0], AFD_WINDOW_FFN, &big, NULL));
    assert_message_has("the window of a rank");
    end(&r);
}

/* What only one thread may touch at a time; ThreadSanitizer looks too. */
typedef struct shared_counter {
    afd__acl_comm *comm;
    long value;
    int busy;
    int overlap_num;
} shared_counter;

static void *count(void *argument)
{
    shared_counter *c = argument;
    for (int i = 0; i < 2000; i++) {
        const afd_window_kind kind = i % 2 == 0 ? AFD_WINDOW_FFN : AFD_WINDOW_ATTENTION;
        if (afd__acl_comm_lock_writers(c->comm, kind, &small, NULL) != NULL) {
            c->value++;
            if (__atomic_exchange_n(&c->busy, 1, __ATOMIC_RELAXED) != 0) {
                __atomic_store_n(&c->overlap_num, 1, __ATOMIC_RELAXED);
            }
            (void)sched_yield();
            __atomic_store_n(&c->busy, 0, __ATOMIC_RELAXED);
            afd__acl_comm_unlock_writers(c->comm);
        }
    }
    return NULL;
}

static void writers_are_for_one_task_at_a_time(void **state)
{
    static ranks r;
    pthread_t threads[2];
    (void)state;
    start(&r);
    shared_counter counter = { .comm = r.comms[1] };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, &counter), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(counter.value, 4000);
    assert_int_equal(counter.overlap_num, 0);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_registered_and_exchanged_is_the_window_until_it_is_taken_back),
        cmocka_unit_test(the_window_of_a_rank_that_went_is_its_buffer_again),
        cmocka_unit_test(another_order_is_an_error_that_says_so),
        cmocka_unit_test(memory_that_cannot_be_a_window_is_refused),
        cmocka_unit_test(an_exchange_waits_and_names_who_registered_nothing),
        cmocka_unit_test(a_row_goes_where_the_format_says),
        cmocka_unit_test(writers_are_kept_until_shape_or_a_window_changes),
        cmocka_unit_test(a_window_that_is_too_small_says_what_would_do),
        cmocka_unit_test(writers_are_for_one_task_at_a_time),
    };
    return cmocka_run_group_tests_name("comm_windows", tests, NULL, NULL);
}
