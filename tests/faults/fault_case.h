/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fault of a campaign, drawn from a seed: who is there, what happens to whom, and where inside the hand-over.
 */
#ifndef AFD_TEST_FAULT_CASE_H
#define AFD_TEST_FAULT_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "layer_case.h"

/* Name, who is struck ('a' or 'f'; '-' nobody), and how it is reported of them: the reason, or NULL for no report. */
#define FAULT_KIND_MAP(X)                                                     \
    X(FAULT_KILL_ATTENTION, "kill attention", 'a', AFD_DROP_EXITED)           \
    X(FAULT_RESTART_ATTENTION, "restart attention", 'a', AFD_DROP_EXITED)     \
    X(FAULT_STOP_ATTENTION, "stop attention, go on", 'a', AFD_DROP_SILENT)    \
    X(FAULT_REPLACE_ATTENTION, "stop attention, replace", 'a', AFD_DROP_SILENT) \
    X(FAULT_SLOW_ATTENTION, "slow attention", 'a', AFD_DROP_DEADLINE)         \
    X(FAULT_WILD_IDS, "wild ids in the window", 'a', AFD_DROP_WILD_ID)        \
    X(FAULT_WILD_FLAGS, "garbage flag, restart", 'a', AFD_DROP_EXITED)        \
    X(FAULT_RESTART_FFN, "restart FFN", 'f', AFD_DROP_EXITED)                 \
    X(FAULT_LOSE_FFN, "lose FFN, use copies", 'f', AFD_DROP_EXITED)           \
    X(FAULT_STOP_FFN, "stop FFN, go on", 'f', AFD_DROP_SILENT)                \
    X(FAULT_SLOW_FFN, "slow experts", 'f', AFD_DROP_NONE)                     \
    X(FAULT_GARBAGE_DOOR, "garbage at the door", '-', AFD_DROP_NONE)          \
    X(FAULT_LOAD, "load", '-', AFD_DROP_NONE)

typedef enum fault_kind {
#define FAULT_KIND_ENUM(name, text, side, reason) name,
    FAULT_KIND_MAP(FAULT_KIND_ENUM)
#undef FAULT_KIND_ENUM
    FAULT_KIND_NUM
} fault_kind;

enum { FAULT_SESSIONS_MAX = 4, FAULT_RANKS_MAX = 3 };

typedef struct fault_case {
    uint64_t seed;
    fault_kind kind;
    afd__fault_point point; /* where the victim is struck */
    uint32_t hit;           /* at which pass through it since the fault was armed, from 1 */
    uint32_t victim;        /* a session or a rank */
    uint32_t load_ms;       /* of FAULT_LOAD */
    layer_case layer;       /* to be freed with layer_case_free() */
} fault_case;

/* As long as it lasts, of FAULT_LOAD in a campaign. */
enum { FAULT_LOAD_MS = 3000 };

/* The case of a seed; kinds come in turn, so that a campaign has all of them. */
void fault_case_draw(fault_case *f, uint64_t seed, uint32_t number);

const char *fault_kind_text(fault_kind kind);
char fault_side(fault_kind kind);
int fault_reason(fault_kind kind);

/* One line that says which case it is, to be run again by. */
void fault_case_print(const fault_case *f);

#endif
