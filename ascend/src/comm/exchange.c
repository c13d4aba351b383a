/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of registration.c: the memory that peers registered becomes their window for this rank. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "comm/fail.h"
#include "comm/foreign.h"
#include "comm/object.h"
#include "comm/pause.h"
#include "comm/rank_list.h"
#include "comm/settings.h"
#include "hccl/hccl_comm.h"

/* What an entry says about a window; read once, and believed only after checks. */
typedef struct offer {
    int32_t registration;
    int32_t pid;
    int32_t fd;
    uint64_t offset;
    uint64_t address;
    uint64_t bytes;
} offer;

/*
 * A4, pairs with R3 of registration.c. The words are loaded with acquire and stored with release (W), so that whoever
 * reads one of the next registration sees, when it looks at the number again, that it has changed.
 */
static offer read_offer(const afd__acl_rank_entry *entry)
{
    offer read = { .registration = afd__load_acquire_i32(&entry->registration) };
    read.pid = afd__load_relaxed_i32(&entry->pid);
    read.fd = afd__load_acquire_i32(&entry->window_fd);
    read.offset = afd__acl_get_u64(entry->window_offset);
    read.address = afd__acl_get_u64(entry->window_address);
    read.bytes = afd__acl_get_u64(entry->window_bytes);
    return read;
}

static afd__acl_comm_mapping *find_mapping(const afd__acl_comm *comm, const afd__acl_foreign *foreign,
                                           uint64_t offset, uint64_t end)
{
    afd__acl_comm_mapping *found = comm->mappings;
    while (found != NULL && (found->device != foreign->device || found->inode != foreign->inode ||
                             found->offset > offset || found->offset + found->segment.bytes < end)) {
        found = found->next;
    }
    return found;
}

/* Under the lock. Whole pages around the window; the inode is not used again while the mapping lives. */
static afd__acl_comm_mapping *map_window(afd__acl_comm *comm, const afd__acl_foreign *foreign, const offer *read)
{
    const uint64_t page_mask = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
    const uint64_t start = read->offset & ~page_mask;
    const uint64_t end = read->offset + read->bytes;
    afd__acl_comm_mapping *mapping = find_mapping(comm, foreign, read->offset, end);
    if (mapping != NULL) {
        return mapping;
    }
    mapping = calloc(1, sizeof(*mapping));
    if (mapping == NULL) {
        afd__acl_say("no memory for a window of %" PRIu64 " bytes", read->bytes);
        return NULL;
    }
    if (!afd__acl_segment_map(foreign->fd, start, end - start, &mapping->segment)) {
        free(mapping);
        return NULL;
    }
    mapping->device = foreign->device;
    mapping->inode = foreign->inode;
    mapping->offset = start;
    mapping->next = comm->mappings;
    comm->mappings = mapping;
    return mapping;
}

static HcclResult check_offer(const afd__acl_foreign *foreign, const offer *read, uint32_t rank)
{
    if (read->bytes == 0 || read->offset > foreign->bytes || read->bytes > foreign->bytes - read->offset ||
        read->offset % AFD__ACL_COMM_WINDOW_ALIGN_BYTES != 0) {
        return afd__acl_comm_fail(HCCL_E_REMOTE, "rank %" PRIu32 " registered %" PRIu64 " bytes at offset %" PRIu64
                                  " of memory that has %" PRIu64, rank, read->bytes, read->offset, foreign->bytes);
    }
    return HCCL_SUCCESS;
}

/* Under the lock: the memory of another process. */
static HcclResult reach(afd__acl_comm *comm, uint32_t rank, const offer *read, afd__acl_comm_window *window)
{
    afd__acl_foreign foreign;
    if (!afd__acl_foreign_open("the registered memory of a rank", read->pid, read->fd, &foreign)) {
        return HCCL_E_REMOTE;
    }
    HcclResult result = check_offer(&foreign, read, rank);
    if (result == HCCL_SUCCESS) {
        const afd__acl_comm_mapping *mapping = map_window(comm, &foreign, read);
        if (mapping == NULL) {
            result = HCCL_E_MEMORY;
        } else {
            window->memory = (char *)mapping->segment.memory + (read->offset - mapping->offset);
            window->bytes = read->bytes;
        }
    }
    (void)close(foreign.fd);
    return result;
}

