/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ties of an attention worker: one to each FFN worker that it has joined.
 *
 * The keeper's thread hears what comes in, beats, and notices who is silent or has ended; it writes down in the tie
 * where things stand, and raises `news`. The worker's thread connects, says what is to be said, and looks at that word
 * in every dispatch and on every empty pass of a collect. Both hold the lock while they look at ties.
 *
 *     AWAY ── connect, HELLO ──► ASKING ── TURN ──► OFFERED ── START ──► STARTING ── WELCOME ──► LIVE
 *                                  ▲                                        │ LATE                │
 *                                  └─────────────── WITHDRAW ───────────────┴── TOO_LATE          │ GOODBYE
 *                                                                                                 ▼
 *     REFUSED, DROPPED, LOST: from wherever it was                                   LEAVING ── GONE
 *
 * A tie to another host is a line of a post that all of them share. There is no process to be watched, and the pid is
 * what the other end says, for people only.
 */
#ifndef AFD_WORKER_MEMBER_TIE_H
#define AFD_WORKER_MEMBER_TIE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"
#include "afd/window.h"
#include "base/atomic.h"
#include "worker/member/channel.h"
#include "worker/member/keeper.h"
#include "worker/member/message.h"

typedef enum afd__tie_state {
    AFD__TIE_AWAY = 0, /* there is no channel */
    AFD__TIE_PROBING,  /* there is one, only to see whether anybody answers */
    AFD__TIE_ASKING,   /* HELLO or WITHDRAW was said */
    AFD__TIE_OFFERED,  /* TURN has come */
    AFD__TIE_STARTING, /* START was said */
    AFD__TIE_TOO_LATE, /* LATE has come */
    AFD__TIE_LIVE,     /* WELCOME has come */
    AFD__TIE_LEAVING,  /* GOODBYE was said */
    AFD__TIE_GONE,     /* nobody there writes for us any more */
    AFD__TIE_REFUSED,
    AFD__TIE_DROPPED,
    AFD__TIE_LOST
} afd__tie_state;

typedef struct afd__tie {
    afd__tie_state state;
    bool is_told_of_trouble; /* the observer knows; so the next two */
    bool is_told_of_drain;
    bool is_told_of_return;
    bool is_draining;        /* the FFN worker wants to end */
    bool is_missing;         /* it is gone without, and probed for */
    bool has_returned;       /* it was missing, and answers again */
    bool has_ended;          /* its process */
    bool is_remote;          /* its name is an address of another host */
    bool is_resolved;        /* and `address` is what that stands for */
    uint32_t serial;
    afd__channel channel;
    int pidfd;
    uint32_t pid;
    uint64_t heard_ns;
    uint64_t closed_ns;      /* when its end was found closed; 0: it is open */
    uint64_t retry_ns;       /* not connected to before */
    uint64_t pause_ns;       /* of another host: until the next retry but one; grows */
    uint64_t epoch;          /* under which it was asked last */
    uint64_t turn;           /* of TURN or LATE */
    bool anchored;
    uint32_t session;
    uint64_t generation;     /* of its window */
    uint64_t window_key;     /* of another host: of the link for tokens; so the next one */
    uint32_t data_port;
    afd__address address;
    afd_drop_reason reason;  /* of DROPPED and LOST */
    afd_status status;       /* of REFUSED */
    char text[AFD_ERROR_MESSAGE_BYTES];
} afd__tie;

typedef struct afd__ties {
    const char *const *names; /* [tie_num] */
    uint32_t tie_num;
    uint64_t dead_ns;
    int32_t news;             /* atomic: 1 when a tie stands otherwise */
    afd_window *window;       /* whose counters show the heartbeat; NULL: none now; under the lock */
    afd__keeper keeper;
    pthread_mutex_t lock;     /* of the ties, and of the post */
    afd__post *post;          /* to other hosts; NULL: not needed yet */
    afd__credentials credentials; /* which are shown there */
    afd__tie *ties;
} afd__ties;

