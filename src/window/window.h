/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an afd_window, for the files of this folder. */
#ifndef AFD_WINDOW_WINDOW_H
#define AFD_WINDOW_WINDOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "afd/window.h"
#include "window/owner.h"
#include "window/shm.h"

struct afd_window {
    void *mapping;          /* header (shared memory only) and window */
    uint64_t mapping_bytes;
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
    return window->token_info != (const char *)window->mapping;
}

#endif
