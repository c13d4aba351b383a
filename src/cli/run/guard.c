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

/* Whether the name stands for the run's own window, and not for one that kept the run from having the name. */
static bool is_of_the_run(const char *window_name, pid_t run)
{
    afd_window *window = NULL;
    afd_window_info info;
    if (afd_window_join(window_name, AFD_WINDOW_READ, &window, NULL) != AFD_OK) {
        return false;
    }
    afd_window_describe(window, &info);
    afd_window_close(window);
    return info.owner_pid == (uint32_t)run;
}

/* The pipe closes a moment before its dead holder counts as dead; try for a second. Workers need no help: they asked
 * the kernel to be killed with their parent. */
static void remove_window(const char *window_name, pid_t run)
{
    const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
    for (int attempt = 0; attempt < 100 && is_of_the_run(window_name, run); attempt++) {
        if (afd_window_remove(window_name, false, NULL) != AFD_ERR_EXISTS) {
            return;
        }
        (void)nanosleep(&pause, NULL);
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

bool run_guard_start(run_guard *guard, const char *window_name)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t run = getpid();
    guard->pid = fork();
    if (guard->pid == 0) {
        (void)close(ends[1]);
        ignore_what_ends_the_run();
        let_go_of_output();
        await_end(ends[0]);
        remove_window(window_name, run);
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
