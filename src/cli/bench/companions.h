/* SPDX-License-Identifier: Apache-2.0 */
/* How the rows of the scheduler's companions are measured: kinds dispatch, dispatch-int8, batch, index, reply and
 * combine. */
#ifndef AFD_CLI_BENCH_COMPANIONS_H
#define AFD_CLI_BENCH_COMPANIONS_H

#include "bench/stage.h"

/* Makes the stage of a row. False: there is none, and the result says why it is skipped. */
bool bench_companions_begin(bench_stage *stage, const bench_plan *plan, const bench_row *row, bench_result *result);

#endif
