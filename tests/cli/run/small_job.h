/* SPDX-License-Identifier: Apache-2.0 */
/* A run of the small model that no worker has begun: what its parts work on. */
#ifndef SMALL_JOB_H
#define SMALL_JOB_H

#include "cmocka_headers.h"
#include "run/job.h"
#include "small_model.h"

/* Two FFN workers, two sessions, two micro-batches of four tokens, three layers. */
static inline run_options small_options(void)
{
    return (run_options){
        .model = &small_model,
        .attention_num = 2,
        .ffn_num = 2,
        .micro_batch_num = 2,
        .batch_size = 4,
        .layer_num = 3,
        .step_num = 2,
        .sync_group_size = 2,
        .threads = true, /* it shall not depend on what /dev/shm has free */
        .weights_bytes = 1 << 20,
        .deadline_ns = 1,
        .seed = 5,
        .name = "small",
    };
}

/* `job` is zeroed. Ends with run_job_destroy(). */
static inline void small_job_create(run_job *job, const run_options *options)
{
    run_failure failure = { "" };
    job->options = *options;
    if (!run_job_create(job, &failure)) {
        fail_msg("%s", failure.text);
    }
}

#endif
