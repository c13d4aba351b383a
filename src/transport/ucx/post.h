/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small messages between hosts, beside the tokens: a post has lines to others, and perhaps a listener. A line carries
 * packets of up to AFD__POST_PACKET_BYTES, whole or not at all, in the order in which they were sent. What they say is
 * not looked at here; everything that comes in is copied.
 *
 * Nothing blocks. Threads: one call at a time on a post and its lines; the caller's lock sees to that.
 *
 * Where libafd was built without UCX's headers, or UCX is not installed, opening a post says so and names the package.
 */
#ifndef AFD_TRANSPORT_UCX_POST_H
#define AFD_TRANSPORT_UCX_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/status.h"
#include "transport/ucx/address.h"
#include "transport/ucx/allow.h"

enum {
    AFD__POST_PACKET_BYTES = 1024,
    AFD__POST_INBOX_NUM = 32,  /* packets that were not received yet; one more, and the line is broken */
    AFD__POST_OUTBOX_NUM = 32  /* packets that have not left; one more is AFD_NOT_YET */
};

typedef struct afd__post afd__post;
typedef struct afd__line afd__line;

typedef struct afd__post_options {
    const afd__address *listen;  /* NULL: nobody can connect */
    const afd__address *connect; /* without listen: any address that will be connected to, for the device; NULL: all */
    uint32_t line_max;           /* lines at once; who knocks then is turned away */
    const afd__allow *allow;     /* who may knock, copied; NULL: everybody */
} afd__post_options;

/* AFD_ERR_NOT_FOUND without UCX; AFD_ERR_EXISTS if the port is taken; AFD_ERR_SYSTEM. */
afd_status afd__post_open(const afd__post_options *options, afd__post **post, afd_error *error);

/* Closes every line, giving what was sent a moment to leave (at most 200 ms), and frees everything. NULL is allowed. */
void afd__post_close(afd__post *post);

/* Where it listens, with the port that it got; its text is "" if it does not. */
const afd__address *afd__post_address(const afd__post *post);

/* Readable when afd__post_progress() has something to do. */
int afd__post_fd(const afd__post *post);

/*
 * Does what there is to do, until there is nothing, and arms the descriptor; or, where others send without end, a good
 * deal of it, and leaves the descriptor readable. What was closed is freed in here, and 200 ms after its end at the
 * latest if this is called then.
 */
void afd__post_progress(afd__post *post);

/* A line that is being made; sends may follow at once. What goes wrong is found out by afd__line_receive(). */
afd_status afd__line_connect(afd__post *post, const afd__address *address, afd__line **line, afd_error *error);

/* The next line that somebody has made to here; NULL if there is none. */
afd__line *afd__line_accept(afd__post *post);

/* The host that it was made from, as numbers; "" of one that was made from here. Good until it is closed. */
const char *afd__line_host(const afd__line *line);

/* AFD_NOT_YET if too much is under way; AFD_ERR_PEER if the line is broken; AFD_ERR_INVALID for a packet that is too
 * large; AFD_ERR_NO_MEMORY. Whoever waits at the descriptor is woken where there is something left to do. */
afd_status afd__line_send(afd__line *line, const void *packet, size_t packet_bytes);

/* The next packet: AFD_OK; AFD_NOT_YET; AFD_ERR_PEER when the line is broken and everything before that was received:
 * the other end closed it, died, cannot be reached, or flooded it. */
afd_status afd__line_receive(afd__line *line, void *packet, size_t capacity, size_t *packet_bytes, afd_error *error);

/* Any number of the caller's, which afd__post_next_ready() gives back. */
void afd__line_set_tag(afd__line *line, uint64_t tag);

/* After progress: a line that has something to receive, or is broken and was not said to be; false if there is none.
 * Each is named once, and again after something more came in or one packet of several was received. */
bool afd__post_next_ready(afd__post *post, uint64_t *tag);

/* Whether there are lines that afd__line_accept() would give. */
bool afd__post_has_callers(const afd__post *post);

/* What was sent before still leaves, if the other end is there. NULL is allowed. */
void afd__line_close(afd__line *line);

#endif
