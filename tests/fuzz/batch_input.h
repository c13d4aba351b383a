/* SPDX-License-Identifier: Apache-2.0 */
/* What an input of the batch target begins with; an input of the schedule target follows (schedule_case.h). */
#ifndef AFD_TEST_BATCH_INPUT_H
#define AFD_TEST_BATCH_INPUT_H

#include <stdint.h>

enum {
    BATCH_NEED_SCHEDULE = 1,
    BATCH_FAIL_ON_WILD = 2,
    BATCH_INDEX_ONLY = 4,
    BATCH_SHORT_WORKSPACE = 8,   /* by a byte */
    BATCH_GOOD_INDICES = 16,     /* session and micro-batch ids in the output area are bent into their ranges */
    BATCH_RAW_ARGUMENTS = 32     /* expert_num, session_max and hidden as they are, else bent into small ones */
};

typedef struct batch_input {
    uint32_t options;
    uint32_t expert_num;
    uint32_t session_max;
    uint32_t hidden;
    uint32_t type;
    uint32_t layer_num;
    uint32_t out_num;
    uint32_t wild_capacity;
} batch_input;

#endif
