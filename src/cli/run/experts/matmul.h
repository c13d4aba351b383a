/* SPDX-License-Identifier: Apache-2.0 */
/*
 * y = x W^T for one shape of W, in the panels of run/weights/weights.h, and any number of rows up to a bound: bf16 in,
 * products exact and sums f32. By oneDNN where the build has it and this processor has products of bf16 pairs, which is
 * found out when one is made; else by portable loops.
 *
 * A product belongs to the thread that made it. Nothing here starts a thread, so a process may fork after it.
 */
#ifndef AFD_CLI_RUN_EXPERTS_MATMUL_H
#define AFD_CLI_RUN_EXPERTS_MATMUL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct run_matmul_shape {
    uint32_t input_num;  /* a multiple of RUN_PANEL_INPUTS */
    uint32_t output_num; /* a multiple of RUN_PANEL_OUTPUTS */
    uint32_t row_max;
} run_matmul_shape;

typedef enum run_matmul_kind {
    RUN_MATMUL_AUTO,
    RUN_MATMUL_PORTABLE, /* for comparison */
    RUN_MATMUL_ONEDNN    /* none where it cannot be had */
} run_matmul_kind;

typedef struct run_matmul run_matmul;

/* NULL if the kind is not to be had here. Ends with run_matmul_destroy(). */
run_matmul *run_matmul_create(run_matmul_kind kind, const run_matmul_shape *shape);
void run_matmul_destroy(run_matmul *matmul); /* NULL is allowed */

/*
 * Rows that x and y must have room for when `row_num`, in [1, row_max], are wanted: a library gets padded counts, so
 * that it need not have one routine for each. What stands in the rows of padding does not matter.
 */
uint32_t run_matmul_padded_rows(const run_matmul *matmul, uint32_t row_num);

/* y[row_num][output_num] from x[row_num][input_num]. False if the library failed. */
bool run_matmul_apply(run_matmul *matmul, uint32_t row_num, const uint16_t *x, const uint16_t *weights, float *y);

/* "oneDNN 2.6.3 (brg:avx512_core_bf16)" or "portable loops". */
const char *run_matmul_name(const run_matmul *matmul);

#endif
