/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16-bit floats of base/half.h a vector at a time, with the same results bit for bit. Vectors are as wide as the
 * instructions that the including file is compiled for: 16 bytes on every machine, 32 with AVX2. For f16, F16C and
 * aarch64 have instructions of their own.
 *
 * A vector of words has two halves a word; their values become two vectors, `low` and `high`, in no order that is
 * promised: who adds values up and narrows them again needs none, and without one they are taken apart by shifts and
 * masks alone.
 */
#ifndef AFD_BASE_HALF_VECTOR_H
#define AFD_BASE_HALF_VECTOR_H

#include <stdint.h>
#include <string.h>

#include "afd/token.h"
#include "base/half.h"

#if defined(__AVX2__) && defined(__F16C__)
#include <immintrin.h>
enum { AFD__VECTOR_BYTES = 32 };
#else
enum { AFD__VECTOR_BYTES = 16 };
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef uint32_t afd__words __attribute__((vector_size(AFD__VECTOR_BYTES)));
typedef int32_t afd__masks __attribute__((vector_size(AFD__VECTOR_BYTES)));
typedef float afd__floats __attribute__((vector_size(AFD__VECTOR_BYTES)));

typedef struct afd__float_pair {
    afd__floats low;
    afd__floats high;
} afd__float_pair;

#define AFD__INLINE static inline __attribute__((always_inline))

AFD__INLINE afd__words afd__load_words(const char *halves)
{
    afd__words words;
    memcpy(&words, halves, sizeof(words));
    return words;
}

/* ---- bf16 ---- */

AFD__INLINE afd__float_pair afd__widen_bf16(const char *halves)
{
    afd__words words = afd__load_words(halves);
    return (afd__float_pair){ (afd__floats)(words << 16), (afd__floats)(words & UINT32_C(0xFFFF0000)) };
}

/* As afd__f32_to_bf16(), but the result is in the upper half of its word, and what is in the lower one is noise. */
AFD__INLINE afd__words afd__round_to_bf16(afd__floats values)
{
    afd__words bits = (afd__words)values;
    afd__words is_nan = (afd__words)((afd__masks)(bits & ~AFD__F32_SIGN) > (int32_t)AFD__F32_INFINITY);
    afd__words rounded = bits + 0x7FFF + (bits >> 16 & 1);
    return (is_nan & (bits | AFD__F32_QUIET)) | (~is_nan & rounded);
}

AFD__INLINE afd__words afd__narrow_bf16(afd__float_pair values)
{
    return afd__round_to_bf16(values.low) >> 16 | (afd__round_to_bf16(values.high) & UINT32_C(0xFFFF0000));
}

/* ---- f16 ---- */

#if defined(__AVX2__) && defined(__F16C__)

/* The halves of the vector are loaded apart, which saves taking them apart. */
AFD__INLINE afd__float_pair afd__widen_f16(const char *halves)
{
    const __m128i *parts = (const __m128i *)(const void *)halves;
    return (afd__float_pair){ (afd__floats)_mm256_cvtph_ps(_mm_loadu_si128(parts)),
                              (afd__floats)_mm256_cvtph_ps(_mm_loadu_si128(parts + 1)) };
}

