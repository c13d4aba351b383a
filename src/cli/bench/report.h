/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of the benchmark found, as a table for people and as JSON for programs. */
#ifndef AFD_CLI_BENCH_REPORT_H
#define AFD_CLI_BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/measure.h"

typedef struct bench_report {
    bench_cpus cpus;
    bench_clock clock;
    bool has_witness;
    bench_percentiles witness; /* one cache line there and back */
    bench_result *results;
    size_t result_num;
} bench_report;

/* The table on stdout, and what was skipped or wrong on stderr. */
void bench_report_text(const bench_report *report);

/* The same as one JSON object on stdout; the exit code of printing it. */
int bench_report_json(const bench_report *report);

#endif
