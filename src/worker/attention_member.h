/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What membership adds to an attention worker: attention_member.c has what becomes of rounds when an FFN worker is
 * lost; attention_member_join.c the way in; attention_member_link.c the way of tokens to other hosts;
 * attention_member_rejoin.c the way out, and in again; attention_member_table.c how to do without an FFN worker that is
 * not there.
 */
#ifndef AFD_WORKER_ATTENTION_MEMBER_H
#define AFD_WORKER_ATTENTION_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"
#include "transport/ucx/plane.h"
#include "worker/attention_worker.h"
#include "worker/member/tie.h"

/* The link to a rank of another host. */
typedef struct afd__attention_link {
    afd__link *link;     /* NULL: there is none */
    uint64_t key;
    uint64_t began_ns;   /* when it was made */
    uint64_t broken_ns;  /* since when it is seen to be broken; 0: it is not */
} afd__attention_link;

struct afd__attention_member {
    afd__ties ties;
    afd_member_options options; /* without what is only good while the call that has them lasts */
    afd__plane *plane;          /* NULL: no rank is of another host */
    afd__attention_link *links; /* [ffn_num], with a plane */
    afd__plane_counters plane_before; /* what it had counted when this window was made */
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

/* ---- attention_member_link.c ---- */

/* Opens what ranks of other hosts need, if there are any. */
afd_status afd__attention_member_open_plane(afd_attention_worker *worker, afd_error *error);
void afd__attention_member_close_plane(afd_attention_worker *worker);

/* Makes the link that a rank has offered; the rank has its writer when the link is attached. AFD_ERR_PEER: it is not to
 * be had, and the rank to be asked again. */
afd_status afd__attention_member_open_link(afd_attention_worker *worker, uint32_t rank, afd_error *error);

/* Ends the writer of a rank, and the link if it is one. */
void afd__attention_member_close_way(afd_attention_worker *worker, uint32_t rank);

/* Whether the link of a rank is broken; false for one that has none. */
bool afd__attention_member_link_is_broken(const afd_attention_worker *worker, uint32_t rank);

/* Loses the ties whose links are broken; those whose peer is merely gone after a while, or at once. */
void afd__attention_member_look_at_links(const afd_attention_worker *worker, bool at_once);

/* ---- attention_member.c ---- */

/* Once a dispatch, and on empty passes. */
static inline void afd__attention_member_listen(afd_attention_worker *worker)
{
    if (worker->plane != NULL) {
        afd__attention_member_look_at_links(worker, false);
    }
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
