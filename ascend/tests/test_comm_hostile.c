/* SPDX-License-Identifier: Apache-2.0 */
/* Root infos, tables and registrations that lie: whatever they hold, the calls return and nothing else happens. */
#include <stdlib.h>
#include <sys/mman.h>

#include "comm/comm.h"
#include "comm/rendezvous.h"
#include "front_test.h"
#include "rank_processes.h"
#include "runtime/memfd.h"

enum { HOSTILE_ROUNDS = 3000 };

static uint64_t seed = 20240617;

static uint32_t draw(uint32_t bound)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % bound;
}

/* Whatever it says, the call returns; where what it says is still true, it is a communicator. */
static void try(const HcclRootInfo *info)
{
    HcclComm comm = NULL;
    if (HcclCommInitRootInfo(1, info, 0, &comm) == HCCL_SUCCESS) {
        CHECK(HcclCommDestroy(comm) == HCCL_SUCCESS);
    } else {
        CHECK(comm == NULL && aclGetRecentErrMsg() != NULL);
    }
}

static void lie(common *c, uint32_t rank, uint32_t rank_num)
{
    int pipes[2];
    (void)rank_num;
    CHECK(pipe(pipes) == 0 && setenv("HCCL_CONNECT_TIMEOUT", "1", 1) == 0 && setenv("HCCL_BUFFSIZE", "1", 1) == 0);
    rank_start(c, rank);
    for (int i = 0; i < HOSTILE_ROUNDS; i++) {
        HcclRootInfo info = c->root_info;
        if (i % 3 == 0) { /* another descriptor, of this process or of one near it */
            const int32_t fd = (int32_t)draw(16);
            memcpy(info.internal + 12, &fd, sizeof(fd));
        } else if (i % 3 == 1) {
            const int32_t pid = (int32_t)draw(i % 2 == 0 ? 40000 : UINT32_MAX);
            memcpy(info.internal + 8, &pid, sizeof(pid));
        }
        for (uint32_t flips = draw(4); flips > 0; flips--) {
            info.internal[draw(i % 2 == 0 ? 64 : HCCL_ROOT_INFO_BYTES)] ^= (char)(1U << draw(8));
        }
        if (memcmp(&info, &c->root_info, 56) != 0) {
            try(&info);
        }
    }
    try(&c->root_info); /* and the true one is still good */
}

static void any_bytes_as_a_root_info_are_survived(void **state)
{
    (void)state;
    assert_true(ranks_run(1, -1, lie));
}

