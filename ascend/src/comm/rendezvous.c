/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/fail.h"
#include "comm/foreign.h"
#include "comm/pause.h"
#include "comm/rank_list.h"
#include "comm/root_info.h"
#include "comm/settings.h"
#include "runtime/memfd.h"

enum {
    TABLE_BYTES = 128 << 10, /* a multiple of every page size there is */
    HEADER_WORDS_RESERVED = 11
};

typedef struct header {
    int32_t id[AFD__ACL_COMM_ID_WORDS];
    int32_t rank_num; /* 0 until the first rank has entered; under the lock of the file */
    int32_t reserved[HEADER_WORDS_RESERVED];
} header;

_Static_assert(sizeof(header) + AFD__ACL_RANK_NUM_MAX * sizeof(afd__acl_rank_entry) <= TABLE_BYTES, "the table fits");

/* The tables that this process made and whose descriptors are still open for others. */
typedef struct made {
    struct made *next;
    int fd;
    int32_t id[AFD__ACL_COMM_ID_WORDS];
} made;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static made *all_made;

/* ---- making one ---- */

static HcclResult fill(int fd, const int32_t id[AFD__ACL_COMM_ID_WORDS])
{
    afd__acl_segment table;
    if (!afd__acl_segment_map(fd, 0, TABLE_BYTES, &table)) {
        return HCCL_E_MEMORY;
    }
    header *h = table.memory;
    memcpy(h->id, id, sizeof(h->id));
    afd__acl_segment_release(&table);
    return HCCL_SUCCESS;
}

static void remember(made *fresh)
{
    (void)pthread_mutex_lock(&lock);
    fresh->next = all_made;
    all_made = fresh;
    (void)pthread_mutex_unlock(&lock);
}

static HcclResult make(made *fresh, HcclRootInfo *info)
{
    if (!afd__acl_world_make_id(fresh->id)) {
        return HCCL_E_SYSCALL;
    }
    fresh->fd = afd__acl_memfd_new("HcclGetRootInfo", TABLE_BYTES);
    if (fresh->fd < 0) {
        return HCCL_E_SYSCALL;
    }
    HcclResult result = fill(fresh->fd, fresh->id);
    if (result == HCCL_SUCCESS) {
        result = afd__acl_root_info_write(fresh->fd, fresh->id, info);
    }
    if (result != HCCL_SUCCESS) {
        (void)close(fresh->fd);
    }
    return result;
}

HcclResult afd__acl_rendezvous_create(HcclRootInfo *info)
{
    made *fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return afd__acl_comm_fail(HCCL_E_MEMORY, "no memory for a root info");
    }
    const HcclResult result = make(fresh, info);
    if (result != HCCL_SUCCESS) {
        free(fresh);
        return result;
    }
    remember(fresh);
    return HCCL_SUCCESS;
}

/* By id and not by number: two ranks of this process may both see the end, and the number is somebody else's then. */
void afd__acl_rendezvous_end(const afd__acl_rendezvous *rendezvous)
{
    if (rendezvous->pid != (int32_t)getpid()) {
        return;
    }
    (void)pthread_mutex_lock(&lock);
    made **link = &all_made;
    while (*link != NULL && memcmp((*link)->id, rendezvous->id, sizeof(rendezvous->id)) != 0) {
        link = &(*link)->next;
    }
    made *found = *link;
    if (found != NULL) {
        *link = found->next;
    }
    (void)pthread_mutex_unlock(&lock);
    if (found != NULL) {
        (void)close(found->fd);
        free(found);
    }
}

/* ---- coming to one ---- */

