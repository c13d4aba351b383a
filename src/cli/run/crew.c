/* SPDX-License-Identifier: Apache-2.0 */
#include "run/crew.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "out.h"
#include "run/attention.h"
#include "run/ffn.h"
#include "run/progress.h"
#include "run/signals.h"

enum { WHO_BYTES = 48, PAUSE_NS = 1000 * 1000, END_PAUSES = 1000, DEATH_PAUSES = 300 };

static bool work(const run_hand *hand)
{
    uint32_t ffn_num = hand->job->options.ffn_num;
    return hand->number < ffn_num ? run_ffn(hand->job, hand->number)
                                  : run_attention(hand->job, hand->number - ffn_num);
}

static void *thread_main(void *arg)
{
    (void)work(arg);
    return NULL;
}

static _Noreturn void process_main(const run_hand *hand, run_guard *guard, pid_t parent)
{
    run_signals_as_child();
    run_guard_forget(guard);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXIT_FAILURE); /* it died before we could ask for that */
    }
    _exit(work(hand) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int start_hand(run_hand *hand, run_guard *guard)
{
    if (hand->job->options.threads) {
        return pthread_create(&hand->thread, NULL, thread_main, hand);
    }
    pid_t parent = getpid();
    hand->pid = fork();
    if (hand->pid == 0) {
        process_main(hand, guard, parent);
    }
    return hand->pid < 0 ? errno : 0;
}

bool run_crew_start(run_crew *crew, const run_job *job, run_guard *guard)
{
    uint32_t member_num = run_job_member_num(job);
    *crew = (run_crew){ .job = job };
    crew->hands = afd_cli_alloc(member_num, sizeof(run_hand));
    for (uint32_t i = 0; i < member_num; i++) {
        run_hand *hand = &crew->hands[i];
        *hand = (run_hand){ .job = job, .number = i };
        int problem = start_hand(hand, guard);
        if (problem != 0) {
            char who[WHO_BYTES];
            run_job_member_name(job, i, who, sizeof(who));
            afd_cli_note("run", "cannot start %s: %s", who, strerror(problem));
            hand->pid = 0;
            return false;
        }
        hand->started = true;
    }
    return true;
}

/* ---- death ---- */

static void describe_end(int status, char *text, size_t text_bytes)
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(text, text_bytes, "was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(text, text_bytes, "exited with status %d", WEXITSTATUS(status));
    }
}

static void note_death(run_crew *crew, const run_hand *hand, pid_t pid, int status)
{
    const run_seat *seat = &crew->job->board.seats[hand->number];
    /* A, meets the R in note_progress() of an attention worker. */
    uint64_t round_num = atomic_load_explicit(&seat->round_num, memory_order_acquire);
    bool is_ffn = hand->number < crew->job->options.ffn_num;
    char who[WHO_BYTES];
    char how[64];
    if (crew->somebody_died || crew->is_ending) {
        return;
    }
    crew->somebody_died = true;
    run_job_member_name(crew->job, hand->number, who, sizeof(who));
    describe_end(status, how, sizeof(how));
    int length = snprintf(crew->death, sizeof(crew->death), "%s (process %d) %s ", who, (int)pid, how);
    char *rest = crew->death + length;
    size_t rest_bytes = sizeof(crew->death) - (size_t)length;
    if (round_num == 0) {
        (void)snprintf(rest, rest_bytes, "before it had done anything");
    } else if (is_ffn) {
        (void)snprintf(rest, rest_bytes, "after it had answered %" PRIu64 " micro-batches", round_num);
    } else {
        (void)snprintf(rest, rest_bytes,
                       "after %" PRIu64 " micro-batches; its last was micro-batch %u of layer %u", round_num,
                       atomic_load_explicit(&seat->micro_batch, memory_order_relaxed),
                       atomic_load_explicit(&seat->layer, memory_order_relaxed));
    }
}

static run_phase phase_of(const run_crew *crew, uint32_t member)
{
    /* A, meets the R in set_phase(): what the member's seat says is complete. */
    return (run_phase)atomic_load_explicit(&crew->job->board.seats[member].phase, memory_order_acquire);
}

