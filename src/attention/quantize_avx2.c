/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both passes in vectors of 32 bytes. Compiled with -mavx2 -mf16c (src/CMakeLists.txt) and
 * called only where the CPU has both.
 */
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>

#include "attention/quantize.h"

enum {
    VECTOR_VALUES = 8,
    STEP_VALUES = 32,
    AHEAD_BYTES = 4096 /* of the smooth scales, which are most of what is read, and come from anywhere */
};

#define AFD__INLINE static inline __attribute__((always_inline))

AFD__INLINE __m256 values_at(const afd__quantize_work *work, size_t i, afd_token_type type, bool is_smooth)
{
    __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(work->token + i));
    __m256 values = type == AFD_TOKEN_F16
                        ? _mm256_cvtph_ps(halves)
                        : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
    return is_smooth ? _mm256_mul_ps(values, _mm256_loadu_ps(work->smooth_scales + i)) : values;
}

AFD__INLINE __m256i larger_magnitudes(__m256i largest, __m256 values)
{
    const __m256i magnitude_bits = _mm256_set1_epi32(INT32_MAX);
    return _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(values), magnitude_bits));
}

AFD__INLINE int32_t largest_of(__m256i lanes)
{
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 1)));
}

/* A line of scales for every step of the first pass; the second finds them near. By number and not by pointer, because
 * there may be no object at all where it points to. */
AFD__INLINE void fetch_ahead(const float *smooth_scales)
{
    __builtin_prefetch((const void *)((uintptr_t)smooth_scales + AHEAD_BYTES));
}

/* Two maxima, so that one step does not wait for the last. */
AFD__INLINE int32_t largest_of_token(const afd__quantize_work *work, afd_token_type type, bool is_smooth)
{
    __m256i first = _mm256_setzero_si256();
    __m256i second = _mm256_setzero_si256();
    for (size_t i = 0; i < work->hidden; i += AFD_HIDDEN_MULTIPLE) {
        if (is_smooth) {
            fetch_ahead(work->smooth_scales + i);
        }
        first = larger_magnitudes(first, values_at(work, i, type, is_smooth));
        second = larger_magnitudes(second, values_at(work, i + VECTOR_VALUES, type, is_smooth));
    }
    return largest_of(_mm256_max_epi32(first, second));
}

/* Rounds half to even, as the mode of the CPU is. */
AFD__INLINE __m256i quantized_at(const afd__quantize_work *work, size_t i, __m256 d, afd_token_type type,
                                 bool is_smooth)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(values_at(work, i, type, is_smooth), d));
}

/* Sixteen values as words. */
AFD__INLINE __m256i words_at(const afd__quantize_work *work, size_t i, __m256 d, afd_token_type type, bool is_smooth)
{
    return _mm256_packs_epi32(quantized_at(work, i, d, type, is_smooth),
                              quantized_at(work, i + VECTOR_VALUES, d, type, is_smooth));
}

/* Packing works within each half of the vectors, so that groups of four values come out of it exchanged. */
AFD__INLINE void write_token(uint8_t *slot, const afd__quantize_work *work, float d, afd_token_type type,
                             bool is_smooth)
{
    const afd__quantize_work read = *work; /* the slot is bytes, which might be the work for all the compiler knows */
    const __m256 factor = _mm256_set1_ps(d);
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    size_t i = 0;
    for (; i + STEP_VALUES <= read.hidden; i += STEP_VALUES) {
        __m256i first = words_at(&read, i, factor, type, is_smooth);
        __m256i second = words_at(&read, i + STEP_VALUES / 2, factor, type, is_smooth);
        __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), in_order);
        _mm256_storeu_si256((__m256i *)(void *)(slot + i), bytes);
    }
    if (i < read.hidden) {
        __m256i words = words_at(&read, i, factor, type, is_smooth);
        __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words, words), in_order);
        _mm_storeu_si128((__m128i *)(void *)(slot + i), _mm256_castsi256_si128(bytes));
    }
}

#include "attention/quantize_body.h"

const afd__quantize_passes afd__quantize_avx2 = { find_largest, write_values };
