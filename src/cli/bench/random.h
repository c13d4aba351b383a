/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFD_CLI_BENCH_RANDOM_H
#define AFD_CLI_BENCH_RANDOM_H

#include <stdint.h>

/* splitmix64: the same draws in every run. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* In [0, end). */
static inline uint32_t bench_random_below(uint64_t *state, uint32_t end)
{
    return (uint32_t)((bench_random(state) >> 32) * end >> 32);
}

#endif
