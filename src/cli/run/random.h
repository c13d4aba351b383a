/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that look random and follow from a seed alone, so that a run can be repeated. */
#ifndef AFD_CLI_RUN_RANDOM_H
#define AFD_CLI_RUN_RANDOM_H

#include <stdint.h>

/* A stream of 64-bit numbers: splitmix64. */
typedef struct run_random {
    uint64_t state;
} run_random;

static inline uint64_t run_random_next(run_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* A stream of its own for a thing that has numbers: the seed and each number are stirred in turn. */
static inline run_random run_random_of(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    run_random random = { seed };
    random.state ^= run_random_next(&random) + a;
    random.state ^= run_random_next(&random) + b;
    random.state ^= run_random_next(&random) + c;
    return random;
}

/* In [-1, 1). */
static inline float run_random_unit(run_random *random)
{
    return (float)(int32_t)(uint32_t)(run_random_next(random) >> 32) * (1.0F / 2147483648.0F);
}

#endif
