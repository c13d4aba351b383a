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
#include "run/signals.h"

static void *thread_main(void *arg)
{
    const run_member *member = arg;
    (void)run_attention(member->job, member->job->window, member->session);
    return NULL;
}

static _Noreturn void process_main(const run_member *member, run_guard *guard, pid_t parent)
{
    run_signals_as_child();
    run_guard_forget(guard);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXIT_FAILURE); /* it died before we could ask for that */
    }
    afd_error error;
    afd_window *window = NULL;
    if (afd_window_join(member->job->window_name, AFD_WINDOW_WRITE, &window, &error) != AFD_OK) {
        afd_cli_error("run", &error);
        _exit(EXIT_FAILURE);
    }
    bool sent_all = run_attention(member->job, window, member->session);
    afd_window_close(window);
    _exit(sent_all ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int start_member(run_member *member, run_guard *guard)
{
    if (member->job->options.threads) {
        return pthread_create(&member->thread, NULL, thread_main, member);
    }
    pid_t parent = getpid();
    member->pid = fork();
    if (member->pid == 0) {
        process_main(member, guard, parent);
    }
    return member->pid < 0 ? errno : 0;
}

bool run_crew_start(run_crew *crew, const run_job *job, run_guard *guard)
{
    *crew = (run_crew){ .job = job };
    crew->members = afd_cli_alloc(job->shape.session_num, sizeof(run_member));
    for (uint32_t s = 0; s < job->shape.session_num; s++) {
        run_member *member = &crew->members[s];
        *member = (run_member){ .job = job, .session = s };
        int problem = start_member(member, guard);
        if (problem != 0) {
            afd_cli_note("run", "cannot start attention worker %" PRIu32 " of %" PRIu32 ": %s", s,
                         job->shape.session_num, strerror(problem));
            member->pid = 0;
            return false;
        }
        member->started = true;
    }
    return true;
}

bool run_crew_has_joined(const run_crew *crew)
{
    const run_ledger *ledger = &crew->job->ledger;
    for (uint32_t s = 0; s < ledger->session_num; s++) {
        /* A, meets the R in run_attention(): it has the window open, and may be sent on. */
        if (!atomic_load_explicit(&ledger->progress[s].joined, memory_order_acquire)) {
            return false;
        }
    }
    return true;
}

void run_crew_name(const run_crew *crew, uint32_t session, char *name, size_t name_bytes)
{
    pid_t pid = crew->members[session].pid;
    if (pid != 0) {
        (void)snprintf(name, name_bytes, "session %" PRIu32 " (process %d)", session, (int)pid);
    } else {
        (void)snprintf(name, name_bytes, "session %" PRIu32, session);
    }
}

static void describe_end(int status, char *text, size_t text_bytes)
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(text, text_bytes, "was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(text, text_bytes, "exited with status %d", WEXITSTATUS(status));
    }
}

static void note_death(run_crew *crew, const run_member *member, pid_t pid, int status)
{
    const run_progress *progress = &crew->job->ledger.progress[member->session];
    uint64_t sent_num = atomic_load_explicit(&progress->sent_num, memory_order_acquire);
    char how[64];
    if (crew->somebody_died || crew->is_ending) {
        return;
    }
    crew->somebody_died = true;
    describe_end(status, how, sizeof(how));
    int length = snprintf(crew->death, sizeof(crew->death), "attention worker %" PRIu32 " (process %d) %s ",
                          member->session, (int)pid, how);
    if (sent_num == 0) {
        (void)snprintf(crew->death + length, sizeof(crew->death) - (size_t)length, "before it had sent anything");
        return;
    }
    (void)snprintf(crew->death + length, sizeof(crew->death) - (size_t)length,
                   "after %" PRIu64 " micro-batches; its last was micro-batch %u of layer %u", sent_num,
                   atomic_load_explicit(&progress->micro_batch, memory_order_relaxed),
                   atomic_load_explicit(&progress->layer, memory_order_relaxed));
}

/* Reaps a member if it has ended. */
static void reap(run_crew *crew, run_member *member)
{
    int status = 0;
    pid_t pid = member->pid;
    if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid) {
        return;
    }
    member->pid = 0;
    bool by_plan = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
    if (!by_plan) {
        note_death(crew, member, pid, status);
    }
}

bool run_crew_has_lost_somebody(run_crew *crew)
{
    for (uint32_t s = 0; s < crew->job->shape.session_num; s++) {
        reap(crew, &crew->members[s]);
    }
    return crew->somebody_died;
}

static bool has_processes(const run_crew *crew)
{
    for (uint32_t s = 0; s < crew->job->shape.session_num; s++) {
        if (crew->members[s].pid != 0) {
            return true;
        }
    }
    return false;
}

static void end_processes(run_crew *crew)
{
    const struct timespec pause = { .tv_nsec = 1000 * 1000 };
    crew->is_ending = true;
    for (int waited_ms = 0; has_processes(crew) && waited_ms < 2000; waited_ms++) {
        (void)run_crew_has_lost_somebody(crew);
        (void)nanosleep(&pause, NULL);
    }
    for (uint32_t s = 0; s < crew->job->shape.session_num; s++) {
        run_member *member = &crew->members[s];
        if (member->pid != 0) {
            (void)kill(member->pid, SIGKILL);
            while (waitpid(member->pid, NULL, 0) < 0 && errno == EINTR) {
            }
            member->pid = 0;
        }
    }
}

void run_crew_end(run_crew *crew)
{
    if (!crew->job->options.threads) {
        end_processes(crew);
    }
    for (uint32_t s = 0; crew->job->options.threads && s < crew->job->shape.session_num; s++) {
        if (crew->members[s].started) {
            (void)pthread_join(crew->members[s].thread, NULL);
        }
    }
    free(crew->members);
    crew->members = NULL;
}