/* Between two knocks at a door that is not there. Between hosts a knock costs more, and each that is in vain makes the
 * next one wait twice as long, up to a bound. */
enum { AFD__TIE_RETRY_NS = 5 * 1000 * 1000, AFD__TIE_RETRY_MAX_NS = 250 * 1000 * 1000 };

afd_status afd__ties_make(afd__ties *ties, const char *const *names, uint32_t tie_num,
                          const afd_member_options *options, afd_error *error);

/* Ends the keeper and closes every channel. */
void afd__ties_end(afd__ties *ties);

/* Once a dispatch, and on empty passes. */
static inline bool afd__ties_have_news(const afd__ties *ties)
{
    /* A8, meets R8 in afd__ties_raise(); as A7 of the door. */
    return afd__load_acquire_i32(&ties->news) != 0;
}

void afd__ties_lock(afd__ties *ties);
void afd__ties_unlock(afd__ties *ties);

/* ---- under the lock ---- */

/* The news was looked at. */
void afd__ties_settle(afd__ties *ties);

/* A tie stands otherwise: raises the news. */
void afd__ties_raise(afd__ties *ties);

/* Connects to the door of a tie that is AWAY, for whatever `state` says. AFD_NOT_YET, AFD_ERR_NOT_FOUND: try later. */
afd_status afd__tie_connect(afd__ties *ties, afd__tie *tie, afd__tie_state state, afd_error *error);

/* Says something; a tie that cannot be told is LOST. */
void afd__tie_say(afd__ties *ties, afd__tie *tie, const afd__message *message);

/* HELLO, between hosts with the credentials. */
void afd__tie_say_hello(afd__ties *ties, afd__tie *tie, const afd__message *hello);

/* The tie is lost, unless it is already worse. */
void afd__tie_lose(afd__ties *ties, afd__tie *tie, afd_drop_reason reason);

/* Closes the channel; the tie is AWAY. What is known of the peer stays. */
void afd__tie_close(afd__ties *ties, afd__tie *tie);

/* ---- the keeper's half (tie_keeper.c) ---- */

void afd__ties_ready(void *owner, uint64_t tag);
void afd__ties_tick(void *owner, uint64_t now_ns, bool stalled);
uint64_t afd__tie_tag(const afd__ties *ties, const afd__tie *tie, bool is_process);

/* The tie that a tag is about; NULL if it is about a connection that was closed. */
afd__tie *afd__tie_of(const afd__ties *ties, uint64_t tag);

/* Hears all that has come in on its channel. */
void afd__tie_read(afd__ties *ties, afd__tie *tie);

/* ---- other hosts (tie_post.c) ---- */

/* Takes names, which must stay, and says which of them are addresses. No tie is connected. */
void afd__ties_set_names(afd__ties *ties, const char *const *names);

/* Whether any is to another host. */
bool afd__ties_need_post(const afd__ties *ties);

/*
 * Without the lock, for it may have to ask a name server: finds the addresses of ties to other hosts that have none yet
 * and may be connected to now. AFD_ERR_INVALID for what is no address; a host that nobody knows is looked for where it
 * was, or asked for again when the tie is tried again.
 */
afd_status afd__ties_resolve(afd__ties *ties, afd_error *error);

/* An address that stands for the device of all; any at all where they have several, or not all are known. */
afd_status afd__ties_common_address(const afd__ties *ties, afd__address *address, afd_error *error);

/* Opens the post. */
afd_status afd__ties_open_post(afd__ties *ties, afd_error *error);
uint64_t afd__ties_post_tag(void);

/* Under the lock: hears who says something. Nothing without a post. */
void afd__ties_hear_post(afd__ties *ties);

/* Connects to a tie's address; the line is the channel's. AFD_NOT_YET: try later. */
afd_status afd__tie_connect_post(const afd__ties *ties, const afd__tie *tie, afd__channel *channel, afd_error *error);

/* For how long to leave the tie alone, the longer the more often it was in vain. */
uint64_t afd__tie_next_pause(afd__tie *tie, uint64_t least_ns);

#endif
