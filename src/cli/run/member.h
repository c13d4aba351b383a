/* SPDX-License-Identifier: Apache-2.0 */
/* What FFN and attention workers of a run have in common: their seat, meeting the others, naming who is late. */
#ifndef AFD_CLI_RUN_MEMBER_H
#define AFD_CLI_RUN_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"

#include "run/job.h"

enum { RUN_LATE_MAX = 8 }; /* named in one report; the rest is counted */

typedef struct run_member {
    const run_job *job;
    uint32_t number;         /* in the board's order */
    run_seat *seat;
    run_stage_watch watch;
    run_timeline timeline;   /* the job's, which the watch wants to write */
    afd_wait wait;           /* of everything that this worker waits for */
    afd_late late[RUN_LATE_MAX];
    afd_error trouble;       /* over UCX: how it lost another member; AFD_OK while it has not */
} run_member;

/* `stop` ends its waits. */
void run_member_begin(run_member *member, const run_job *job, uint32_t number, const int32_t *stop);

/* Notes the window that this member has made, and says so if a dead owner had left one of that name. */
void run_member_note_window(run_member *member, afd_window *window);

/* Keeps the sentence for whoever leads the run, so that one cause is told once. */
void run_member_note_refusal(run_member *member, const afd_error *error);

/* Says that this member has reached `phase`, and waits until everybody has; false if the run was stopped. */
bool run_member_meet(run_member *member, run_phase phase);

/* The same for one that has something to do meanwhile, without which others do not come: poll(arg), again and again. */
bool run_member_meet_meanwhile(run_member *member, run_phase phase, void (*poll)(void *arg), void *arg);

/* The writer into another member's window, by its name or, among threads, by the window itself. */
afd_status run_member_reach(const run_member *member, uint32_t other, afd_writer **writer, afd_error *error);

/* How members meet over UCX. Nobody is lost for being silent, or late: who leads the run sees who has died, and a
 * worker that was stopped is to be reported, and waited for. The first trouble that there is all the same is kept. */
afd_member_options run_member_options(run_member *member);

/* Sets the deadline of the next wait. */
void run_member_set_deadline(run_member *member);

/* Notes the memory that this process has of its own, if that is the most so far. */
void run_member_note_memory(run_member *member);

/* The end: writes down what is known at the end, and the phase, of which `is_done` false says that it gave up. Returns
 * when everybody has ended, because until then others may write into this member's window. */
void run_member_end(run_member *member, bool is_done);

#endif
