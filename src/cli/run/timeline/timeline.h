/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every worker did when, for a picture: a fixed number of events a worker, in anonymous shared memory that forked
 * workers inherit, written afterwards as the JSON that Perfetto and chrome://tracing read. Each worker adds to its own
 * track alone; whoever writes the file may read at any time, and sees what was added before.
 */
#ifndef AFD_CLI_RUN_TIMELINE_H
#define AFD_CLI_RUN_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "afd/worker.h"

#include "run/failure.h"

typedef struct run_event {
    uint64_t begin_ns; /* on CLOCK_MONOTONIC */
    uint64_t end_ns;
    uint32_t stage;       /* afd_stage */
    uint32_t micro_batch; /* AFD_MICRO_BATCH_ANY: of several */
    int32_t layer;        /* -1: of several */
    uint32_t reserved;
} run_event;

typedef struct run_timeline {
    void *mapping; /* [worker_num] tracks */
    size_t mapping_bytes;
    size_t track_bytes;
    uint32_t worker_num;
    uint64_t event_max; /* of a worker; later ones are counted as dropped */
} run_timeline;

/* False if there is no memory for it. Ends with run_timeline_destroy(). */
bool run_timeline_create(run_timeline *timeline, uint32_t worker_num, uint64_t event_max, run_failure *failure);
void run_timeline_destroy(run_timeline *timeline);

/* In worker `worker`, in [0, worker_num), alone. */
void run_timeline_add(run_timeline *timeline, uint32_t worker, const run_event *event);

uint64_t run_timeline_dropped(const run_timeline *timeline, uint32_t worker);

/* "dispatch", "experts", ... */
const char *run_stage_name(uint32_t stage);

/*
 * Writes all tracks, times counted from the first event, with names[worker_num] as the tracks' names. False if there is
 * no memory; what the stream thinks of it, the caller asks the stream.
 */
bool run_timeline_write(const run_timeline *timeline, const char *const *names, FILE *stream);

#endif
