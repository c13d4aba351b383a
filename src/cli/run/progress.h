/* SPDX-License-Identifier: Apache-2.0 */
/* A line on stderr that says how far the run is: on a terminal only, ten times a second. */
#ifndef AFD_CLI_RUN_PROGRESS_H
#define AFD_CLI_RUN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct run_progress_bar {
    bool shown;
    uint64_t next_ns;
} run_progress_bar;

void run_progress_bar_begin(run_progress_bar *bar, bool quiet);
void run_progress_bar_show(run_progress_bar *bar, uint64_t done, uint64_t total);

/* Takes the line away again. */
void run_progress_bar_end(run_progress_bar *bar);

#endif
