/* SPDX-License-Identifier: Apache-2.0 */
/* The samples of one variant of one row. All are kept; outliers are results too. */
#ifndef AFD_CLI_BENCH_SAMPLES_H
#define AFD_CLI_BENCH_SAMPLES_H

#include <stddef.h>

typedef struct bench_samples {
    size_t num;
    size_t capacity;
    double *values_ns;
} bench_samples;

typedef struct bench_percentiles {
    double p50_ns;
    double p90_ns;
    double p99_ns;
    double max_ns;
} bench_percentiles;

/* Memory for `capacity` samples, touched, so that no page is first written while something is timed. */
bench_samples bench_samples_new(size_t capacity);
void bench_samples_free(bench_samples *samples);

/* Adds one; beyond the capacity it grows. */
void bench_samples_add(bench_samples *samples, double value_ns);

/* By nearest rank: with fewer than 100 samples p99 is the largest. Sorts the samples. All 0 without samples. */
bench_percentiles bench_samples_percentiles(bench_samples *samples);

/* The mean without the upper and the lower quarter. */
double bench_samples_mean(bench_samples *samples);

#endif
