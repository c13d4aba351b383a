/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What arrives at an FFN worker's experts, held against what was sent: which expert, of which layer, for which token,
 * and the token's row itself. And the marks of what the experts make of it, by which run/verify.h knows the rows again.
 */
#ifndef AFD_CLI_RUN_ARRIVAL_H
#define AFD_CLI_RUN_ARRIVAL_H

#include "afd/worker.h"

#include "run/job.h"

/* Every row of a batch of FFN worker `number` against the sheets; differences go to its findings. */
void run_arrival_check(const run_job *job, uint32_t number, run_findings *findings, const afd_experts_call *call);

/* Leaves a mark of every result, for the attention worker that gets it. */
void run_arrival_mark_results(const run_job *job, const afd_experts_call *call);

#endif
