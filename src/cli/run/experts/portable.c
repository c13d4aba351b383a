/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain loops that a compiler makes vectors of. A panel is read from front to back in pairs of inputs, up to 4 rows at
 * a time against a block of outputs, whose sums stay in registers. Compiled with -O3 (CMakeLists.txt): the inner loops
 * have constant lengths and are to be unrolled.
 */
#include "run/experts/backend.h"

#include "run/experts/number.h"
#include "run/weights/weights.h"

/* The 16 registers of SSE2 and of NEON hold the sums of 32 outputs of 1 or 2 rows, and of 16 outputs of 4. */
enum { BLOCK = 32, BLOCK_OF_FOUR = 16 };

static inline __attribute__((always_inline)) void block(int row_num, int output_num, uint32_t input_num,
                                                         const float *x, const uint16_t *pairs, float *y,
                                                         uint32_t y_stride)
{
    float sums[RUN_PORTABLE_ROWS][BLOCK];
    for (int row = 0; row < row_num; row++) {
        for (int j = 0; j < output_num; j++) {
            sums[row][j] = 0.0F;
        }
    }
    for (uint32_t i = 0; i < input_num; i += 2) {
        float even[BLOCK];
        float odd[BLOCK];
        for (int j = 0; j < output_num; j++) {
            uint32_t pair;
            memcpy(&pair, pairs + (size_t)i * RUN_PANEL_OUTPUTS + 2 * j, sizeof(pair));
            even[j] = run_float_of(pair << 16); /* little-endian, as all hosts of libafd */
            odd[j] = run_float_of(pair & 0xFFFF0000U);
        }
        for (int row = 0; row < row_num; row++) {
            float first = x[(size_t)row * input_num + i];
            float second = x[(size_t)row * input_num + i + 1];
            for (int j = 0; j < output_num; j++) {
                sums[row][j] += even[j] * first + odd[j] * second;
            }
        }
    }
    for (int row = 0; row < row_num; row++) {
        for (int j = 0; j < output_num; j++) {
            y[(size_t)row * y_stride + (size_t)j] = sums[row][j];
        }
    }
}

/* One function for each number of rows, so that each has its loops unrolled. */
static void one_row(uint32_t input_num, const float *x, const uint16_t *pairs, float *y, uint32_t y_stride)
{
    block(1, BLOCK, input_num, x, pairs, y, y_stride);
}

static void two_rows(uint32_t input_num, const float *x, const uint16_t *pairs, float *y, uint32_t y_stride)
{
    block(2, BLOCK, input_num, x, pairs, y, y_stride);
}

static void four_rows(uint32_t input_num, const float *x, const uint16_t *pairs, float *y, uint32_t y_stride)
{
    block(4, BLOCK_OF_FOUR, input_num, x, pairs, y, y_stride);
}

static void panels(const run_matmul_shape *shape, uint32_t row_num, const float *x, const uint16_t *weights, float *y)
{
    uint32_t step = row_num == 4 ? BLOCK_OF_FOUR : BLOCK;
    for (uint32_t output = 0; output < shape->output_num; output += step) {
        uint32_t panel = output / RUN_PANEL_OUTPUTS * RUN_PANEL_OUTPUTS;
        const uint16_t *pairs = weights + (size_t)panel * shape->input_num + (size_t)2 * (output - panel);
        switch (row_num) {
        case 1:
            one_row(shape->input_num, x, pairs, y + output, shape->output_num);
            break;
        case 2:
            two_rows(shape->input_num, x, pairs, y + output, shape->output_num);
            break;
        default:
            four_rows(shape->input_num, x, pairs, y + output, shape->output_num);
            break;
        }
    }
}

void run_portable_apply(const run_matmul_shape *shape, uint32_t row_num, const uint16_t *x, const uint16_t *weights,
                        float *scratch, float *y)
{
    for (uint32_t row = 0; row < row_num;) {
        uint32_t left = row_num - row;
        uint32_t taken = left >= 4 ? 4 : left >= 2 ? 2 : 1;
        for (size_t i = 0; i < (size_t)taken * shape->input_num; i++) {
            scratch[i] = run_bf16_widen(x[(size_t)row * shape->input_num + i]);
        }
        panels(shape, taken, scratch, weights, y + (size_t)row * shape->output_num);
        row += taken;
    }
}
