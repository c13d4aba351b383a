/* SPDX-License-Identifier: Apache-2.0 */
#include "run/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "afd/wait.h"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP };

enum { ENDING_NUM = sizeof(ending) / sizeof(ending[0]) };

static int32_t *stop_word;
static bool is_caught[ENDING_NUM];
static volatile sig_atomic_t interrupted;

/* Whether the signal was ignored when we were started, as nohup does: then that is what was meant. */
static bool is_ignored(int signal_number)
{
    struct sigaction action;
    return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void handle(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signal_number, &action, NULL); /* fails only for numbers that do not exist */
}

/* Any of them is the first, and then any of them ends the program. */
static void on_end(int signal_number)
{
    int kept_errno = errno;
    (void)signal_number;
    for (size_t i = 0; i < ENDING_NUM; i++) {
        if (is_caught[i]) {
            handle(ending[i], SIG_DFL, 0);
        }
    }
    errno = kept_errno;
    interrupted = 1;
    afd_stop_raise(stop_word);
}

void run_signals_catch(int32_t *stop)
{
    sigset_t wanted;
    stop_word = stop;
    (void)sigemptyset(&wanted);
    handle(SIGCHLD, SIG_DFL, 0); /* who ignores it, as whoever started us may, is not told how a child ended */
    for (size_t i = 0; i < ENDING_NUM; i++) {
        is_caught[i] = !is_ignored(ending[i]);
        if (is_caught[i]) {
            handle(ending[i], on_end, 0);
            (void)sigaddset(&wanted, ending[i]);
        }
    }
    (void)sigprocmask(SIG_UNBLOCK, &wanted, NULL);
}

void run_signals_as_child(void)
{
    handle(SIGINT, SIG_IGN, 0);
    handle(SIGHUP, SIG_IGN, 0);
    handle(SIGTERM, SIG_DFL, 0);
}

bool run_signals_interrupted(void)
{
    return interrupted != 0;
}
