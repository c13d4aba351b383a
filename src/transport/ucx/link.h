/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a plane know of each other: plane.c opens and progresses, connection.c has the ends of connections,
 * link.c makes links and ends them, link_writer.c is what an operator sees of one, link_receive.c is what comes in.
 *
 * UCX calls back only out of afd__plane_progress(). A callback never closes an endpoint: it notes what is to be done,
 * and chores are done when UCX has returned.
 */
#ifndef AFD_TRANSPORT_UCX_LINK_H
#define AFD_TRANSPORT_UCX_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/ucx/library.h"
#include "transport/ucx/listener.h"
#include "transport/ucx/plane.h"
#include "transport/ucx/wire.h"

enum {
    AFD__PLANE_MESSAGE_ID = 2, /* of UCX's active messages */
    AFD__LINK_BUCKET_NUM = 256
};

typedef struct afd__connection afd__connection;

/*
 * One micro-batch of a link. An attention worker's is open from the publish of a ROUND to its ANSWER, an FFN worker's
 * from the arrival of a ROUND to the publish of its ANSWER. What came in is in `received` where it cannot be used at
 * once: UCX is still writing it, or the ANSWER before it has not left (a parked ROUND).
 */
typedef struct afd__lane {
    afd__link *link;
    afd__wire_header sent;    /* of the message in sent_payload; UCX may read both until it is sent */
    afd__wire_header arrived; /* of the message in received */
    char *sent_payload;       /* rows as they are put, and behind them at publish the entries */
    char *received;
    afd__wire_entry *entries; /* of the rows that were put */
    uint32_t *row_numbers;    /* of each slot: 1 + the number of its row; 0: it has none */
    uint64_t round;           /* the number of the last ROUND */
    uint32_t put_num;         /* rows in sent_payload, of the round that is gathered or, attention, under way */
    bool is_open;
    bool is_sending;
    bool is_receiving;
    bool is_parked;
    bool was_awaited;         /* counted as not free since the last publish */
} afd__lane;

struct afd__link {
    afd_writer base;             /* first: a pointer to it is a pointer to this */
    afd__plane *plane;
    afd__link *next;             /* of the plane's links, or of those that are dying */
    afd__link *next_in_bucket;
    afd__connection *connection; /* NULL until somebody attached, and when it is gone */
    afd__link_state state;
    uint64_t key;
    uint64_t row_bytes;          /* of a row that is sent */
    afd__wire_rules rules;       /* for what comes in */
    afd_writer *window_writer;   /* into the own window; NULL once the link is closed */
    uint64_t *seen;              /* a bit a slot, all 0 between checks */
    afd__lane *lanes;            /* of each micro-batch */
    afd__wire_header greeting;   /* UCX may read it until it is sent */
    uint32_t flying_num;         /* sends and receives that UCX has not let go of */
    void *memory;
    size_t memory_bytes;
    afd_error trouble;
};

/* One end of a connection. It is noted to be over by whoever finds out, closed by chores, and freed when UCX says. */
struct afd__connection {
    afd__plane *plane;
    afd__connection *next;
    afd__link *link;  /* NULL while half open */
    ucp_ep_h endpoint;
    uint64_t born_ns;
    bool is_over;
    bool is_closing;
    bool is_gone;
};

/* Who has knocked and has no endpoint yet. */
typedef struct afd__caller {
    ucp_conn_request_h request;
} afd__caller;

struct afd__plane {
    const afd__ucp *ucp;
    ucp_context_h context;
    ucp_worker_h worker;
    afd__still *still; /* the worker's */
    ucp_listener_h listener; /* or NULL */
    afd__address address;
    afd__allow allow;
    uint32_t half_open_max;
    uint32_t half_open_num;
    uint32_t caller_num;
    afd__caller *callers;        /* [half_open_max] */
    uint64_t patience_ns;
    uint64_t expiry_ns;          /* when the oldest half-open connection has been so for too long; UINT64_MAX: none */
    afd__connection *connections;
    afd__link *links;
    afd__link *dying;            /* closed, and UCX has not let go of them */
    afd__link *buckets[AFD__LINK_BUCKET_NUM]; /* of links that are neither broken nor closed, by key */
    bool has_chores;
    afd__plane_counters counters;
};

/* ---- connection.c ---- */

/* UCX's handler of callers, with the plane as its argument. */
void afd__connection_knock(ucp_conn_request_h request, void *arg);

/* Connects; the endpoint is usable at once, and what is sent waits until there is a connection. */
afd_status afd__connection_make(afd__plane *plane, const afd__address *address, afd__connection **connection,
                                afd_error *error);

/* The connection that an endpoint is the end of; NULL: none. */
afd__connection *afd__connection_find(const afd__plane *plane, ucp_ep_h endpoint);

/* Makes a half-open connection the link's. */
void afd__connection_bind(afd__connection *connection, afd__link *link);

/* To be closed by chores. */
void afd__connection_end(afd__connection *connection);

/* Takes callers in, turns away who waits for too long, closes what is over, frees what is gone. */
void afd__connection_chores(afd__plane *plane);

/* ---- link.c ---- */

/* NULL: there is none, or it is over. */
afd__link *afd__link_find(const afd__plane *plane, uint64_t key);

/* The link is broken from now on, for the reason that `cause` has, and its connection over. */
void afd__link_break(afd__link *link, const afd_error *cause);

/* Sends ATTACH or ATTACHED. */
void afd__link_greet(afd__link *link);

/* Frees what was closed and is let go of; all of it where UCX's worker is gone. */
void afd__link_chores(afd__plane *plane, bool has_worker);

/* ---- link_writer.c ---- */

extern const afd_writer_ops afd__link_ops;

/* Sends a message of the lane, or only a greeting (NULL). What UCX refuses breaks the link. */
void afd__link_send(afd__link *link, afd__lane *lane);

/* The rows of a lane are over: it is empty. */
void afd__lane_clear(afd__lane *lane);

/* ---- link_receive.c ---- */

/* UCX's handler of messages, with the plane as its argument. */
ucs_status_t afd__link_receive(void *arg, const void *header, size_t header_bytes, void *data, size_t data_bytes,
                               const ucp_am_recv_param_t *param);

/* The last ANSWER has left: a ROUND that was parked behind it goes into the window. */
void afd__link_unpark(afd__lane *lane);

#endif
