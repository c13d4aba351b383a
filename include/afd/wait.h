/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a call waits.
 *
 * Every call of libafd that waits takes one `afd_wait`. It looks for work (a *pass*); a pass that finds none is
 * *empty*. After each empty pass it
 *   1. ends with AFD_STOPPED when the context's run_flag is 0 or the stop word is not 0,
 *   2. calls poll(poll_arg), in which the caller progresses its transport, its heartbeat, its joins and leaves,
 *   3. idles as the strategy says,
 *   4. looks at the clock now and then, and after the deadline makes one last pass before it says AFD_DEADLINE.
 * Where there is always something to find, poll is called before every AFD_WAIT_POLL_PASSES-th pass, counted over
 * calls. poll may write windows and change the set of live sessions; the call looks again after it, so whatever poll
 * brought is found before a deadline is reported. poll must not call the operation that is waiting, and should be
 * short: a slow poll makes the deadline late by up to AFD_WAIT_CLOCK_PASSES times its duration.
 *
 * A wait that ends without taking anything has changed nothing in the window.
 *
 * Ownership: an afd_wait and what it points to belong to the caller and must stay until the call returns. One afd_wait
 * serves one call at a time. The stop word alone may be written by other threads and processes meanwhile. fork: nothing
 * is kept outside the caller's memory.
 */
#ifndef AFD_WAIT_H
#define AFD_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* The clock is read at most once per so many empty passes while spinning. */
enum { AFD_WAIT_CLOCK_PASSES = 16 };

/* poll is called at least once per so many passes, empty or not. */
enum { AFD_WAIT_POLL_PASSES = 64 };

typedef enum afd_wait_strategy {
    /* Spin a little, then give the core away on every empty pass: right when there are more pollers than cores. */
    AFD_WAIT_YIELD = 0,
    /* Never leave the core. The lowest latency, when this thread has the core for itself. */
    AFD_WAIT_SPIN = 1,
    /* Spin, then yield, then sleep for longer and longer, up to about 100 us at a time: for idle hours. */
    AFD_WAIT_BACKOFF = 2
} afd_wait_strategy;

/* In afd_late.micro_batch: the session has no ready micro-batch at all, so none in particular is late. */
#define AFD_MICRO_BATCH_ANY UINT32_MAX

/* Who a wait was waiting for when its deadline passed. */
typedef struct afd_late {
    uint32_t session;     /* in [0, S) */
    uint32_t micro_batch; /* in [0, M), or AFD_MICRO_BATCH_ANY */
    uint32_t token;       /* attention side: of the slot that is missing, in [0, BS); else 0 */
    uint32_t slot;        /* attention side: in [0, E); else 0 */
    int32_t flag;         /* the flag as last seen: 0 is "still free", anything but 0 and 1 is corrupt */
    uint64_t silent_ns;   /* since the session's last take, else since it was admitted; without a scheduler object,
                             which is what remembers that, since the call's first empty pass */
} afd_late;

typedef struct afd_wait {
    size_t size;                 /* sizeof(afd_wait), so that the structure can grow */
    afd_wait_strategy strategy;
    uint64_t deadline_ns;        /* on CLOCK_MONOTONIC, see afd_clock_ns(); 0 = none */
    const int32_t *stop;         /* optional; not 0 ends the wait; written with afd_stop_raise() */
    void (*poll)(void *poll_arg); /* optional */
    void *poll_arg;
    afd_late *late;              /* optional, late_capacity entries; filled when the result is AFD_DEADLINE */
    uint32_t late_capacity;
    size_t late_entry_bytes;     /* sizeof(afd_late), so that it can grow */
    uint32_t late_num;           /* out: how many are late, which may be more than late_capacity */
    uint32_t unpolled_pass_num;  /* kept by libafd: passes since poll was called last, over calls */
    uint64_t empty_pass_num;     /* out: the empty passes of the call are added to it */
} afd_wait;

/* An afd_wait for the strategy, without deadline, stop word and poll. */
#define AFD_WAIT_INIT(strategy_)                                                                                      \
    {                                                                                                                 \
        sizeof(afd_wait), (strategy_), 0, NULL, NULL, NULL, NULL, 0, sizeof(afd_late), 0, 0, 0                        \
    }

/*
 * Waits until is_done(arg) says so, in the way that every call of libafd waits: for a desc to become free, for an
 * answer, for anything that is looked at. is_done is one pass; it is called again after the deadline before that is
 * reported. `wait` may be NULL, for AFD_WAIT_YIELD without deadline. AFD_OK, AFD_STOPPED, AFD_DEADLINE (nobody is
 * named: what is waited for is the caller's), AFD_ERR_INVALID. Allocates nothing.
 */
afd_status afd_wait_until(afd_wait *wait, bool (*is_done)(void *arg), void *arg, afd_error *error);

/* Now, in ns of CLOCK_MONOTONIC: `wait.deadline_ns = afd_clock_ns() + 10 * UINT64_C(1000000000)`. */
uint64_t afd_clock_ns(void);

/*
 * Ends every wait that looks at this word: an atomic store of 1 with release, which the wait meets with acquire, so
 * that what was written before is visible after the wait. Any thread, any process, signal handlers too.
 */
void afd_stop_raise(int32_t *stop);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
