/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time went, for people and as JSON. */
#ifndef AFD_CLI_RUN_STAGES_REPORT_H
#define AFD_CLI_RUN_STAGES_REPORT_H

#include <jansson.h>

#include "run/stages/stages.h"

/* Prints the stages first, ..., end - 1 of a table on stdout, with a heading. */
void run_stages_print(const run_stage_table *table, afd_stage first, afd_stage end);

/* The same as an object with a key a stage. */
json_t *run_stages_json(const run_stage_table *table, afd_stage first, afd_stage end);

#endif
