/* SPDX-License-Identifier: Apache-2.0 */
#include "run/histogram.h"

enum { SUB_NUM = 1 << RUN_HISTOGRAM_SUB_BITS };

/* Values below SUB_NUM have a bucket each; above, the top RUN_HISTOGRAM_SUB_BITS + 1 bits choose it. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < SUB_NUM) {
        return (uint32_t)value;
    }
    uint32_t shift = 63U - (uint32_t)__builtin_clzll(value) - RUN_HISTOGRAM_SUB_BITS;
    return (shift << RUN_HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t bucket_end(uint32_t bucket)
{
    if (bucket < SUB_NUM) {
        return bucket;
    }
    uint32_t shift = (bucket >> RUN_HISTOGRAM_SUB_BITS) - 1;
    uint64_t top = (bucket & (SUB_NUM - 1)) + SUB_NUM;
    return ((top + 1) << shift) - 1;
}

void run_histogram_add(run_histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->sample_num++;
    if (value > histogram->max) {
        histogram->max = value;
    }
}

void run_histogram_merge(run_histogram *histogram, const run_histogram *other)
{
    for (uint32_t bucket = 0; bucket < RUN_HISTOGRAM_BUCKET_NUM; bucket++) {
        histogram->counts[bucket] += other->counts[bucket];
    }
    histogram->sample_num += other->sample_num;
    histogram->max = other->max > histogram->max ? other->max : histogram->max;
}

uint64_t run_histogram_percentile(const run_histogram *histogram, double percent)
{
    uint64_t seen = 0;
    double wanted = (double)histogram->sample_num * percent / 100.0;
    for (uint32_t bucket = 0; bucket < RUN_HISTOGRAM_BUCKET_NUM; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t end = bucket_end(bucket);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}
