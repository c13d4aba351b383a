/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for randomised tests: splitmix64, so that a seed gives the same case on every machine. */
#ifndef RANDOM_NUMBERS_H
#define RANDOM_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct random_numbers {
    uint64_t state;
} random_numbers;

static inline uint64_t random_u64(random_numbers *numbers)
{
    uint64_t z = numbers->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* In [0, bound); bound > 0. The bias of the remainder does not matter to a test. */
static inline uint32_t random_below(random_numbers *numbers, uint32_t bound)
{
    return (uint32_t)(random_u64(numbers) % bound);
}

/* True in `percent` of 100 calls. */
static inline bool random_chance(random_numbers *numbers, uint32_t percent)
{
    return random_below(numbers, 100) < percent;
}

#endif
