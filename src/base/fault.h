/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places where a test may strike: in the middle of what must survive a death. A library that is shipped has none of
 * them; with AFD_FAULT_POINTS, which tests/faults compiles for itself, each calls the hook, which may write to `where`,
 * stop the process or end it. What goes to a window of another host passes the same points, with `where` NULL: in put,
 * and before a round or an answer is sent.
 */
#ifndef AFD_BASE_FAULT_H
#define AFD_BASE_FAULT_H

#include <stddef.h>
#include <string.h>

typedef enum afd__fault_point {
    AFD__FAULT_PUT = 0,       /* attention: a slot has its expert id and half of its row; `where` is the desc */
    AFD__FAULT_PUBLISH = 1,   /* attention: the desc is complete but for its flag; `where` is the desc */
    AFD__FAULT_TAKE = 2,      /* FFN: a desc was found ready and nothing of it was read; `where` is the desc */
    AFD__FAULT_GIVE_BACK = 3, /* FFN: the ids are copied and refilled, the flag is still 1; `where` is the desc */
    AFD__FAULT_REPLY = 4,     /* FFN: a slot has half of its row; `where` is the flags of the micro-batch */
    AFD__FAULT_ANSWER = 5,    /* FFN: all rows are there, and some flags of the round; `where` is one of them */
    AFD__FAULT_POINT_NUM = 6
} afd__fault_point;

#ifdef AFD_FAULT_POINTS

/* NULL: nothing strikes. Set before any worker runs. */
extern void (*afd__fault_hook)(afd__fault_point point, void *where);

static inline void afd__fault_at(afd__fault_point point, void *where)
{
    if (afd__fault_hook != NULL) {
        afd__fault_hook(point, where);
    }
}

/* As afd__fault_at(), and meanwhile the second half of the row is not what it will be. */
static inline void afd__fault_at_torn(afd__fault_point point, void *where, void *row, size_t row_bytes)
{
    char saved[64];
    char *second_half = (char *)row + row_bytes / 2;
    const size_t torn_bytes = row_bytes / 2 < sizeof(saved) ? row_bytes / 2 : sizeof(saved);
    memcpy(saved, second_half, torn_bytes);
    memset(second_half, 0xA5, torn_bytes);
    afd__fault_at(point, where);
    memcpy(second_half, saved, torn_bytes);
}

#else

static inline void afd__fault_at(afd__fault_point point, void *where)
{
    (void)point;
    (void)where;
}

static inline void afd__fault_at_torn(afd__fault_point point, void *where, void *row, size_t row_bytes)
{
    (void)point;
    (void)where;
    (void)row;
    (void)row_bytes;
}

#endif

#endif
