/* SPDX-License-Identifier: Apache-2.0 */
/* `afd run`: attention and FFN workers on this host, the whole way of a token, everything checked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"
#include "run/crew.h"
#include "run/guard.h"
#include "run/job.h"
#include "run/report.h"
#include "run/signals.h"
#include "verbs.h"

static int exit_code(run_end end)
{
    switch (end) {
    case RUN_END_ALL_RIGHT:
        return AFD_EXIT_DONE;
    case RUN_END_WRONG:
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

/* False, with a sentence, if the file could not be written. */
static bool write_timeline(const run_job *job)
{
    uint32_t member_num = run_job_member_num(job);
    enum { NAME_BYTES = 48 };
    char *names = afd_cli_alloc(member_num, NAME_BYTES);
    const char **tracks = afd_cli_alloc(member_num, sizeof(*tracks));
    FILE *file = job->timeline_file;
    for (uint32_t i = 0; i < member_num; i++) {
        run_job_member_name(job, i, &names[(size_t)i * NAME_BYTES], NAME_BYTES);
        tracks[i] = &names[(size_t)i * NAME_BYTES];
    }
    /* What an earlier run wrote goes; a device or a pipe, where that is invalid, has nothing to cut off. */
    bool is_empty = ftruncate(fileno(file), 0) == 0 || errno == EINVAL;
    bool written = is_empty && run_timeline_write(&job->timeline, tracks, file) && fflush(file) == 0;
    if (!written) {
        afd_cli_note("run", "cannot write the timeline to %s: %s", job->options.timeline_path, strerror(errno));
    }
    free(tracks);
    free(names);
    return written;
}

/* Starts the workers, lets them work, and reports. */
static int run_workers(const run_job *job, run_guard *guard)
{
    run_crew crew;
    run_end end = RUN_END_REFUSED;
    bool started = run_crew_start(&crew, job, guard);
    if (started) {
        end = run_crew_lead(&crew);
    }
    run_crew_end(&crew);
    int code = exit_code(end);
    if (end == RUN_END_REFUSED) {
        if (started) {
            run_crew_tell_refusal(&crew);
        }
        return code;
    }
    if (job->options.timeline_path != NULL && !write_timeline(job)) {
        code = AFD_EXIT_REFUSED;
    }
    int printed = run_report(job, &crew, end);
    return printed == AFD_EXIT_DONE ? code : printed;
}

/* Processes need somebody who cleans up when this one is killed; threads have nothing that outlives it. */
static int run_guarded(const run_job *job)
{
    run_guard guard;
    if (job->options.threads) {
        return run_workers(job, NULL);
    }
    if (!run_guard_start(&guard, job)) {
        afd_cli_note("run", "cannot start the process that cleans up after a crash: %s", strerror(errno));
        return AFD_EXIT_REFUSED;
    }
    int code = run_workers(job, &guard);
    run_guard_end(&guard);
    return code;
}

int afd_cmd_run(int argc, char **argv)
{
    run_job job = { 0 };
    run_failure failure;
    char name[RUN_WINDOW_NAME_BYTES];
    switch (run_options_parse(&job.options, argc, argv)) {
    case RUN_PARSED_DONE:
        return AFD_EXIT_DONE;
    case RUN_PARSED_USAGE:
        return AFD_EXIT_USAGE;
    case RUN_PARSED_GO:
        break;
    }
    if (job.options.name == NULL) {
        (void)snprintf(name, sizeof(name), "run-%d", (int)getpid());
        job.options.name = name;
    }
    afd_error error;
    afd_status status = run_job_check_names(&job, &error);
    if (status != AFD_OK) {
        afd_cli_error("run", &error);
        return afd_cli_exit_code(status);
    }
    if (!run_job_create(&job, &failure)) {
        afd_cli_note("run", "%s", failure.text);
        return AFD_EXIT_REFUSED;
    }
    run_signals_catch(job.board.stop);
    int code = run_guarded(&job);
    run_job_destroy(&job);
    return code;
}
