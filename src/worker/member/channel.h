/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel between two members, of either kind: on one host a connected unix socket that keeps messages apart,
 * between hosts a line of a post (transport/ucx/post.h). A door's name on its host is in the abstract namespace,
 * "afd.NAME", which has no file: a process that is killed leaves nothing behind, and takes the name with it.
 *
 * Nothing here blocks. On one host the kernel says which process and which user the other end is; another user is
 * refused. Between hosts nobody says so; there the secret counts, and what the peer says of itself is for people only.
 *
 * Threads: a line is used under the lock of whoever has its post.
 */
#ifndef AFD_WORKER_MEMBER_CHANNEL_H
#define AFD_WORKER_MEMBER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/status.h"
#include "transport/ucx/post.h"
#include "worker/member/message.h"

typedef struct afd__channel {
    int fd;          /* of the socket; -1: it is none */
    afd__line *line; /* NULL: it is none */
} afd__channel;

/* One that is not open. */
#define AFD__CHANNEL_NONE ((afd__channel){ .fd = -1 })

static inline bool afd__channel_is_open(const afd__channel *channel)
{
    return channel->fd >= 0 || channel->line != NULL;
}

/* Who is at the other end. */
typedef struct afd__peer {
    uint32_t pid;
    int pidfd; /* readable once the process has ended; the caller's to close */
} afd__peer;

/* Opens a door's listener: a descriptor. AFD_ERR_EXISTS if another door has the name; AFD_ERR_SYSTEM. */
afd_status afd__channel_listen(const char *name, int *listener, afd_error *error);

/* AFD_ERR_NOT_FOUND if there is no door of the name; AFD_NOT_YET if it is too busy to let anybody in. */
afd_status afd__channel_connect(const char *name, afd__channel *channel, afd_error *error);

/* AFD_NOT_YET if nobody is there. */
afd_status afd__channel_accept(int listener, afd__channel *channel, afd_error *error);

/* Of a socket. AFD_ERR_ACCESS for another user's process, or one that cannot be seen from here; AFD_ERR_PEER for one
 * that has ended already. */
afd_status afd__channel_identify(const afd__channel *channel, afd__peer *peer, afd_error *error);

/* Whether the process of a pidfd has ended. */
bool afd__peer_has_ended(int pidfd);

/*
 * Whether it is known why a peer closed its channel: its process has ended, or has had time to. A process that is
 * killed loses its sockets before its memory is given back, which takes a while where that is much, and only then has
 * it ended.
 */
bool afd__peer_end_is_known(bool has_ended, uint64_t closed_ns, uint64_t now_ns, uint64_t dead_ns);

/* AFD_NOT_YET if the other end has not read for so long that there is no room; AFD_ERR_PEER if it is gone. */
afd_status afd__channel_send(const afd__channel *channel, const afd__message *message);

/* AFD_NOT_YET; AFD_ERR_PEER when it was closed; AFD_ERR_INVALID for what is no message. */
afd_status afd__channel_receive(const afd__channel *channel, afd__message *message, afd_error *error);

/* HELLO, which between hosts is a knock with these credentials. Results as of the two above; AFD_ERR_ACCESS for wrong
 * ones. */
afd_status afd__channel_send_hello(const afd__channel *channel, const afd__message *hello,
                                   const afd__credentials *credentials);
afd_status afd__channel_receive_hello(const afd__channel *channel, const afd__credentials *asked, afd__message *hello,
                                      afd_error *error);

/* Closes it, if it is open, and forgets it. */
void afd__channel_close(afd__channel *channel);

/* The same for a descriptor. */
void afd__descriptor_close(int *fd);

#endif
