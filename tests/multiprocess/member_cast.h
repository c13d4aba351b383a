/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention workers and FFN workers that are members, each a process of its own, and the board on which they write what
 * happens to them: for tests that strike some of them. They find each other by name, or as on several hosts by address,
 * which here is the loopback.
 */
#ifndef AFD_TEST_MEMBER_CAST_H
#define AFD_TEST_MEMBER_CAST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "afd/member.h"
#include "layer_case.h"

enum { CAST_ATTENTION_MAX = 4, CAST_FFN_MAX = 3, CAST_EVENT_MAX = 64, CAST_NAME_BYTES = 64, CAST_TEXT_BYTES = 200 };

/* An event as the observer of one member had it. */
typedef struct cast_event {
    bool is_ffn;      /* whose observer: an FFN worker's or an attention worker's */
    uint32_t member;  /* its rank or session */
    afd_event event;  /* without its text */
    char text[CAST_TEXT_BYTES];
} cast_event;

/* Shared by all processes. Everything is atomic but the events, of which each writer has the entries that it drew. */
typedef struct cast_board {
    uint32_t steps[CAST_ATTENTION_MAX];   /* whole steps collected and compared */
    uint32_t peers_lost[CAST_ATTENTION_MAX]; /* AFD_ERR_PEER of a collect or dispatch */
    uint32_t rejoins[CAST_ATTENTION_MAX];
    char peer_errors[CAST_ATTENTION_MAX][CAST_TEXT_BYTES]; /* the latest sentence */
    uint32_t answers[CAST_FFN_MAX];       /* calls of the experts */
    int32_t drain[CAST_FFN_MAX];          /* stop words of the FFN workers */
    uint32_t enough;                      /* 1: sessions end after the step that they are at */
    uint32_t event_num;
    cast_event events[CAST_EVENT_MAX];
    uint32_t is_written[CAST_EVENT_MAX];
} cast_board;

typedef struct cast {
    layer_case c;
    uint32_t step_num;            /* of each session */
    afd_member_options options;   /* without observer and drain */
    cast_board *board;
    pid_t ffn[CAST_FFN_MAX];
    pid_t attention[CAST_ATTENTION_MAX];
    char names[CAST_FFN_MAX][CAST_NAME_BYTES];
    char addresses[CAST_FFN_MAX][CAST_NAME_BYTES];
    const char *name_list[CAST_FFN_MAX]; /* by which FFN workers are joined: names or addresses */
    bool is_between_hosts;
} cast;

/* From now on casts are made that find each other by address. False: there is no UCX here. */
bool cast_go_between_hosts(void);

/* Fails the test, with a sentence; ends all that were started. */
_Noreturn void cast_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A cast of so many, with heartbeats of 20 ms, dead after 5 s, which is longer than a busy machine keeps anybody from
 * speaking; to be changed at will before anybody starts. */
void cast_make(cast *all, uint32_t attention_num, uint32_t ffn_num, uint32_t group_size, uint32_t copy_num);

/* Dead after 1 s: for a case in which somebody is to be lost for being silent. */
void cast_be_quick(cast *all);
void cast_free(cast *all);

void cast_start_ffn(cast *all, uint32_t rank);
void cast_start_attention(cast *all, uint32_t session);

/* Until the session has so many whole steps; only a hang reaches the end of patience. */
void cast_await_steps(const cast *all, uint32_t session, uint32_t step_num);

/* How many it has by now. */
uint32_t cast_steps(const cast *all, uint32_t session);

/* Sessions end, however many steps they have left. */
void cast_enough(cast *all);

/* Until there is such an event of such a member; the entry. */
const cast_event *cast_await_event(const cast *all, bool is_ffn, uint32_t member, afd_event_kind kind, uint32_t peer);
uint32_t cast_count_events(const cast *all, bool is_ffn, afd_event_kind kind);

/* Waits for a process that ends by itself; it must have exited with 0. */
void cast_join(pid_t *process);

/* Kills a process and buries it. */
void cast_kill(pid_t *process);

/* Drains all FFN workers and waits for them; then nobody has left anything in /dev/shm. */
void cast_end(cast *all);

/* The name of a session's window. */
void cast_window_name(uint32_t session, char name[CAST_NAME_BYTES]);

#endif
