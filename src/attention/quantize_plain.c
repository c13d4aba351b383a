/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both passes as loops without a branch, so that a compiler makes vectors of them on any machine.
 *
 * Products and sums must be rounded one by one, which src/CMakeLists.txt tells the compiler (-ffp-contract=off).
 */
#include <stdbool.h>
#include <stddef.h>

#include "attention/quantize.h"
#include "base/half.h"

/* 1.5 * 2^23: a float of this size has no places behind the point, so adding it rounds to an integer, half to even,
 * and leaves that integer in two's complement in the low bits of the sum. */
static const float round_to_integer = 12582912.0F;

#define AFD__INLINE static inline __attribute__((always_inline))

AFD__INLINE float value_of(const uint16_t *token, const float *smooth_scales, uint32_t i, afd_token_type type,
                           bool is_smooth)
{
    float value = type == AFD_TOKEN_F16 ? afd__f16_to_f32(token[i]) : afd__bf16_to_f32(token[i]);
    return is_smooth ? value * smooth_scales[i] : value;
}

AFD__INLINE int32_t largest_of_token(const afd__quantize_work *work, afd_token_type type, bool is_smooth)
{
    const uint16_t *token = work->token;
    const float *smooth_scales = work->smooth_scales;
    const uint32_t hidden = work->hidden;
    int32_t largest = 0;
    for (uint32_t i = 0; i < hidden; i++) {
        uint32_t bits = afd__f32_bits(value_of(token, smooth_scales, i, type, is_smooth));
        int32_t magnitude = (int32_t)(bits & ~AFD__F32_SIGN);
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

/* The work is read before the loop: a byte written to the slot might change it, for all that the compiler knows. */
AFD__INLINE void write_token(uint8_t *restrict slot, const afd__quantize_work *work, float d, afd_token_type type,
                             bool is_smooth)
{
    const uint16_t *token = work->token;
    const float *smooth_scales = work->smooth_scales;
    const uint32_t hidden = work->hidden;
    for (uint32_t i = 0; i < hidden; i++) {
        float product = value_of(token, smooth_scales, i, type, is_smooth) * d;
        slot[i] = (uint8_t)afd__f32_bits(product + round_to_integer);
    }
}

#include "attention/quantize_body.h"

const afd__quantize_passes afd__quantize_plain = { find_largest, write_values };
