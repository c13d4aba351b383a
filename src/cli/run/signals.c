/* SPDX-License-Identifier: Apache-2.0 */
#include "run/signals.h"

#include <signal.h>
#include <stddef.h>

#include "afd/wait.h"

static int32_t *stop_word;
static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t child_event;

static void on_end(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    afd_stop_raise(stop_word);
}

static void on_child(int signal_number)
{
    (void)signal_number;
    child_event = 1;
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
    handle(SIGINT, on_end, (int)SA_RESETHAND);
    handle(SIGTERM, on_end, (int)SA_RESETHAND);
    handle(SIGHUP, on_end, (int)SA_RESETHAND);
    handle(SIGCHLD, on_child, SA_RESTART);
}

void run_signals_as_child(void)
{
    handle(SIGINT, SIG_IGN, 0);
    handle(SIGHUP, SIG_IGN, 0);
    handle(SIGTERM, SIG_DFL, 0);
    handle(SIGCHLD, SIG_DFL, 0);
}

bool run_signals_interrupted(void)
{
    return interrupted != 0;
}

bool run_signals_child_event(void)
{
    bool event = child_event != 0;
    child_event = 0;
    return event;
}
