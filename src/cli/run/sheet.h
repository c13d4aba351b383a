/* SPDX-License-Identifier: Apache-2.0 */
/* The attention worker's side of a sheet (run/board.h): what it says was sent, and what came back held against the
 * marks that the FFN workers left on it. */
#ifndef AFD_CLI_RUN_SHEET_H
#define AFD_CLI_RUN_SHEET_H

#include "afd/window.h"

#include "run/flight.h"
#include "run/job.h"

/* Before the round of a flight is dispatched. */
void run_sheet_fill(const run_job *job, const run_flight *flight);

/* Every row that an expert made, as it stands in the attention window, by the mark that the FFN worker left of it. */
void run_sheet_check(const run_job *job, run_findings *findings, const run_flight *flight, const afd_window *window);

#endif
