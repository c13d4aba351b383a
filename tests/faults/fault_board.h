/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of one fault share: who is there, how far each is, what each was told, and the fault. It has no
 * name, so that nothing of it is left behind. The run writes `armed`, `finish` and `drain`; each member writes its own
 * seat; all add to the log.
 */
#ifndef AFD_TEST_FAULT_BOARD_H
#define AFD_TEST_FAULT_BOARD_H

#include <stdint.h>
#include <sys/types.h>

#include "afd/member.h"
#include "fault_case.h"

enum { FAULT_LOG_MAX = 512, FAULT_TEXT_BYTES = 160 };

/* A member's process. All words are atomic, relaxed: they are looked at, and nothing is read through them. */
typedef struct fault_seat {
    int32_t pid;             /* 0: it was not started */
    int32_t joined_num;      /* attention: how often it has joined everybody */
    uint64_t round_num;      /* attention: rounds whose rows were right; FFN: experts' calls */
    uint64_t lost_num;       /* attention: rounds that ended with AFD_ERR_PEER, and were sent again */
    uint64_t gap_ns_max;     /* attention: the longest time between two rounds since the fault was armed */
    uint64_t round_ns;       /* when the latest one came */
    int32_t wrong;           /* 1: it has seen a row that is wrong */
    int32_t refused_by_pid;  /* attention: who had its place when it wanted it, or 0 */
} fault_seat;

/* One event, as its observer saw it. */
typedef struct fault_entry {
    int32_t is_written;      /* atomic, release: the rest may be read */
    char side;               /* of the observer */
    uint32_t observer;
    uint64_t at_ns;
    afd_event_kind kind;
    afd_drop_reason reason;
    uint32_t peer;
    uint32_t pid;
    char text[FAULT_TEXT_BYTES];
} fault_entry;

typedef struct fault_board {
    int32_t armed;           /* atomic: 1: the victim may be struck */
    int32_t hit_num;         /* atomic: passes of the victim through the point since then */
    int32_t finish;          /* atomic: attention workers end when their open rounds are over */
    int32_t drain[FAULT_RANKS_MAX]; /* atomic: FFN workers end in order */
    int32_t released;        /* atomic: a victim that sleeps goes on as if nothing were */
    uint64_t struck_ns;      /* atomic: when the victim was struck; 0: not yet */
    fault_seat attention[FAULT_SESSIONS_MAX];
    fault_seat ffn[FAULT_RANKS_MAX];
    int32_t log_num;         /* atomic */
    fault_entry log[FAULT_LOG_MAX];
} fault_board;

/* One fault's world, before its processes are started. */
typedef struct fault_world {
    const fault_case *f;
    fault_board *board;
    pid_t parent;            /* the run; its number is in the names of windows */
} fault_world;

enum { FAULT_NAME_BYTES = AFD_WINDOW_NAME_MAX + 1 };

/* "faults-4711-f0": the name of an FFN worker's window; and "faults-4711-a1-4713", of an attention worker's, which has
 * the process in it, because another one may want the same session while it is stopped. */
void fault_ffn_name(const fault_world *world, uint32_t rank, char name[FAULT_NAME_BYTES]);
void fault_attention_name(const fault_world *world, uint32_t session, pid_t pid, char name[FAULT_NAME_BYTES]);

/* What all of them begin with. */
void fault_name_prefix(const fault_world *world, char prefix[FAULT_NAME_BYTES]);

/* The body of a member's process; returns its exit status: 0, or 1 for what must not be, said on stderr. */
int fault_be_ffn(const fault_world *world, uint32_t rank);
int fault_be_attention(const fault_world *world, uint32_t session);

/* How a member strikes itself; set in the victim's process. */
void fault_set_trap(const fault_world *world);

/* The clocks of all members: short, so that a campaign is. */
afd_member_options fault_member_options(const fault_case *f);

static inline int32_t board_get(const int32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void board_set(int32_t *word, int32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint64_t board_get_u64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void board_set_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#endif
