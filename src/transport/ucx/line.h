/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a post: what it and its lines are, and what the two files of post.h share.
 *
 * A line lives as long as its endpoint or its caller does, whichever is longer: UCX keeps a pointer to it for its
 * callbacks, which come from within ucp_worker_progress() and sometimes from within other calls. So callbacks free
 * nothing and close nothing; they note what happened, and afd__line_tidy() does it between two calls.
 *
 * Each packet has a header. Its `key` is a random number of the sender's for this line: UCX tells a receiver only which
 * endpoint the sender *says* it answers to, and a process that has a line of its own could name another one's. The
 * first packet of a line tells the key, and others with another key are dropped. Its `number` says which packet of the
 * line it is: while a connection is being made, UCX 1.13 sends what was waiting for that in another order than it was
 * given, a short one before a long one. What comes too early waits for what is missing.
 *
 * UCX reports a peer's orderly end on another socket than the one that data takes, so the report may overtake the last
 * packets. Therefore a line ends with a BYE behind them, which the other end returns; only then, or after a while, is
 * the endpoint closed.
 */
#ifndef AFD_TRANSPORT_UCX_LINE_H
#define AFD_TRANSPORT_UCX_LINE_H

#include "transport/ucx/library.h"
#include "transport/ucx/listener.h"
#include "transport/ucx/post.h"

enum {
    AFD__POST_MESSAGE_ID = 1,     /* of UCX's active messages */
    AFD__POST_GOODBYE_MS = 200    /* how long a closed line waits for the answer to its BYE */
};

typedef enum afd__packet_kind {
    AFD__PACKET_CONTENT = 1,
    AFD__PACKET_BYE = 2,
    AFD__PACKET_BYE_BACK = 3
} afd__packet_kind;

typedef struct afd__packet_header {
    uint64_t key;  /* not 0 */
    uint32_t kind; /* afd__packet_kind */
    uint32_t number; /* of this packet among those of the sender's on this line, from 0 */
} afd__packet_header;

/* One packet on its way out, or one that nobody has received yet. */
typedef struct afd__packet {
    struct afd__packet *next; /* in the inbox, or among the early ones */
    afd__line *line;
    size_t content_bytes;
    afd__packet_header header;
    unsigned char content[];
} afd__packet;

/* Why a line is broken. */
typedef enum afd__line_trouble {
    AFD__TROUBLE_NONE = 0,
    AFD__TROUBLE_UCX = 1,     /* `failure` says what */
    AFD__TROUBLE_BYE = 2,     /* the other end closed it */
    AFD__TROUBLE_FLOOD = 3,
    AFD__TROUBLE_SIZE = 4,
    AFD__TROUBLE_MEMORY = 5
} afd__line_trouble;

struct afd__line {
    afd__line *next; /* of the post */
    afd__line *next_ready;
    afd__post *post;
    ucp_conn_request_h request; /* somebody who knocked and has no endpoint yet; else NULL */
    ucp_ep_h endpoint;          /* NULL: not yet, or given back to UCX */
    bool is_caller;             /* made by the other end, and not accepted yet */
    bool is_closed;             /* the caller of this file has let go of it */
    bool is_ready;              /* in the list of those who are */
    bool is_trouble_told;       /* by afd__line_receive() */
    bool owes_bye_back;
    bool is_done;               /* nothing is to be waited for before the endpoint is closed */
    bool is_ending;             /* UCX has been asked to close the endpoint, and has not yet */
    afd__line_trouble trouble;
    ucs_status_t failure;
    uint64_t goodbye_ns; /* a closed line: when it is closed without an answer */
    uint64_t tag;
    uint64_t own_key;
    uint64_t peer_key; /* 0 until a packet came */
    uint32_t sent_num;  /* the number of the next packet that is sent, */
    uint32_t taken_num; /* and of the next one that is taken */
    uint32_t early_num;
    afd__packet *early_first; /* those behind that one, in any order */
    uint32_t inbox_num;
    uint32_t outbox_num;
    afd__packet *inbox_first;
    afd__packet **inbox_end;
    afd__address peer; /* of a line that was made from here; else empty */
    char host[AFD__HOST_TEXT_BYTES]; /* of a line that was made from elsewhere; else empty */
};

struct afd__post {
    const afd__ucp *ucp;
    ucp_context_h context;
    ucp_worker_h worker;
    afd__still *still; /* the worker's */
    ucp_listener_h listener; /* NULL: nobody can connect */
    afd__address address;
    afd__allow allow;
    int fd;
    uint32_t line_max;
    uint32_t line_num; /* that are not closed, callers among them */
    afd__line *lines;
    afd__line *ready_first;
    afd__line **ready_end;
};

/* A line that has neither endpoint nor caller yet. NULL without memory. */
afd__line *afd__line_make(afd__post *post);

/* Gives it an endpoint, made by `parameters`, to which the callbacks are added. */
ucs_status_t afd__line_make_endpoint(afd__line *line, ucp_ep_params_t *parameters);

/* From a callback: it is broken, for the first reason that is given. */
void afd__line_break(afd__line *line, afd__line_trouble trouble, ucs_status_t failure);

/* It is among those that afd__post_next_ready() gives, if its caller has something to find out. */
void afd__line_become_ready(afd__line *line);

/* A packet with a copy of the content, to be freed; NULL without memory. */
afd__packet *afd__packet_make(afd__line *line, afd__packet_kind kind, const void *content, size_t content_bytes);

/* From a callback: content or a goodbye came in. Copied. */
void afd__line_take(afd__line *line, const afd__packet_header *header, const void *content, size_t content_bytes);

/* Answers a BYE and closes the endpoint, whichever is due. True if there was something to do. */
bool afd__line_tidy(afd__line *line, uint64_t now_ns);

/* Neither its caller nor UCX know it any more. */
bool afd__line_is_over(const afd__line *line);

/* Frees it and what it holds. */
void afd__line_free(afd__line *line);

/* Sees to it that whoever waits at the descriptor looks again. */
void afd__post_wake(afd__post *post);

#endif
