/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What membership adds to an attention worker: attention_member.c has what becomes of rounds when an FFN worker is
 * lost; attention_member_join.c the way in; attention_member_rejoin.c the way out, and in again;
 * attention_member_table.c how to do without an FFN worker that is not there.
 */
#ifndef AFD_WORKER_ATTENTION_MEMBER_H
#define AFD_WORKER_ATTENTION_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"
#include "worker/attention_worker.h"
#include "worker/member/tie.h"

struct afd__attention_member {
    afd__ties ties;
    afd_member_options options;
    char window_name[AFD_WINDOW_NAME_MAX + 1]; /* of the attention window; "": private memory */
    uint64_t epoch;
    bool is_joined;          /* every FFN worker that is there has admitted it */
    bool has_joined_before;
    bool is_troubled;        /* a rank is lost, or has dropped this session: rounds that it has a part in cannot end */
    bool is_draining;        /* a rank wants to end */
    bool has_returned;       /* a rank that was gone without is there again */

    bool takes_any_session;
    uint32_t first_session;  /* with it: where to begin to look */
    uint32_t refused_num;    /* with it: places that one rank had free and another one had not */
    bool may_go_without;     /* ranks that are not there, in this join */
    uint64_t margin;         /* turns between the latest rank's and the start */
    uint64_t leaving_ns;     /* until when to wait for GONE */
    uint64_t lost_round_num; /* rounds that ended with AFD_ERR_PEER */

    afd_worker_counters counted_before; /* by the windows before this one */
    afd_expert_table full_experts; /* as the options had it */
    int32_t *entries;        /* the same without the copies at missing ranks; NULL: not needed yet */
};

/* ---- attention_member.c ---- */

/* Looks at the news, and tells the observer. */
void afd__attention_member_hear(afd_attention_worker *worker);

/* Once a dispatch, and on empty passes. */
static inline void afd__attention_member_listen(afd_attention_worker *worker)
{
    if (afd__ties_have_news(&worker->member->ties)) {
        afd__attention_member_hear(worker);
    }
}

/* Whether a dispatch may go out: AFD_ERR_PEER names the FFN worker that is lost, or drains. */
afd_status afd__attention_member_may_dispatch(const afd_attention_worker *worker, uint32_t micro_batch,
                                              int32_t layer_id, afd_error *error);

/* Whether an open round can still end: AFD_ERR_PEER names the FFN worker that slots of it are missing from. */
afd_status afd__attention_member_may_end(const afd_attention_worker *worker, uint32_t micro_batch, afd_error *error);

/* Says goodbye to all FFN workers and waits until they are gone. */
afd_status afd__attention_member_leave(afd_attention_worker *worker, afd_wait *wait, afd_error *error);

/* For who looks at the counters (member_stats.c). */
void afd__attention_member_count_dispatch(afd_attention_worker *worker, uint32_t micro_batch);
void afd__attention_member_count_collect(afd_attention_worker *worker);

void afd__attention_member_close(afd_attention_worker *worker);

/* Says goodbye wherever there is anybody to say it to. Nothing is written into FFN windows from here on. */
void afd__attention_member_say_goodbye(afd_attention_worker *worker);

/* Waits until all have answered the goodbye, or dead_ns is over. */
afd_status afd__attention_member_await_gone(afd_attention_worker *worker, afd_wait *wait, afd_error *error);

/* ---- attention_member_join.c ---- */

/* Joins all that are there; every tie is AWAY. */
afd_status afd__attention_member_join(afd_attention_worker *worker, afd_wait *wait, afd_error *error);

/* ---- attention_member_open.c ---- */

/* Opens the window that the rank has offered, and makes the writer into it. AFD_ERR_OWNER_DEAD, AFD_ERR_NOT_FOUND: it
 * went away meanwhile. */
afd_status afd__attention_member_open(afd_attention_worker *worker, uint32_t rank, afd_error *error);

/* Tells the observer, and who looks at the counters, that a rank has admitted the session. */
void afd__attention_member_tell_joined(afd_attention_worker *worker, uint32_t rank);

/* ---- attention_member_table.c ---- */

/* Whether every expert has a copy at a rank that is not missing, without this one too. */
bool afd__attention_member_can_spare(const afd_attention_worker *worker, uint32_t rank);

/* The table of this join: the full one, or one without the missing ranks. */
afd_status afd__attention_member_make_table(afd_attention_worker *worker, afd_error *error);

/* A writer that stands for an FFN worker that is gone without. */

afd_status afd__absent_writer_create(const afd_attention_worker *worker, afd_writer **writer, afd_error *error);

#endif
