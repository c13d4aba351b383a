/* SPDX-License-Identifier: Apache-2.0 */
/* The 16-bit floats by their definition, slowly: sums of powers of two in a double, and rounding by search. */
#ifndef PLAIN_HALF_H
#define PLAIN_HALF_H

#include <stdbool.h>
#include <stdint.h>

/* A format by its two widths. */
typedef struct plain_half_format {
    int exponent_bits;
    int mantissa_bits;
} plain_half_format;

extern const plain_half_format plain_f16;
extern const plain_half_format plain_bf16;

uint16_t plain_half_infinity(const plain_half_format *format);
bool plain_half_is_nan(const plain_half_format *format, uint16_t half);

/* The magnitude that the bits of a finite number stand for; of infinity, what would come after the largest. */
double plain_half_magnitude(const plain_half_format *format, uint16_t half);

/* What the bits stand for, infinities and NaN included. */
float plain_half_value(const plain_half_format *format, uint16_t half);

/* The nearest of all halves; of two that are as near, the even one. Any NaN becomes the same one. */
uint16_t plain_half_nearest(const plain_half_format *format, float value);

#endif
