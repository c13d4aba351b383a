/* SPDX-License-Identifier: Apache-2.0 */
/* Communicators whose ranks are all in this process: their buffers, names, windows and ends. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "comm/comm.h"
#include "comm/rendezvous.h"
#include "front_test.h"
#include "hccl/hccl.h"

enum { RANKS = 4, MIB = 1 << 20 };

static int32_t devices[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void make(HcclComm *comms, uint32_t num)
{
    assert_ok(HcclCommInitAll(num, devices, comms));
}

static void end(HcclComm *comms, uint32_t num)
{
    for (uint32_t i = 0; i < num; i++) {
        assert_ok(HcclCommDestroy(comms[i]));
    }
}

static unsigned char *buffer_of(HcclComm comm, uint64_t *bytes)
{
    void *buffer = NULL;
    assert_ok(HcclGetHcclBuffer(comm, &buffer, bytes));
    return buffer;
}

static void ranks_know_their_place_and_share_a_name(void **state)
{
    HcclComm comms[RANKS];
    char names[2][COMM_NAME_MAX_LENGTH];
    (void)state;
    make(comms, RANKS);
    assert_ok(HcclGetCommName(comms[0], names[0]));
    assert_true(strlen(names[0]) > 0 && strlen(names[0]) < COMM_NAME_MAX_LENGTH);
    for (uint32_t i = 0; i < RANKS; i++) {
        uint32_t rank = UINT32_MAX;
        uint32_t size = 0;
        assert_ok(HcclGetRankId(comms[i], &rank));
        assert_ok(HcclGetRankSize(comms[i], &size));
        assert_ok(HcclGetCommName(comms[i], names[1]));
        assert_int_equal(rank, i);
        assert_int_equal(size, RANKS);
        assert_string_equal(names[0], names[1]);
    }
    HcclComm other = NULL;
    make(&other, 1);
    assert_ok(HcclGetCommName(other, names[1]));
    assert_string_not_equal(names[0], names[1]);
    end(comms, RANKS);
    end(&other, 1);
}

static void every_rank_sees_the_first_half_of_every_buffer_as_its_window(void **state)
{
    HcclComm comms[RANKS];
    (void)state;
    make(comms, RANKS);
    for (uint32_t i = 0; i < RANKS; i++) {
        uint64_t bytes = 0;
        unsigned char *buffer = buffer_of(comms[i], &bytes);
        assert_int_equal(bytes, UINT64_C(400) * MIB);
        assert_int_equal(buffer[0] | buffer[bytes / 2] | buffer[bytes - 1], 0);
        buffer[bytes - 1] = 1;
        for (uint32_t k = 0; k < RANKS; k++) {
            afd__acl_comm *held = afd__acl_comm_hold(comms[k]);
            afd__acl_comm_window window;
            assert_non_null(held);
            assert_true(afd__acl_comm_window_of(held, i, &window));
            assert_ptr_equal(window.memory, buffer);
            assert_int_equal(window.bytes, bytes / 2);
            assert_int_equal(afd__acl_comm_window_bytes(held), bytes / 2);
            afd__acl_object_release(held);
        }
    }
    end(comms, RANKS);
}

static void the_size_of_buffers_is_read_each_time(void **state)
{
    static const char *const wrong[] = { "0", "-1", "200 ", "x", "1.5", "16777217", "99999999999999999999" };
    HcclComm comm = (HcclComm)&comm;
    uint64_t bytes = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(setenv("HCCL_BUFFSIZE", wrong[i], 1), 0);
        assert_code(HcclCommInitAll(1, devices, &comm), HCCL_E_PARA);
        assert_ptr_equal(comm, &comm);
        assert_message_has("HCCL_BUFFSIZE is|must be a number in [1, 16777216]");
    }
    assert_int_equal(setenv("HCCL_BUFFSIZE", "3", 1), 0);
    make(&comm, 1);
    (void)buffer_of(comm, &bytes);
    assert_int_equal(bytes, 6 * MIB);
    end(&comm, 1);
    assert_int_equal(unsetenv("HCCL_BUFFSIZE"), 0);
}

/* As a known program does: the same array each time, and nothing is destroyed but the last. */
static void sixteen_times_sixteen_ranks_cost_what_is_touched(void **state)
{
    HcclComm comms[16];
    (void)state;
    for (int round = 0; round < 16; round++) {
        make(comms, 16);
        for (int i = 0; i < 16; i++) {
            uint64_t bytes = 0;
            unsigned char *buffer = buffer_of(comms[i], &bytes);
            buffer[0] = 1;
            buffer[bytes / 2 - 1] = 1;
        }
    }
    end(comms, 16);
}

