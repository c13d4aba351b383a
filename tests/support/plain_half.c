/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_half.h"

#include <math.h>

enum { HALF_SIGN = 0x8000 };

const plain_half_format plain_f16 = { .exponent_bits = 5, .mantissa_bits = 10 };
const plain_half_format plain_bf16 = { .exponent_bits = 8, .mantissa_bits = 7 };

uint16_t plain_half_infinity(const plain_half_format *format)
{
    return (uint16_t)(((1 << format->exponent_bits) - 1) << format->mantissa_bits);
}

bool plain_half_is_nan(const plain_half_format *format, uint16_t half)
{
    return (half & 0x7FFF) > plain_half_infinity(format);
}

double plain_half_magnitude(const plain_half_format *format, uint16_t half)
{
    int bias = (1 << (format->exponent_bits - 1)) - 1;
    int exponent = (half & 0x7FFF) >> format->mantissa_bits;
    int mantissa = half & ((1 << format->mantissa_bits) - 1);
    if (exponent == 0) {
        return ldexp(mantissa, 1 - bias - format->mantissa_bits);
    }
    return ldexp(mantissa + (1 << format->mantissa_bits), exponent - bias - format->mantissa_bits);
}

float plain_half_value(const plain_half_format *format, uint16_t half)
{
    bool is_infinite = (half & 0x7FFF) == plain_half_infinity(format);
    if (plain_half_is_nan(format, half)) {
        return NAN;
    }
    float magnitude = is_infinite ? INFINITY : (float)plain_half_magnitude(format, half);
    return (half & HALF_SIGN) != 0 ? -magnitude : magnitude;
}

/* By halving the interval between 0 and infinity. */
uint16_t plain_half_nearest(const plain_half_format *format, float value)
{
    double wanted = fabs((double)value);
    uint16_t sign = signbit(value) ? HALF_SIGN : 0;
    uint16_t below = 0;
    uint16_t above = plain_half_infinity(format);
    if (isnan(value)) {
        return above + 1;
    }
    if (isinf(value) || wanted >= plain_half_magnitude(format, above)) {
        return sign | above;
    }
    while (above - below > 1) {
        uint16_t middle = (uint16_t)((below + above) / 2);
        *(plain_half_magnitude(format, middle) <= wanted ? &below : &above) = middle;
    }
    double to_below = wanted - plain_half_magnitude(format, below); /* exact: both have few bits */
    double to_above = plain_half_magnitude(format, above) - wanted;
    bool goes_up = to_above < to_below || (to_above == to_below && below % 2 != 0);
    return sign | (goes_up ? above : below);
}
