/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership: workers that find each other, on one host by name and between hosts by address, come and go, and survive
 * each other's deaths.
 *
 *     FFN worker                                         attention worker
 *     ──────────                                         ────────────────
 *     afd_ffn_worker_create, window_name "ffn-0"         afd_attention_worker_create
 *     afd_ffn_worker_listen                              afd_attention_worker_join, names { "ffn-0", "ffn-1" }
 *     afd_ffn_worker_serve                               for every layer and micro-batch: dispatch, collect
 *       until it is stopped, or drained                    AFD_ERR_PEER: afd_attention_worker_rejoin, and send again
 *     afd_ffn_worker_close                               afd_attention_worker_leave, close
 *
 * An *incarnation* is one process's hold of a session (FFN side) or one attention window's life; it has an *epoch*, a
 * number that no other one has. An FFN worker admits an incarnation only when the one before it can no longer write:
 * when that has said goodbye, or its process has ended. A process that is merely stopped has not, so whoever wants its
 * place is told who holds it. Between hosts an incarnation writes through a connection that the FFN worker closes when
 * it loses the place, so that is free at once.
 *
 * A *round* is one dispatch of a micro-batch. Rounds that cannot end any more, because a worker that has tokens of them
 * is lost or has dropped this session, end with AFD_ERR_PEER, which names the worker, the micro-batch and the layer.
 * Nothing partial is ever combined: afd_attention_worker_rejoin() gives all open rounds up, takes a new window and a
 * new epoch, and joins everybody anew, so that no late answer of an old round can be taken for one of a new round. The
 * engine then dispatches again what was lost; its tokens are still its own.
 *
 * Two clocks. *Heartbeats* say whether a peer is there: a small thread of each worker, which never touches a window,
 * sends one every heartbeat_ns; a peer that was not heard for dead_ns is lost. *The deadline* says whether work comes;
 * the FFN worker drops a session that keeps others of its sync group waiting for deadline_ns, by on_deadline.
 * A session that nobody waits for may be silent for ever.
 *
 * Threads: the calls of a worker belong to the worker's thread. Observers are called in that thread, too. fork: the
 * child does not use the worker; its heartbeat thread is not there.
 */
#ifndef AFD_MEMBER_H
#define AFD_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/status.h"
#include "afd/wait.h"
#include "afd/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* Instead of a session number in afd_attention_worker_options: the first FFN worker chooses one that is free. */
#define AFD_SESSION_ANY UINT32_MAX

/* What an FFN worker does with a session that keeps its sync group waiting past the deadline. */
typedef enum afd_on_deadline {
    AFD_ON_DEADLINE_DROP = 0, /* drop it; the others go on, and it may join again */
    AFD_ON_DEADLINE_WAIT = 1, /* tell the observer, once a deadline, and go on waiting */
    AFD_ON_DEADLINE_STOP = 2  /* afd_ffn_worker_serve() returns AFD_DEADLINE, with wait->late filled */
} afd_on_deadline;

typedef enum afd_event_kind {
    AFD_EVENT_JOINED = 0,   /* FFN: a session was admitted; attention: an FFN worker admitted this one */
    AFD_EVENT_LEFT = 1,     /* said goodbye */
    AFD_EVENT_DROPPED = 2,  /* FFN: a session lost its place; attention: an FFN worker dropped this session */
    AFD_EVENT_REJOINED = 3, /* as joined, by a process that had the place before */
    AFD_EVENT_REFUSED = 4,  /* somebody was not admitted */
    AFD_EVENT_WILD_ID = 5,  /* FFN: a session sent a wild expert id; it is dropped next */
    AFD_EVENT_LATE = 6,     /* FFN: a session keeps others waiting past the deadline */
    AFD_EVENT_LOST = 7,     /* attention: an FFN worker died, or was not heard */
    AFD_EVENT_DRAINING = 8, /* attention: an FFN worker wants to end; this one rejoins when its rounds are over */
    AFD_EVENT_RETURNED = 9  /* attention: an FFN worker that was missing is there again */
} afd_event_kind;

typedef enum afd_drop_reason {
    AFD_DROP_NONE = 0,
    AFD_DROP_EXITED = 1,   /* its process has ended */
    AFD_DROP_CLOSED = 2,   /* it closed its connection without a goodbye */
    AFD_DROP_SILENT = 3,   /* no heartbeat for dead_ns: stopped, or its machine is overloaded beyond use */
    AFD_DROP_DEADLINE = 4, /* it kept its sync group waiting */
    AFD_DROP_WILD_ID = 5,  /* it sent an expert id that is none */
    AFD_DROP_GARBAGE = 6,  /* what it sent as a message is none */
    AFD_DROP_ASKED = 7     /* afd_ffn_worker_drop() */
} afd_drop_reason;

typedef struct afd_event {
    afd_event_kind kind;
    afd_drop_reason reason; /* of AFD_EVENT_DROPPED and AFD_EVENT_LOST, else AFD_DROP_NONE */
    uint32_t peer;          /* FFN: the session; attention: the rank of the FFN worker */
    uint32_t pid;           /* of the peer's process, between hosts as it says; 0 where it is not known */
    const char *host;       /* FFN: from which other host the session comes, "10.0.0.2"; NULL: of this one. As `text` */
    uint64_t epoch;         /* of the incarnation, 0 where there is none */
    uint32_t micro_batch;   /* that was waited for or open, or AFD_MICRO_BATCH_ANY */
    int32_t layer_id;       /* of it; -1 where that is not known */
    uint64_t silent_ns;     /* since the peer delivered something last, or was heard last */
    const char *text;       /* the sentence, without a final newline; good until the observer returns */
} afd_event;

