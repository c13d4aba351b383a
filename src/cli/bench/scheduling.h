/* SPDX-License-Identifier: Apache-2.0 */
/* How the rows of the scheduler are measured: kinds schedule, flag and idle. */
#ifndef AFD_CLI_BENCH_SCHEDULING_H
#define AFD_CLI_BENCH_SCHEDULING_H

#include "bench/stage.h"

/* Makes the stage of a row. False: there is none, and the result says why it is skipped. */
bool bench_scheduling_begin(bench_stage *stage, const bench_plan *plan, const bench_row *row, bench_result *result);

#endif
