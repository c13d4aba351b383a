/* SPDX-License-Identifier: Apache-2.0 */
#include "run/quantized.h"

#include <math.h>
#include <string.h>

#include "run/board.h"
#include "run/experts/number.h"

float run_quantize(const uint16_t *row, uint32_t hidden, int8_t *values)
{
    float largest = 0.0F;
    for (uint32_t i = 0; i < hidden; i++) {
        float magnitude = fabsf(run_bf16_widen(row[i]));
        largest = magnitude > largest ? magnitude : largest;
    }
    if (largest == 0.0F) {
        memset(values, 0, hidden);
        return 0.0F;
    }
    float factor = 127.0F / largest;
    for (uint32_t i = 0; i < hidden; i++) {
        values[i] = (int8_t)lrintf(run_bf16_widen(row[i]) * factor);
    }
    return 1.0F / factor;
}

uint64_t run_quantized_mark(const int8_t *values, uint32_t hidden, float scale)
{
    return run_mark_of(values, hidden) ^ (uint64_t)run_float_bits(scale) << 1;
}
