/* SPDX-License-Identifier: Apache-2.0 */
/* The FFN worker of `afd run`: schedules until everything that is sent has come out and was checked. */
#ifndef AFD_CLI_RUN_FFN_H
#define AFD_CLI_RUN_FFN_H

#include <stdint.h>

#include "run/check.h"
#include "run/crew.h"
#include "run/job.h"

typedef enum run_end {
    RUN_END_ALL_RIGHT,
    RUN_END_WRONG_IDS,   /* checker->first_mismatch says what */
    RUN_END_INTERRUPTED,
    RUN_END_WORKER_DIED, /* crew->death says who */
    RUN_END_REFUSED      /* said on stderr already */
} run_end;

typedef struct run_result {
    run_end end;
    uint64_t call_num;       /* that took something */
    uint64_t empty_pass_num; /* looks at the window that found nothing */
    uint64_t deadline_num;   /* waits that were reported late */
    uint64_t duration_ns;    /* from the first send to the last check */
} run_result;

void run_ffn(const run_job *job, run_crew *crew, run_checker *checker, run_result *result);

#endif
