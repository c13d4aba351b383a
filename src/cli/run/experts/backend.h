/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways of a product, behind run/experts/matmul.h. */
#ifndef AFD_CLI_RUN_EXPERTS_BACKEND_H
#define AFD_CLI_RUN_EXPERTS_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "run/experts/matmul.h"

/* `scratch` has room for input_num floats for each of RUN_PORTABLE_ROWS rows. */
enum { RUN_PORTABLE_ROWS = 4 };
void run_portable_apply(const run_matmul_shape *shape, uint32_t row_num, const uint16_t *x, const uint16_t *weights,
                        float *scratch, float *y);

/* Absent (NULL) in a build without oneDNN, and on a processor for which it has only reference loops. */
typedef struct run_onednn run_onednn;
run_onednn *run_onednn_create(const run_matmul_shape *shape);
void run_onednn_destroy(run_onednn *onednn);
bool run_onednn_apply(run_onednn *onednn, uint32_t padded_rows, const uint16_t *x, const uint16_t *weights, float *y);
const char *run_onednn_name(const run_onednn *onednn);

#endif
