/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16-bit floats of tokens, as their bits: f16 (1 sign, 5 exponent, 10 mantissa bits) and bf16 (1, 8, 7).
 *
 * Widening is exact. Narrowing rounds to nearest, ties to even, to subnormals and to infinity too. A NaN stays one,
 * with its sign and the upper bits of its payload, and is quiet afterwards; but widening bf16 is a shift and nothing
 * else, and leaves a signalling NaN to the arithmetic after it, which makes it quiet.
 *
 * Integers, selections and float additions alone, in C that every compiler has: no _Float16, which needs instructions
 * beyond the baseline of x86-64 or a call a value. Both sides of each selection are computed and chosen between with
 * masks, not with branches: a float addition may raise an exception, so a compiler would not make a branch with one in
 * it vector code. Subnormals of f16 go through floats that are normal, so that nothing here depends on, or is
 * slowed by, how the machine treats subnormal floats.
 */
#ifndef AFD_BASE_HALF_H
#define AFD_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t afd__f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline float afd__f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

#define AFD__F32_SIGN UINT32_C(0x80000000)
#define AFD__F32_INFINITY UINT32_C(0x7F800000)
#define AFD__F32_QUIET UINT32_C(0x00400000)

static inline float afd__bf16_to_f32(uint16_t half)
{
    return afd__f32_of_bits((uint32_t)half << 16);
}

static inline uint16_t afd__f32_to_bf16(float value)
{
    uint32_t bits = afd__f32_bits(value);
    /* Half of the last place that stays, less one where that place is even: a tie then carries into odd ones only. A
     * carry out of the mantissa raises the exponent, to infinity in the end, which is where it belongs. */
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    uint32_t quiet_nan = (bits | AFD__F32_QUIET) >> 16;
    return (uint16_t)((bits & ~AFD__F32_SIGN) > AFD__F32_INFINITY ? quiet_nan : rounded);
}

/* All ones where it holds, else 0. */
static inline uint32_t afd__mask_if(int holds)
{
    return (uint32_t)-(holds != 0);
}

static inline float afd__f16_to_f32(uint16_t half)
{
    const uint32_t rebias = UINT32_C(112) << 23;   /* 127 - 15, between the biases of the exponents */
    const uint32_t smallest = UINT32_C(113) << 23; /* 2^-14, the smallest normal f16 */
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t is_subnormal = afd__mask_if(magnitude < UINT32_C(0x0400) << 13);
    uint32_t is_special = afd__mask_if(magnitude >= UINT32_C(0x7C00) << 13);
    uint32_t is_nan = afd__mask_if(magnitude > UINT32_C(0x7C00) << 13);
    /* The mantissa of a subnormal counts steps of 2^-24: put behind a leading 1 at 2^-14, which is then taken off.
     * From the others nothing is taken. */
    float with_leading_1 = afd__f32_of_bits(magnitude + rebias + (is_subnormal & UINT32_C(1) << 23));
    uint32_t finite = afd__f32_bits(with_leading_1 - afd__f32_of_bits(is_subnormal & smallest));
    return afd__f32_of_bits(sign | finite | (is_special & AFD__F32_INFINITY) | (is_nan & AFD__F32_QUIET));
}

static inline uint16_t afd__f32_to_f16(float value)
{
    const uint32_t rebias = UINT32_C(112) << 23;
    const uint32_t smallest = UINT32_C(113) << 23;
    const uint32_t too_large = UINT32_C(143) << 23; /* 2^16: becomes infinity, as all does from 65520 on */
    const uint32_t step = UINT32_C(126) << 23;      /* 0.5, whose last place is 2^-24, as that of a subnormal f16 */
    uint32_t bits = afd__f32_bits(value);
    uint32_t magnitude = bits & ~AFD__F32_SIGN;
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t is_subnormal = afd__mask_if(magnitude < smallest);
    uint32_t is_special = afd__mask_if(magnitude >= too_large);
    uint32_t is_nan = afd__mask_if(magnitude > AFD__F32_INFINITY);
    uint32_t normal = (magnitude - rebias + 0x0FFF + (magnitude >> 13 & 1)) >> 13; /* as in afd__f32_to_bf16() */
    float rounded = afd__f32_of_bits(magnitude & is_subnormal) + afd__f32_of_bits(step);
    uint32_t subnormal = afd__f32_bits(rounded) - step;
    uint32_t special = 0x7C00 | (is_nan & (0x0200 | (magnitude >> 13 & 0x03FF)));
    uint32_t finite = (is_subnormal & subnormal) | (~is_subnormal & normal);
    return (uint16_t)(sign | (is_special & special) | (~is_special & finite));
}

#endif
