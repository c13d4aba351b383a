/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Communicators: the ranks of a group, and each rank's window.
 *
 * A rank's window is the memory that its peers write into: what it registered and exchanged (HcclCommRegister,
 * HcclCommExchangeMem), else the first half of its buffer of 2 x HCCL_BUFFSIZE. Every rank of a communicator can
 * address the windows of all ranks: in one process they are the same memory, between processes shared memory that each
 * maps. Nothing but windows is ever written by a peer.
 *
 * All ranks of a communicator have one name, which programs hand to operators as `group`. A process may have several
 * ranks of one name, a thread each; then the one of the calling thread's current device is meant.
 *
 * Threads: every function from any thread. A communicator that is held stays, with all its windows, also when its
 * handle was destroyed.
 */
#ifndef AFD_ASCEND_COMM_COMM_H
#define AFD_ASCEND_COMM_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/writer.h"
#include "hccl/hccl_types.h"
#include "runtime/handle.h"

typedef struct afd__acl_comm afd__acl_comm;

/* Memory of a rank, as this process addresses it. */
typedef struct afd__acl_comm_window {
    void *memory;
    uint64_t bytes;
} afd__acl_comm_window;

/* The communicator of a name, as the calling thread sees it; its handle, which says nothing about being alive later.
 * NULL with a sentence. */
HcclComm afd__acl_comm_find(const char *name);

/* A reference to the communicator of a handle, given back with afd__acl_object_release(); NULL with a sentence. */
afd__acl_comm *afd__acl_comm_hold(HcclComm handle);

uint32_t afd__acl_comm_rank(const afd__acl_comm *comm);
uint32_t afd__acl_comm_size(const afd__acl_comm *comm);

/* The bytes of this rank's own window as of now. */
uint64_t afd__acl_comm_window_bytes(afd__acl_comm *comm);

/*
 * The window of `rank`, in [0, size), as of now. False, with a sentence, where the rank registered other memory that
 * this one did not exchange.
 */
bool afd__acl_comm_window_of(afd__acl_comm *comm, uint32_t rank, afd__acl_comm_window *window);

/*
 * Writers into the windows of ranks, an array in the order of all ranks, for the one task that uses the communicator
 * until afd__acl_comm_unlock_writers(); others wait. `wanted` has a 1 for each rank that the task will write to, as
 * many bytes as there are ranks; NULL: all. Others' windows need not fit, and their entries mean nothing. Writers are
 * made at the first use and kept, so that a call costs none; one whose window has changed is made anew, and all when
 * the shape has. Whoever unlocks has published or discarded what it put. NULL, with a sentence, and nothing is locked,
 * where a window is too small for the shape, with rank, needed and present bytes, or was not exchanged, or there is no
 * memory. /
 */
afd_writer *const *afd__acl_comm_lock_writers(afd__acl_comm *comm, afd_window_kind kind, const afd_shape *shape,
                                              const uint8_t *wanted);
void afd__acl_comm_unlock_writers(afd__acl_comm *comm);

#endif
