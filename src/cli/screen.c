/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LINE_NUM_DEFAULT = 24 };

/* The other page, no cursor, lines cut at the edge; and back, in reverse. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave[] = "\033[?7h\033[?25h\033[?1049l";
static const char home[] = "\033[H";
static const char clear_line[] = "\033[K\n";
static const char clear_rest[] = "\033[J";

static struct termios keys_before;
static volatile sig_atomic_t has_keys;  /* stdin is a terminal, and keys_before is what it was */
static volatile sig_atomic_t is_open;
static volatile sig_atomic_t is_interrupted;
static sigset_t signals_before;

bool afd_cli_screen_is_possible(void)
{
    const char *terminal = getenv("TERM");
    return terminal != NULL && terminal[0] != '\0' && strcmp(terminal, "dumb") != 0 && isatty(STDOUT_FILENO) == 1;
}

/* Of what is called here everything may be called in a signal handler. */
void afd_cli_screen_end(void)
{
    if (!is_open) {
        return;
    }
    is_open = 0;
    (void)!write(STDOUT_FILENO, leave, sizeof(leave) - 1);
    if (has_keys) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &keys_before);
    }
}

static void interrupt(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

static void redraw(int signal_number)
{
    (void)signal_number; /* it has ended the wait, which is all that it is for */
}

/* Somebody has made the window's file shorter, or wants a core: it ends as it would, with the terminal as it was. */
static void end_by(int signal_number)
{
    afd_cli_screen_end();
    (void)raise(signal_number); /* SA_RESETHAND: now it does what it does by default */
}

static void set_handler(int signal_number, void (*handler)(int), bool once)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = once ? (int)(SA_RESETHAND | SA_NODEFER) : 0 };
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signal_number, &action, NULL);
}

/* Signals that end or redraw come in while it waits, and only then. */
static void set_signals(void)
{
    sigset_t waited;
    (void)sigemptyset(&waited);
    (void)sigaddset(&waited, SIGINT);
    (void)sigaddset(&waited, SIGTERM);
    (void)sigaddset(&waited, SIGHUP);
    (void)sigaddset(&waited, SIGWINCH);
    (void)sigprocmask(SIG_BLOCK, &waited, &signals_before);
    set_handler(SIGINT, interrupt, false);
    set_handler(SIGTERM, interrupt, false);
    set_handler(SIGHUP, interrupt, false);
    set_handler(SIGWINCH, redraw, false);
    set_handler(SIGBUS, end_by, true);
    set_handler(SIGQUIT, end_by, true);
}

/* Keys come at once and unseen. Not Ctrl-Z: a stopped program would leave the terminal as it is now. */
static void set_keys(void)
{
    if (isatty(STDIN_FILENO) != 1 || tcgetattr(STDIN_FILENO, &keys_before) != 0) {
        return;
    }
    struct termios keys = keys_before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VSUSP] = _POSIX_VDISABLE;
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    has_keys = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
}

void afd_cli_screen_begin(void)
{
    (void)fflush(stdout);
    set_signals();
    set_keys();
    is_open = 1;
    (void)atexit(afd_cli_screen_end);
    (void)!write(STDOUT_FILENO, enter, sizeof(enter) - 1);
}

uint32_t afd_cli_screen_line_num(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
        return LINE_NUM_DEFAULT;
    }
    return size.ws_row;
}

void afd_cli_screen_draw(const char *text, size_t length)
{
    const char *end = text + length;
    uint32_t lines_left = afd_cli_screen_line_num();
    (void)fputs(home, stdout);
    /* Over what is there, line by line: a screen that is cleared first flickers. The last line ends the screen and has
     * no newline, which would scroll it. */
    while (text < end && lines_left > 1) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline != NULL ? newline : end;
        (void)fwrite(text, 1, (size_t)(line_end - text), stdout);
        (void)fputs(clear_line, stdout);
        text = newline != NULL ? newline + 1 : end;
        lines_left--;
    }
    (void)fputs(clear_rest, stdout);
    (void)fflush(stdout);
}

/* Whether q is among the keys that were pressed, or there will never be another. */
static bool read_quit(void)
{
    char keys[64];
    ssize_t length = read(STDIN_FILENO, keys, sizeof(keys));
    if (length < 0) {
        return errno != EINTR && errno != EAGAIN;
    }
    return length == 0 || memchr(keys, 'q', (size_t)length) != NULL || memchr(keys, 'Q', (size_t)length) != NULL;
}

afd_cli_screen_event afd_cli_screen_wait(uint64_t ns)
{
    const struct timespec timeout = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
    struct pollfd keyboard = { .fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN };
    int found = ppoll(&keyboard, 1, &timeout, &signals_before);
    if (is_interrupted) {
        return AFD_CLI_SCREEN_INTERRUPT;
    }
    if (found > 0 && read_quit()) {
        return AFD_CLI_SCREEN_QUIT;
    }
    return found == 0 ? AFD_CLI_SCREEN_TIME : AFD_CLI_SCREEN_REDRAW;
}