/* Under the lock. HCCL_E_AGAIN, without a sentence, while the rank has registered nothing. */
static HcclResult exchange_locked(afd__acl_comm *comm, uint32_t rank)
{
    const afd__acl_rank_entry *entry = &comm->world->entries[rank];
    const offer read = read_offer(entry);
    afd__acl_comm_window window = { .memory = (void *)(uintptr_t)read.address, .bytes = read.bytes };
    HcclResult result = HCCL_SUCCESS;
    if (read.registration % 2 == 0) {
        return HCCL_E_AGAIN;
    }
    if (comm->peers[rank].registration == read.registration) {
        return HCCL_SUCCESS;
    }
    if (comm->world->between_processes) {
        result = reach(comm, rank, &read, &window);
    }
    if (afd__load_acquire_i32(&entry->registration) != read.registration) {
        return HCCL_E_AGAIN; /* it changed meanwhile, and so may have what was read */
    }
    if (result == HCCL_SUCCESS) {
        comm->peers[rank] = (afd__acl_comm_peer){ .registration = read.registration, .window = window };
    }
    return result;
}

/* One look at each of the peers; who has registered nothing is in the list. */
static HcclResult exchange_once(afd__acl_comm *comm, const void *token, const uint32_t *peer_ranks, uint32_t peer_num,
                                afd__acl_rank_list *missing)
{
    (void)pthread_mutex_lock(&comm->lock);
    HcclResult result = afd__acl_comm_check_token(comm, token);
    for (uint32_t i = 0; result == HCCL_SUCCESS && i < peer_num; i++) {
        if (peer_ranks[i] != comm->rank) {
            result = exchange_locked(comm, peer_ranks[i]);
        }
        if (result == HCCL_E_AGAIN) {
            afd__acl_rank_list_add(missing, peer_ranks[i]);
            result = HCCL_SUCCESS;
        }
    }
    (void)pthread_mutex_unlock(&comm->lock);
    return result;
}

static HcclResult exchange(afd__acl_comm *comm, const void *token, const uint32_t *peer_ranks, uint32_t peer_num,
                           uint64_t timeout_ns)
{
    afd__acl_pause pause = afd__acl_pause_for(timeout_ns);
    for (bool in_time = true;; in_time = afd__acl_pause_sleep(&pause)) {
        afd__acl_rank_list missing = { 0 };
        const HcclResult result = exchange_once(comm, token, peer_ranks, peer_num, &missing);
        if (result != HCCL_SUCCESS || missing.num == 0) {
            return result;
        }
        if (!in_time) {
            char text[AFD__ACL_RANK_LIST_TEXT_BYTES];
            return afd__acl_comm_fail(HCCL_E_TIMEOUT, "rank %" PRIu32 ": %s registered no memory in time (%s)",
                                      comm->rank, afd__acl_rank_list_print(&missing, text),
                                      AFD__ACL_COMM_TIMEOUT_VARIABLE);
        }
    }
}

static HcclResult check_peers(const afd__acl_comm *comm, const uint32_t *peer_ranks, uint32_t peer_num)
{
    const uint32_t size = comm->world->size;
    if (peer_num == 0 || peer_num > size) {
        return afd__acl_comm_fail(HCCL_E_PARA, "peerRankNum is %" PRIu32 ", must be in [1, %" PRIu32 "]", peer_num,
                                  size);
    }
    for (uint32_t i = 0; i < peer_num; i++) {
        if (peer_ranks[i] >= size) {
            return afd__acl_comm_fail(HCCL_E_PARA, "peerRanks[%" PRIu32 "] is %" PRIu32 ", must be below %" PRIu32, i,
                                      peer_ranks[i], size);
        }
    }
    return HCCL_SUCCESS;
}

HcclResult HcclCommExchangeMem(HcclComm comm, void *windowHandle, uint32_t *peerRanks, uint32_t peerRankNum)
{
    afd__acl_comm *held = NULL;
    uint64_t timeout_ns = 0;
    HcclResult result = afd__acl_comm_check_given(windowHandle, "windowHandle");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_check_given(peerRanks, "peerRanks");
    }
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_timeout_ns(&timeout_ns);
    }
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_hold_for(comm, &held);
    }
    if (result != HCCL_SUCCESS) {
        return result;
    }
    result = check_peers(held, peerRanks, peerRankNum);
    if (result == HCCL_SUCCESS) {
        result = exchange(held, windowHandle, peerRanks, peerRankNum, timeout_ns);
    }
    afd__acl_object_release(held);
    return result;
}
