/* SPDX-License-Identifier: Apache-2.0 */
#include "run/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "afd/wait.h"

enum { BAR_WIDTH = 40 };
static const uint64_t refresh_ns = 100 * 1000 * 1000;

void run_progress_bar_begin(run_progress_bar *bar, bool quiet)
{
    *bar = (run_progress_bar){ .shown = !quiet && isatty(STDERR_FILENO) == 1 };
}

void run_progress_bar_show(run_progress_bar *bar, uint64_t done, uint64_t total)
{
    if (!bar->shown) {
        return;
    }
    uint64_t now_ns = afd_clock_ns();
    if (now_ns < bar->next_ns) {
        return;
    }
    bar->next_ns = now_ns + refresh_ns;
    double share = (double)done / (double)total;
    char line[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++) {
        line[i] = i < (int)(share * BAR_WIDTH) ? '#' : '.';
    }
    line[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r[%s] %3d %%  %" PRIu64 " of %" PRIu64 " micro-batches", line, (int)(share * 100.0), done,
                  total);
}

void run_progress_bar_end(run_progress_bar *bar)
{
    if (bar->shown) {
        (void)fputs("\r\033[K", stderr);
    }
}
