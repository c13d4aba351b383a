/* SPDX-License-Identifier: Apache-2.0 */
#include "run/job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "out.h"
#include "run/weights/memory.h"

enum { TIMELINE_EVENTS_PER_ROUND = 6, TIMELINE_EVENT_MAX = 1 << 20 };

static run_traffic traffic_of(const run_job *job)
{
    const run_options *options = &job->options;
    return (run_traffic){
        .model = options->model,
        .layer_num = options->layer_num,
        .micro_batch_num = options->micro_batch_num,
        .batch_size = options->batch_size,
        .quantize = options->quantize,
        .seed = options->seed,
        .router = &job->router,
        .trace = &job->trace,
    };
}

void run_job_member_name(const run_job *job, uint32_t member, char *name, size_t name_bytes)
{
    uint32_t ffn_num = job->options.ffn_num;
    if (member < ffn_num) {
        (void)snprintf(name, name_bytes, "FFN worker %" PRIu32, member);
    } else {
        (void)snprintf(name, name_bytes, "attention worker %" PRIu32, member - ffn_num);
    }
}

void run_job_window_name(const run_job *job, uint32_t member, char name[RUN_WINDOW_NAME_BYTES])
{
    uint32_t ffn_num = job->options.ffn_num;
    bool is_ffn = member < ffn_num;
    (void)snprintf(name, RUN_WINDOW_NAME_BYTES, "%s.%s%" PRIu32, job->options.name, is_ffn ? "ffn" : "attention",
                   is_ffn ? member : member - ffn_num);
}

afd_status run_job_check_names(const run_job *job, afd_error *error)
{
    for (uint32_t member = 0; !job->options.threads && member < run_job_member_num(job); member++) {
        char name[RUN_WINDOW_NAME_BYTES];
        afd_window *window = NULL;
        run_job_window_name(job, member, name);
        /* Whether there is such a window does not matter here, and changes until a worker makes its own. */
        if (afd_window_join(name, AFD_WINDOW_READ, &window, error) == AFD_ERR_INVALID) {
            return AFD_ERR_INVALID;
        }
        afd_window_close(window);
    }
    return AFD_OK;
}

/* Of all workers. */
static bool measure_windows(const run_job *job, uint64_t *bytes, run_failure *failure)
{
    afd_window_sizes ffn;
    afd_window_sizes attention;
    afd_error error;
    if (afd_ffn_window_measure(&job->shape, &ffn, &error) != AFD_OK ||
        afd_attention_window_measure(&job->shape, &attention, &error) != AFD_OK) {
        return run_fail(failure, "%s", error.message);
    }
    *bytes = ffn.window_bytes * job->options.ffn_num + attention.window_bytes * job->options.attention_num;
    return true;
}

static bool refuse(run_failure *failure, const char *what, uint64_t needed, uint64_t present)
{
    char needed_text[AFD_CLI_BYTES_TEXT];
    char present_text[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes(needed, needed_text, sizeof(needed_text));
    afd_cli_human_bytes(present, present_text, sizeof(present_text));
    return run_fail(failure, "the windows of all workers need %s of %s, there are %s; use fewer or smaller "
                    "micro-batches (--micro-batches, --batch)", needed_text, what, present_text);
}

/* Before anything is started, because a worker that finds out for itself has kept the others waiting. */
static bool check_room(const run_job *job, uint64_t available_bytes, run_failure *failure)
{
    uint64_t window_bytes = 0;
    struct statvfs space;
    if (!measure_windows(job, &window_bytes, failure)) {
        return false;
    }
    if (!job->options.threads && statvfs("/dev/shm", &space) == 0) {
        uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
        if (window_bytes > free_bytes) {
            return refuse(failure, "shared memory (/dev/shm)", window_bytes, free_bytes);
        }
    }
    if (window_bytes > available_bytes) {
        return refuse(failure, "memory", window_bytes, available_bytes);
    }
    return true;
}

static bool create_routing(run_job *job, run_failure *failure)
{
    const run_options *options = &job->options;
    if (options->trace_path != NULL) {
        return run_trace_read(&job->trace, options->trace_path, options->model, options->layer_num, failure);
    }
    run_router_create(&job->router, options->model, options->layer_num, options->seed);
    return true;
}

static bool create_shared(run_job *job, run_failure *failure)
{
    const run_options *options = &job->options;
    uint32_t member_num = run_job_member_num(job);
    if (!run_board_create(&job->board, options->ffn_num, &job->shape, options->model->top_k, failure) ||
        !run_stages_create(&job->stages, member_num, failure)) {
        return false;
    }
    if (options->timeline_path == NULL) {
        return true;
    }
    uint64_t event_num = run_job_round_num(job) * job->shape.micro_batch_num * job->shape.session_num *
                         TIMELINE_EVENTS_PER_ROUND;
    job->timeline_file = fopen(options->timeline_path, "ae"); /* what is there stays until there is something new */
    if (job->timeline_file == NULL) {
        return run_fail(failure, "cannot write the timeline to %s: %s", options->timeline_path, strerror(errno));
    }
    return run_timeline_create(&job->timeline, member_num, event_num < TIMELINE_EVENT_MAX ? event_num
                                                                                          : TIMELINE_EVENT_MAX,
                               failure);
}

bool run_job_create(run_job *job, run_failure *failure)
{
    const run_options *options = &job->options;
    uint64_t available_bytes = run_memory_available("");
    uint64_t window_bytes = 0;
    job->traffic = traffic_of(job);
    job->shape = run_traffic_shape(&job->traffic, options->attention_num);
    bool made = check_room(job, available_bytes, failure) && measure_windows(job, &window_bytes, failure) &&
                create_routing(job, failure) && create_shared(job, failure) &&
                run_weights_create(&job->weights, options->model, options->layer_num, options->seed,
                                   options->weights_bytes, available_bytes - window_bytes, failure);
    if (!made) {
        run_job_destroy(job);
        return false;
    }
    run_placement_create(&job->placement, options->model, options->layer_num, options->ffn_num, 1);
    return true;
}

void run_job_destroy(run_job *job)
{
    run_placement_destroy(&job->placement);
    if (job->weights.pool != NULL) {
        run_weights_destroy(&job->weights);
    }
    if (job->timeline.mapping != NULL) {
        run_timeline_destroy(&job->timeline);
    }
    if (job->timeline_file != NULL) {
        (void)fclose(job->timeline_file);
    }
    run_stages_destroy(job->stages, run_job_member_num(job));
    run_board_destroy(&job->board);
    run_router_destroy(&job->router);
    if (job->trace.token_num > 0) {
        run_trace_destroy(&job->trace);
    }
}
