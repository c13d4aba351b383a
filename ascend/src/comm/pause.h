/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for what another process will write: with a deadline, and asleep most of the time. */
#ifndef AFD_ASCEND_COMM_PAUSE_H
#define AFD_ASCEND_COMM_PAUSE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "afd/wait.h"

enum { AFD__ACL_PAUSE_FIRST_NS = 50000, AFD__ACL_PAUSE_LAST_NS = 2000000 };

typedef struct afd__acl_pause {
    uint64_t deadline_ns; /* of CLOCK_MONOTONIC */
    long sleep_ns;
} afd__acl_pause;

static inline afd__acl_pause afd__acl_pause_for(uint64_t timeout_ns)
{
    return (afd__acl_pause){ .deadline_ns = afd_clock_ns() + timeout_ns, .sleep_ns = AFD__ACL_PAUSE_FIRST_NS };
}

/* Sleeps a little, longer each time; false, at once, when the deadline has passed. */
static inline bool afd__acl_pause_sleep(afd__acl_pause *pause)
{
    if (afd_clock_ns() >= pause->deadline_ns) {
        return false;
    }
    const struct timespec nap = { .tv_nsec = pause->sleep_ns };
    (void)nanosleep(&nap, NULL);
    pause->sleep_ns = pause->sleep_ns < AFD__ACL_PAUSE_LAST_NS / 2 ? pause->sleep_ns * 2 : AFD__ACL_PAUSE_LAST_NS;
    return true;
}

#endif
