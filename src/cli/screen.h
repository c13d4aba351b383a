/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal as a screen that is drawn anew: its other page, without cursor and without echo. What it was before is
 * restored however the program ends, but for SIGKILL. One a process.
 */
#ifndef AFD_CLI_SCREEN_H
#define AFD_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether stdout is a terminal on which that can be done. */
bool afd_cli_screen_is_possible(void);

void afd_cli_screen_begin(void);
void afd_cli_screen_end(void);

/* Lines that there are; 24 where the terminal does not say. */
uint32_t afd_cli_screen_line_num(void);

/* Shows the text, of whose lines the ones that are too long are cut at the edge. */
void afd_cli_screen_draw(const char *text, size_t length);

typedef enum afd_cli_screen_event {
    AFD_CLI_SCREEN_TIME,      /* the time is over */
    AFD_CLI_SCREEN_REDRAW,    /* the screen has another size, or another key was pressed */
    AFD_CLI_SCREEN_QUIT,      /* q was pressed, or the terminal has gone */
    AFD_CLI_SCREEN_INTERRUPT  /* SIGINT, SIGTERM, SIGHUP */
} afd_cli_screen_event;

afd_cli_screen_event afd_cli_screen_wait(uint64_t ns);

#endif
