/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/samples.h"

#include <stdlib.h>
#include <string.h>

#include "out.h"

bench_samples bench_samples_new(size_t capacity)
{
    bench_samples samples = { .capacity = capacity, .values_ns = afd_cli_alloc(capacity, sizeof(double)) };
    memset(samples.values_ns, 0x55, capacity * sizeof(double));
    return samples;
}

void bench_samples_free(bench_samples *samples)
{
    free(samples->values_ns);
    *samples = (bench_samples){ 0 };
}

void bench_samples_add(bench_samples *samples, double value_ns)
{
    if (samples->num == samples->capacity) {
        samples->capacity = samples->capacity * 2 + 64;
        samples->values_ns = afd_cli_realloc(samples->values_ns, samples->capacity, sizeof(double));
    }
    samples->values_ns[samples->num++] = value_ns;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void sort(bench_samples *samples)
{
    qsort(samples->values_ns, samples->num, sizeof(double), compare);
}

static double nearest_rank(const bench_samples *samples, size_t percent)
{
    size_t rank = (samples->num * percent + 99) / 100;
    return samples->values_ns[rank > 0 ? rank - 1 : 0];
}

bench_percentiles bench_samples_percentiles(bench_samples *samples)
{
    if (samples->num == 0) {
        return (bench_percentiles){ 0 };
    }
    sort(samples);
    return (bench_percentiles){
        .p50_ns = nearest_rank(samples, 50),
        .p90_ns = nearest_rank(samples, 90),
        .p99_ns = nearest_rank(samples, 99),
        .max_ns = samples->values_ns[samples->num - 1],
    };
}

double bench_samples_mean(bench_samples *samples)
{
    size_t first = samples->num / 4;
    size_t end = samples->num - first;
    double sum = 0;
    sort(samples);
    for (size_t i = first; i < end; i++) {
        sum += samples->values_ns[i];
    }
    return end > first ? sum / (double)(end - first) : 0;
}