static HcclResult map_table(const afd__acl_root_info *read, afd__acl_rendezvous *opened)
{
    afd__acl_foreign foreign;
    if (!afd__acl_foreign_open("the table of rootInfo", read->pid, read->fd, &foreign)) {
        return HCCL_E_UNAVAIL;
    }
    opened->fd = foreign.fd;
    if (foreign.bytes != TABLE_BYTES) {
        return afd__acl_comm_fail(HCCL_E_UNAVAIL, "the table of rootInfo has %" PRIu64 " bytes, must have %d",
                                  foreign.bytes, TABLE_BYTES);
    }
    return afd__acl_segment_map(foreign.fd, 0, TABLE_BYTES, &opened->table) ? HCCL_SUCCESS : HCCL_E_MEMORY;
}

HcclResult afd__acl_rendezvous_open(const HcclRootInfo *info, uint64_t timeout_ns, afd__acl_rendezvous *opened)
{
    afd__acl_root_info read;
    *opened = (afd__acl_rendezvous){ .fd = -1, .timeout_ns = timeout_ns };
    HcclResult result = afd__acl_root_info_read(info, &read);
    if (result == HCCL_SUCCESS) {
        result = map_table(&read, opened);
    }
    if (result == HCCL_SUCCESS) {
        header *h = opened->table.memory;
        opened->entries = (afd__acl_rank_entry *)(void *)(h + 1);
        opened->pid = read.pid;
        memcpy(opened->id, read.id, sizeof(opened->id));
        if (memcmp(h->id, read.id, sizeof(read.id)) != 0) {
            result = afd__acl_comm_fail(HCCL_E_UNAVAIL, "descriptor %" PRId32 " of process %" PRId32
                                        " is another table than rootInfo's, which is gone", read.fd, read.pid);
        }
    }
    if (result != HCCL_SUCCESS) {
        afd__acl_rendezvous_close(opened);
    }
    return result;
}

void afd__acl_rendezvous_close(afd__acl_rendezvous *rendezvous)
{
    afd__acl_segment_release(&rendezvous->table);
    if (rendezvous->fd >= 0) {
        (void)close(rendezvous->fd);
        rendezvous->fd = -1;
    }
}

/* ---- entering ---- */

/*
 * A lock of the file, which belongs to the opened descriptor: it holds between processes and between threads that each
 * opened the table, and ends with a process that is killed. It is asked for again and again, because its owner may be
 * stopped for longer than this rank wants to wait.
 */
static HcclResult lock_table(const afd__acl_rendezvous *rendezvous)
{
    afd__acl_pause pause = afd__acl_pause_for(rendezvous->timeout_ns);
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    while (fcntl(rendezvous->fd, F_OFD_SETLK, &whole) != 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
            return afd__acl_comm_fail(HCCL_E_SYSCALL, "cannot lock the table of rootInfo: %s", afd__acl_errno_text());
        }
        if (!afd__acl_pause_sleep(&pause)) {
            return afd__acl_comm_fail(HCCL_E_TIMEOUT, "another rank keeps the table of rootInfo locked");
        }
    }
    return HCCL_SUCCESS;
}

static void unlock_table(const afd__acl_rendezvous *rendezvous)
{
    struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
    (void)fcntl(rendezvous->fd, F_OFD_SETLK, &whole);
}

/* Under the lock of the file, which orders what is read here. */
static HcclResult check_place(const afd__acl_rendezvous *rendezvous, const afd__acl_rank_entry *entry)
{
    header *h = rendezvous->table.memory;
    const int32_t agreed = afd__load_relaxed_i32(&h->rank_num);
    if (agreed != 0 && agreed != (int32_t)rendezvous->rank_num) {
        return afd__acl_comm_fail(HCCL_E_PARA, "nRanks is %" PRIu32 ", and %" PRId32 " at the ranks that came first",
                                  rendezvous->rank_num, agreed);
    }
    if (afd__load_relaxed_i32(&entry->state) != AFD__ACL_RANK_ABSENT) {
        return afd__acl_comm_fail(HCCL_E_PARA, "rank %" PRIu32 " is taken already, by process %" PRId32,
                                  rendezvous->rank, afd__load_relaxed_i32(&entry->pid));
    }
    return HCCL_SUCCESS;
}