static void wrong_arguments_are_named_and_nothing_is_written(void **state)
{
    int32_t twice[3] = { 1, 2, 1 };
    int32_t none[1] = { 16 };
    HcclComm comms[3] = { devices, devices, devices };
    (void)state;
    assert_code(HcclCommInitAll(0, devices, comms), HCCL_E_PARA);
    assert_message_has("ndev is 0, must be in [1, 16]");
    assert_code(HcclCommInitAll(17, devices, comms), HCCL_E_PARA);
    assert_message_has("ndev is 17");
    assert_code(HcclCommInitAll(3, twice, comms), HCCL_E_PARA);
    assert_message_has("devices[0] and devices[2] are both 1");
    assert_code(HcclCommInitAll(1, none, comms), HCCL_E_PARA);
    assert_message_has("deviceId is 16");
    assert_code(HcclCommInitAll(1, NULL, comms), HCCL_E_PTR);
    assert_message_has("devices is null");
    assert_code(HcclCommInitAll(1, devices, NULL), HCCL_E_PTR);
    assert_message_has("comms is null");
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(comms[i], devices);
    }
}

static void null_and_dead_communicators_are_told_apart(void **state)
{
    char name[COMM_NAME_MAX_LENGTH];
    uint32_t number = 0;
    uint64_t bytes = 0;
    void *memory = NULL;
    HcclComm comm = NULL;
    (void)state;
    make(&comm, 1);
    assert_code(HcclGetCommName(comm, NULL), HCCL_E_PTR);
    assert_code(HcclGetRankId(comm, NULL), HCCL_E_PTR);
    assert_code(HcclGetRankSize(comm, NULL), HCCL_E_PTR);
    assert_code(HcclGetHcclBuffer(comm, NULL, &bytes), HCCL_E_PTR);
    assert_code(HcclGetHcclBuffer(comm, &memory, NULL), HCCL_E_PTR);
    assert_message_has("size is null");
    assert_code(HcclCommDestroy(NULL), HCCL_E_PTR);
    assert_code(HcclGetRankId(NULL, &number), HCCL_E_PTR);
    assert_message_has("comm is null");
    assert_ok(HcclCommDestroy(comm));
    assert_code(HcclCommDestroy(comm), HCCL_E_PARA);
    assert_message_has("for a communicator was destroyed already");
    assert_code(HcclGetCommName(comm, name), HCCL_E_PARA);
    assert_code(HcclGetRankId(comm, &number), HCCL_E_PARA);
    assert_code(HcclGetRankSize(comm, &number), HCCL_E_PARA);
    assert_code(HcclGetHcclBuffer(comm, &memory, &bytes), HCCL_E_PARA);
    assert_code(HcclCommDestroy(&comm), HCCL_E_PARA);
    assert_message_has("was not made here");
}

static void one_that_is_held_keeps_all_windows_when_all_handles_are_gone(void **state)
{
    HcclComm comms[RANKS];
    (void)state;
    make(comms, RANKS);
    afd__acl_comm *held = afd__acl_comm_hold(comms[1]);
    assert_non_null(held);
    end(comms, RANKS);
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        afd__acl_comm_window window;
        assert_true(afd__acl_comm_window_of(held, rank, &window));
        memset(window.memory, 1, 100);
    }
    afd__acl_object_release(held);
}

/* ---- the group of an operator ---- */

typedef struct seeker {
    const char *name;
    int32_t device; /* -1 = none */
    HcclComm found;
    char message[512];
} seeker;

static void *seek(void *argument)
{
    seeker *s = argument;
    if (s->device >= 0) {
        (void)aclrtSetDevice(s->device);
    }
    (void)aclGetRecentErrMsg();
    s->found = afd__acl_comm_find(s->name);
    const char *message = aclGetRecentErrMsg();
    (void)snprintf(s->message, sizeof(s->message), "%s", message != NULL ? message : "");
    return NULL;
}

static HcclComm find_from(const char *name, int32_t device, const char *message)
{
    seeker s = { .name = name, .device = device };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, seek, &s), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (strstr(s.message, message) == NULL || (*message == '\0' && s.message[0] != '\0')) {
        fail_msg("'%s' is not in '%s'", message, s.message);
    }
    return s.found;
}

static void a_name_means_the_rank_of_the_threads_device(void **state)
{
    HcclComm comms[RANKS];
    char name[COMM_NAME_MAX_LENGTH];
    (void)state;
    make(comms, RANKS);
    assert_ok(HcclGetCommName(comms[0], name));
    for (int32_t device = 0; device < RANKS; device++) {
        assert_ptr_equal(find_from(name, device, ""), comms[device]);
    }
    assert_null(find_from(name, 9, "has 4 ranks in this process, 0 of them on device 9"));
    assert_null(find_from(name, -1, "has no current context"));
    assert_null(find_from("nobody", 0, "group 'nobody' is no communicator"));
    assert_null(find_from(NULL, 0, "group is null"));
    end(comms, RANKS - 1); /* the last one is found from anywhere */
    assert_ptr_equal(find_from(name, 9, ""), comms[RANKS - 1]);
    assert_ptr_equal(find_from(name, -1, ""), comms[RANKS - 1]);
    end(&comms[RANKS - 1], 1);
    assert_null(find_from(name, 0, "is no communicator of this process"));
}

