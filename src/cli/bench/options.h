/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFD_CLI_BENCH_OPTIONS_H
#define AFD_CLI_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/cpus.h"

typedef struct bench_options {
    const char *filter;    /* NULL: all rows */
    const char *plot_path; /* NULL: no picture */
    uint64_t sample_num;   /* 0: what the time allows */
    bench_cpus cpus;
    bool json;
    bool list;
} bench_options;

typedef enum bench_parsed { BENCH_PARSED_GO, BENCH_PARSED_DONE, BENCH_PARSED_USAGE } bench_parsed;

/* Parses argv; usage errors and help have been printed when it does not say BENCH_PARSED_GO. */
bench_parsed bench_options_parse(bench_options *options, int argc, char **argv);

#endif
