/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles of durations in constant memory: buckets that grow with the value, 32 to each power of two, so that a
 * percentile is at most 3.2 % above the sample it stands for. The maximum is exact. */
#ifndef AFD_CLI_RUN_HISTOGRAM_H
#define AFD_CLI_RUN_HISTOGRAM_H

#include <stdint.h>

enum {
    RUN_HISTOGRAM_SUB_BITS = 5,
    RUN_HISTOGRAM_BUCKET_NUM = (64 - RUN_HISTOGRAM_SUB_BITS + 1) << RUN_HISTOGRAM_SUB_BITS
};

typedef struct run_histogram {
    uint64_t counts[RUN_HISTOGRAM_BUCKET_NUM];
    uint64_t sample_num;
    uint64_t max;
} run_histogram;

void run_histogram_add(run_histogram *histogram, uint64_t value);

/* Adds the samples of `other` to `histogram`. */
void run_histogram_merge(run_histogram *histogram, const run_histogram *other);

/* The value that `percent` (in (0, 100]) of the samples do not exceed; 0 without samples. */
uint64_t run_histogram_percentile(const run_histogram *histogram, double percent);

#endif
