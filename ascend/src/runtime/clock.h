/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting with a deadline on CLOCK_MONOTONIC, which nobody sets back. */
#ifndef AFD_ASCEND_RUNTIME_CLOCK_H
#define AFD_ASCEND_RUNTIME_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "afd/wait.h"

/* A condition whose timed waits are on CLOCK_MONOTONIC. */
static inline void afd__acl_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

/* The moment that lies so far ahead of now. */
static inline struct timespec afd__acl_deadline(uint64_t from_now_ns)
{
    const uint64_t at_ns = afd_clock_ns() + from_now_ns;
    const struct timespec deadline = {
        .tv_sec = (time_t)(at_ns / UINT64_C(1000000000)),
        .tv_nsec = (long)(at_ns % UINT64_C(1000000000)),
    };
    return deadline;
}

#endif
