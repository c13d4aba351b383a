/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ffn.h"

#include <inttypes.h>
#include <stdlib.h>

#include "afd/ffn.h"
#include "out.h"
#include "run/progress.h"
#include "run/signals.h"

enum {
    LATE_MAX = 8, /* named in one report; the rest is counted */
    WHO_BYTES = 48
};

typedef struct ffn_worker {
    const run_job *job;
    run_crew *crew;
    run_checker *checker;
    run_result *result;
    afd_schedule_context *context;
    afd_ffn_scheduler *scheduler;
    afd_ffn_schedule_args args;
    afd_wait wait;
    afd_late late[LATE_MAX];
    uint64_t next_silence_look_ns;
    run_progress_bar bar;
} ffn_worker;

static void look_for_deaths(const ffn_worker *worker)
{
    if (run_crew_has_lost_somebody(worker->crew)) {
        afd_stop_raise(worker->job->ledger.stop);
    }
}

/* The scheduler's poll: a worker that died ends the wait for it. */
static void watch_crew(void *arg)
{
    if (run_signals_child_event()) {
        look_for_deaths(arg);
    }
}

static bool crew_has_joined(void *arg)
{
    const ffn_worker *worker = arg;
    return run_crew_has_joined(worker->crew);
}

static afd_status prepare(ffn_worker *worker, afd_error *error)
{
    const run_job *job = worker->job;
    const run_options *options = &job->options;
    afd_ffn_scheduler_options scheduler_options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    scheduler_options.fair = options->fair;
    uint64_t bytes = afd_ffn_scheduler_footprint(job->shape.session_num, job->shape.micro_batch_num);
    void *memory = afd_cli_alloc(1, bytes);
    afd_status status = afd_ffn_scheduler_new(job->shape.session_num, job->shape.micro_batch_num, &scheduler_options,
                                              memory, bytes, &worker->scheduler, error);
    if (status == AFD_OK) {
        status = afd_ffn_context_create(&job->shape, &worker->context, error);
    }
    if (status == AFD_OK) {
        status = afd_window_bind(job->window, worker->context, error);
    }
    worker->args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)options->sync_group_size);
    worker->args.scheduler = worker->scheduler;
    worker->wait = (afd_wait)AFD_WAIT_INIT(options->strategy);
    worker->wait.stop = job->ledger.stop;
    worker->wait.poll = watch_crew;
    worker->wait.poll_arg = worker;
    worker->wait.late = worker->late;
    worker->wait.late_capacity = LATE_MAX;
    return status;
}

static void report_late(const ffn_worker *worker)
{
    for (uint32_t i = 0; i < worker->wait.late_num && i < LATE_MAX; i++) {
        const afd_late *late = &worker->late[i];
        char who[WHO_BYTES];
        double silent_s = (double)late->silent_ns / 1e9;
        run_crew_name(worker->crew, late->session, who, sizeof(who));
        if (late->micro_batch == AFD_MICRO_BATCH_ANY) {
            afd_cli_note("run", "late: %s has no micro-batch ready, and was silent for %.1f s", who, silent_s);
        } else {
            afd_cli_note("run", "late: %s, micro-batch %" PRIu32 " has flag %" PRId32 ", and was silent for %.1f s",
                         who, late->micro_batch, late->flag, silent_s);
        }
    }
    if (worker->wait.late_num > LATE_MAX) {
        afd_cli_note("run", "late: and %" PRIu32 " more", worker->wait.late_num - LATE_MAX);
    }
}

