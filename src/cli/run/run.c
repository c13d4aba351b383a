/* SPDX-License-Identifier: Apache-2.0 */
/* `afd run`: one FFN worker and its attention workers on this host, everything checked. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "out.h"
#include "run/crew.h"
#include "run/ffn.h"
#include "run/guard.h"
#include "run/job.h"
#include "run/report.h"
#include "run/signals.h"
#include "verbs.h"

enum { TOKEN_ELEMENT_BYTES = 2 }; /* bf16 */

static afd_shape shape_of(const run_options *options)
{
    return (afd_shape){
        .session_num = options->attention_num,
        .micro_batch_num = options->micro_batch_num,
        .micro_batch_size = options->batch_size,
        .selected_expert_num = run_model_slot_num(options->model),
        .expert_num = run_model_expert_num(options->model),
        .attn_to_ffn_token_size = options->model->hidden * TOKEN_ELEMENT_BYTES,
        .ffn_to_attn_token_size = options->model->hidden * TOKEN_ELEMENT_BYTES,
    };
}

static void name_window(run_job *job)
{
    if (job->options.window_name != NULL) {
        /* One that is too long is cut off, and still too long for the library, which says so. */
        (void)snprintf(job->window_name, sizeof(job->window_name), "%s", job->options.window_name);
    } else {
        (void)snprintf(job->window_name, sizeof(job->window_name), "run-%d", (int)getpid());
    }
}

static afd_status make_window(run_job *job, afd_error *error)
{
    if (job->options.threads) {
        return afd_ffn_window_create_private(&job->shape, &job->window, error);
    }
    afd_status status = afd_ffn_window_create_shared(job->window_name, &job->shape, &job->window, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_window_info info;
    char bytes[AFD_CLI_BYTES_TEXT];
    afd_window_describe(job->window, &info);
    afd_cli_human_bytes(info.file_bytes, bytes, sizeof(bytes));
    afd_cli_note("run", "window %s, %s of shared memory", info.name, bytes);
    if (info.replaced_pid != 0) {
        afd_cli_note("run", "it replaces one that process %" PRIu32 " left behind when it died", info.replaced_pid);
    }
    return AFD_OK;
}

static int exit_code(run_end end)
{
    switch (end) {
    case RUN_END_ALL_RIGHT:
        return AFD_EXIT_DONE;
    case RUN_END_WRONG_IDS:
        return AFD_EXIT_NO;
    case RUN_END_INTERRUPTED:
        return AFD_EXIT_INTERRUPTED;
    case RUN_END_WORKER_DIED:
        return AFD_EXIT_DIED;
    case RUN_END_REFUSED:
        break;
    }
    return AFD_EXIT_REFUSED;
}

/* With the window there: starts the workers, lets them work, and reports. */
static int run_workers(const run_job *job, run_guard *guard)
{
    run_crew crew;
    run_checker checker;
    run_result result = { .end = RUN_END_REFUSED };
    run_checker_create(&checker, job);
    bool started = run_crew_start(&crew, job, guard);
    if (started) {
        run_ffn(job, &crew, &checker, &result);
    }
    if (result.end != RUN_END_ALL_RIGHT) {
        afd_stop_raise(job->ledger.stop);
    }
    run_crew_end(&crew);
    int code = exit_code(result.end);
    if (started && result.end != RUN_END_REFUSED) {
        int printed = run_report(job, &crew, &checker, &result);
        code = printed == AFD_EXIT_DONE ? code : printed;
    }
    run_checker_destroy(&checker);
    return code;
}

static int run_with_window(run_job *job, run_guard *guard)
{
    afd_error error;
    if (make_window(job, &error) != AFD_OK) {
        afd_cli_error("run", &error);
        return afd_cli_exit_code(error.status);
    }
    int code = run_workers(job, guard);
    afd_window_close(job->window);
    return code;
}

/* Processes need somebody who cleans up when this one is killed; threads have nothing that outlives it. */
static int run_guarded(run_job *job)
{
    if (job->options.threads) {
        return run_with_window(job, NULL);
    }
    run_guard guard;
    if (!run_guard_start(&guard, job->window_name)) {
        afd_cli_note("run", "cannot start the process that cleans up after a crash: %s", strerror(errno));
        return AFD_EXIT_REFUSED;
    }
    int code = run_with_window(job, &guard);
    run_guard_end(&guard);
    return code;
}

static int run_job_whole(run_job *job)
{
    uint64_t id_num = (uint64_t)job->shape.micro_batch_size * job->shape.selected_expert_num;
    if (!run_ledger_create(&job->ledger, job->shape.session_num, job->shape.micro_batch_num, id_num)) {
        afd_cli_note("run", "no memory for the ledger of what is sent: %s", strerror(errno));
        return AFD_EXIT_REFUSED;
    }
    run_signals_catch(job->ledger.stop);
    run_router_create(&job->router, job->options.model, job->options.layer_num, job->options.seed);
    int code = run_guarded(job);
    run_router_destroy(&job->router);
    run_ledger_destroy(&job->ledger);
    return code;
}

int afd_cmd_run(int argc, char **argv)
{
    run_job job = { 0 };
    switch (run_options_parse(&job.options, argc, argv)) {
    case RUN_PARSED_DONE:
        return AFD_EXIT_DONE;
    case RUN_PARSED_USAGE:
        return AFD_EXIT_USAGE;
    case RUN_PARSED_GO:
        break;
    }
    job.shape = shape_of(&job.options);
    job.rounds_per_micro_batch = job.options.step_num * job.options.layer_num;
    name_window(&job);
    return run_job_whole(&job);
}
