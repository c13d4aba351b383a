/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFD_CLI_BENCH_PLOT_H
#define AFD_CLI_BENCH_PLOT_H

#include <stdbool.h>

#include "bench/report.h"

/* Whether there is a gnuplot to draw with; if not, the sentence that says what to install has been printed. */
bool bench_plot_is_possible(void);

/* Draws the run's figures into an SVG file; false, after a sentence on stderr, if that did not work. */
bool bench_plot(const bench_report *report, const char *path);

#endif
