/* SPDX-License-Identifier: Apache-2.0 */
/* Holds what the scheduler laid out against what the attention workers say they sent. */
#ifndef AFD_CLI_RUN_CHECK_H
#define AFD_CLI_RUN_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"

#include "run/histogram.h"
#include "run/job.h"

enum { RUN_MISMATCH_BYTES = 256 };

typedef struct run_checker {
    const run_job *job;
    uint64_t *seen_rounds;     /* [S][M]: rounds that came out so far */
    uint64_t *session_taken_num; /* [S]: micro-batches that came out of each session */
    uint64_t *expert_loads;    /* [layer][expert]: how often each was chosen */
    uint64_t session_num;      /* (session, micro-batch) pairs that came out */
    uint64_t id_num;           /* expert ids that were compared, empty slots too */
    uint64_t wrong_num;
    char first_mismatch[RUN_MISMATCH_BYTES];
    run_histogram latency_ns;  /* from the last flag that completed a group to the scheduler's return */
} run_checker;

/* Ends with run_checker_destroy(). */
void run_checker_create(run_checker *checker, const run_job *job);
void run_checker_destroy(run_checker *checker);

/* Checks the `taken_num` rows of `context`, which were returned at `now_ns`, and answers the attention workers. */
void run_check_taken(run_checker *checker, const afd_schedule_context *context, uint32_t taken_num, uint64_t now_ns);

/* How much the busiest expert of a layer got, against the mean of that layer: the largest over the layers. */
double run_checker_load_skew(const run_checker *checker);

#endif
