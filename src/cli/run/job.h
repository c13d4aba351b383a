/* SPDX-License-Identifier: Apache-2.0 */
/* One run: what was asked for, and what its workers share. Built before any worker starts and read-only after that,
 * but for the board, the stages and the timeline. */
#ifndef AFD_CLI_RUN_JOB_H
#define AFD_CLI_RUN_JOB_H

#include <stdio.h>

#include "afd/window.h"

#include "run/board.h"
#include "run/options.h"
#include "run/placement.h"
#include "run/router.h"
#include "run/stages/stages.h"
#include "run/timeline/timeline.h"
#include "run/trace/trace.h"
#include "run/traffic.h"
#include "run/weights/weights.h"

enum { RUN_WINDOW_NAME_BYTES = AFD_WINDOW_NAME_MAX + 2 }; /* room for one too many, so that it is noticed */

typedef struct run_job {
    run_options options;
    afd_shape shape;
    run_router router;
    run_trace trace;     /* without tokens where routing is the router's */
    run_traffic traffic;
    run_placement placement;
    run_weights weights;
    run_board board;
    run_stage_table *stages; /* [member] */
    run_timeline timeline;   /* without a mapping where none was asked for */
    FILE *timeline_file;     /* open from the start, so that nobody runs for an hour and then cannot have it */
} run_job;

static inline uint32_t run_job_member_num(const run_job *job)
{
    return job->options.ffn_num + job->options.attention_num;
}

/* Rounds of each (session, micro-batch): every step goes through all layers. */
static inline uint64_t run_job_round_num(const run_job *job)
{
    return job->options.step_num * job->options.layer_num;
}

/* Rounds of the whole run. */
static inline uint64_t run_job_total(const run_job *job)
{
    return run_job_round_num(job) * job->shape.session_num * job->shape.micro_batch_num;
}

/* The name of a member's window, "run-77.ffn0" or "run-77.attention1"; one that is too long is cut off and still too
 * long for the library, which says so. */
void run_job_window_name(const run_job *job, uint32_t member, char name[RUN_WINDOW_NAME_BYTES]);

/* AFD_OK, or AFD_ERR_INVALID if the library would not take a member's window under its name. */
afd_status run_job_check_names(const run_job *job, afd_error *error);

/* "FFN worker 0" or "attention worker 1". */
void run_job_member_name(const run_job *job, uint32_t member, char *name, size_t name_bytes);

/* Makes everything that the options ask for; false, with the sentence, if memory or a file refuses. Nothing is left to
 * free then. */
bool run_job_create(run_job *job, run_failure *failure);
void run_job_destroy(run_job *job);

#endif
