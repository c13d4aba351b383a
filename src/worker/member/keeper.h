/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small thread beside a worker's: it waits for what comes in at descriptors, and beats. It never touches a window's
 * flags or data, and takes no signal: those are the program's. What it finds out it leaves for the worker's thread,
 * under the owner's lock.
 */
#ifndef AFD_WORKER_MEMBER_KEEPER_H
#define AFD_WORKER_MEMBER_KEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "afd/status.h"

/* Called in the keeper's thread. */
typedef struct afd__keeper_duties {
    void (*ready)(void *owner, uint64_t tag); /* something came in at the descriptor of that tag, or it was closed */
    /* Every heartbeat_ns. `stalled`: this process has not run for so long that nobody's silence says anything. */
    void (*tick)(void *owner, uint64_t now_ns, bool stalled);
    void *owner;
} afd__keeper_duties;

typedef struct afd__keeper {
    afd__keeper_duties duties;
    uint64_t stall_ns;      /* a tick that is later than this is a stall */
    uint64_t ticked_ns;
    int epoll_fd;
    int timer_fd;
    int wake_fd;
    int32_t stop;           /* atomic: raised to end the thread */
    bool is_running;
    pthread_t thread;
} afd__keeper;

/* Makes the descriptors; afd__keeper_start() the thread. Ended by afd__keeper_end() in any case. */
afd_status afd__keeper_make(afd__keeper *keeper, const afd__keeper_duties *duties, uint64_t heartbeat_ns,
                            uint64_t stall_ns, afd_error *error);
afd_status afd__keeper_start(afd__keeper *keeper, afd_error *error);

/* Ends the thread and waits for that. The descriptors that it watched are their owners' to close. */
void afd__keeper_end(afd__keeper *keeper);

/* From any thread. A descriptor that is closed is watched no more. `tag` is any number but UINT64_MAX and one less. */
afd_status afd__keeper_watch(afd__keeper *keeper, int fd, uint64_t tag, afd_error *error);
void afd__keeper_forget(afd__keeper *keeper, int fd);

#endif
