/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An asynchronous transport for tests: it keeps where rows stand, not the rows, and moves them through a writer of
 * another transport in one of the calls of progress() after a publish. So a row that is written again too early arrives
 * as what was written last.
 */
#ifndef LATE_WRITER_H
#define LATE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/writer.h"

enum { LATE_ROW_MAX = 64, LATE_ROUND_MAX = 8 };

typedef struct late_row {
    afd_place place;
    const void *row;
    size_t row_bytes;
} late_row;

typedef struct late_writer {
    afd_writer base;
    afd_writer *inner;    /* closed with it */
    late_row rows[LATE_ROW_MAX];
    uint32_t row_num;     /* that were put and not sent */
    afd_round rounds[LATE_ROUND_MAX];
    uint32_t round_num;   /* that were published and not sent */
    uint32_t delay;       /* progresses from a publish until everything is sent */
    uint32_t missing_num; /* of them, now */
} late_writer;

/* It stays where it is until it is closed. */
void late_writer_make(late_writer *late, afd_writer *inner, uint32_t delay);

#endif
