/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The atomics of libafd: all of them, with their order in the name.
 *
 * Windows and contexts are plain memory whose format is fixed, so these work on plain int32_t. The order is always on
 * the access and never in a stand-alone fence, so that ThreadSanitizer understands it. Each site carries a label, R for
 * a release and A for an acquire, and names its partner and what breaks without it. Nothing here is seq_cst.
 *
 * tests/model replaces this header by one that drives a weak-memory checker and compiles the same callers.
 */
#ifndef AFD_BASE_ATOMIC_H
#define AFD_BASE_ATOMIC_H

#include <stdint.h>

#include "base/platform.h"

/* A flag that is written by one process and read by another must not hide a lock. */
#if __GCC_ATOMIC_INT_LOCK_FREE != 2
#error "4-byte atomics must be lock-free"
#endif
#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2
#error "8-byte atomics must be lock-free"
#endif

static inline int32_t afd__load_acquire_i32(const int32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline int32_t afd__load_relaxed_i32(const int32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void afd__store_relaxed_i32(int32_t *word, int32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void afd__store_release_i32(int32_t *word, int32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* For counters: one writer, and readers that only look. */
static inline uint64_t afd__load_relaxed_u64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void afd__store_relaxed_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

#endif
