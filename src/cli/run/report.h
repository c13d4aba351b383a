/* SPDX-License-Identifier: Apache-2.0 */
/* What `afd run` says at the end, as a table or as JSON. */
#ifndef AFD_CLI_RUN_REPORT_H
#define AFD_CLI_RUN_REPORT_H

#include "run/crew.h"
#include "run/ffn.h"

/* AFD_EXIT_DONE, or another exit code if it could not be printed. */
int run_report(const run_job *job, const run_crew *crew, const run_checker *checker, const run_result *result);

#endif