/* The same bytes, in memory that its maker could take away, or is no longer the one that was meant. */
static void imitate_the_table(common *c, uint32_t rank, uint32_t rank_num)
{
    enum { TABLE_BYTES = 128 << 10 };
    static char bytes[TABLE_BYTES];
    (void)rank_num;
    rank_start(c, rank);
    HcclRootInfo info = c->root_info;
    int32_t true_fd = 0;
    memcpy(&true_fd, info.internal + 12, sizeof(true_fd));
    CHECK(pread(true_fd, bytes, sizeof(bytes), 0) == TABLE_BYTES);
    for (int i = 0; i < 3; i++) {
        HcclComm comm = NULL;
        const int32_t fd = i == 0 ? (int32_t)memfd_create("could shrink", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                                  : afd__acl_memfd_new("another table", i == 1 ? TABLE_BYTES : TABLE_BYTES / 2);
        CHECK(fd >= 0);
        bytes[0] ^= (char)(i == 1); /* the first of the random bits */
        CHECK(pwrite(fd, bytes, i == 2 ? TABLE_BYTES / 2 : TABLE_BYTES, 0) > 0);
        bytes[0] ^= (char)(i == 1);
        memcpy(info.internal + 12, &fd, sizeof(fd));
        CHECK(HcclCommInitRootInfo(1, &info, 0, &comm) == HCCL_E_UNAVAIL && comm == NULL);
        CHECK(strstr(aclGetRecentErrMsg(), i == 0   ? "is no memory that a rank would share"
                                           : i == 1 ? "is another table than rootInfo's"
                                                    : "has 65536 bytes, must have 131072") != NULL);
    }
    try(&c->root_info);
}

static void imitations_of_a_table_are_refused(void **state)
{
    (void)state;
    assert_true(ranks_run(1, -1, imitate_the_table));
}

/* A table that is in order, with ranks in it that are not. */
static void lie_in_the_table(common *c, uint32_t rank, uint32_t rank_num)
{
    (void)rank_num;
    CHECK(setenv("HCCL_CONNECT_TIMEOUT", "1", 1) == 0 && setenv("HCCL_BUFFSIZE", "1", 1) == 0);
    rank_start(c, rank);
    for (int i = 0; i < 300; i++) {
        HcclComm comm = NULL;
        afd__acl_rendezvous table;
        CHECK(HcclGetRootInfo(&c->root_info) == HCCL_SUCCESS);
        CHECK(afd__acl_rendezvous_open(&c->root_info, 1, &table) == HCCL_SUCCESS);
        for (int other = 1; other < 3; other++) {
            afd__acl_rank_entry *entry = &table.entries[other];
            entry->pid = i % 4 == 0 ? (int32_t)draw(UINT32_MAX) : (int32_t)getpid();
            entry->fd = i % 2 == 0 ? (int32_t)draw(UINT32_MAX) : (int32_t)draw(20);
            entry->bytes[0] = i % 3 == 0 ? 128 << 10 : (int32_t)draw(UINT32_MAX);
            entry->bytes[1] = i % 3 == 1 ? (int32_t)draw(UINT32_MAX) : 0;
            entry->state = AFD__ACL_RANK_ENTERED;
        }
        afd__acl_rendezvous_close(&table);
        const HcclResult result = HcclCommInitRootInfo(3, &c->root_info, 0, &comm);
        /* Where the invented buffers happen to be mappable, nobody says MAPPED. */
        CHECK(result == HCCL_E_REMOTE || result == HCCL_E_TIMEOUT);
        CHECK(comm == NULL);
    }
}

static void any_words_in_the_table_are_survived(void **state)
{
    (void)state;
    assert_true(ranks_run(1, -1, lie_in_the_table));
}

/* Registered memory that is not as its entry says, seen by a peer. */
static void lie_about_memory(common *c, uint32_t rank, uint32_t rank_num)
{
    void *block = NULL;
    void *token = NULL;
    uint32_t peer = 1;
    (void)rank_num;
    CHECK(setenv("HCCL_CONNECT_TIMEOUT", "1", 1) == 0 && setenv("HCCL_BUFFSIZE", "1", 1) == 0);
    rank_start(c, rank);
    afd__acl_rendezvous table;
    CHECK(afd__acl_rendezvous_open(&c->root_info, UINT64_C(1000000000), &table) == HCCL_SUCCESS);
    const int fd = afd__acl_memfd_new("a rank that lies", 2 << 20);
    CHECK(afd__acl_rendezvous_enter(&table, 2, 1, fd, 2 << 20) == HCCL_SUCCESS);
    afd__acl_rendezvous_advance(&table, AFD__ACL_RANK_MAPPED);
    HcclComm comm = NULL;
    CHECK(HcclCommInitRootInfo(2, &c->root_info, 0, &comm) == HCCL_SUCCESS);
    CHECK(aclrtMalloc(&block, 8192, ACL_MEM_MALLOC_HUGE_FIRST) == 0);
    CHECK(HcclCommRegister(comm, block, 8192, &token, 0) == HCCL_SUCCESS);
    afd__acl_rank_entry *entry = &table.entries[1];
    for (int i = 0; i < 2000; i++) {
        entry->pid = i % 10 == 0 ? (int32_t)draw(UINT32_MAX) : (int32_t)getpid();
        entry->window_fd = i % 9 == 0 ? (int32_t)draw(20) : fd;
        afd__acl_put_u64(entry->window_offset, i % 3 == 0 ? UINT64_MAX - draw(100000) : draw(4 << 20));
        afd__acl_put_u64(entry->window_bytes, i % 5 == 0 ? UINT64_MAX - draw(100000) : draw(4 << 20));
        entry->registration = 2 * (int32_t)draw(1 << 30) + 1;
        if (HcclCommExchangeMem(comm, token, &peer, 1) == HCCL_SUCCESS) {
            afd__acl_comm *held = afd__acl_comm_hold(comm);
            afd__acl_comm_window window;
            CHECK(afd__acl_comm_window_of(held, 1, &window));
            ((volatile char *)window.memory)[0] = 1;
            ((volatile char *)window.memory)[window.bytes - 1] = 1;
            afd__acl_object_release(held);
        }
    }
    CHECK(HcclCommDestroy(comm) == HCCL_SUCCESS);
}

static void any_words_about_registered_memory_are_survived(void **state)
{
    (void)state;
    assert_true(ranks_run(1, -1, lie_about_memory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_as_a_root_info_are_survived),
        cmocka_unit_test(imitations_of_a_table_are_refused),
        cmocka_unit_test(any_words_in_the_table_are_survived),
        cmocka_unit_test(any_words_about_registered_memory_are_survived),
    };
    return cmocka_run_group_tests_name("comm_hostile", tests, NULL, NULL);
}
