/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a worker goes: for each stage how often, how long by the clock on the wall, and how much of it on a
 * CPU. A table a worker, in anonymous shared memory that forked workers inherit. A worker writes its own table alone;
 * tables are read and added up when their workers have ended.
 */
#ifndef AFD_CLI_RUN_STAGES_H
#define AFD_CLI_RUN_STAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/worker.h"

#include "run/failure.h"
#include "run/histogram.h"
#include "run/timeline/timeline.h"

typedef struct run_stage_row {
    uint64_t num;
    uint64_t wall_ns;
    uint64_t cpu_ns;
    run_histogram wall; /* of ns, as is the next */
    run_histogram cpu;
} run_stage_row;

typedef struct run_stage_table {
    run_stage_row rows[AFD_STAGE_NUM];
} run_stage_table;

/* False if there is no memory for `worker_num` tables. Ends with run_stages_destroy(). */
bool run_stages_create(run_stage_table **tables, uint32_t worker_num, run_failure *failure);
void run_stages_destroy(run_stage_table *tables, uint32_t worker_num);

/* A stage that took so long. */
void run_stages_add(run_stage_table *table, afd_stage stage, uint64_t wall_ns, uint64_t cpu_ns);

/* Adds `other` to `table`, as if all had happened in one worker. */
void run_stages_merge(run_stage_table *table, const run_stage_table *other);

/* What a worker's observer needs; it lives in the worker and belongs to its thread. */
typedef struct run_stage_watch {
    run_stage_table *table;
    run_timeline *timeline; /* or NULL */
    uint32_t worker;
    uint64_t begin_wall_ns;
    uint64_t begin_cpu_ns;
} run_stage_watch;

/* An afd_stage_observer with a run_stage_watch as its argument. */
void run_stages_observe(void *watch, afd_stage stage, bool begins, uint32_t micro_batch, int32_t layer_id);

#endif