static void every_code_has_a_text_of_its_own(void **state)
{
    static const int codes[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 20, 21, 22, 23, 24, 99 };
    enum { NUM = sizeof(codes) / sizeof(codes[0]) };
    (void)state;
    for (size_t i = 0; i < NUM; i++) {
        assert_non_null(HcclGetErrorString((HcclResult)codes[i]));
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(HcclGetErrorString((HcclResult)codes[i]), HcclGetErrorString((HcclResult)codes[k]));
        }
    }
}

/* ---- ranks as threads, through a root info ---- */

typedef struct thread_rank {
    const HcclRootInfo *info;
    HcclComm comm;
    HcclResult result;
    uint32_t rank;
} thread_rank;

static void *come(void *argument)
{
    thread_rank *r = argument;
    (void)aclrtSetDevice((int32_t)r->rank);
    r->result = HcclCommInitRootInfo(RANKS, r->info, r->rank, &r->comm);
    return NULL;
}

static void wait_until_entered(const HcclRootInfo *info, uint32_t rank)
{
    afd__acl_rendezvous table;
    assert_ok(afd__acl_rendezvous_open(info, 1, &table));
    while (__atomic_load_n(&table.entries[rank].state, __ATOMIC_ACQUIRE) != AFD__ACL_RANK_ENTERED) {
        (void)usleep(100);
    }
    afd__acl_rendezvous_close(&table);
}

/* What does not fit is refused, and leaves those that wait as they are. */
static void intrude(const HcclRootInfo *info)
{
    HcclComm comm = devices;
    assert_ok(aclrtSetDevice(5));
    assert_code(HcclCommInitRootInfo(RANKS, info, 0, &comm), HCCL_E_PARA);
    assert_message_has("rank 0 is taken already, by process");
    assert_code(HcclCommInitRootInfo(RANKS + 1, info, 1, &comm), HCCL_E_PARA);
    assert_message_has("nRanks is 5, and 4 at the ranks that came first");
    assert_code(HcclCommInitRootInfo(RANKS, info, RANKS, &comm), HCCL_E_PARA);
    assert_message_has("rank is 4, must be below nRanks, which is 4");
    assert_code(HcclCommInitRootInfo(0, info, 0, &comm), HCCL_E_PARA);
    assert_code(HcclCommInitRootInfo(1025, info, 0, &comm), HCCL_E_PARA);
    assert_message_has("nRanks is 1025, must be in [1, 1024]");
    assert_code(HcclCommInitRootInfo(RANKS, NULL, 1, &comm), HCCL_E_PTR);
    assert_code(HcclCommInitRootInfo(RANKS, info, 1, NULL), HCCL_E_PTR);
    assert_ptr_equal(comm, devices);
}

static void threads_come_together_and_intruders_are_refused(void **state)
{
    thread_rank ranks[RANKS] = { 0 };
    pthread_t threads[RANKS];
    HcclRootInfo info;
    (void)state;
    assert_code(HcclGetRootInfo(NULL), HCCL_E_PTR);
    assert_ok(HcclGetRootInfo(&info));
    for (uint32_t i = 0; i < RANKS; i++) {
        ranks[i] = (thread_rank){ .info = &info, .rank = i };
        assert_int_equal(pthread_create(&threads[i], NULL, come, &ranks[i]), 0);
        if (i == 0) {
            wait_until_entered(&info, 0);
            intrude(&info);
        }
    }
    for (uint32_t i = 0; i < RANKS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(ranks[i].result);
    }
    for (uint32_t i = 0; i < RANKS; i++) {
        uint64_t bytes = 0;
        char name[COMM_NAME_MAX_LENGTH];
        afd__acl_comm_window window;
        afd__acl_comm *held = afd__acl_comm_hold(ranks[(i + 1) % RANKS].comm);
        assert_ok(HcclGetCommName(ranks[i].comm, name));
        assert_ptr_equal(find_from(name, (int32_t)i, ""), ranks[i].comm);
        assert_true(afd__acl_comm_window_of(held, i, &window));
        ((char *)window.memory)[window.bytes - 1] = 9;
        assert_int_equal(buffer_of(ranks[i].comm, &bytes)[window.bytes - 1], 9);
        afd__acl_object_release(held);
    }
    for (uint32_t i = 0; i < RANKS; i++) {
        end(&ranks[i].comm, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_know_their_place_and_share_a_name),
        cmocka_unit_test(every_rank_sees_the_first_half_of_every_buffer_as_its_window),
        cmocka_unit_test(the_size_of_buffers_is_read_each_time),
        cmocka_unit_test(sixteen_times_sixteen_ranks_cost_what_is_touched),
        cmocka_unit_test(wrong_arguments_are_named_and_nothing_is_written),
        cmocka_unit_test(null_and_dead_communicators_are_told_apart),
        cmocka_unit_test(one_that_is_held_keeps_all_windows_when_all_handles_are_gone),
        cmocka_unit_test(a_name_means_the_rank_of_the_threads_device),
        cmocka_unit_test(threads_come_together_and_intruders_are_refused),
        cmocka_unit_test(every_code_has_a_text_of_its_own),
    };
    return cmocka_run_group_tests_name("comm", tests, NULL, NULL);
}
