/* SPDX-License-Identifier: Apache-2.0 */
#include "run/signals.h"

#include <signal.h>
#include <stddef.h>

#include "afd/wait.h"

static int32_t *stop_word;
static volatile sig_atomic_t interrupted;

static void on_end(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    afd_stop_raise(stop_word);
}

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

void run_signals_catch(int32_t *stop)
{
    stop_word = stop;
    static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    handle(SIGCHLD, SIG_DFL, 0); /* who ignores it, as whoever started us may, is not told how a child ended */
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
        if (!is_ignored(ending[i])) {
            handle(ending[i], on_end, (int)SA_RESETHAND);
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