/* In groups nobody waits for a session that has gone quiet, so no deadline names it: look, once a deadline's time. */
static void report_silent(ffn_worker *worker, uint64_t now_ns)
{
    const run_job *job = worker->job;
    uint64_t expected_num = job->rounds_per_micro_batch * job->shape.micro_batch_num;
    if (now_ns < worker->next_silence_look_ns) {
        return;
    }
    worker->next_silence_look_ns = now_ns + job->options.deadline_ns;
    for (uint32_t s = 0; s < job->shape.session_num; s++) {
        uint64_t silent_ns = afd_ffn_scheduler_silent_ns(worker->scheduler, s, now_ns);
        if (worker->checker->session_taken_num[s] < expected_num && silent_ns > job->options.deadline_ns) {
            char who[WHO_BYTES];
            run_crew_name(worker->crew, s, who, sizeof(who));
            worker->result->deadline_num++;
            afd_cli_note("run", "late: %s was silent for %.1f s, while others go on", who, (double)silent_ns / 1e9);
        }
    }
}

/* Whose stop it was. A person's comes first: workers then end because of it. */
static run_end why_stopped(void)
{
    return run_signals_interrupted() ? RUN_END_INTERRUPTED : RUN_END_WORKER_DIED;
}

/* What a call took; true if it was right. */
static bool check_taken(ffn_worker *worker, uint32_t taken_num)
{
    uint64_t now_ns = afd_clock_ns();
    run_check_taken(worker->checker, worker->context, taken_num, now_ns);
    if (worker->checker->wrong_num > 0) {
        worker->result->end = RUN_END_WRONG_IDS;
        return false;
    }
    report_silent(worker, now_ns);
    return true;
}

/* One call; true if the run goes on. */
static bool schedule_once(ffn_worker *worker)
{
    afd_error error;
    uint32_t taken_num = 0;
    worker->wait.deadline_ns = afd_clock_ns() + worker->job->options.deadline_ns;
    switch (afd_ffn_schedule(worker->context, &worker->args, &worker->wait, &taken_num, &error)) {
    case AFD_OK:
        worker->result->call_num++;
        return check_taken(worker, taken_num);
    case AFD_DEADLINE:
        worker->result->deadline_num++;
        report_late(worker);
        look_for_deaths(worker); /* whether a signal told of one or not */
        return true;
    case AFD_STOPPED:
        worker->result->end = why_stopped();
        return false;
    default:
        afd_cli_error("run", &error);
        worker->result->end = RUN_END_REFUSED;
        return false;
    }
}

static void schedule_all(ffn_worker *worker)
{
    uint64_t total = run_job_total(worker->job);
    while (worker->checker->session_num < total) {
        if (!schedule_once(worker)) {
            return;
        }
        run_progress_bar_show(&worker->bar, worker->checker->session_num, total);
    }
    worker->result->end = RUN_END_ALL_RIGHT;
}

static void await_crew_and_schedule(ffn_worker *worker)
{
    if (afd_wait_until(&worker->wait, crew_has_joined, worker, NULL) != AFD_OK) {
        worker->result->end = why_stopped();
        return;
    }
    worker->wait.empty_pass_num = 0; /* those of the start do not count */
    uint64_t began_ns = afd_clock_ns();
    worker->next_silence_look_ns = began_ns + worker->job->options.deadline_ns;
    /* R, meets the A in everybody_joined(). */
    atomic_store_explicit(worker->job->ledger.go, true, memory_order_release);
    schedule_all(worker);
    worker->result->duration_ns = afd_clock_ns() - began_ns;
    worker->result->empty_pass_num = worker->wait.empty_pass_num;
}

void run_ffn(const run_job *job, run_crew *crew, run_checker *checker, run_result *result)
{
    ffn_worker worker = { .job = job, .crew = crew, .checker = checker, .result = result };
    afd_error error;
    *result = (run_result){ .end = RUN_END_REFUSED };
    run_progress_bar_begin(&worker.bar, job->options.json);
    if (prepare(&worker, &error) == AFD_OK) {
        await_crew_and_schedule(&worker);
    } else {
        afd_cli_error("run", &error);
    }
    run_progress_bar_end(&worker.bar);
    afd_context_destroy(worker.context);
    free(worker.scheduler);
}
