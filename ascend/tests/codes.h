/* SPDX-License-Identifier: Apache-2.0 */
/* The table of codes: how each is provoked, and what its sentence must say. */
#ifndef AFD_ASCEND_TESTS_CODES_H
#define AFD_ASCEND_TESTS_CODES_H

#include <stddef.h>

#include "world.h"

/* What each case starts with: an initialised front, device 0, a stream, and two sessions with nothing ready. */
typedef struct code_world {
    world w;
    aclrtStream stream;
    aclrtEvent event;
} code_world;

void code_world_start(code_world *cw);
void code_world_end(code_world *cw);

typedef struct code_case {
    int code;
    const char *how;
    const char *message; /* parts that the sentence has, separated by '|' */
    int (*provoke)(code_world *cw);
} code_case;

/* Each ends with a case of code 0. */
extern const code_case runtime_codes[];
extern const code_case scheduler_codes[];
extern const code_case attention_codes[];
extern const code_case batching_codes[];
extern const code_case batching_task_codes[];
extern const code_case comm_codes[];
extern const code_case attention_to_ffn_codes[];
extern const code_case attention_to_ffn_shape_codes[];
extern const code_case attention_to_ffn_task_codes[];
extern const code_case ffn_to_attention_codes[];

/* Ends the program if a call that is not the one to be provoked fails. */
void must(int code);

#endif
