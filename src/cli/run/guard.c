/* SPDX-License-Identifier: Apache-2.0 */
#include "run/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "afd/window.h"

/* Waits until every other holder of the pipe is gone. */
static void await_end(int pipe_end)
{
    char byte;
    ssize_t length;
    do {
        length = read(pipe_end, &byte, sizeof(byte));
    } while (length > 0 || (length < 0 && errno == EINTR));
}

/* The pipe closes a moment before the workers, who asked the kernel to be killed with their parent, count as dead; try
 * for a second. A name whose owner lives on is not ours: it kept the run from having it. */
static void remove_window(const char *name)
{
    const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
    for (int attempt = 0; attempt < 100; attempt++) {
        if (afd_window_remove(name, false, NULL) != AFD_ERR_EXISTS) {
            return;
        }
        (void)nanosleep(&pause, NULL);
    }
}

static void remove_windows(const run_job *job)
{
    for (uint32_t member = 0; member < run_job_member_num(job); member++) {
        char name[RUN_WINDOW_NAME_BYTES];
        run_job_window_name(job, member, name);
        if (run_seat_may_have_window(&job->board.seats[member])) {
            remove_window(name);
        }
    }
}

static void ignore_what_ends_the_run(void)
{
    (void)setsid(); /* a signal to the run's process group is not for us */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void let_go_of_output(void)
{
    /* Somebody may wait for the end of the run's output; ours must not keep it open. */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
    }
}

bool run_guard_start(run_guard *guard, const run_job *job)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    guard->pid = fork();
    if (guard->pid == 0) {
        (void)close(ends[1]);
        ignore_what_ends_the_run();
        let_go_of_output();
        await_end(ends[0]);
        remove_windows(job);
        _exit(EXIT_SUCCESS);
    }
    int problem = errno;
    (void)close(ends[0]);
    guard->pipe_end = ends[1];
    if (guard->pid < 0) {
        (void)close(ends[1]);
        errno = problem;
        return false;
    }
    return true;
}

void run_guard_forget(run_guard *guard)
{
    (void)close(guard->pipe_end);
}

void run_guard_end(run_guard *guard)
{
    (void)close(guard->pipe_end);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}
