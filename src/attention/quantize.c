/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes over a token: the largest magnitude, then the values. Each is a loop without a branch, so that a compiler
 * makes vectors of it. Nothing is kept between the passes: converting a value again costs less than a buffer for tokens
 * of any size.
 *
 * Products and sums must be rounded one by one, which src/CMakeLists.txt tells the compiler (-ffp-contract=off).
 */
#include "attention/quantize.h"

#include <stdbool.h>
#include <string.h>

#include "base/half.h"

/* 1.5 * 2^23: a float of this size has no places behind the point, so adding it rounds to an integer, half to even,
 * and leaves that integer in two's complement in the low bits of the sum. */
static const float round_to_integer = 12582912.0F;

static const float limit = 127.0F;
static const float smallest = 0x1p-119F;         /* below it, 1 / d would be no normal float any more */
static const int32_t infinity_bits = 0x7F800000; /* magnitudes are compared as bits: NaN > infinity > all others */
static const uint32_t nan_scale_bits = UINT32_C(0x7FC00000);

/* Always inlined with a constant `type` and `is_smooth`, so that neither is asked in a loop. */
static inline __attribute__((always_inline)) float value_of(const uint16_t *token, const float *smooth_scales,
                                                            uint32_t i, afd_token_type type, bool is_smooth)
{
    float value = type == AFD_TOKEN_F16 ? afd__f16_to_f32(token[i]) : afd__bf16_to_f32(token[i]);
    return is_smooth ? value * smooth_scales[i] : value;
}

/* The bits of max|v|. */
static inline __attribute__((always_inline)) int32_t find_largest(const uint16_t *token, const float *smooth_scales,
                                                                  uint32_t hidden, afd_token_type type, bool is_smooth)
{
    int32_t largest = 0;
    for (uint32_t i = 0; i < hidden; i++) {
        uint32_t bits = afd__f32_bits(value_of(token, smooth_scales, i, type, is_smooth));
        int32_t magnitude = (int32_t)(bits & ~AFD__F32_SIGN);
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

static inline __attribute__((always_inline)) void write_values(uint8_t *restrict slot, const uint16_t *token,
                                                               const float *smooth_scales, uint32_t hidden, float d,
                                                               afd_token_type type, bool is_smooth)
{
    for (uint32_t i = 0; i < hidden; i++) {
        float product = value_of(token, smooth_scales, i, type, is_smooth) * d;
        slot[i] = (uint8_t)afd__f32_bits(product + round_to_integer);
    }
}

/* Returns the scale. */
static inline __attribute__((always_inline)) float quantize(uint8_t *slot, const uint16_t *token,
                                                            const float *smooth_scales, uint32_t hidden,
                                                            afd_token_type type, bool is_smooth)
{
    int32_t largest_bits = find_largest(token, smooth_scales, hidden, type, is_smooth);
    float largest = afd__f32_of_bits((uint32_t)largest_bits);
    if (largest_bits >= infinity_bits || largest < smallest) {
        memset(slot, 0, hidden);
        return largest_bits >= infinity_bits ? afd__f32_of_bits(nan_scale_bits) : 0.0F;
    }
    float d = limit / largest;
    write_values(slot, token, smooth_scales, hidden, d, type, is_smooth);
    return 1.0F / d;
}

void afd__quantize_token(void *slot, const uint16_t *token, const float *smooth_scales, uint32_t hidden,
                         afd_token_type type)
{
    uint8_t *bytes = slot;
    float scale;
    if (type == AFD_TOKEN_F16) {
        scale = smooth_scales == NULL ? quantize(bytes, token, NULL, hidden, AFD_TOKEN_F16, false)
                                      : quantize(bytes, token, smooth_scales, hidden, AFD_TOKEN_F16, true);
    } else {
        scale = smooth_scales == NULL ? quantize(bytes, token, NULL, hidden, AFD_TOKEN_BF16, false)
                                      : quantize(bytes, token, smooth_scales, hidden, AFD_TOKEN_BF16, true);
    }
    uint64_t scale_offset = afd_token_scale_offset(hidden);
    memset(bytes + hidden, 0, scale_offset - hidden);
    memcpy(bytes + scale_offset, &scale, sizeof(scale));
}
