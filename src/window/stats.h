/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing side of afd/stats.h, for the worker that owns a window. Each word has one writer: the worker's thread, or
 * its heartbeat thread for beat_ns and heard_ns. Relaxed, because nothing is read through a counter.
 *
 *     afd_worker_stats   256 bytes
 *     afd_member_stats   128 bytes a member
 *     padding            to a page, behind which the token info starts
 */
#ifndef AFD_WINDOW_STATS_H
#define AFD_WINDOW_STATS_H

#include <stdint.h>

#include "afd/stats.h"
#include "base/atomic.h"

/* How long the counters of so many members are, padding included. */
uint64_t afd__stats_bytes(uint32_t member_num);

/* The counters of a window that this process has made; those of private memory are seen by nobody else. Never NULL. */
afd_worker_stats *afd__window_own_worker_stats(afd_window *window);

/* member in [0, S) of an FFN window, in [0, member_num) of an attention window that was made with so many; in private
 * memory, too, though afd_window_member_num() is 0 there. */
afd_member_stats *afd__window_own_member_stats(afd_window *window, uint32_t member);

static inline void afd__stat_set(uint64_t *stat, uint64_t value)
{
    afd__store_relaxed_u64(stat, value);
}

/* The sole writer needs no atomic addition. */
static inline void afd__stat_add(uint64_t *stat, uint64_t more)
{
    afd__store_relaxed_u64(stat, afd__load_relaxed_u64(stat) + more);
}

#endif