typedef void afd_event_observer(void *arg, const afd_event *event);

typedef struct afd_member_options {
    size_t size;                 /* sizeof(afd_member_options), so that it can grow */
    uint64_t heartbeat_ns;       /* > 0 */
    uint64_t dead_ns;            /* at least 2 * heartbeat_ns */
    uint64_t deadline_ns;        /* FFN; > 0 */
    uint64_t drain_ns;           /* FFN: how long a drain may take before it ends with who is still there */
    afd_on_deadline on_deadline; /* FFN */
    const int32_t *drain;        /* FFN, optional: raised with afd_stop_raise(), from a signal handler too: drain */
    afd_event_observer *observer; /* optional */
    void *observer_arg;
    /* FFN: where sessions of other hosts can join as well, "HOST:PORT", over UCX; NULL: nowhere, nothing listens.
     * ":PORT" is the loopback, "*:PORT" every interface; tokens come in at PORT + 1, or with port 0 at any free ones.
     * Beyond the loopback only with a secret. */
    const char *listen;
    /* What both sides must know to meet between hosts; at most AFD_SECRET_BYTES_MAX bytes, copied. NULL: none. */
    const void *secret;
    size_t secret_bytes;
    /* FFN, with listen: from which hosts sessions may come, "10.0.0.0/24,10.1.0.7,fd00::/64", at most 64 of them; who
     * connects from elsewhere is turned away before anything of his is looked at. NULL: from everywhere. */
    const char *allow;
} afd_member_options;

enum { AFD_SECRET_BYTES_MAX = 256 };

/* 250 ms, 2 s, 10 s, 10 s, drop; nothing listens between hosts. */
#define AFD_MEMBER_OPTIONS_INIT                                                                                       \
    {                                                                                                                 \
        sizeof(afd_member_options), UINT64_C(250000000), UINT64_C(2000000000), UINT64_C(10000000000),                 \
            UINT64_C(10000000000), AFD_ON_DEADLINE_DROP, NULL, NULL, NULL, NULL, NULL, 0, NULL                        \
    }

/*
 * Opens the door: sessions can join by the name of the worker's window from now on, and are admitted, answered and
 * dropped in afd_ffn_worker_serve(), _step() and _await(). `name` is the worker's window_name, or for a window in
 * private memory a name of the same form, for threads of this process. Starts the heartbeat thread. Once a worker; not
 * together with afd_ffn_worker_accept().
 *
 * AFD_ERR_INVALID for an option out of range; AFD_ERR_EXISTS if another door is open under the name, or somebody else
 * has the port; with options->listen AFD_ERR_NOT_FOUND without UCX, which names the package; AFD_ERR_SYSTEM.
 */
afd_status afd_ffn_worker_listen(afd_ffn_worker *worker, const char *name, const afd_member_options *options,
                                 afd_error *error);

/* Where it listens between hosts, "10.0.0.2:7000", with the port that it got; NULL if it does not. Lives as long as the
 * worker. */
const char *afd_ffn_worker_address(const afd_ffn_worker *worker);

/*
 * Serves until it is stopped (run flag, stop word: AFD_STOPPED), drained (AFD_STOPPED), on_deadline says so
 * (AFD_DEADLINE), wait->deadline_ns passes without a session (AFD_NOBODY_LIVE) or the experts fail (their error). Waits
 * as `wait` says; its poll is called. With nobody there it waits for somebody.
 *
 * Draining: sessions are told, nobody new is admitted, and rounds are answered until every session has left or drain_ns
 * is over; whoever is then still there is dropped.
 */
afd_status afd_ffn_worker_serve(afd_ffn_worker *worker, afd_wait *wait, afd_error *error);

/*
 * Joins FFN workers: names[rank] for each rank of the worker's expert table, ffn_num of them, which must stay. A name
 * with a colon is the address "HOST:PORT" of one that listens between hosts, any other the name of one of this host.
 * Waits until all have admitted it: AFD_OK, AFD_STOPPED, AFD_DEADLINE with late[].session the ranks that have not. With
 * AFD_SESSION_ANY the worker has its session from here on: afd_attention_worker_session().
 *
 * AFD_ERR_EXISTS where the place is another's, with its pid; AFD_ERR_INVALID where shape, hidden size or version
 * differ, with both values; AFD_ERR_ACCESS where the secret is wrong; with an address AFD_ERR_NOT_FOUND without UCX,
 * which names the package. A host that cannot be reached, or that nobody knows, is waited for.
 */
afd_status afd_attention_worker_join(afd_attention_worker *worker, const char *const *names,
                                     const afd_member_options *options, afd_wait *wait, afd_error *error);

/*
 * Gives up the rounds that are open, leaves everybody, and joins anew, with a new window under the old name and a new
 * epoch. Ranks that are not there are gone without where every expert has a copy at one that is; else it waits for
 * them, as `wait` says. Micro-batches begin at 0 again. The worker's context stays, its window is another.
 * Results and errors as afd_attention_worker_join(); may be tried again.
 */
afd_status afd_attention_worker_rejoin(afd_attention_worker *worker, afd_wait *wait, afd_error *error);

/* Whether it would be good to rejoin once the open rounds are collected: an FFN worker drains, or has come back. */
bool afd_attention_worker_wants_rejoin(const afd_attention_worker *worker);

/* The session that it is to the FFN workers. */
uint32_t afd_attention_worker_session(const afd_attention_worker *worker);

/* "a session was dropped", for logs; static memory, never NULL. */
const char *afd_event_kind_text(afd_event_kind kind);
const char *afd_drop_reason_text(afd_drop_reason reason);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
