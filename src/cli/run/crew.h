/* SPDX-License-Identifier: Apache-2.0 */
/* The attention workers of a run, as processes or as threads: starting them, noticing their death, ending them. */
#ifndef AFD_CLI_RUN_CREW_H
#define AFD_CLI_RUN_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "run/guard.h"
#include "run/job.h"

enum { RUN_DEATH_BYTES = 256 };

/* One worker; `pid` is 0 once it was reaped, and in a run of threads. */
typedef struct run_member {
    const run_job *job;
    uint32_t session;
    pid_t pid;
    pthread_t thread;
    bool started;
} run_member;

typedef struct run_crew {
    const run_job *job;
    run_member *members;      /* [session_num] */
    bool is_ending;           /* whoever ends from here on ends because it was asked to */
    bool somebody_died;
    char death[RUN_DEATH_BYTES]; /* who died first, of what, and what it had sent last */
} run_crew;

/* Starts all; false, with a sentence on stderr, if one could not be started: then end the crew. Forks before it makes
 * threads, never after: a run has the one or the other. */
bool run_crew_start(run_crew *crew, const run_job *job, run_guard *guard);

/* Reaps who has ended. True, and crew->death says who, if one did so before everything of it was answered. */
bool run_crew_has_lost_somebody(run_crew *crew);

/* "session 2 (process 1234)", as a report calls it. */
void run_crew_name(const run_crew *crew, uint32_t session, char *name, size_t name_bytes);

/* Whether all have the window open. */
bool run_crew_has_joined(const run_crew *crew);

/* Waits for all to end, which they do when all is answered or the stop word is raised; a process that does not, because
 * it was stopped, is killed after two seconds. */
void run_crew_end(run_crew *crew);

#endif
