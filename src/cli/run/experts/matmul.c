/* SPDX-License-Identifier: Apache-2.0 */
#include "run/experts/matmul.h"

#include <stdlib.h>

#include "out.h"
#include "run/experts/backend.h"

struct run_matmul {
    run_matmul_shape shape;
    run_onednn *onednn; /* NULL: portable loops */
    float *scratch;     /* of the portable loops */
};

run_matmul *run_matmul_create(run_matmul_kind kind, const run_matmul_shape *shape)
{
    run_onednn *onednn = kind != RUN_MATMUL_PORTABLE ? run_onednn_create(shape) : NULL;
    if (kind == RUN_MATMUL_ONEDNN && onednn == NULL) {
        return NULL;
    }
    run_matmul *matmul = afd_cli_alloc(1, sizeof(*matmul));
    *matmul = (run_matmul){ .shape = *shape, .onednn = onednn };
    if (onednn == NULL) {
        matmul->scratch = afd_cli_alloc((size_t)RUN_PORTABLE_ROWS * shape->input_num, sizeof(float));
    }
    return matmul;
}

void run_matmul_destroy(run_matmul *matmul)
{
    if (matmul != NULL) {
        run_onednn_destroy(matmul->onednn);
        free(matmul->scratch);
        free(matmul);
    }
}

/* All counts up to 8, then multiples of 4 up to 32, then of 16: while the weights come from memory a few rows more cost
 * next to nothing, and 20 routines for up to 128 rows instead of 128 cost a sixth of the memory. */
uint32_t run_matmul_padded_rows(const run_matmul *matmul, uint32_t row_num)
{
    if (matmul->onednn == NULL || row_num <= 8) {
        return row_num;
    }
    uint32_t step = row_num <= 32 ? 4 : 16;
    uint32_t padded = (row_num + step - 1) / step * step;
    return padded < matmul->shape.row_max ? padded : matmul->shape.row_max;
}

bool run_matmul_apply(run_matmul *matmul, uint32_t row_num, const uint16_t *x, const uint16_t *weights, float *y)
{
    if (matmul->onednn != NULL) {
        return run_onednn_apply(matmul->onednn, run_matmul_padded_rows(matmul, row_num), x, weights, y);
    }
    run_portable_apply(&matmul->shape, row_num, x, weights, matmul->scratch, y);
    return true;
}

const char *run_matmul_name(const run_matmul *matmul)
{
    return matmul->onednn != NULL ? run_onednn_name(matmul->onednn) : "portable loops";
}
