/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that cleans up after `afd run` when nobody else can: when it is killed outright. It waits on a pipe whose
 * other end the run holds; the end of the pipe is the end of the run, however that came about.
 */
#ifndef AFD_CLI_RUN_GUARD_H
#define AFD_CLI_RUN_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "run/job.h"

typedef struct run_guard {
    pid_t pid;
    int pipe_end; /* ours; forked workers close it */
} run_guard;

/* Starts the guard of the windows that the workers will make; false with errno if there can be none. Before any worker,
 * and `job` stays. */
bool run_guard_start(run_guard *guard, const run_job *job);

/* In a forked worker: lets go of the pipe, so that the guard waits for the run alone. */
void run_guard_forget(run_guard *guard);

/* The run is over and has cleaned up; the guard goes. */
void run_guard_end(run_guard *guard);

#endif
