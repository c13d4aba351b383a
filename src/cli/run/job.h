/* SPDX-License-Identifier: Apache-2.0 */
/* One run: what was asked for, and what its workers share. Built before any worker starts and read-only after that. */
#ifndef AFD_CLI_RUN_JOB_H
#define AFD_CLI_RUN_JOB_H

#include "afd/window.h"

#include "run/ledger.h"
#include "run/options.h"
#include "run/router.h"

enum { RUN_WINDOW_NAME_BYTES = AFD_WINDOW_NAME_MAX + 2 }; /* room for one too many, so that it is noticed */

typedef struct run_job {
    run_options options;
    afd_shape shape;
    uint64_t rounds_per_micro_batch; /* steps * layers: how often each (session, micro-batch) is sent */
    char window_name[RUN_WINDOW_NAME_BYTES];
    run_router router;
    run_ledger ledger;
    afd_window *window;              /* the FFN worker's; threads produce into it, processes join it by name */
} run_job;

/* Micro-batches that the whole run sends. */
static inline uint64_t run_job_total(const run_job *job)
{
    return job->rounds_per_micro_batch * job->shape.session_num * job->shape.micro_batch_num;
}

#endif
