/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/ticks.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "bench/samples.h"

enum { READING_NUM = 1000, CALIBRATION_NS = 20000000 };

bool bench_counter_is_invariant;

static bool has_invariant_counter(void)
{
#if defined(__x86_64__)
    /* Leaf 0x80000007, EDX bit 8: the counter runs at one rate in every power state. */
    unsigned int eax = 0;
    unsigned int ebx = 0;
    unsigned int ecx = 0;
    unsigned int edx = 0;
    return __get_cpuid(0x80000007U, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1U << 8)) != 0;
#elif defined(__aarch64__)
    return true; /* the generic timer always is */
#else
    return false;
#endif
}

/* Ticks against CLOCK_MONOTONIC, over a time that makes the cost of reading either vanish. */
static double calibrate(void)
{
    uint64_t began_ns = afd_clock_ns();
    uint64_t began = bench_ticks();
    uint64_t ended_ns;
    do {
        ended_ns = afd_clock_ns();
    } while (ended_ns - began_ns < CALIBRATION_NS);
    return (double)(ended_ns - began_ns) / (double)(bench_ticks() - began);
}

bench_clock bench_clock_start(void)
{
    bench_clock clock = { .is_counter = has_invariant_counter(), .ns_per_tick = 1.0 };
    bench_counter_is_invariant = clock.is_counter;
    if (clock.is_counter) {
        clock.ns_per_tick = calibrate();
    }
    bench_samples samples = bench_samples_new(READING_NUM);
    uint64_t step = UINT64_MAX;
    for (size_t i = 0; i < READING_NUM; i++) {
        uint64_t first = bench_ticks();
        uint64_t ticks = bench_ticks() - first;
        step = ticks > 0 && ticks < step ? ticks : step;
        bench_samples_add(&samples, (double)ticks * clock.ns_per_tick);
    }
    clock.step_ns = (double)step * clock.ns_per_tick;
    /* The median would be 0 or a whole step of a coarse counter; the mean tells what lies between. */
    clock.cost_ns = bench_samples_mean(&samples);
    bench_samples_free(&samples);
    return clock;
}
