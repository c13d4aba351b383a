/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of an FFN worker: who is connected, and who has which place.
 *
 * The keeper's thread lets guests in, reads what they say, checks it, opens their windows, and notices who is silent or
 * has ended. What follows from that it does not decide: it marks the guest with what it *asks*, and raises `news`. The
 * worker's thread, which alone knows that no row of a session is under way, looks at that word once a step, and decides
 * and answers between two steps (ffn_worker_member.c). Both hold the lock while they look at guests; nobody holds it
 * while he opens a window, calls the engine, or waits.
 *
 *     NEW ── HELLO ──► ASKED ── the place is free ──► OFFERED ── START ──► ADMITTED ── GOODBYE ──► DONE
 *                        │                               ▲     WITHDRAW       │
 *                        └──► REFUSED ──► DONE           └────────────────────┤
 *                                                                             └── lost ──► LOST ── ended ──► DONE
 *
 * A guest that is LOST keeps its place from others, because its process may still write: until that has ended, or has
 * said goodbye, or comes back as the same worker under a new epoch.
 *
 * A guest of another host writes nothing itself. The worker's thread writes for it what comes in over its link, and
 * closes that when the guest is lost; so its place is free at once, and LOST only means that it is still to be told.
 * It has no process that could be watched, and no window here; its pid is what it says, and for people only.
 */
#ifndef AFD_WORKER_MEMBER_DOOR_H
#define AFD_WORKER_MEMBER_DOOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"
#include "afd/stats.h"
#include "afd/token.h"
#include "afd/window.h"
#include "afd/writer.h"
#include "base/atomic.h"
#include "worker/member/channel.h"
#include "worker/member/keeper.h"
#include "worker/member/message.h"

typedef enum afd__guest_state {
    AFD__GUEST_NONE = 0, /* nobody */
    AFD__GUEST_NEW,      /* it is connected, and has said nothing */
    AFD__GUEST_ASKED,    /* what it said is right, and its window is open */
    AFD__GUEST_OFFERED,  /* it has the place, and may not write yet */
    AFD__GUEST_ADMITTED,
    AFD__GUEST_LOST,
    AFD__GUEST_REFUSED,  /* it was told so; the observer was not */
    AFD__GUEST_DONE      /* for the keeper to clear */
} afd__guest_state;

/* What the worker's thread is to do about a guest. */
enum {
    AFD__ASKS_PLACE = 1,
    AFD__ASKS_START = 2,
    AFD__ASKS_WITHDRAWAL = 4,
    AFD__ASKS_GOODBYE = 8,
    AFD__ASKS_TO_BE_LOST = 16,
    AFD__ASKS_TO_BE_TOLD_OF = 32
};

typedef struct afd__guest {
    afd__guest_state state;
    uint32_t asks;
    uint32_t serial;          /* another one for each who has this entry, so that old news of a descriptor is known */
    afd__channel channel;
    bool is_remote;           /* of another host: over the post, without a pidfd and without a writer */
    int pidfd;
    uint32_t pid;             /* between hosts as it says; 0 until it is believed */
    char host[AFD__HOST_TEXT_BYTES]; /* of another host: from which one; "": not known, or of this host */
    bool has_ended;           /* its process */
    bool owes_drop;           /* DROPPED could not be sent yet */
    bool is_pending;          /* admitted, not looked at before the turn `start` */
    uint64_t heard_ns;
    uint64_t closed_ns;       /* when its end was found closed; 0: it is open */
    uint64_t epoch;
    uint64_t previous_epoch;
    bool has_joined_before;
    uint32_t session;         /* AFD_SESSION_ANY until it has one */
    uint32_t first_session;   /* with AFD_SESSION_ANY */
    uint64_t start;
    afd_drop_reason reason;   /* of LOST, and of what asks to be */
    afd_status status;        /* of REFUSED */
    char text[AFD_ERROR_MESSAGE_BYTES];
    char window_name[AFD_WINDOW_NAME_MAX + 1];
    afd_writer *writer;       /* into its window; the worker's while `is_lent`; NULL of another host */
    bool is_lent;
    bool is_told_of;          /* the observer knows that it is there */
} afd__guest;

/* What a guest must agree with. */
typedef struct afd__door_terms {
    afd_shape shape;
    uint32_t hidden;
    afd_token_type sent_type;
    afd_token_type result_type;
    uint32_t sync_group_size;
    uint64_t result_bytes;    /* of a row that goes back */
} afd__door_terms;

