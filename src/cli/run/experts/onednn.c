/* SPDX-License-Identifier: Apache-2.0 */
/* Products by oneDNN 2: a routine for each padded number of rows, made when it is first needed. */
#include "run/experts/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dnnl.h>
#include <omp.h>

#include "out.h"

enum { ROW_MAX = 256, NAME_BYTES = 96 };

typedef struct routine {
    dnnl_primitive_t primitive; /* NULL until it is needed */
    dnnl_memory_t x;
    dnnl_memory_t weights;
    dnnl_memory_t y;
    dnnl_memory_t scratch;
    void *scratch_bytes;
} routine;

struct run_onednn {
    run_matmul_shape shape;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    routine routines[ROW_MAX + 1]; /* by padded number of rows */
    char name[NAME_BYTES];
};

static bool is_good(dnnl_status_t status)
{
    return status == dnnl_success;
}

static bool describe(const run_matmul_shape *shape, dnnl_dim_t row_num, dnnl_memory_desc_t *x,
                     dnnl_memory_desc_t *weights, dnnl_memory_desc_t *y)
{
    const dnnl_dims_t x_dims = { row_num, shape->input_num };
    const dnnl_dims_t weights_dims = { shape->input_num, shape->output_num };
    const dnnl_dims_t y_dims = { row_num, shape->output_num };
    return is_good(dnnl_memory_desc_init_by_tag(x, 2, x_dims, dnnl_bf16, dnnl_ab)) &&
           /* The panels of the pool, in oneDNN's notation: it is the layout that it would choose itself. */
           is_good(dnnl_memory_desc_init_by_tag(weights, 2, weights_dims, dnnl_bf16, dnnl_BA16a64b2a)) &&
           is_good(dnnl_memory_desc_init_by_tag(y, 2, y_dims, dnnl_f32, dnnl_ab));
}

/* The caller's scratch and not the library's, which would belong to a thread. */
static bool make_description(const run_onednn *onednn, dnnl_memory_desc_t descs[3],
                             dnnl_primitive_desc_t *description)
{
    dnnl_matmul_desc_t operation;
    dnnl_primitive_attr_t attributes = NULL;
    bool good = is_good(dnnl_primitive_attr_create(&attributes)) &&
                is_good(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user)) &&
                is_good(dnnl_matmul_desc_init(&operation, &descs[0], &descs[1], NULL, &descs[2])) &&
                is_good(dnnl_primitive_desc_create(description, &operation, attributes, onednn->engine, NULL));
    (void)dnnl_primitive_attr_destroy(attributes);
    return good;
}

static bool make_scratch(const run_onednn *onednn, const_dnnl_primitive_desc_t description, routine *made)
{
    const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    size_t bytes = desc != NULL ? dnnl_memory_desc_get_size(desc) : 0;
    if (desc == NULL) {
        return false;
    }
    made->scratch_bytes = bytes > 0 ? afd_cli_alloc(1, bytes) : NULL;
    return is_good(dnnl_memory_create(&made->scratch, desc, onednn->engine, made->scratch_bytes));
}

static void drop_routine(routine *dropped)
{
    (void)dnnl_primitive_destroy(dropped->primitive);
    (void)dnnl_memory_destroy(dropped->x);
    (void)dnnl_memory_destroy(dropped->weights);
    (void)dnnl_memory_destroy(dropped->y);
    (void)dnnl_memory_destroy(dropped->scratch);
    free(dropped->scratch_bytes);
    *dropped = (routine){ 0 };
}

static void note_name(run_onednn *onednn, const_dnnl_primitive_desc_t description)
{
    const char *implementation = "";
    (void)dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &implementation);
    const dnnl_version_t *version = dnnl_version();
    (void)snprintf(onednn->name, sizeof(onednn->name), "oneDNN %d.%d.%d (%s)", version->major, version->minor,
                   version->patch, implementation);
}

static bool make_routine(run_onednn *onednn, uint32_t row_num)
{
    routine *made = &onednn->routines[row_num];
    dnnl_memory_desc_t descs[3];
    dnnl_primitive_desc_t description = NULL;
    bool good = describe(&onednn->shape, row_num, &descs[0], &descs[1], &descs[2]) &&
                make_description(onednn, descs, &description) &&
                is_good(dnnl_memory_create(&made->x, &descs[0], onednn->engine, DNNL_MEMORY_NONE)) &&
                is_good(dnnl_memory_create(&made->weights, &descs[1], onednn->engine, DNNL_MEMORY_NONE)) &&
                is_good(dnnl_memory_create(&made->y, &descs[2], onednn->engine, DNNL_MEMORY_NONE)) &&
                make_scratch(onednn, description, made) &&
                is_good(dnnl_primitive_create(&made->primitive, description));
    if (good) {
        note_name(onednn, description);
    } else {
        drop_routine(made);
    }
    (void)dnnl_primitive_desc_destroy(description);
    return good;
}

/* Of what oneDNN has for these operands only the routines for processors with products of bf16 pairs are faster than
 * portable loops; those for others are up to a thousand times slower. */
static bool is_fast(const run_onednn *onednn)
{
    return strstr(onednn->name, "(brg:") != NULL;
}

run_onednn *run_onednn_create(const run_matmul_shape *shape)
{
    /* One thread a worker. OpenMP keeps the number for the calling thread, and starts no other at 1. */
    omp_set_num_threads(1);
    run_onednn *onednn = afd_cli_alloc(1, sizeof(*onednn));
    onednn->shape = *shape;
    bool good = shape->row_max <= ROW_MAX && is_good(dnnl_engine_create(&onednn->engine, dnnl_cpu, 0)) &&
                is_good(dnnl_stream_create(&onednn->stream, onednn->engine, dnnl_stream_default_flags)) &&
                make_routine(onednn, 1) && is_fast(onednn);
    if (!good) {
        run_onednn_destroy(onednn);
        return NULL;
    }
    return onednn;
}

void run_onednn_destroy(run_onednn *onednn)
{
    if (onednn == NULL) {
        return;
    }
    for (int rows = 0; rows <= ROW_MAX; rows++) {
        drop_routine(&onednn->routines[rows]);
    }
    (void)dnnl_stream_destroy(onednn->stream);
    (void)dnnl_engine_destroy(onednn->engine);
    free(onednn);
}

bool run_onednn_apply(run_onednn *onednn, uint32_t padded_rows, const uint16_t *x, const uint16_t *weights, float *y)
{
    routine *used = &onednn->routines[padded_rows];
    if (used->primitive == NULL && !make_routine(onednn, padded_rows)) {
        return false;
    }
    const dnnl_exec_arg_t arguments[] = {
        { DNNL_ARG_SRC, used->x },
        { DNNL_ARG_WEIGHTS, used->weights },
        { DNNL_ARG_DST, used->y },
        { DNNL_ARG_SCRATCHPAD, used->scratch },
    };
    /* The handles are not const in C, but a product only reads its operands. */
    return is_good(dnnl_memory_set_data_handle(used->x, (void *)(uintptr_t)x)) &&
           is_good(dnnl_memory_set_data_handle(used->weights, (void *)(uintptr_t)weights)) &&
           is_good(dnnl_memory_set_data_handle(used->y, y)) &&
           is_good(dnnl_primitive_execute(used->primitive, onednn->stream, 4, arguments)) &&
           is_good(dnnl_stream_wait(onednn->stream));
}

const char *run_onednn_name(const run_onednn *onednn)
{
    return onednn->name;
}
