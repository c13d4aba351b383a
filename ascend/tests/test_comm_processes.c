/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks as processes: windows that are really shared, registered memory, ranks that are killed. */
#include <signal.h>
#include <stdlib.h>

#include "comm/comm.h"
#include "comm/rendezvous.h"
#include "front_test.h"
#include "rank_processes.h"

static HcclComm join(common *c, uint32_t rank, uint32_t rank_num)
{
    HcclComm comm = NULL;
    rank_start(c, rank);
    CHECK(HcclCommInitRootInfo(rank_num, &c->root_info, rank, &comm) == HCCL_SUCCESS);
    return comm;
}

static volatile unsigned char *window_of(afd__acl_comm *comm, uint32_t rank)
{
    afd__acl_comm_window window = { 0 };
    CHECK(afd__acl_comm_window_of(comm, rank, &window));
    return window.memory;
}

/* Everybody writes into everybody's window, and finds all of it in its own memory. */
static void write_and_look(common *c, afd__acl_comm *comm, uint32_t rank_num, int round, volatile unsigned char *own)
{
    const uint32_t rank = afd__acl_comm_rank(comm);
    for (uint32_t other = 0; other < rank_num; other++) {
        window_of(comm, other)[rank * 5000] = (unsigned char)(rank + 1);
    }
    rank_meet(c, rank_num, round);
    for (uint32_t other = 0; other < rank_num; other++) {
        CHECK(own[other * 5000] == other + 1);
    }
    CHECK(own[rank_num * 5000] == 0);
}

static void share_buffers(common *c, uint32_t rank, uint32_t rank_num)
{
    char name[COMM_NAME_MAX_LENGTH];
    void *own = NULL;
    uint64_t bytes = 0;
    CHECK(aclrtSetDevice((int32_t)rank) == 0); /* also makes what of the runtime holds descriptors */
    const int before = rank_count_descriptors();
    HcclComm handle = join(c, rank, rank_num);
    CHECK(rank_count_descriptors() == before);
    afd__acl_comm *comm = afd__acl_comm_hold(handle);
    CHECK(comm != NULL && afd__acl_comm_rank(comm) == rank && afd__acl_comm_size(comm) == rank_num);
    CHECK(HcclGetHcclBuffer(handle, &own, &bytes) == HCCL_SUCCESS && bytes == 400U << 20);
    CHECK(HcclGetCommName(handle, name) == HCCL_SUCCESS);
    if (rank == 0) {
        memcpy(c->name, name, sizeof(name));
    }
    write_and_look(c, comm, rank_num, 1, own);
    CHECK(strcmp(c->name, name) == 0 && afd__acl_comm_find(name) == handle);
    CHECK(HcclCommDestroy(handle) == HCCL_SUCCESS);
    afd__acl_object_release(comm);
}

static void processes_write_into_each_others_windows(void **state)
{
    (void)state;
    for (uint32_t rank_num = 1; rank_num <= RANKS_MAX; rank_num++) {
        assert_true(ranks_run(rank_num, -1, share_buffers));
    }
}

/* ---- registered memory ---- */

static void exchange(HcclComm handle, void *token, uint32_t rank_num)
{
    uint32_t peers[RANKS_MAX] = { 0, 1, 2, 3, 4 };
    CHECK(HcclCommExchangeMem(handle, token, peers, rank_num) == HCCL_SUCCESS);
}

static void share_registered(common *c, uint32_t rank, uint32_t rank_num)
{
    enum { BLOCK_BYTES = 100000, OFFSET = 4100, BYTES = 60000 };
    unsigned char *block = NULL;
    void *token = NULL;
    HcclComm handle = join(c, rank, rank_num);
    afd__acl_comm *comm = afd__acl_comm_hold(handle);
    const int before = rank_count_descriptors();
    CHECK(aclrtMalloc((void **)&block, BLOCK_BYTES, ACL_MEM_MALLOC_HUGE_FIRST) == 0);
    block[0] = 77;
    block[BLOCK_BYTES - 1] = 78;
    CHECK(HcclCommRegister(handle, block + OFFSET, BYTES, &token, 0) == HCCL_SUCCESS);
    CHECK(block[0] == 77 && block[1] == 0 && block[BLOCK_BYTES - 1] == 78); /* shared in place */
    exchange(handle, token, rank_num);
    CHECK(window_of(comm, rank) == block + OFFSET && afd__acl_comm_window_bytes(comm) == BYTES);
    write_and_look(c, comm, rank_num, 1, block + OFFSET);
    const volatile unsigned char *exchanged = window_of(comm, rank == 0 ? rank_num - 1 : 0);
    rank_meet(c, rank_num, 2);
    CHECK(HcclCommDeregister(handle, token) == HCCL_SUCCESS);
    CHECK(aclrtFree(block) == 0);
    CHECK(rank_count_descriptors() == before);
    rank_meet(c, rank_num, 3);
    CHECK(exchanged[0] == 1); /* a peer keeps what it has mapped */
    void *own = NULL;
    uint64_t bytes = 0;
    CHECK(HcclGetHcclBuffer(handle, &own, &bytes) == HCCL_SUCCESS);
    write_and_look(c, comm, rank_num, 4, own);
    CHECK(HcclCommDestroy(handle) == HCCL_SUCCESS);
    afd__acl_object_release(comm);
}