/* Reaps a hand if it has ended. Of one that gave up the seat says why. */
static void reap(run_crew *crew, run_hand *hand)
{
    int status = 0;
    pid_t pid = hand->pid;
    if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid) {
        return;
    }
    hand->pid = 0;
    if (phase_of(crew, hand->number) < RUN_PHASE_DONE) {
        note_death(crew, hand, pid, status);
    }
}

static bool has_lost_somebody(run_crew *crew)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        reap(crew, &crew->hands[i]);
    }
    return crew->somebody_died;
}

/* ---- leading ---- */

/* Whether members [first, end) have all come to `phase`, or farther; who gave up has not. */
static bool all_reached(const run_crew *crew, uint32_t first, uint32_t end, run_phase phase)
{
    for (uint32_t i = first; i < end; i++) {
        run_phase reached = phase_of(crew, i);
        if (reached < phase || reached == RUN_PHASE_FAILED) {
            return false;
        }
    }
    return true;
}

/* Whoever is cut off from one that died may give up, and say so, a moment before the death is seen. */
static bool somebody_has_died_behind_it(run_crew *crew)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    for (int i = 0; crew->job->options.ucx && !has_lost_somebody(crew) && i < DEATH_PAUSES; i++) {
        (void)nanosleep(&pause, NULL);
    }
    return crew->somebody_died;
}

static bool somebody_failed(const run_crew *crew)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        if (phase_of(crew, i) == RUN_PHASE_FAILED) {
            return true;
        }
    }
    return false;
}

void run_crew_tell_refusal(const run_crew *crew)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        if (phase_of(crew, i) == RUN_PHASE_FAILED) {
            char who[WHO_BYTES];
            run_job_member_name(crew->job, i, who, sizeof(who));
            afd_cli_note("run", "%s gave up: %s", who, crew->job->board.seats[i].refusal);
            return;
        }
    }
}

static bool somebody_found_a_difference(const run_crew *crew)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        if (phase_of(crew, i) == RUN_PHASE_DONE && crew->job->board.seats[i].findings.wrong_num > 0) {
            return true;
        }
    }
    return false;
}

static void let_go(const run_crew *crew, run_phase phase)
{
    /* R, meets the A in has_met(). */
    atomic_store_explicit(crew->job->board.go, phase, memory_order_release);
}

static uint64_t count_rounds(const run_crew *crew)
{
    uint64_t round_num = 0;
    for (uint32_t i = crew->job->options.ffn_num; i < run_job_member_num(crew->job); i++) {
        round_num += atomic_load_explicit(&crew->job->board.seats[i].round_num, memory_order_relaxed);
    }
    return round_num;
}

/* Why the run cannot go on; RUN_END_ALL_RIGHT if it can. */
static run_end look(run_crew *crew)
{
    if (run_signals_interrupted()) {
        return RUN_END_INTERRUPTED;
    }
    if (has_lost_somebody(crew)) {
        return RUN_END_WORKER_DIED;
    }
    if (somebody_failed(crew)) {
        return somebody_has_died_behind_it(crew) ? RUN_END_WORKER_DIED : RUN_END_REFUSED;
    }
    return somebody_found_a_difference(crew) ? RUN_END_WRONG : RUN_END_ALL_RIGHT;
}

/* Waits until members [first, end) have come to `phase`. */
static run_end await_phase(run_crew *crew, uint32_t first, uint32_t end, run_phase phase, run_progress_bar *bar)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    while (!all_reached(crew, first, end, phase)) {
        run_end why = look(crew);
        if (why != RUN_END_ALL_RIGHT) {
            return why;
        }
        run_progress_bar_show(bar, count_rounds(crew), run_job_total(crew->job));
        (void)nanosleep(&pause, NULL);
    }
    return RUN_END_ALL_RIGHT;
}

/* What came out for the experts is as much as was sent: nothing twice, whatever each row by itself looked like. Called
 * when everybody is done, so that the seats are whole. */
static void compare_counts(const run_crew *crew)
{
    const run_job *job = crew->job;
    uint64_t sent_num = 0;
    uint64_t out_num = 0;
    for (uint32_t i = 0; i < run_job_member_num(job); i++) {
        const run_seat *seat = &job->board.seats[i];
        sent_num += i < job->options.ffn_num ? 0 : seat->counters.row_num;
        out_num += i < job->options.ffn_num ? seat->findings.id_num : 0;
    }
    if (sent_num != out_num) {
        run_findings_mismatch(&job->board.seats[0].findings, "%" PRIu64 " slots were sent, and %" PRIu64 " came out",
                              sent_num, out_num);
    }
}