typedef struct afd__door {
    afd__door_terms terms;
    uint64_t heartbeat_ns;
    uint64_t dead_ns;
    char name[AFD_WINDOW_NAME_MAX + 1];
    char address[AFD__ADDRESS_TEXT_BYTES]; /* of the post; "": there is none */
    afd__credentials asked;   /* of guests of other hosts */
    afd__allow allow;         /* from which of those they may come; to be set before the door is opened */
    int listener;
    afd__keeper keeper;
    int32_t news;             /* atomic: 1 when a guest asks for something */
    pthread_mutex_t lock;     /* of all that follows */
    bool is_draining;         /* nobody new is let in */
    uint32_t guest_num;       /* S + AFD__DOOR_SPARE_NUM entries; twice as many with a post */
    afd__guest *guests;
    afd__guest **places;      /* [S]: who has it: OFFERED, ADMITTED or LOST; NULL: nobody */
    afd__post *post;          /* where guests of other hosts come in; NULL: nowhere */
    afd_worker_stats *stats;  /* beside the worker's window */
    afd_window *window;
} afd__door;

/* Guests that have no place yet. So many of other hosts may be connected without having shown the secret, too. */
enum { AFD__DOOR_SPARE_NUM = 16 };

/* Opens it: binds the name, and the address `listen` if that is not NULL, and starts the keeper. */
afd_status afd__door_open(afd__door *door, const char *name, const afd_member_options *options,
                          const afd__address *listen, afd_error *error);

/* Closes everything; writers that were lent must be back. */
void afd__door_close(afd__door *door);

/* Once a step: whether a guest asks for something. */
static inline bool afd__door_has_news(const afd__door *door)
{
    /* A7, meets R7 in raise_news() of door.c. The guests themselves are read under the lock; the order only makes sure
     * that who sees the word finds what it was raised for. */
    return afd__load_acquire_i32(&door->news) != 0;
}

/* ---- under the lock ---- */

void afd__door_lock(afd__door *door);
void afd__door_unlock(afd__door *door);

static inline bool afd__door_has_place(const afd__door *door, const afd__guest *guest)
{
    return guest->session < door->terms.shape.session_num && door->places[guest->session] == guest;
}

/* Who a guest is, for people: "process 12", "process 12 of 10.0.0.2", "somebody of 10.0.0.2". */
enum { AFD__GUEST_NAME_BYTES = AFD__HOST_TEXT_BYTES + 32 };
void afd__guest_name(const afd__guest *guest, char *text, size_t text_bytes);

/* Marks what a guest asks for, and raises the news. */
void afd__door_ask(afd__door *door, afd__guest *guest, uint32_t asks);

/* Lowers the news, and finds a guest that asks for one of `asks`; NULL if there is none. */
afd__guest *afd__door_next(afd__door *door, uint32_t asks);

/* Tells a guest that it has lost its place, or remembers to when there is room for it. */
void afd__door_say_dropped(afd__guest *guest);

/* Sends; a guest that cannot be told asks to be lost. */
void afd__door_say(afd__door *door, afd__guest *guest, const afd__message *message);

/* The guest is done: it has no place any more, and the keeper clears it. */
void afd__door_dismiss(afd__door *door, afd__guest *guest);

/* ---- the keeper's half (door_keeper.c) ---- */

void afd__door_ready(void *owner, uint64_t tag);
void afd__door_tick(void *owner, uint64_t now_ns, bool stalled);
uint64_t afd__door_listener_tag(void);

/* What names a guest's channel to the keeper and to the post. */
uint64_t afd__door_channel_tag(const afd__door *door, const afd__guest *guest);

/* The guest that a tag is about; NULL if it is about one who had the entry before. */
afd__guest *afd__door_guest_of(const afd__door *door, uint64_t tag);

/* An entry that nobody has; NULL if there is none. */
afd__guest *afd__door_free_entry(const afd__door *door);

/* Hears all that has come in on a channel. */
void afd__door_read(afd__door *door, afd__guest *guest);

/* Clears an entry: closes what it holds. */
void afd__door_clear(afd__door *door, afd__guest *guest);

/* ---- guests of other hosts (door_post.c) ---- */

afd_status afd__door_open_post(afd__door *door, const afd__address *listen, afd_error *error);
uint64_t afd__door_post_tag(void);

/* Lets in who has come over the post, and hears who says something. Nothing without a post. */
void afd__door_hear_post(afd__door *door);

/* ---- what a guest says at first (door_hello.c) ---- */

/* Checks a HELLO and opens the guest's window, without the lock. On an error the guest is to be refused with it. */
afd_status afd__door_hear_hello(const afd__door *door, afd__guest *guest, const afd__message *hello, afd_error *error);

#endif