static void registered_memory_is_shared_in_place_and_survives_its_free(void **state)
{
    (void)state;
    for (uint32_t rank_num = 2; rank_num <= RANKS_MAX; rank_num++) {
        assert_true(ranks_run(rank_num, -1, share_registered));
    }
}

/* Twenty times the same block costs one mapping; a communicator that is destroyed takes its registration back. */
static void register_again_and_again(common *c, uint32_t rank, uint32_t rank_num)
{
    void *block = NULL;
    void *token = NULL;
    HcclComm handle = join(c, rank, rank_num);
    afd__acl_comm *comm = afd__acl_comm_hold(handle);
    uint32_t peer = 1 - rank;
    volatile unsigned char *first = NULL;
    CHECK(aclrtMalloc(&block, 1 << 20, ACL_MEM_MALLOC_HUGE_FIRST) == 0);
    for (int i = 0; i < 20; i++) {
        CHECK(HcclCommRegister(handle, block, 1 << 20, &token, 0) == HCCL_SUCCESS);
        rank_meet(c, rank_num, 2 * i + 1);
        CHECK(HcclCommExchangeMem(handle, token, &peer, 1) == HCCL_SUCCESS);
        first = i == 0 ? window_of(comm, peer) : first;
        CHECK(window_of(comm, peer) == first);
        rank_meet(c, rank_num, 2 * i + 2);
        CHECK(i == 19 || HcclCommDeregister(handle, token) == HCCL_SUCCESS);
    }
    CHECK(rank != 0 || HcclCommDestroy(handle) == HCCL_SUCCESS);
    rank_meet(c, rank_num, 41);
    CHECK(rank == 0 || window_of(comm, peer) != first);
    CHECK(rank == 0 || HcclCommDestroy(handle) == HCCL_SUCCESS);
    afd__acl_object_release(comm);
}

static void the_same_memory_is_mapped_once(void **state)
{
    (void)state;
    assert_true(ranks_run(2, -1, register_again_and_again));
}

static void refuse_memory(common *c, uint32_t rank, uint32_t rank_num)
{
    static int32_t static_memory[2048];
    void *small = NULL;
    char *block = NULL;
    void *token = NULL;
    HcclComm handle = join(c, rank, rank_num);
    CHECK(aclrtMalloc(&small, 100, ACL_MEM_MALLOC_HUGE_FIRST) == 0);
    CHECK(aclrtMalloc((void **)&block, 65U << 20, ACL_MEM_MALLOC_HUGE_FIRST) == 0);
    CHECK(HcclCommRegister(handle, static_memory, 4096, &token, 0) == HCCL_E_NOT_SUPPORT);
    CHECK(strstr(aclGetRecentErrMsg(), "is not in an allocation of aclrtMalloc() of at least a page") != NULL);
    CHECK(HcclCommRegister(handle, small, 8, &token, 0) == HCCL_E_NOT_SUPPORT);
    CHECK(HcclCommRegister(handle, block + 4096, 66U << 20, &token, 0) == HCCL_E_NOT_SUPPORT);
    CHECK(strstr(aclGetRecentErrMsg(), "go past the end of their allocation") != NULL);
    CHECK(token == NULL);
    CHECK(HcclCommRegister(handle, block + 4096, 64U << 20, &token, 0) == HCCL_SUCCESS);
    CHECK(HcclCommDestroy(handle) == HCCL_SUCCESS);
}

static void memory_that_others_cannot_map_is_refused(void **state)
{
    (void)state;
    assert_true(ranks_run(1, -1, refuse_memory));
}

/* ---- ranks that do not come, or go ---- */

