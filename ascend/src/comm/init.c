/* SPDX-License-Identifier: Apache-2.0 */
/* Making and ending communicators. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "comm/fail.h"
#include "comm/foreign.h"
#include "comm/object.h"
#include "comm/rendezvous.h"
#include "comm/settings.h"
#include "hccl/hccl.h"
#include "runtime/check.h"
#include "runtime/context.h"
#include "runtime/memfd.h"
#include "runtime/settings.h"

/* ---- all ranks in this process ---- */

static HcclResult check_devices(uint32_t ndev, const int32_t *devices)
{
    const uint32_t device_num = afd__acl_device_num();
    if (ndev == 0 || ndev > device_num) {
        return afd__acl_comm_fail(HCCL_E_PARA, "ndev is %" PRIu32 ", must be in [1, %" PRIu32 "]", ndev, device_num);
    }
    for (uint32_t i = 0; i < ndev; i++) {
        if (afd__acl_check_device(devices[i]) != ACL_SUCCESS) {
            return HCCL_E_PARA;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (devices[k] == devices[i]) {
                return afd__acl_comm_fail(HCCL_E_PARA, "devices[%" PRIu32 "] and devices[%" PRIu32 "] are both %" PRId32
                                          ", must be different", k, i, devices[i]);
            }
        }
    }
    return HCCL_SUCCESS;
}

static HcclResult fill_world(afd__acl_world *world, uint64_t buffer_bytes)
{
    int32_t id[AFD__ACL_COMM_ID_WORDS];
    world->entries = calloc(world->size, sizeof(*world->entries));
    if (world->entries == NULL) {
        return afd__acl_comm_fail(HCCL_E_MEMORY, "no memory for a communicator of %" PRIu32 " ranks", world->size);
    }
    for (uint32_t rank = 0; rank < world->size; rank++) {
        if (!afd__acl_segment_reserve(buffer_bytes, &world->buffers[rank])) {
            return HCCL_E_MEMORY;
        }
    }
    if (!afd__acl_world_make_id(id)) {
        return HCCL_E_SYSCALL;
    }
    afd__acl_world_set_name(world, (int32_t)getpid(), id);
    return HCCL_SUCCESS;
}

/* Handles for all ranks, or none. */
static HcclResult make_all(afd__acl_world *world, const int32_t *devices, HcclComm *made)
{
    for (uint32_t rank = 0; rank < world->size; rank++) {
        made[rank] = afd__acl_comm_new(world, rank, devices[rank]);
        if (made[rank] == NULL) {
            while (rank > 0) {
                afd__acl_object_release(afd__acl_handle_retire(made[--rank], AFD__ACL_COMMUNICATOR));
            }
            return HCCL_E_MEMORY;
        }
    }
    return HCCL_SUCCESS;
}

static HcclResult init_all(uint32_t ndev, const int32_t *devices, uint64_t buffer_bytes, HcclComm *comms)
{
    HcclResult result = HCCL_E_MEMORY;
    HcclComm *made = calloc(ndev, sizeof(*made)); /* because `comms` is written on success only */
    afd__acl_world *world = afd__acl_world_new(ndev);
    if (made == NULL) {
        afd__acl_say("no memory for a communicator of %" PRIu32 " ranks", ndev);
    }
    if (made != NULL && world != NULL) {
        result = fill_world(world, buffer_bytes);
    }
    if (result == HCCL_SUCCESS) {
        result = make_all(world, devices, made);
    }
    for (uint32_t rank = 0; result == HCCL_SUCCESS && rank < ndev; rank++) {
        comms[rank] = made[rank];
    }
    if (world != NULL) {
        afd__acl_world_release(world); /* the communicators have their own references */
    }
    free((void *)made);
    return result;
}

HcclResult HcclCommInitAll(uint32_t ndev, int32_t *devices, HcclComm *comms)
{
    uint64_t buffer_bytes = 0;
    HcclResult result = afd__acl_comm_check_given(devices, "devices");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_check_given((const void *)comms, "comms");
    }
    if (result == HCCL_SUCCESS) {
        result = check_devices(ndev, devices);
    }
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_buffer_bytes(&buffer_bytes);
    }
    return result != HCCL_SUCCESS ? result : init_all(ndev, devices, buffer_bytes, comms);
}

