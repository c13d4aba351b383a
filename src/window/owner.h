/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns a shared window, so that anyone on the host can tell later whether that process still lives. A pid alone is
 * not enough: pids are used again (so the start time), and not across boots (so the boot id) or containers (so the pid
 * namespace).
 */
#ifndef AFD_WINDOW_OWNER_H
#define AFD_WINDOW_OWNER_H

#include <stdint.h>

#include "afd/window.h"

enum { AFD_OWNER_BOOT_ID_BYTES = 40 }; /* 36 characters, zero-padded */

typedef struct afd__owner {
    uint32_t pid;
    uint32_t reserved;
    uint64_t start_ticks;    /* field 22 of /proc/PID/stat, clock ticks since boot */
    uint64_t pid_namespace;  /* inode of /proc/self/ns/pid */
    char boot_id[AFD_OWNER_BOOT_ID_BYTES];
} afd__owner;

/* This process. */
afd_status afd__owner_self(afd__owner *owner, afd_error *error);

/* Whether the process that `owner` names still lives, as far as can be seen from here. A zombie is dead. */
afd_owner_state afd__owner_state(const afd__owner *owner);

#endif
