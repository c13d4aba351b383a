/* SPDX-License-Identifier: Apache-2.0 */
/* Measures one row: ours, the reference and the floors in random order, round after round. */
#ifndef AFD_CLI_BENCH_MEASURE_H
#define AFD_CLI_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/status.h"
#include "bench/cpus.h"
#include "bench/row.h"
#include "bench/samples.h"
#include "bench/ticks.h"

typedef enum bench_outcome {
    BENCH_MEASURED,
    BENCH_SKIPPED, /* `note` says why */
    BENCH_WRONG    /* `note` says who gave a wrong result: its figures are worth nothing */
} bench_outcome;

typedef struct bench_plan {
    bench_cpus cpus;
    bench_clock clock;
    uint64_t sample_num; /* rounds a row; 0: as many as the time for a row allows */
} bench_plan;

typedef struct bench_result {
    const bench_row *row;
    bench_outcome outcome;
    char note[AFD_ERROR_MESSAGE_BYTES + 64];
    bench_percentiles ours;
    bench_percentiles reference;
    bench_percentiles floor;
    const char *floor_name; /* the floor that was the lowest */
    double witness_ns;      /* p50 of one cache line there and back, just before the row; 0 where there is no partner */
    double overhead_ns;     /* of one call: clock, call and serialising, which are subtracted */
    uint64_t sample_num;    /* of each of them */
    uint32_t batch_num;     /* calls that were timed together */
} bench_result;

/* The calling thread must be on plan->cpus.mine. */
bench_result bench_measure(const bench_plan *plan, const bench_row *row);

#endif
