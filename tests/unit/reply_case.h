/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of replies: a transport that remembers every put, and fails where it is told to; and a small reply. */
#ifndef REPLY_CASE_H
#define REPLY_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/ffn.h"

enum { M = 3, BS = 4, E = 2, H = 16, ROW_BYTES = 2 * H };

/* Of every attention window here. */
extern const afd_shape reply_shape;

typedef struct put_record {
    afd_place place;
    const void *row;
    bool is_published;
} put_record;

typedef struct recording_writer {
    afd_writer base;
    put_record *puts; /* [capacity] */
    uint32_t put_num;
    uint32_t capacity;
    uint32_t publish_num;
    uint32_t discard_num;
    afd_round last_round;
    int64_t fail_put_of;     /* every put of this micro-batch fails; -1: none */
    int64_t fail_publish_of; /* and its publish */
    const char *order_fault; /* what a writer was asked out of order */
} recording_writer;

/* A writer of micro-batches [0, micro_batch_num) that has room for so many puts; its `puts` are for free(). */
recording_writer recording_of(uint32_t micro_batch_num, uint32_t capacity);

/* The puts that were published. */
uint32_t published_num(const recording_writer *record);

enum { FEW = 6, FEW_WRITERS = 3 };

typedef struct few {
    int32_t sessions[FEW];
    int32_t micro_batches[FEW];
    int32_t tokens[FEW];
    int32_t slots[FEW];
    uint8_t rows[FEW][ROW_BYTES];
    recording_writer records[FEW_WRITERS];
    afd_writer *writers[FEW_WRITERS];
    afd_round rounds[2];
    int32_t session_writers[FEW_WRITERS];
    afd_ffn_reply_args args;
} few;

/* Sessions 0 and 2 at micro-batch 1, session 0 at 2 as well; nobody writes to session 1. */
few *few_new(void);
void few_free(few *f);

#endif