static void wait_until_entered(common *c, uint32_t rank)
{
    afd__acl_rendezvous table;
    CHECK(afd__acl_rendezvous_open(&c->root_info, 1, &table) == HCCL_SUCCESS);
    while (__atomic_load_n(&table.entries[rank].state, __ATOMIC_ACQUIRE) != AFD__ACL_RANK_ENTERED) {
        rank_nap();
    }
    afd__acl_rendezvous_close(&table);
}

/* Rank 0 gives up after a second, and ends the waiting of those that would have waited for hours. */
static void miss_one(common *c, uint32_t rank, uint32_t rank_num)
{
    HcclComm comm = (HcclComm)c;
    CHECK(setenv("HCCL_CONNECT_TIMEOUT", rank == 0 ? "1" : "7200", 1) == 0);
    rank_start(c, rank);
    if (rank == 2) {
        (void)raise(SIGKILL);
    }
    if (rank == 0) {
        wait_until_entered(c, 1);
        wait_until_entered(c, 3);
    }
    const int before = rank_count_descriptors();
    CHECK(HcclCommInitRootInfo(rank_num, &c->root_info, rank, &comm) == HCCL_E_TIMEOUT);
    CHECK(comm == (HcclComm)c);
    CHECK(strstr(aclGetRecentErrMsg(), ": rank 2 did not come in time (HCCL_CONNECT_TIMEOUT)") != NULL);
    CHECK(rank_count_descriptors() == before - (rank == 0 ? 1 : 0)); /* the table's too */
    rank_meet(c, rank_num - 1, 1);
    CHECK(HcclCommInitRootInfo(rank_num, &c->root_info, rank, &comm) == HCCL_E_UNAVAIL); /* used up */
}

static void a_rank_that_does_not_come_is_named(void **state)
{
    (void)state;
    assert_true(ranks_run(4, 2, miss_one));
}

static void kill_one_that_waits(common *c, uint32_t rank, uint32_t rank_num)
{
    HcclComm comm = NULL;
    rank_start(c, rank);
    if (rank == 2) {
        wait_until_entered(c, 0);
        wait_until_entered(c, 1);
        CHECK(kill(c->pids[1], SIGKILL) == 0);
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/0", (int)c->pids[1]);
        while (access(path, F_OK) == 0) {
            rank_nap();
        }
    }
    CHECK(HcclCommInitRootInfo(rank_num, &c->root_info, rank, &comm) == HCCL_E_REMOTE);
    const char *sentence = aclGetRecentErrMsg();
    CHECK(strstr(sentence, "the buffer of rank 1") != NULL || strstr(sentence, "gave up") != NULL);
}

static void a_rank_that_is_killed_while_it_waits_ends_the_others(void **state)
{
    (void)state;
    assert_true(ranks_run(3, 1, kill_one_that_waits));
}

static void register_or_not(common *c, uint32_t rank, uint32_t rank_num)
{
    void *block = NULL;
    void *token = NULL;
    uint32_t peers[2] = { 1, 2 };
    HcclComm handle = join(c, rank, rank_num);
    CHECK(aclrtMalloc(&block, 8192, ACL_MEM_MALLOC_HUGE_FIRST) == 0);
    if (rank != 2) {
        CHECK(HcclCommRegister(handle, block, 8192, &token, 0) == HCCL_SUCCESS);
    }
    rank_meet(c, rank_num, 1);
    if (rank == 2) {
        (void)raise(SIGKILL);
    }
    CHECK(setenv("HCCL_CONNECT_TIMEOUT", "1", 1) == 0);
    CHECK(HcclCommExchangeMem(handle, token, peers, 2) == HCCL_E_TIMEOUT);
    CHECK(strstr(aclGetRecentErrMsg(), "rank 2 registered no memory in time") != NULL);
    /* Not destroyed: for a peer that still waits, this rank would have registered nothing either. */
}

static void a_rank_that_was_killed_before_it_registered_is_named(void **state)
{
    (void)state;
    assert_true(ranks_run(3, 2, register_or_not));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_write_into_each_others_windows),
        cmocka_unit_test(registered_memory_is_shared_in_place_and_survives_its_free),
        cmocka_unit_test(the_same_memory_is_mapped_once),
        cmocka_unit_test(memory_that_others_cannot_map_is_refused),
        cmocka_unit_test(a_rank_that_does_not_come_is_named),
        cmocka_unit_test(a_rank_that_is_killed_while_it_waits_ends_the_others),
        cmocka_unit_test(a_rank_that_was_killed_before_it_registered_is_named),
    };
    return cmocka_run_group_tests_name("comm_processes", tests, NULL, NULL);
}