AFD__INLINE afd__words afd__narrow_f16(afd__float_pair values)
{
    __m128i low = _mm256_cvtps_ph((__m256)values.low, _MM_FROUND_TO_NEAREST_INT);
    __m128i high = _mm256_cvtps_ph((__m256)values.high, _MM_FROUND_TO_NEAREST_INT);
    return (afd__words)_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

#elif defined(__aarch64__)

AFD__INLINE afd__float_pair afd__widen_f16(const char *halves)
{
    float16x8_t values = vreinterpretq_f16_u32((uint32x4_t)afd__load_words(halves));
    return (afd__float_pair){ (afd__floats)vcvt_f32_f16(vget_low_f16(values)), (afd__floats)vcvt_high_f32_f16(values) };
}

AFD__INLINE afd__words afd__narrow_f16(afd__float_pair values)
{
    float16x4_t low = vcvt_f16_f32((float32x4_t)values.low);
    return (afd__words)vreinterpretq_u32_f16(vcvt_high_f16_f32(low, (float32x4_t)values.high));
}

#else

/* afd__f16_to_f32() of the lower half of each word; the upper one is 0. */
AFD__INLINE afd__floats afd__widen_low_f16(afd__words half)
{
    const uint32_t rebias = UINT32_C(112) << 23;
    const uint32_t smallest = UINT32_C(113) << 23;
    afd__words magnitude = (half & 0x7FFF) << 13;
    afd__words sign = (half & 0x8000) << 16;
    afd__words is_subnormal = (afd__words)((afd__masks)magnitude < 0x0400 << 13);
    afd__words is_special = (afd__words)((afd__masks)magnitude >= 0x7C00 << 13);
    afd__words is_nan = (afd__words)((afd__masks)magnitude > 0x7C00 << 13);
    afd__floats with_leading_1 = (afd__floats)(magnitude + rebias + (is_subnormal & UINT32_C(1) << 23));
    afd__words finite = (afd__words)(with_leading_1 - (afd__floats)(is_subnormal & smallest));
    return (afd__floats)(sign | finite | (is_special & AFD__F32_INFINITY) | (is_nan & AFD__F32_QUIET));
}

/* afd__f32_to_f16(), in the lower half of each word; the upper one is 0. */
AFD__INLINE afd__words afd__narrow_low_f16(afd__floats values)
{
    const uint32_t rebias = UINT32_C(112) << 23;
    const uint32_t smallest = UINT32_C(113) << 23;
    const uint32_t too_large = UINT32_C(143) << 23;
    const afd__words step = (afd__words){ 0 } + (UINT32_C(126) << 23);
    afd__words bits = (afd__words)values;
    afd__words magnitude = bits & ~AFD__F32_SIGN;
    afd__words sign = bits >> 16 & 0x8000;
    afd__words is_subnormal = (afd__words)((afd__masks)magnitude < (int32_t)smallest);
    afd__words is_special = (afd__words)((afd__masks)magnitude >= (int32_t)too_large);
    afd__words is_nan = (afd__words)((afd__masks)magnitude > (int32_t)AFD__F32_INFINITY);
    afd__words normal = (magnitude - rebias + 0x0FFF + (magnitude >> 13 & 1)) >> 13;
    afd__words subnormal = (afd__words)((afd__floats)(magnitude & is_subnormal) + (afd__floats)step) - step;
    afd__words special = 0x7C00 | (is_nan & (0x0200 | (magnitude >> 13 & 0x03FF)));
    afd__words finite = (is_subnormal & subnormal) | (~is_subnormal & normal);
    return sign | (is_special & special) | (~is_special & finite);
}

AFD__INLINE afd__float_pair afd__widen_f16(const char *halves)
{
    afd__words words = afd__load_words(halves);
    return (afd__float_pair){ afd__widen_low_f16(words & 0xFFFF), afd__widen_low_f16(words >> 16) };
}

AFD__INLINE afd__words afd__narrow_f16(afd__float_pair values)
{
    return afd__narrow_low_f16(values.low) | afd__narrow_low_f16(values.high) << 16;
}

#endif

/* ---- either, at any address ---- */

AFD__INLINE afd__float_pair afd__widen(const char *halves, afd_token_type type)
{
    return type == AFD_TOKEN_BF16 ? afd__widen_bf16(halves) : afd__widen_f16(halves);
}

AFD__INLINE void afd__narrow(char *halves, afd__float_pair values, afd_token_type type)
{
    afd__words words = type == AFD_TOKEN_BF16 ? afd__narrow_bf16(values) : afd__narrow_f16(values);
    memcpy(halves, &words, sizeof(words));
}

#endif
