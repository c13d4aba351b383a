/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an afd_window, for the files of this folder, and what is made with more than the public calls say. */
#ifndef AFD_WINDOW_WINDOW_H
#define AFD_WINDOW_WINDOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "afd/stats.h"
#include "afd/window.h"
#include "window/owner.h"
#include "window/shm.h"

struct afd_window {
    void *mapping;          /* header (shared memory only), counters and window */
    uint64_t mapping_bytes;
    afd_worker_stats *stats; /* where the counters start in the mapping; those of the members follow */
    uint32_t member_num;
    char *token_info;       /* where the window starts in the mapping */
    bool writable;
    pid_t creator;          /* the process that made it, which alone removes the name; 0 if it was joined */
    afd__shm_identity file; /* of the creator: which file is ours to remove, whatever a peer has written into it */
    afd_window_info info;   /* from our checked copy of the header, never from the mapping; all but `owner` is fixed */
    afd__owner identity;    /* whom to look for when asked whether the owner lives; unused in private memory */
    uint64_t shared_key;    /* private memory: what other threads know it by, 0 if none does; so the next two */
    uint64_t holder_num;
    afd_window *next_shared; /* these three belong to the registry's lock */
};

/* Whether it is shared memory or a dump, with our header in front; private memory has none. */
static inline bool afd__window_has_header(const afd_window *window)
{
    return (const void *)window->stats != window->mapping;
}

/*
 * An attention window of this process with counters for member_num FFN workers, in [0, AFD_WINDOW_MEMBER_MAX]. In
 * private memory where `name` is NULL.
 */
afd_status afd__attention_window_create(const char *name, const afd_shape *shape, uint32_t member_num,
                                        afd_window **window, afd_error *error);

#endif
