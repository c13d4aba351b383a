/* SPDX-License-Identifier: Apache-2.0 */
/* The 16-bit numbers of tokens, from and to f32; narrowing is to nearest, ties to even, and keeps a NaN one. */
#ifndef AFD_CLI_RUN_EXPERTS_NUMBER_H
#define AFD_CLI_RUN_EXPERTS_NUMBER_H

#include <stdint.h>
#include <string.h>

static inline uint32_t run_float_bits(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

static inline float run_float_of(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof(number));
    return number;
}

static inline float run_bf16_widen(uint16_t value)
{
    return run_float_of((uint32_t)value << 16);
}

static inline uint16_t run_bf16_narrow(float number)
{
    uint32_t bits = run_float_bits(number);
    uint32_t rounded = bits + 0x7FFFU + (bits >> 16 & 1U);
    return (uint16_t)((bits & 0x7FFFFFFFU) > 0x7F800000U ? bits >> 16 | 0x40U : rounded >> 16);
}

static inline float run_f16_widen(uint16_t value)
{
    uint32_t sign = (uint32_t)(value & 0x8000U) << 16;
    uint32_t rest = value & 0x7FFFU;
    if (rest < 0x0400U) { /* zero and subnormal: a count of 2^-24 */
        return run_float_of(run_float_bits((float)rest * (1.0F / 16777216.0F)) | sign);
    }
    uint32_t rebased = rest < 0x7C00U ? (rest << 13) + (112U << 23) : (rest << 13) | 0x7F800000U;
    return run_float_of(rebased | sign);
}

static inline uint16_t run_f16_narrow(float number)
{
    uint32_t bits = run_float_bits(number);
    uint32_t sign = bits >> 16 & 0x8000U;
    uint32_t rest = bits & 0x7FFFFFFFU;
    if (rest >= 0x47800000U) { /* from 65536 on: infinity, and NaN */
        return (uint16_t)(sign | (rest > 0x7F800000U ? 0x7E00U : 0x7C00U));
    }
    if (rest < 0x38800000U) { /* below 2^-14: adding 0.5 makes f32 itself round to a count of 2^-24 */
        return (uint16_t)(sign | (run_float_bits(run_float_of(rest) + 0.5F) - 0x3F000000U));
    }
    /* What rounds up to 65536 carries into the exponent, which is infinity's then. */
    return (uint16_t)(sign | (rest - (112U << 23) + 0x0FFFU + (rest >> 13 & 1U)) >> 13);
}

#endif
