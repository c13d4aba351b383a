/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a run, as processes or as threads: starting them, leading them through their phases, noticing their
 * death, ending them. */
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
typedef struct run_hand {
    const run_job *job;
    uint32_t number;
    pid_t pid;
    pthread_t thread;
    bool started;
} run_hand;

typedef struct run_crew {
    const run_job *job;
    run_hand *hands;          /* [member_num] */
    bool is_ending;           /* whoever ends from here on ends because it was asked to */
    bool somebody_died;
    char death[RUN_DEATH_BYTES]; /* who died first, of what, and what it had done last */
} run_crew;

typedef enum run_end {
    RUN_END_ALL_RIGHT,
    RUN_END_WRONG,       /* a seat's first_mismatch says what */
    RUN_END_INTERRUPTED,
    RUN_END_WORKER_DIED, /* crew->death says who */
    RUN_END_REFUSED      /* a seat's refusal says why, or run_crew_start() has */
} run_end;

/* Starts all; false, with a sentence on stderr, if one could not be started: then end the crew. Forks before it makes
 * threads, never after: a run has the one or the other. */
bool run_crew_start(run_crew *crew, const run_job *job, run_guard *guard);

/* Leads them from phase to phase until all have done their work, or one cannot, or somebody asked for the end. */
run_end run_crew_lead(run_crew *crew);

/* Says on stderr why the first member that gave up did. */
void run_crew_tell_refusal(const run_crew *crew);

/* Waits for all to end; a process that does not, because it was stopped, is killed after a second. */
void run_crew_end(run_crew *crew);

#endif
