/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of workers in the text format that Prometheus reads, version 0.0.4. */
#ifndef AFD_CLI_METRICS_H
#define AFD_CLI_METRICS_H

#include <stddef.h>
#include <stdio.h>

#include "look.h"

/* Every metric, with its samples of all the looks, which are of different windows. Nothing where there is no look. */
void afd_cli_metrics_print(const afd_cli_look *looks, size_t look_num, FILE *stream);

/* The value of a label, with what would end it or its line escaped. */
void afd_cli_metrics_print_value(const char *value, FILE *stream);

#endif
