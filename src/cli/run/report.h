/* SPDX-License-Identifier: Apache-2.0 */
/* What `afd run` says at the end, as a table or as JSON. */
#ifndef AFD_CLI_RUN_REPORT_H
#define AFD_CLI_RUN_REPORT_H

#include "run/crew.h"
#include "run/totals.h"

/* AFD_EXIT_DONE, or another exit code if it could not be printed. */
int run_report(const run_job *job, const run_crew *crew, run_end end);

/* The same as JSON. */
int run_report_json(const run_job *job, const run_crew *crew, run_end end, const run_totals *totals);

/* "all right", "wrong", "interrupted", "worker died". */
const char *run_report_verdict(run_end end);

#endif
