/* SPDX-License-Identifier: Apache-2.0 */
/* What a row becomes on the way as int8, worked out by the definition in afd/token.h and not by the library's code. */
#ifndef AFD_CLI_RUN_QUANTIZED_H
#define AFD_CLI_RUN_QUANTIZED_H

#include <stdint.h>

/* Writes the values of a bf16 row that is finite, and returns its scale. */
float run_quantize(const uint16_t *row, uint32_t hidden, int8_t *values);

/* A number that stands for a quantised row, as run_mark_of() for any other. */
uint64_t run_quantized_mark(const int8_t *values, uint32_t hidden, float scale);

#endif
