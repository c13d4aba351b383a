/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The witness: how long one cache line takes from one CPU to another and back. A host may place two virtual CPUs on one
 * core or on two, and only figures of one witness compare.
 */
#ifndef AFD_CLI_BENCH_PINGPONG_H
#define AFD_CLI_BENCH_PINGPONG_H

#include <stdbool.h>

#include "bench/cpus.h"
#include "bench/samples.h"
#include "bench/ticks.h"

/* A hundred round trips a sample. */
enum { BENCH_PINGPONG_LONG = 1000, BENCH_PINGPONG_SHORT = 30 };

/*
 * Measures from the calling thread, which must be on cpus->mine; the long one takes some tens of ms. False, with
 * errno, if no second thread could be made or it could not be tied to its CPU.
 */
bool bench_pingpong(const bench_cpus *cpus, const bench_clock *clock, int sample_num,
                    bench_percentiles *there_and_back);

#endif
