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

/* How the members of a fault reach each other. */
typedef enum fault_transport {
    FAULT_ON_SHM = 1,   /* through shared memory */
    FAULT_ON_UCX = 2,   /* over UCX, by the loopback */
    FAULT_ON_HOSTS = 4  /* over UCX, each on a host of its own: a network namespace */
} fault_transport;

enum {
    FAULT_ON_ALL = FAULT_ON_SHM | FAULT_ON_UCX | FAULT_ON_HOSTS,
    FAULT_ON_WIRES = FAULT_ON_UCX | FAULT_ON_HOSTS
};

/* Name, who is struck ('a' or 'f'; '-' nobody), how it is reported of them: the reason, or none for no report; and on
 * which transports there is such a fault. */
#define FAULT_KIND_MAP(X)                                                                     \
    X(FAULT_KILL_ATTENTION, "kill attention", 'a', AFD_DROP_EXITED, FAULT_ON_ALL)             \
    X(FAULT_RESTART_ATTENTION, "restart attention", 'a', AFD_DROP_EXITED, FAULT_ON_ALL)       \
    X(FAULT_STOP_ATTENTION, "stop attention, go on", 'a', AFD_DROP_SILENT, FAULT_ON_ALL)      \
    X(FAULT_REPLACE_ATTENTION, "stop attention, replace", 'a', AFD_DROP_SILENT, FAULT_ON_ALL) \
    X(FAULT_SLOW_ATTENTION, "slow attention", 'a', AFD_DROP_DEADLINE, FAULT_ON_ALL)           \
    X(FAULT_WILD_IDS, "wild ids", 'a', AFD_DROP_WILD_ID, FAULT_ON_ALL)                        \
    X(FAULT_WILD_FLAGS, "garbage flag, restart", 'a', AFD_DROP_EXITED, FAULT_ON_SHM)          \
    X(FAULT_WILD_MESSAGE, "garbage in a message", 'a', AFD_DROP_GARBAGE, FAULT_ON_WIRES)      \
    X(FAULT_RESTART_FFN, "restart FFN", 'f', AFD_DROP_EXITED, FAULT_ON_ALL)                   \
    X(FAULT_LOSE_FFN, "lose FFN, use copies", 'f', AFD_DROP_EXITED, FAULT_ON_ALL)             \
    X(FAULT_STOP_FFN, "stop FFN, go on", 'f', AFD_DROP_SILENT, FAULT_ON_ALL)                  \
    X(FAULT_SLOW_FFN, "slow experts", 'f', AFD_DROP_NONE, FAULT_ON_ALL)                       \
    X(FAULT_GARBAGE_DOOR, "garbage at the door", '-', AFD_DROP_NONE, FAULT_ON_ALL)            \
    X(FAULT_LOAD, "load", '-', AFD_DROP_NONE, FAULT_ON_ALL)                                   \
    X(FAULT_LOSS, "5 % of packets lost", '-', AFD_DROP_NONE, FAULT_ON_WIRES)                  \
    X(FAULT_CUT_ATTENTION, "cut off attention", 'a', AFD_DROP_SILENT, FAULT_ON_HOSTS)         \
    X(FAULT_CUT_FFN, "cut off FFN", 'f', AFD_DROP_SILENT, FAULT_ON_HOSTS)

typedef enum fault_kind {
#define FAULT_KIND_ENUM(name, text, side, reason, transports) name,
    FAULT_KIND_MAP(FAULT_KIND_ENUM)
#undef FAULT_KIND_ENUM
    FAULT_KIND_NUM
} fault_kind;

enum { FAULT_SESSIONS_MAX = 4, FAULT_RANKS_MAX = 3 };

typedef struct fault_case {
    uint64_t seed;
    fault_transport transport;
    fault_kind kind;
    afd__fault_point point; /* where the victim is struck */
    uint32_t hit;           /* at which pass through it since the fault was armed, from 1 */
    uint32_t victim;        /* a session or a rank */
    uint32_t load_ms;       /* of FAULT_LOAD and FAULT_LOSS */
    layer_case layer;       /* to be freed with layer_case_free() */
} fault_case;

/* As long as it lasts, of FAULT_LOAD and FAULT_LOSS in a campaign. */
enum { FAULT_LOAD_MS = 3000 };

/* The case of a seed; the kinds that the transport has come in turn, so that a campaign has all of them. */
void fault_case_draw(fault_case *f, fault_transport transport, uint64_t seed, uint32_t number);

const char *fault_kind_text(fault_kind kind);
char fault_side(fault_kind kind);

/* Of whom it strikes. Between hosts nobody sees a process end, but its connection. */
int fault_reason(const fault_case *f);

/* Whether the victim's process ends by it. */
bool fault_is_deadly(fault_kind kind);

/* Whether it is done to the network. */
bool fault_is_of_network(fault_kind kind);

/* One line that says which case it is, to be run again by. */
void fault_case_print(const fault_case *f);

#endif