/* ---- ranks in several processes ---- */

HcclResult HcclGetRootInfo(HcclRootInfo *rootInfo)
{
    const HcclResult result = afd__acl_comm_check_given(rootInfo, "rootInfo");
    return result != HCCL_SUCCESS ? result : afd__acl_rendezvous_create(rootInfo);
}

/* What a rank's place is, and what it brings. */
typedef struct newcomer {
    uint32_t rank_num;
    uint32_t rank;
    int32_t device;
    uint64_t buffer_bytes;
    int buffer_fd;
} newcomer;

/* A buffer that another rank has entered into the table, where anything may stand. */
static HcclResult map_buffer(const afd__acl_rank_entry *entry, uint32_t rank, afd__acl_segment *buffer)
{
    afd__acl_foreign foreign;
    /* Relaxed, because waiting for ENTERED was an acquire. */
    const int32_t pid = afd__load_relaxed_i32(&entry->pid);
    const int32_t fd = afd__load_relaxed_i32(&entry->fd);
    const uint64_t bytes = afd__acl_get_u64(entry->bytes);
    char what[64];
    (void)snprintf(what, sizeof(what), "the buffer of rank %" PRIu32, rank);
    if (!afd__acl_foreign_open(what, pid, fd, &foreign)) {
        return HCCL_E_REMOTE;
    }
    HcclResult result = HCCL_E_MEMORY;
    if (foreign.bytes != bytes) {
        result = afd__acl_comm_fail(HCCL_E_REMOTE, "%s has %" PRIu64 " bytes, and should have %" PRIu64, what,
                                    foreign.bytes, bytes);
    } else if (afd__acl_segment_map(foreign.fd, 0, bytes, buffer)) {
        result = HCCL_SUCCESS;
    }
    (void)close(foreign.fd);
    return result;
}

static HcclResult map_buffers(const afd__acl_rendezvous *rendezvous, const newcomer *self, afd__acl_world *world)
{
    for (uint32_t rank = 0; rank < world->size; rank++) {
        HcclResult result = HCCL_SUCCESS;
        if (rank != self->rank) {
            result = map_buffer(&rendezvous->entries[rank], rank, &world->buffers[rank]);
        } else if (!afd__acl_segment_map(self->buffer_fd, 0, self->buffer_bytes, &world->buffers[rank])) {
            result = HCCL_E_MEMORY;
        }
        if (result != HCCL_SUCCESS) {
            return result;
        }
    }
    return HCCL_SUCCESS;
}

/* Once this rank is in the table; the others find out when it fails. */
static HcclResult meet(afd__acl_rendezvous *rendezvous, const newcomer *self, afd__acl_world *world)
{
    HcclResult result = afd__acl_rendezvous_wait(rendezvous, AFD__ACL_RANK_ENTERED);
    if (result == HCCL_SUCCESS) {
        result = map_buffers(rendezvous, self, world);
    }
    if (result == HCCL_SUCCESS) {
        afd__acl_rendezvous_advance(rendezvous, AFD__ACL_RANK_MAPPED);
        result = afd__acl_rendezvous_wait(rendezvous, AFD__ACL_RANK_MAPPED);
    }
    if (result != HCCL_SUCCESS) {
        afd__acl_rendezvous_advance(rendezvous, AFD__ACL_RANK_GAVE_UP);
    }
    afd__acl_rendezvous_end(rendezvous);
    return result;
}

static void take_over_table(afd__acl_rendezvous *rendezvous, afd__acl_world *world)
{
    world->between_processes = true;
    world->table = rendezvous->table;
    world->entries = rendezvous->entries;
    rendezvous->table = (afd__acl_segment){ 0 };
}

