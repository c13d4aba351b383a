/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a living worker says of itself: counters beside its shared window, for `afd top`, `afd metrics`, and anybody who
 * joins the window to look.
 *
 * The worker alone writes them, each with one relaxed 8-byte store, in cache lines that nobody else writes; who looks
 * disturbs nobody. A figure is never torn, but two figures may be of different moments. Counters only grow while a
 * window lives; rates are differences of two looks.
 *
 * Threads: reading from anywhere, at any time.
 */
#ifndef AFD_STATS_H
#define AFD_STATS_H

#include <stdint.h>

#include "afd/status.h"
#include "afd/window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* Where a member stands: a session of an FFN worker, or an FFN worker of an attention worker. */
typedef enum afd_member_state {
    AFD_MEMBER_AWAY = 0,     /* nobody has the place */
    AFD_MEMBER_JOINING = 1,  /* admitted, not awaited yet */
    AFD_MEMBER_LIVE = 2,
    AFD_MEMBER_LEFT = 3,     /* said goodbye */
    AFD_MEMBER_DROPPED = 4   /* lost its place, or is lost */
} afd_member_state;

/* The worker as a whole. */
typedef struct afd_worker_stats {
    uint64_t started_ns;      /* on CLOCK_MONOTONIC; 0: no worker has used this window */
    uint64_t beat_ns;         /* of its latest heartbeat, on CLOCK_MONOTONIC; 0: it has no heartbeat */
    uint64_t step_num;        /* FFN: steps that answered; attention: micro-batches collected */
    uint64_t micro_batch_num; /* FFN: pairs answered; attention: dispatched */
    uint64_t row_num;
    uint64_t byte_num;
    uint64_t wild_num;
    uint64_t join_num;        /* members that came, those that came back included */
    uint64_t leave_num;
    uint64_t drop_num;
    uint64_t refuse_num;
    uint64_t late_num;        /* deadlines that passed */
    uint64_t lost_round_num;  /* attention: rounds that ended with AFD_ERR_PEER */
    uint64_t draining;        /* 1: it wants to end */
    uint64_t stale_num;       /* between hosts: messages of an epoch or a round that is over, which were dropped */
    uint64_t garbage_num;     /* between hosts: messages that break the rules; they cost the sender its place */
    uint64_t credit_wait_num; /* between hosts, attention: dispatches that found a micro-batch not given back yet */
    uint64_t reserved[15];
} afd_worker_stats;

/* One member: session i of an FFN window, FFN worker i of an attention window. */
typedef struct afd_member_stats {
    uint64_t state;           /* an afd_member_state */
    uint64_t pid;
    uint64_t epoch;
    uint64_t joined_ns;       /* on CLOCK_MONOTONIC */
    uint64_t heard_ns;        /* its latest heartbeat */
    uint64_t delivered_ns;    /* FFN: its latest micro-batch that was taken; attention: its latest round collected */
    uint64_t micro_batch_num; /* FFN: answered; attention: dispatched to it */
    uint64_t row_num;
    uint64_t byte_num;
    uint64_t in_flight_num;   /* attention: rounds open now; FFN: micro-batches ready or taken, as of the last step */
    uint64_t late_num;
    uint64_t drop_num;
    uint64_t wild_num;
    uint64_t join_num;
    uint64_t micro_batch;     /* the latest one */
    uint64_t layer_id;        /* of that */
} afd_member_stats;

/* How many members a window has counters for: S, or as many FFN workers as the attention worker was made for; 0 for a
 * window in private memory. */
uint32_t afd_window_member_num(const afd_window *window);

/* A look at the counters. AFD_ERR_INVALID for a window without them, or a member that is out of range. */
afd_status afd_window_worker_stats(const afd_window *window, afd_worker_stats *stats, afd_error *error);
afd_status afd_window_member_stats(const afd_window *window, uint32_t member, afd_member_stats *stats,
                                   afd_error *error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