run_end run_crew_lead(run_crew *crew)
{
    uint32_t ffn_num = crew->job->options.ffn_num;
    uint32_t member_num = run_job_member_num(crew->job);
    run_progress_bar bar;
    run_progress_bar_begin(&bar, crew->job->options.json);
    run_end end = await_phase(crew, 0, member_num, RUN_PHASE_MADE, &bar);
    if (end == RUN_END_ALL_RIGHT) {
        let_go(crew, RUN_PHASE_MADE);
        end = await_phase(crew, 0, member_num, RUN_PHASE_CONNECTED, &bar);
    }
    if (end == RUN_END_ALL_RIGHT) {
        let_go(crew, RUN_PHASE_CONNECTED);
        end = await_phase(crew, ffn_num, member_num, RUN_PHASE_DONE, &bar);
        afd_stop_raise(crew->job->board.ffn_stop);
    }
    if (end == RUN_END_ALL_RIGHT) {
        end = await_phase(crew, 0, member_num, RUN_PHASE_DONE, &bar);
    }
    if (end == RUN_END_ALL_RIGHT) {
        compare_counts(crew);
    }
    run_progress_bar_end(&bar);
    return end == RUN_END_ALL_RIGHT ? look(crew) : end;
}

/* ---- the end ---- */

static bool has_processes(const run_crew *crew)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        if (crew->hands[i].pid != 0) {
            return true;
        }
    }
    return false;
}

/* Whether everybody has ended, as a process or by its own word. */
static bool all_have_ended(const run_crew *crew)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        bool is_there = crew->job->options.threads ? crew->hands[i].started : crew->hands[i].pid != 0;
        if (is_there && phase_of(crew, i) < RUN_PHASE_DONE) {
            return false;
        }
    }
    return true;
}

/* A process that was stopped hears nothing else. Those that come to `phase` by themselves are spared. */
static void kill_before(run_crew *crew, run_phase phase)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        run_hand *hand = &crew->hands[i];
        if (hand->pid != 0 && phase_of(crew, i) < phase) {
            (void)kill(hand->pid, SIGKILL);
            while (waitpid(hand->pid, NULL, 0) < 0 && errno == EINTR) {
            }
            hand->pid = 0;
        }
    }
}

/* A window outlives the process that was killed with it; its name does not outlive the run. */
static void remove_left_windows(const run_crew *crew)
{
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        char name[RUN_WINDOW_NAME_BYTES];
        run_job_window_name(crew->job, i, name);
        if (run_seat_may_have_window(&crew->job->board.seats[i])) {
            (void)afd_window_remove(name, false, NULL);
        }
    }
}

static void end_processes(run_crew *crew)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    for (int i = 0; !all_have_ended(crew) && i < END_PAUSES; i++) {
        (void)has_lost_somebody(crew);
        (void)nanosleep(&pause, NULL);
    }
    kill_before(crew, RUN_PHASE_DONE);
    let_go(crew, RUN_PHASE_DONE);
    for (int i = 0; has_processes(crew) && i < END_PAUSES; i++) {
        (void)has_lost_somebody(crew);
        (void)nanosleep(&pause, NULL);
    }
    kill_before(crew, RUN_PHASE_NUM);
    remove_left_windows(crew);
}

static void end_threads(run_crew *crew)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    while (!all_have_ended(crew)) {
        (void)nanosleep(&pause, NULL);
    }
    let_go(crew, RUN_PHASE_DONE);
    for (uint32_t i = 0; i < run_job_member_num(crew->job); i++) {
        if (crew->hands[i].started) {
            (void)pthread_join(crew->hands[i].thread, NULL);
        }
    }
}

void run_crew_end(run_crew *crew)
{
    crew->is_ending = true;
    afd_stop_raise(crew->job->board.stop);
    afd_stop_raise(crew->job->board.ffn_stop);
    if (crew->job->options.threads) {
        end_threads(crew);
    } else {
        end_processes(crew);
    }
    free(crew->hands);
    crew->hands = NULL;
}
