/* SPDX-License-Identifier: Apache-2.0 */
/* Communicators as objects: their life, how they are found, and which memory is whose window. */
#include "comm/comm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/fail.h"
#include "comm/object.h"
#include "runtime/context.h"

/* ---- life ---- */

static void destroy(afd__acl_object *object)
{
    afd__acl_comm *comm = (afd__acl_comm *)object;
    for (size_t i = 0; i < sizeof(comm->writers) / sizeof(comm->writers[0]); i++) {
        afd__acl_comm_close_writers(comm, &comm->writers[i]);
    }
    while (comm->mappings != NULL) {
        afd__acl_comm_mapping *ended = comm->mappings;
        comm->mappings = ended->next;
        afd__acl_segment_release(&ended->segment);
        free(ended);
    }
    (void)pthread_mutex_destroy(&comm->lock);
    (void)pthread_mutex_destroy(&comm->use_lock);
    afd__acl_world_release(comm->world);
    free(comm->peers);
    free(comm);
}

HcclComm afd__acl_comm_new(afd__acl_world *world, uint32_t rank, int32_t device)
{
    afd__acl_comm *made = calloc(1, sizeof(*made));
    afd__acl_comm_peer *peers = calloc(world->size, sizeof(*peers));
    if (made == NULL || peers == NULL) {
        afd__acl_say("no memory for a communicator of %" PRIu32 " ranks", world->size);
        free(made);
        free(peers);
        return NULL;
    }
    made->object.kind = AFD__ACL_COMMUNICATOR;
    made->object.destroy = destroy;
    made->rank = rank;
    made->device = device;
    made->world = world;
    made->window_fd = -1;
    made->peers = peers;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_mutex_init(&made->use_lock, NULL);
    afd__acl_world_hold(world);
    HcclComm handle = afd__acl_handle_new(&made->object);
    if (handle == NULL) {
        destroy(&made->object);
    }
    return handle;
}

afd__acl_comm *afd__acl_comm_hold(HcclComm handle)
{
    afd__acl_comm *comm = afd__acl_handle_hold(handle, AFD__ACL_COMMUNICATOR);
    if (comm == NULL) {
        (void)afd__acl_handle_fail(HCCL_E_PARA, handle, AFD__ACL_COMMUNICATOR);
    }
    return comm;
}

HcclResult afd__acl_comm_hold_for(HcclComm handle, afd__acl_comm **comm)
{
    const HcclResult result = afd__acl_comm_check_given(handle, "comm");
    if (result != HCCL_SUCCESS) {
        return result;
    }
    *comm = afd__acl_comm_hold(handle);
    return *comm != NULL ? HCCL_SUCCESS : HCCL_E_PARA;
}

uint32_t afd__acl_comm_rank(const afd__acl_comm *comm)
{
    return comm->rank;
}

uint32_t afd__acl_comm_size(const afd__acl_comm *comm)
{
    return comm->world->size;
}

/* ---- finding one ---- */

/* How many living ones have the name, on `*device` where that is given; the handle of the last. */
static uint32_t count_named(const char *name, const int32_t *device, HcclComm *handle)
{
    uint32_t num = 0;
    uint32_t cursor = 0;
    void *looked_at = NULL;
    afd__acl_comm *comm;
    while ((comm = afd__acl_handle_hold_next(AFD__ACL_COMMUNICATOR, &cursor, &looked_at)) != NULL) {
        if (strcmp(comm->world->name, name) == 0 && (device == NULL || comm->device == *device)) {
            *handle = looked_at;
            num++;
        }
        afd__acl_object_release(comm);
    }
    return num;
}

/* Several ranks of this process have the name: the one of the thread's device is meant. */
static HcclComm find_by_device(const char *name, uint32_t named_num)
{
    aclrtContext context = NULL;
    HcclComm found = NULL;
    int32_t device = 0;
    if (afd__acl_context_current(&context, &device) != ACL_SUCCESS) {
        return NULL;
    }
    const uint32_t num = count_named(name, &device, &found);
    if (num == 1) {
        return found;
    }
    afd__acl_say("group '%s' has %" PRIu32 " ranks in this process, %" PRIu32 " of them on device %" PRId32
                 ", the current one; must be 1", name, named_num, num, device);
    return NULL;
}

HcclComm afd__acl_comm_find(const char *name)
{
    HcclComm found = NULL;
    if (name == NULL) {
        afd__acl_say("group is null");
        return NULL;
    }
    const uint32_t num = count_named(name, NULL, &found);
    if (num == 0) {
        afd__acl_say("group '%.*s' is no communicator of this process", COMM_NAME_MAX_LENGTH - 1, name);
        return NULL;
    }
    return num == 1 ? found : find_by_device(name, num);
}

/* ---- windows ---- */

/* The first half of a rank's buffer. */
static afd__acl_comm_window buffer_window(const afd__acl_world *world, uint32_t rank)
{
    return (afd__acl_comm_window){ .memory = world->buffers[rank].memory, .bytes = world->buffers[rank].bytes / 2 };
}

/* Under the lock. */
static bool find_window(const afd__acl_comm *comm, uint32_t rank, afd__acl_comm_window *window)
{
    /* A3, pairs with R3 of registration.c: what this rank does from here on comes after what the peer did before it
     * registered or deregistered. Its own entry is not asked, because other processes can write it. */
    const int32_t registration = rank == comm->rank
                                     ? comm->registration
                                     : afd__load_acquire_i32(&comm->world->entries[rank].registration);
    const afd__acl_comm_peer *peer = &comm->peers[rank];
    if (registration % 2 == 0) {
        *window = buffer_window(comm->world, rank);
        return true;
    }
    if (rank == comm->rank) {
        *window = comm->window;
        return true;
    }
    if (peer->registration == registration) {
        *window = peer->window;
        return true;
    }
    afd__acl_say("rank %" PRIu32 " has registered memory, which rank %" PRIu32
                 " has not exchanged: call HcclCommExchangeMem()", rank, comm->rank);
    return false;
}

bool afd__acl_comm_window_of(afd__acl_comm *comm, uint32_t rank, afd__acl_comm_window *window)
{
    (void)pthread_mutex_lock(&comm->lock);
    const bool found = find_window(comm, rank, window);
    (void)pthread_mutex_unlock(&comm->lock);
    return found;
}

uint64_t afd__acl_comm_window_bytes(afd__acl_comm *comm)
{
    afd__acl_comm_window window = { 0 };
    (void)afd__acl_comm_window_of(comm, comm->rank, &window);
    return window.bytes;
}
