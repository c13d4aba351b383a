/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registered memory: windows that are not the buffers of the communicator.
 *
 * A rank writes into its entry of the table where its memory is, and then makes `registration` odd; a peer that sees
 * that exchanges it (exchange.c). Taking it back makes the number even again. Between processes the memory travels as a
 * descriptor, which stays open for as long as the registration lasts; within one process as an address.
 */
#include <inttypes.h>
#include <unistd.h>

#include "comm/fail.h"
#include "comm/object.h"
#include "hccl/hccl_comm.h"
#include "runtime/memory.h"

#define TOKEN_TAG UINT64_C(0xAFDC000000000000)

/* Tokens are numbers in the shape of a pointer, never used twice, so that one that was spent is found out. */
static void *next_token(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t count;
    (void)pthread_mutex_lock(&lock);
    const uint64_t number = ++count;
    (void)pthread_mutex_unlock(&lock);
    return (void *)(uintptr_t)(TOKEN_TAG | number);
}

static afd__acl_rank_entry *own_entry(const afd__acl_comm *comm)
{
    return &comm->world->entries[comm->rank];
}

/*
 * R3, pairs with A3 of comm.c and A4 of exchange.c: who sees the new number sees the words that belong to it, and in
 * one process what the program wrote into its memory before it registered it.
 */
static void change_registration(afd__acl_comm *comm)
{
    /* Wraps after two thousand million changes; as unsigned numbers, so that it may. */
    comm->registration = (int32_t)((uint32_t)comm->registration + 1U);
    afd__store_release_i32(&own_entry(comm)->registration, comm->registration);
}

/* ---- registering ---- */

static HcclResult check_memory(const void *addr, uint64_t size, uint32_t flag)
{
    const uint64_t address = (uint64_t)(uintptr_t)addr;
    if (flag != 0) {
        return afd__acl_comm_fail(HCCL_E_PARA, "flag is %" PRIu32 ", must be 0", flag);
    }
    if (size == 0 || size > UINT64_MAX - address) {
        return afd__acl_comm_fail(HCCL_E_PARA, "size is %" PRIu64 ", must be in [1, %" PRIu64 "]", size,
                                  UINT64_MAX - address);
    }
    if (address % AFD__ACL_COMM_WINDOW_ALIGN_BYTES != 0) {
        return afd__acl_comm_fail(HCCL_E_PARA, "addr is %p, must be a multiple of %d", addr,
                                  AFD__ACL_COMM_WINDOW_ALIGN_BYTES);
    }
    return HCCL_SUCCESS;
}

/* Under the lock: between processes, where the peers find the memory. */
static HcclResult offer_memory(afd__acl_comm *comm, const void *addr, uint64_t size)
{
    afd__acl_shared_memory shared;
    const aclError code = afd__acl_memory_share(addr, size, &shared);
    if (code != ACL_SUCCESS) {
        return code == ACL_ERROR_RT_FEATURE_NOT_SUPPORT ? HCCL_E_NOT_SUPPORT : HCCL_E_MEMORY;
    }
    comm->window_fd = shared.fd;
    afd__store_release_i32(&own_entry(comm)->window_fd, shared.fd); /* W */
    afd__acl_put_u64(own_entry(comm)->window_offset, shared.offset);
    return HCCL_SUCCESS;
}

/* Under the lock. */
static HcclResult register_memory(afd__acl_comm *comm, void *addr, uint64_t size)
{
    if (comm->token != NULL) {
        return afd__acl_comm_fail(HCCL_E_PARA, "rank %" PRIu32 " has registered %" PRIu64
                                  " bytes already; one registration a communicator", comm->rank, comm->window.bytes);
    }
    if (comm->world->between_processes) {
        const HcclResult result = offer_memory(comm, addr, size);
        if (result != HCCL_SUCCESS) {
            return result;
        }
    }
    afd__acl_put_u64(own_entry(comm)->window_address, (uint64_t)(uintptr_t)addr);
    afd__acl_put_u64(own_entry(comm)->window_bytes, size);
    comm->window = (afd__acl_comm_window){ .memory = addr, .bytes = size };
    comm->token = next_token();
    change_registration(comm);
    return HCCL_SUCCESS;
}

HcclResult HcclCommRegister(HcclComm comm, void *addr, uint64_t size, void **handle, uint32_t flag)
{
    afd__acl_comm *held = NULL;
    HcclResult result = afd__acl_comm_check_given(addr, "addr");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_check_given(handle, "handle");
    }
    if (result == HCCL_SUCCESS) {
        result = check_memory(addr, size, flag);
    }
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_hold_for(comm, &held);
    }
    if (result != HCCL_SUCCESS) {
        return result;
    }
    (void)pthread_mutex_lock(&held->lock);
    result = register_memory(held, addr, size);
    if (result == HCCL_SUCCESS) {
        *handle = held->token;
    }
    (void)pthread_mutex_unlock(&held->lock);
    afd__acl_object_release(held);
    return result;
}

/* ---- taking it back ---- */

/* Under the lock. */
static void end_registration(afd__acl_comm *comm)
{
    if (comm->token == NULL) {
        return;
    }
    change_registration(comm);
    if (comm->window_fd >= 0) {
        (void)close(comm->window_fd);
    }
    comm->window_fd = -1;
    comm->window = (afd__acl_comm_window){ 0 };
    comm->token = NULL;
}

void afd__acl_comm_end_registration(afd__acl_comm *comm)
{
    (void)pthread_mutex_lock(&comm->lock);
    end_registration(comm);
    (void)pthread_mutex_unlock(&comm->lock);
}

HcclResult afd__acl_comm_check_token(const afd__acl_comm *comm, const void *token)
{
    if (comm->token == NULL) {
        return afd__acl_comm_fail(HCCL_E_PARA, "rank %" PRIu32
                                  " has no registered memory; the order is register, exchange, use, deregister",
                                  comm->rank);
    }
    if (comm->token != token) {
        return afd__acl_comm_fail(HCCL_E_PARA, "the handle %p is not the one that HcclCommRegister() gave to rank %"
                                  PRIu32, token, comm->rank);
    }
    return HCCL_SUCCESS;
}

HcclResult HcclCommDeregister(HcclComm comm, void *handle)
{
    afd__acl_comm *held = NULL;
    HcclResult result = afd__acl_comm_check_given(handle, "handle");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_hold_for(comm, &held);
    }
    if (result != HCCL_SUCCESS) {
        return result;
    }
    (void)pthread_mutex_lock(&held->lock);
    result = afd__acl_comm_check_token(held, handle);
    if (result == HCCL_SUCCESS) {
        end_registration(held);
    }
    (void)pthread_mutex_unlock(&held->lock);
    afd__acl_object_release(held);
    return result;
}
