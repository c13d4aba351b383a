/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiting side of afd_wait (afd/wait.h), for every operation that waits:
 *
 *     afd__waiter waiter;
 *     status = afd__waiter_start(&waiter, wait, run_flag, error);
 *     while (status == AFD_OK) {
 *         if (a pass found work) return it;
 *         status = afd__waiter_idle(&waiter);
 *     }
 *     // AFD_STOPPED, AFD_DEADLINE: the caller fills wait->late in; or the error of afd__waiter_start()
 */
#ifndef AFD_BASE_WAIT_H
#define AFD_BASE_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/status.h"
#include "afd/wait.h"

typedef struct afd__waiter {
    afd_wait *wait;          /* never NULL: `fallback` when the caller gave none */
    const int32_t *run_flag; /* 0 = stop; may be NULL */
    uint64_t empty_pass_num; /* since the start */
    uint32_t sleep_ns;       /* the next sleep of AFD_WAIT_BACKOFF */
    uint64_t began_ns;       /* with a deadline: of the first empty pass, so that who need not wait reads no clock */
    bool expired;            /* the deadline has passed; one more pass is owed */
    afd_wait fallback;
} afd__waiter;

/*
 * Begins a wait; `wait` may be NULL, for AFD_WAIT_YIELD. AFD_OK; AFD_STOPPED if the run flag or the stop word says so
 * already; AFD_ERR_INVALID for a strategy or a structure size that does not exist.
 */
afd_status afd__waiter_start(afd__waiter *waiter, afd_wait *wait, const int32_t *run_flag, afd_error *error);

/* To be called after an empty pass, and idles. AFD_OK: make another pass; else AFD_STOPPED or AFD_DEADLINE. */
afd_status afd__waiter_idle(afd__waiter *waiter);

/* The checks of an afd_wait alone. */
afd_status afd__wait_check(const afd_wait *wait, afd_error *error);

/* Whether a word says stop: acquire, see A3 in wait.c. */
bool afd__stop_requested(const int32_t *run_flag, const int32_t *stop);

/* Adds one entry to wait->late if it fits, and counts it. */
void afd__wait_add_late(afd_wait *wait, afd_late late);

#endif
