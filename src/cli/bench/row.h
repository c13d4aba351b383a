/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the benchmark. docs/performance.md says what each kind and each state means; a row's name is
 * KIND/MODE/STATE/S, "schedule/allsync/cold/64", and every S belongs to one shape. Rows of the scheduler's companions
 * have the type of their tokens as mode and BSxExH in place of S: "combine/bf16/cold/32x9x7168".
 */
#ifndef AFD_CLI_BENCH_ROW_H
#define AFD_CLI_BENCH_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/token.h"

typedef enum bench_kind {
    BENCH_SCHEDULE,      /* everything is ready: one call takes one micro-batch of every session */
    BENCH_FLAG,          /* from the flag that a call waits for to its return */
    BENCH_IDLE,          /* one pass over all flags that finds nothing */
    BENCH_DISPATCH,      /* an attention worker sends a micro-batch */
    BENCH_DISPATCH_INT8, /* the same, quantised with smooth scales */
    BENCH_BATCH,         /* an FFN worker sorts and moves the tokens of 8 sessions */
    BENCH_INDEX,         /* the same without moving */
    BENCH_REPLY,         /* an FFN worker sends its rows back */
    BENCH_COMBINE        /* an attention worker adds the results up */
} bench_kind;

typedef enum bench_mode {
    BENCH_GROUPS,        /* groups of one session */
    BENCH_ALLSYNC,       /* one group of all */
    BENCH_ALLSYNC_OBJECT, /* the same, with a scheduler object */
    BENCH_ALLSYNC_PARTS,  /* the same as all-sync, taken in two parts by two threads */
    BENCH_F16,            /* of the scheduler's companions: the type of the tokens */
    BENCH_BF16
} bench_mode;

typedef enum bench_state {
    BENCH_LOCAL,   /* the descs were written by the core that schedules */
    BENCH_REMOTE,  /* by the other one */
    BENCH_COLD,    /* every line of the window was flushed after that */
    BENCH_HAMMERED /* local, while the other core goes on writing into descs that are not taken */
} bench_state;

typedef struct bench_row {
    bench_kind kind;
    bench_mode mode;
    bench_state state;
    afd_shape shape;
    uint32_t top_k;      /* of companions, as the next two */
    uint32_t hidden;     /* H; 0: a row of the scheduler */
    afd_token_type type;
} bench_row;

enum { BENCH_ROW_NAME_MAX = 64 };

/* All rows in the order of the table; *num becomes how many. Static memory. */
const bench_row *bench_rows(size_t *num);

void bench_row_name(const bench_row *row, char name[BENCH_ROW_NAME_MAX]);

/* "64,3,128,9": S, M, BS and E. */
void bench_row_shape(const bench_row *row, char text[BENCH_ROW_NAME_MAX]);

const char *bench_row_state(const bench_row *row);

/* Whether `filter` chooses the row: it is the row's name; or no row's name, and a part of this one. NULL chooses
 * all. */
bool bench_row_matches(const bench_row *row, const char *filter);

/* Whether the row is of one of the scheduler's companions. */
bool bench_row_is_companion(const bench_row *row);

/* Whether the row needs a second core. */
bool bench_row_needs_partner(const bench_row *row);

/* What `afd bench --list` says of the row. */
const char *bench_row_summary(const bench_row *row);

static inline bool bench_row_is_allsync(const bench_row *row)
{
    return row->mode != BENCH_GROUPS;
}

#endif
