/* SPDX-License-Identifier: Apache-2.0 */
/* What a communicator consists of, for the files of this folder. */
#ifndef AFD_ASCEND_COMM_OBJECT_H
#define AFD_ASCEND_COMM_OBJECT_H

#include <pthread.h>

#include "comm/comm.h"
#include "comm/world.h"

/* Of registered memory; flags are 4-byte words. */
enum { AFD__ACL_COMM_WINDOW_ALIGN_BYTES = 4 };

/* What a rank exchanged: the memory that another rank registered, and which of its registrations that was. */
typedef struct afd__acl_comm_peer {
    int32_t registration; /* 0 = none */
    afd__acl_comm_window window;
} afd__acl_comm_peer;

/*
 * Registered memory of another process, as it is mapped here. It stays until the communicator ends, because a task may
 * still write it; exchanging the same memory again finds it.
 */
typedef struct afd__acl_comm_mapping {
    struct afd__acl_comm_mapping *next;
    uint64_t device; /* with inode, which memory it is */
    uint64_t inode;
    uint64_t offset; /* of the segment in it */
    afd__acl_segment segment;
} afd__acl_comm_mapping;

/* Writers for one kind of window, and what they were made for. */
typedef struct afd__acl_comm_writers {
    afd_shape shape;
    afd__acl_comm_window *windows; /* of all ranks; NULL = there are no writers */
    afd_writer **writers;
} afd__acl_comm_writers;

struct afd__acl_comm {
    afd__acl_object object;
    uint32_t rank;
    int32_t device;
    afd__acl_world *world;

    pthread_mutex_t lock;              /* guards what follows; short */
    int32_t registration;              /* what this rank's entry has; odd = it has registered memory */
    void *token;                       /* the handle of that */
    int window_fd;                     /* of that, between processes; -1 */
    afd__acl_comm_window window;       /* that memory */
    afd__acl_comm_peer *peers;         /* of all ranks */
    afd__acl_comm_mapping *mappings;

    pthread_mutex_t use_lock;          /* guards the writers; for as long as a task runs; taken before `lock` */
    afd__acl_comm_writers writers[2];  /* FFN, attention */
};

/* A communicator for `rank` of a world, of which it takes a reference; NULL with a sentence. */
HcclComm afd__acl_comm_new(afd__acl_world *world, uint32_t rank, int32_t device);

/* As afd__acl_comm_hold(), for the calls: HCCL_E_PTR for a null handle, HCCL_E_PARA for one that is not alive. */
HcclResult afd__acl_comm_hold_for(HcclComm handle, afd__acl_comm **comm);

/* Under the lock: HCCL_E_PARA, with a sentence, unless `token` is the handle of the registration that there is. */
HcclResult afd__acl_comm_check_token(const afd__acl_comm *comm, const void *token);

/* Takes back what the rank registered, if it did: its window is its buffer again. */
void afd__acl_comm_end_registration(afd__acl_comm *comm);

/* Closes the writers of one kind; under the use lock, or when nobody else has the communicator. */
void afd__acl_comm_close_writers(const afd__acl_comm *comm, afd__acl_comm_writers *writers);

#endif
