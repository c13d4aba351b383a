/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on sizes that says when it does not fit. Every size that comes from a count is made with these. */
#ifndef AFD_BASE_CHECKED_H
#define AFD_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* *product = a * b; false, and *product unspecified, if it does not fit. */
static inline bool afd__mul_u64(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* *sum = a + b; false, and *sum unspecified, if it does not fit. */
static inline bool afd__add_u64(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* *rounded = value rounded up to a multiple of `align`, a power of two; false if that does not fit. */
static inline bool afd__round_up_u64(uint64_t value, uint64_t align, uint64_t *rounded)
{
    if (!afd__add_u64(value, align - 1, rounded)) {
        return false;
    }
    *rounded &= ~(align - 1);
    return true;
}

#endif
