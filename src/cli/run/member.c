/* SPDX-License-Identifier: Apache-2.0 */
#include "run/member.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "afd/transport.h"
#include "out.h"

void run_member_begin(run_member *member, const run_job *job, uint32_t number, const int32_t *stop)
{
    *member = (run_member){
        .job = job,
        .number = number,
        .seat = &job->board.seats[number],
        .timeline = job->timeline,
        .wait = AFD_WAIT_INIT(job->options.strategy),
    };
    member->watch = (run_stage_watch){
        .table = &job->stages[number],
        .timeline = job->timeline.mapping != NULL ? &member->timeline : NULL,
        .worker = number,
    };
    member->wait.stop = stop;
    member->wait.late = member->late;
    member->wait.late_capacity = RUN_LATE_MAX;
}

void run_member_note_window(run_member *member, afd_window *window)
{
    afd_window_info info;
    afd_window_describe(window, &info);
    member->seat->window = window;
    member->seat->window_bytes = info.sizes.window_bytes;
    if (info.replaced_pid != 0) {
        afd_cli_note("run", "window %s replaces one that process %" PRIu32 " left behind when it died", info.name,
                     info.replaced_pid);
    }
}

void run_member_note_refusal(run_member *member, const afd_error *error)
{
    (void)snprintf(member->seat->refusal, sizeof(member->seat->refusal), "%s", error->message);
}

static void set_phase(run_member *member, run_phase phase)
{
    /* R, meets the A's of run_crew_look(): what the seat says is complete. */
    atomic_store_explicit(&member->seat->phase, phase, memory_order_release);
}

typedef struct meeting {
    const run_board *board;
    run_phase phase;
} meeting;

static bool has_met(void *arg)
{
    const meeting *awaited = arg;
    /* A, meets the R in let_go(): every window that this member will write into is there. */
    return atomic_load_explicit(awaited->board->go, memory_order_acquire) >= (int)awaited->phase;
}

bool run_member_meet_meanwhile(run_member *member, run_phase phase, void (*poll)(void *arg), void *arg)
{
    meeting awaited = { .board = &member->job->board, .phase = phase };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    wait.stop = member->job->board.stop;
    wait.poll = poll;
    wait.poll_arg = arg;
    set_phase(member, phase);
    return afd_wait_until(&wait, has_met, &awaited, NULL) == AFD_OK;
}

bool run_member_meet(run_member *member, run_phase phase)
{
    return run_member_meet_meanwhile(member, phase, NULL, NULL);
}

static void observe(void *arg, const afd_event *event)
{
    run_member *member = arg;
    bool is_trouble = event->kind == AFD_EVENT_DROPPED || event->kind == AFD_EVENT_LOST ||
                      event->kind == AFD_EVENT_REFUSED;
    if (is_trouble && member->trouble.status == AFD_OK) {
        member->trouble.status = AFD_ERR_PEER;
        (void)snprintf(member->trouble.message, sizeof(member->trouble.message), "%s", event->text);
    }
}

afd_member_options run_member_options(run_member *member)
{
    static const uint64_t day_ns = 86400 * UINT64_C(1000000000);
    afd_member_options options = AFD_MEMBER_OPTIONS_INIT;
    options.dead_ns = day_ns;
    options.deadline_ns = day_ns;
    options.on_deadline = AFD_ON_DEADLINE_WAIT;
    options.observer = observe;
    options.observer_arg = member;
    return options;
}

afd_status run_member_reach(const run_member *member, uint32_t other, afd_writer **writer, afd_error *error)
{
    const run_job *job = member->job;
    char name[RUN_WINDOW_NAME_BYTES];
    if (job->options.threads) {
        return afd_writer_local_create(job->board.seats[other].window, writer, error);
    }
    run_job_window_name(job, other, name);
    return afd_writer_shm_open(name, writer, error);
}

void run_member_set_deadline(run_member *member)
{
    member->wait.deadline_ns = afd_clock_ns() + member->job->options.deadline_ns;
}

/* "RssAnon: 1234 kB": neither windows nor weights, which are shared or files. 0 where the kernel does not say. */
static uint64_t own_memory_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[128];
    uint64_t kibibytes = 0;
    if (status == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), status) != NULL) {
        if (sscanf(line, "RssAnon: %" SCNu64, &kibibytes) == 1) {
            break;
        }
    }
    (void)fclose(status);
    return kibibytes * 1024;
}

void run_member_note_memory(run_member *member)
{
    uint64_t bytes = own_memory_bytes();
    if (bytes > member->seat->private_bytes) {
        member->seat->private_bytes = bytes;
    }
}

void run_member_end(run_member *member, bool is_done)
{
    run_member_note_memory(member);
    set_phase(member, is_done ? RUN_PHASE_DONE : RUN_PHASE_FAILED);
    meeting end = { .board = &member->job->board, .phase = RUN_PHASE_DONE };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    (void)afd_wait_until(&wait, has_met, &end, NULL);
}
