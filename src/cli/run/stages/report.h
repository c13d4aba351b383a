/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time went, for people and as JSON. */
#ifndef AFD_CLI_RUN_STAGES_REPORT_H
#define AFD_CLI_RUN_STAGES_REPORT_H

#include <jansson.h>

#include "run/stages/stages.h"

enum {
    RUN_STAGES_OF_FFN = 1U << AFD_STAGE_SCHEDULE | 1U << AFD_STAGE_BATCH | 1U << AFD_STAGE_EXPERTS |
                        1U << AFD_STAGE_REPLY,
    RUN_STAGES_OF_ATTENTION = 1U << AFD_STAGE_DISPATCH | 1U << AFD_STAGE_WAIT | 1U << AFD_STAGE_COMBINE,
    RUN_STAGES_ALL = RUN_STAGES_OF_FFN | RUN_STAGES_OF_ATTENTION
};

/* Prints those of `stages` on stdout, with a heading. */
void run_stages_print(const run_stage_table *table, uint32_t stages);

/* The same as an object with a key a stage. */
json_t *run_stages_json(const run_stage_table *table, uint32_t stages);

#endif
