/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark's clock: the processor's own counter where that is invariant, which costs a few ns to read, else
 * CLOCK_MONOTONIC. Both cores read the same counter, so a time taken on one may be held against one of the other.
 */
#ifndef AFD_CLI_BENCH_TICKS_H
#define AFD_CLI_BENCH_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "afd/wait.h"

typedef struct bench_clock {
    bool is_counter;    /* the processor's counter; else CLOCK_MONOTONIC, a tick being a ns */
    double ns_per_tick;
    double step_ns;     /* the smallest difference between two readings that is not 0 */
    double cost_ns;     /* of one reading: p50 of two readings in a row */
} bench_clock;

/* Whether the counter may be used: set by bench_clock_start(), and constant after it. */
extern bool bench_counter_is_invariant;

/* Finds out which clock there is and what it costs; takes about 20 ms. To be called once, by the pinned thread. */
bench_clock bench_clock_start(void);

/* Waits until everything before it has been executed, so that calls that are timed together do not overlap. */
static inline void bench_serialise(void)
{
#if defined(__x86_64__)
    _mm_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("dsb ld\n\tisb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* A reading that neither what stands before it nor what stands after it moves across. */
static inline uint64_t bench_ticks(void)
{
    uint64_t now;
    bench_serialise();
#if defined(__x86_64__)
    now = bench_counter_is_invariant ? __rdtsc() : afd_clock_ns();
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now) : : "memory");
#else
    now = afd_clock_ns();
#endif
    bench_serialise();
    return now;
}

/* A hint that this is a spin loop. */
static inline void bench_relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#endif
