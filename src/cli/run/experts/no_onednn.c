/* SPDX-License-Identifier: Apache-2.0 */
/* In a build without oneDNN there is none to be made. */
#include "run/experts/backend.h"

#include <stddef.h>

run_onednn *run_onednn_create(const run_matmul_shape *shape)
{
    (void)shape;
    return NULL;
}

void run_onednn_destroy(run_onednn *onednn)
{
    (void)onednn;
}

bool run_onednn_apply(run_onednn *onednn, uint32_t padded_rows, const uint16_t *x, const uint16_t *weights, float *y)
{
    (void)onednn;
    (void)padded_rows;
    (void)x;
    (void)weights;
    (void)y;
    return false;
}

const char *run_onednn_name(const run_onednn *onednn)
{
    (void)onednn;
    return "no oneDNN";
}
