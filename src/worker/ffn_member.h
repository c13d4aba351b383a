/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What membership adds to an FFN worker: ffn_member.c has who comes and goes, ffn_member_lose.c who loses a place,
 * ffn_member_late.c the deadline, ffn_member_link.c the way of tokens from and to other hosts, ffn_member_serve.c
 * opening the door, serving and draining.
 *
 * In all-sync the steps are numbered: a *turn* is one step, it awaits micro-batch turn % M, and a session takes part
 * from the turn on that it has agreed on with all FFN workers. So all of them pair its rounds with the same rounds of
 * the other sessions, and no two sessions wait for each other through two FFN workers.
 */
#ifndef AFD_WORKER_FFN_MEMBER_H
#define AFD_WORKER_FFN_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"
#include "transport/ucx/plane.h"
#include "worker/ffn_worker.h"
#include "worker/member/door.h"

/* The link of a session of another host. It belongs to the worker's thread, as its plane does, so that the keeper,
 * which may be done with a guest at any time, never pulls it from under a step. */
typedef struct afd__ffn_link {
    afd__link *link;          /* NULL: there is none */
    uint64_t key;
    const afd__guest *guest;  /* for whom it was made, */
    uint32_t serial;          /* and not for who had the same entry before or after */
    uint64_t broken_ns;       /* since when it is seen to be broken; 0: it is not */
} afd__ffn_link;

struct afd__ffn_member {
    afd__door door;
    afd_member_options options; /* without what is only good while the call that has them lasts */
    afd__plane *plane;       /* NULL: nobody comes from other hosts */
    afd__ffn_link *links;    /* [S], with a plane */
    bool takes_turns;        /* all-sync */
    uint64_t turn;           /* the next step */
    uint64_t next_start;     /* the first turn that a pending session takes part in; UINT64_MAX: nobody is pending */

    uint32_t passes_to_look; /* until the next look at the clock */
    uint64_t next_look_ns;   /* when who is late is looked at again */
    uint64_t *since_ns;      /* [S / G]: when a group was first seen to wait for some of its members; 0: it does not */
    uint64_t since_turn;     /* all-sync: of the wait that since_ns[0] is about */
    bool is_late;            /* somebody is, and on_deadline says that serving stops */
    afd_wait *wait;          /* of the call that serves, for the names of who is late; NULL: none does */

    uint64_t *row_nums;      /* [S]: of the step under way, for the counters */
    uint64_t drained_ns;     /* draining: when it ends with who is still there; 0: it does not drain */
};

/* What the observer is to be told when the lock is open again. */
typedef struct afd__telling {
    bool is_due;
    afd_event event;
    char host[AFD__HOST_TEXT_BYTES]; /* of the event; the guest may be gone by then */
    char text[AFD_ERROR_MESSAGE_BYTES];
} afd__telling;

/* How often a worker that is busy looks at the clock for its members' sake. */
enum { AFD__MEMBER_LOOK_PASSES = 64 };

/* Before and after a look at the window that may take something. */
static inline void afd__ffn_member_before_take(afd_ffn_worker *worker);
void afd__ffn_member_after_take(afd_ffn_worker *worker);

/* Answers who asks for something. */
void afd__ffn_member_hear(afd_ffn_worker *worker);

/* A session loses its place, and is told why, as the observer is. Nothing for one that is not there. */
void afd__ffn_member_drop(afd_ffn_worker *worker, uint32_t session, afd_drop_reason reason, afd_event event);

/* An event about a guest, to be told later. */
void afd__ffn_member_note(afd__telling *what, afd_event event, const afd__guest *guest);

/* Who the session is and what it is at, for an event about it: which micro-batch, which layer, how long it has been
 * silent. Its host is good for as long as the session has its place. */
afd_event afd__ffn_member_event(const afd_ffn_worker *worker, afd_event_kind kind, uint32_t session);

/* A wild id was found: tells, and drops the session. */
void afd__ffn_member_drop_wild(afd_ffn_worker *worker, const afd_wild_id *wild);

void afd__ffn_member_tell(const afd_ffn_worker *worker, const afd__telling *what);

/* ---- under the door's lock ---- */

void afd__ffn_member_set_turn(afd_ffn_worker *worker, uint64_t turn);
void afd__ffn_member_find_next_start(afd__ffn_member *member);

/* Where nobody is live, nobody is there who could make the turns go by up to the next start: it is the next turn. */
void afd__ffn_member_settle_turn(afd_ffn_worker *worker);

/* The session is not looked at any more, and nobody writes for it. */
void afd__ffn_member_take_out(afd_ffn_worker *worker, afd__guest *guest, afd_member_state state);

/* Takes an admitted guest out for guest->reason; `event` knows what the session was at. */
void afd__ffn_member_lose(afd_ffn_worker *worker, afd__guest *guest, afd_event event, afd__telling *what);

/* ---- links, under the door's lock or not: only the worker's thread knows of them (ffn_member_link.c) ---- */

/* AFD_ERR_INVALID for an address that is none, or that others can reach without a secret. */
afd_status afd__ffn_member_parse_listen(const afd_member_options *options, afd__address *listen, afd_error *error);

/* Opens the plane beside the post that listens there. */
afd_status afd__ffn_member_open_plane(afd_ffn_worker *worker, const afd__address *listen, afd_error *error);
void afd__ffn_member_close_plane(afd_ffn_worker *worker);

/* A link for a guest that has a place, and in TURN what it needs to make it. The same again where there is one. */
afd_status afd__ffn_member_expect(afd_ffn_worker *worker, const afd__guest *guest, afd__message *turn,
                                  afd_error *error);
afd__link_state afd__ffn_member_link_state(const afd_ffn_worker *worker, const afd__guest *guest);

/* Nothing comes in for the session any more, and nothing goes out. */
void afd__ffn_member_close_link(afd_ffn_worker *worker, uint32_t session);

/* Closes the links of guests that have gone meanwhile; under the lock. */
void afd__ffn_member_sweep_links(afd_ffn_worker *worker);

/* Drops the sessions whose links are broken, without the lock. */
void afd__ffn_member_look_at_links(afd_ffn_worker *worker);

/* What the plane has counted, for who looks at the counters. */
void afd__ffn_member_count_plane(const afd_ffn_worker *worker);

/* ---- without it ---- */

/* Sessions that have a place and may write. */
uint32_t afd__ffn_member_admitted_num(afd_ffn_worker *worker);

/* Looks at the clock, and for who is late when it is time. */
void afd__ffn_member_look(afd_ffn_worker *worker);

/* What was answered, for who looks at the counters (member_stats.c). */
void afd__ffn_member_count(afd_ffn_worker *worker, uint32_t round_num);

void afd__ffn_member_close(afd_ffn_worker *worker);

static inline void afd__ffn_member_before_take(afd_ffn_worker *worker)
{
    struct afd__ffn_member *member = worker->member;
    if (afd__door_has_news(&member->door)) {
        afd__ffn_member_hear(worker);
    }
    if (--member->passes_to_look == 0) {
        afd__ffn_member_look(worker);
    }
}

#endif