/* At a table that is open, with a buffer that is made. */
static HcclResult join(afd__acl_rendezvous *rendezvous, const newcomer *self, HcclComm *comm)
{
    afd__acl_world *world = afd__acl_world_new(self->rank_num);
    if (world == NULL) {
        return HCCL_E_MEMORY;
    }
    afd__acl_world_set_name(world, rendezvous->pid, rendezvous->id);
    HcclResult result = afd__acl_rendezvous_enter(rendezvous, self->rank_num, self->rank, self->buffer_fd,
                                                  self->buffer_bytes);
    if (result == HCCL_SUCCESS) {
        result = meet(rendezvous, self, world);
    }
    if (result == HCCL_SUCCESS) {
        take_over_table(rendezvous, world);
        HcclComm made = afd__acl_comm_new(world, self->rank, self->device);
        result = made != NULL ? HCCL_SUCCESS : HCCL_E_MEMORY;
        *comm = made != NULL ? made : *comm;
    }
    afd__acl_world_release(world);
    return result;
}

static HcclResult init_by_root_info(const HcclRootInfo *info, newcomer *self, HcclComm *comm)
{
    afd__acl_rendezvous rendezvous;
    uint64_t timeout_ns = 0;
    HcclResult result = afd__acl_comm_timeout_ns(&timeout_ns);
    if (result == HCCL_SUCCESS) {
        result = afd__acl_rendezvous_open(info, timeout_ns, &rendezvous);
    }
    if (result != HCCL_SUCCESS) {
        return result;
    }
    self->buffer_fd = afd__acl_memfd_new("HcclCommInitRootInfo", self->buffer_bytes);
    result = self->buffer_fd >= 0 ? join(&rendezvous, self, comm) : HCCL_E_SYSCALL;
    if (self->buffer_fd >= 0) {
        (void)close(self->buffer_fd);
    }
    afd__acl_rendezvous_close(&rendezvous);
    return result;
}

static HcclResult check_place(uint32_t rank_num, uint32_t rank)
{
    if (rank_num == 0 || rank_num > AFD__ACL_RANK_NUM_MAX) {
        return afd__acl_comm_fail(HCCL_E_PARA, "nRanks is %" PRIu32 ", must be in [1, %d]", rank_num,
                                  AFD__ACL_RANK_NUM_MAX);
    }
    if (rank >= rank_num) {
        return afd__acl_comm_fail(HCCL_E_PARA, "rank is %" PRIu32 ", must be below nRanks, which is %" PRIu32, rank,
                                  rank_num);
    }
    return HCCL_SUCCESS;
}

HcclResult HcclCommInitRootInfo(uint32_t nRanks, const HcclRootInfo *rootInfo, uint32_t rank, HcclComm *comm)
{
    aclrtContext context = NULL;
    newcomer self = { .rank_num = nRanks, .rank = rank };
    HcclResult result = afd__acl_comm_check_given(rootInfo, "rootInfo");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_check_given((const void *)comm, "comm");
    }
    if (result == HCCL_SUCCESS) {
        result = check_place(nRanks, rank);
    }
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_buffer_bytes(&self.buffer_bytes);
    }
    if (result == HCCL_SUCCESS && afd__acl_context_current(&context, &self.device) != ACL_SUCCESS) {
        result = HCCL_E_RUNTIME;
    }
    return result != HCCL_SUCCESS ? result : init_by_root_info(rootInfo, &self, comm);
}

/* ---- the end ---- */

HcclResult HcclCommDestroy(HcclComm comm)
{
    const HcclResult result = afd__acl_comm_check_given(comm, "comm");
    if (result != HCCL_SUCCESS) {
        return result;
    }
    afd__acl_comm *retired = afd__acl_handle_retire(comm, AFD__ACL_COMMUNICATOR);
    if (retired == NULL) {
        return (HcclResult)afd__acl_handle_fail(HCCL_E_PARA, comm, AFD__ACL_COMMUNICATOR);
    }
    afd__acl_comm_end_registration(retired); /* because the program may free that memory now */
    afd__acl_object_release(retired);
    return HCCL_SUCCESS;
}
