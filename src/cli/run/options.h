/* SPDX-License-Identifier: Apache-2.0 */
/* What the person who types `afd run` asked for. */
#ifndef AFD_CLI_RUN_OPTIONS_H
#define AFD_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/wait.h"

#include "run/model.h"

typedef struct run_options {
    const run_model *model;
    uint32_t attention_num;     /* S */
    uint32_t ffn_num;           /* at most the model's routed experts */
    uint32_t micro_batch_num;   /* M */
    uint32_t batch_size;        /* BS, tokens */
    uint32_t layer_num;         /* <= model->moe_layers */
    uint64_t step_num;          /* decode steps: each goes through all layers */
    uint32_t sync_group_size;   /* G; attention_num = all-sync */
    bool fair;
    bool threads;
    bool ucx;                   /* workers reach each other through UCX, not through memory that they share */
    bool json;
    bool quantize;              /* tokens travel as int8 */
    bool verify_full;           /* every row is computed again, not a sample */
    uint64_t weights_bytes;     /* of the pool, or RUN_WEIGHTS_FULL */
    const char *trace_path;     /* NULL: the router's own choices */
    const char *timeline_path;  /* NULL: none is written */
    afd_wait_strategy strategy; /* of every worker */
    uint64_t deadline_ns;       /* how long a wait may take before it is reported */
    uint64_t seed;
    const char *name;           /* the windows' names begin with it */
    bool is_named;              /* by the person who typed */
} run_options;

typedef enum run_parsed {
    RUN_PARSED_GO,    /* run */
    RUN_PARSED_DONE,  /* the answer was printed: --help, --list-models */
    RUN_PARSED_USAGE  /* said what was wrong */
} run_parsed;

run_parsed run_options_parse(run_options *options, int argc, char **argv);

#endif