HcclResult afd__acl_rendezvous_enter(afd__acl_rendezvous *rendezvous, uint32_t rank_num, uint32_t rank, int fd,
                                     uint64_t bytes)
{
    header *h = rendezvous->table.memory;
    afd__acl_rank_entry *entry = &rendezvous->entries[rank];
    rendezvous->rank_num = rank_num;
    rendezvous->rank = rank;
    HcclResult result = lock_table(rendezvous);
    if (result != HCCL_SUCCESS) {
        return result;
    }
    result = check_place(rendezvous, entry);
    if (result == HCCL_SUCCESS) {
        afd__store_relaxed_i32(&h->rank_num, (int32_t)rank_num);
        afd__store_relaxed_i32(&entry->pid, (int32_t)getpid());
        afd__store_relaxed_i32(&entry->fd, fd);
        afd__acl_put_u64(entry->bytes, bytes);
        afd__acl_rendezvous_advance(rendezvous, AFD__ACL_RANK_ENTERED);
    }
    unlock_table(rendezvous);
    return result;
}

/* ---- waiting ---- */

/*
 * R1, pairs with A1: who sees ENTERED sees where the buffer is, and would otherwise open what was there before. Who
 * sees MAPPED of all may close its descriptors: whatever the others opened, they have opened.
 */
void afd__acl_rendezvous_advance(afd__acl_rendezvous *rendezvous, int32_t state)
{
    afd__store_release_i32(&rendezvous->entries[rendezvous->rank].state, state);
}

/* Who has not come so far; and a rank that gave up, or rank_num. */
static afd__acl_rank_list look(const afd__acl_rendezvous *rendezvous, int32_t state, uint32_t *gave_up)
{
    afd__acl_rank_list missing = { 0 };
    *gave_up = rendezvous->rank_num;
    for (uint32_t rank = 0; rank < rendezvous->rank_num; rank++) {
        const int32_t found = afd__load_acquire_i32(&rendezvous->entries[rank].state); /* A1 */
        if (found == AFD__ACL_RANK_GAVE_UP) {
            *gave_up = rank;
        } else if (found < state) {
            afd__acl_rank_list_add(&missing, rank);
        }
    }
    return missing;
}

static HcclResult fail_missing(const afd__acl_rendezvous *rendezvous, int32_t state, const afd__acl_rank_list *missing)
{
    char text[AFD__ACL_RANK_LIST_TEXT_BYTES];
    return afd__acl_comm_fail(HCCL_E_TIMEOUT, "rank %" PRIu32 " of %" PRIu32 ": %s did not %s in time (%s)",
                              rendezvous->rank, rendezvous->rank_num, afd__acl_rank_list_print(missing, text),
                              state == AFD__ACL_RANK_ENTERED ? "come" : "map the buffers",
                              AFD__ACL_COMM_TIMEOUT_VARIABLE);
}

HcclResult afd__acl_rendezvous_wait(const afd__acl_rendezvous *rendezvous, int32_t state)
{
    afd__acl_pause pause = afd__acl_pause_for(rendezvous->timeout_ns);
    for (bool in_time = true;;) {
        uint32_t gave_up = 0;
        const afd__acl_rank_list missing = look(rendezvous, state, &gave_up);
        const bool somebody_gave_up = gave_up < rendezvous->rank_num;
        if (missing.num == 0 && !somebody_gave_up) {
            return HCCL_SUCCESS;
        }
        /* Whoever gave up did so for want of the missing ones, so their names say more than its own. */
        if (missing.num > 0 && (somebody_gave_up || !in_time)) {
            return fail_missing(rendezvous, state, &missing);
        }
        if (somebody_gave_up) {
            return afd__acl_comm_fail(HCCL_E_REMOTE, "rank %" PRIu32 " gave up before all ranks had come", gave_up);
        }
        in_time = afd__acl_pause_sleep(&pause); /* and one last look when the time is over */
    }
}
