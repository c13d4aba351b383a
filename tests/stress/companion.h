/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the threads of `companions` have in common: which token goes where in which round, and what its row holds, all
 * of which follows from the seed; and one worker of either side.
 */
#ifndef AFD_TEST_COMPANION_H
#define AFD_TEST_COMPANION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "afd/attention.h"
#include "afd/ffn.h"
#include "afd/writer.h"

enum {
    FFN_NUM = 2,
    SESSION_MAX = 4,
    MICRO_BATCH_MAX = 3,
    TOKEN_MAX = 8,
    SLOT_MAX = 5,
    ROW_MAX = SESSION_MAX * TOKEN_MAX * SLOT_MAX,
    ROUTED_NUM = 6,
    LAYER_NUM = 3,
    SHARED_MAX = 2,
    LOCAL_NUM = ROUTED_NUM / FFN_NUM + SHARED_MAX, /* a shared expert has a copy at every rank */
    EXPERT_NUM = LAYER_NUM * LOCAL_NUM,
    TABLE_WIDTH = 1 + 2 * FFN_NUM,
    HIDDEN = 16,
    SMALL = 32 /* numbers below it stay exact in bf16 when they are added up */
};

/* The columns of a row that say whose it is; the rest are numbers of the token. */
enum { AT_SESSION, AT_MICRO_BATCH, AT_TOKEN, AT_ROUND, AT_SLOT, AT_NOISE };

typedef struct companion_case {
    afd_shape shape;
    uint32_t top_k;
    uint32_t round_num;
    uint64_t seed;
    bool with_object; /* the FFN side waits for the live of a scheduler object */
    afd_wait_strategy strategy;
    int32_t table[LAYER_NUM * (ROUTED_NUM + SHARED_MAX) * TABLE_WIDTH];
} companion_case;

/* The rounds of a micro-batch are numbered from 0. */
typedef struct companion_place {
    uint32_t session;
    uint32_t micro_batch;
    uint32_t round;
    uint32_t token;
} companion_place;

typedef struct companion_party {
    const companion_case *c;
    uint32_t number; /* session or rank */
    afd_window *window;
    afd_schedule_context *context;
    afd_writer *writers[SESSION_MAX]; /* into the windows of the other side */
    pthread_t thread;
} companion_party;

/* Fails the test for anything but AFD_OK. */
void companion_expect_ok(afd_status status, const afd_error *error, const char *who, uint32_t number);

/* Tokens of a round; in every fourth the micro-batch is full. */
uint32_t companion_token_num(const companion_case *c, companion_place at);

/* The expert of a slot, the rank that has it for this session, and what that rank calls it in this round's layer. */
uint32_t companion_expert(const companion_case *c, companion_place at, uint32_t slot);
uint32_t companion_rank(companion_place at, uint32_t expert);
uint32_t companion_local_id(companion_place at, uint32_t expert);

/* What stands in a column of the row that is sent, and its 16 bits. */
uint32_t companion_number(const companion_case *c, companion_place at, uint32_t column);
uint16_t companion_bf16(uint32_t number);
void companion_check_number(const char *where, companion_place at, uint32_t column, uint16_t found, uint32_t expected);

void companion_fill_table(companion_case *c);

/* With a deadline that only a hang reaches. */
afd_wait companion_wait(const companion_case *c);

/* The threads; `argument` is a companion_party. */
void *companion_run_attention(void *argument);
void *companion_run_ffn(void *argument);

#endif
