/* SPDX-License-Identifier: Apache-2.0 */
/* What an input of the reply target begins with; indices of rows follow, then rounds, as bytes, each one small. */
#ifndef AFD_TEST_REPLY_INPUT_H
#define AFD_TEST_REPLY_INPUT_H

#include <stdint.h>

enum {
    REPLY_ROUNDS = 1,
    REPLY_TABLE = 2,       /* with session_writers */
    REPLY_NULL_WRITER = 4, /* one writer is missing */
    REPLY_TAME = 8         /* indices are bent into their ranges */
};

typedef struct reply_input {
    uint32_t options;
    uint32_t row_num;
    uint32_t writer_num;
    uint32_t hidden;
    uint32_t type;
    uint32_t micro_batch_num;
    uint32_t micro_batch_size;
    uint32_t selected_expert_num;
    uint32_t fail_at; /* the call of the transport that fails, counted from 1 */
    uint32_t round_num;
} reply_input;

#endif
