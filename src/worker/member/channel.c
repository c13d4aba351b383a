/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/member/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "window/shm.h"

enum { SOCKET_FLAGS = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC };

/* The address of a checked name; its first byte is 0, which makes it abstract, and it ends with the name. */
static socklen_t address_of(const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int length = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, AFD_SHM_PREFIX "%s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static afd_status open_socket(int *fd, afd_error *error)
{
    *fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
    return *fd >= 0 ? AFD_OK : afd__fail_system(error, errno, "name", "make a socket");
}

static afd_status fail_listen(int problem, const char *name, afd_error *error)
{
    if (problem == EADDRINUSE) {
        return afd__fail(error, AFD_ERR_EXISTS, "name", 0, 0, "another door is open under the name %s", name);
    }
    return afd__fail_system(error, problem, "name", "open a door");
}

afd_status afd__channel_listen(const char *name, int *listener, afd_error *error)
{
    struct sockaddr_un address;
    int made = -1;
    afd_status status = open_socket(&made, error);
    if (status != AFD_OK) {
        return status;
    }
    socklen_t address_bytes = address_of(name, &address);
    if (bind(made, (const struct sockaddr *)&address, address_bytes) != 0 || listen(made, SOMAXCONN) != 0) {
        status = fail_listen(errno, name, error);
        (void)close(made);
        return status;
    }
    *listener = made;
    return AFD_OK;
}

static afd_status fail_connect(int problem, const char *name, afd_error *error)
{
    if (problem == EAGAIN || problem == EINTR) {
        return AFD_NOT_YET;
    }
    if (problem == ECONNREFUSED) {
        return afd__fail(error, AFD_ERR_NOT_FOUND, "name", 0, 0, "there is no door of the name %s", name);
    }
    return afd__fail_system(error, problem, "name", "connect to a door");
}

afd_status afd__channel_connect(const char *name, afd__channel *channel, afd_error *error)
{
    struct sockaddr_un address;
    int made = -1;
    afd_status status = open_socket(&made, error);
    if (status != AFD_OK) {
        return status;
    }
    socklen_t address_bytes = address_of(name, &address);
    if (connect(made, (const struct sockaddr *)&address, address_bytes) != 0) {
        status = fail_connect(errno, name, error);
        (void)close(made);
        return status;
    }
    *channel = (afd__channel){ .fd = made };
    return AFD_OK;
}

afd_status afd__channel_accept(int listener, afd__channel *channel, afd_error *error)
{
    int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
        *channel = (afd__channel){ .fd = accepted };
        return AFD_OK;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) {
        return AFD_NOT_YET;
    }
    return afd__fail_system(error, errno, "name", "let somebody in");
}

afd_status afd__channel_identify(const afd__channel *channel, afd__peer *peer, afd_error *error)
{
    struct ucred who = { 0 };
    socklen_t bytes = sizeof(who);
    if (getsockopt(channel->fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) != 0) {
        return afd__fail_system(error, errno, "peer", "ask who the peer is");
    }
    if (who.uid != geteuid() && who.uid != 0) {
        return afd__fail(error, AFD_ERR_ACCESS, "peer.uid", who.uid, geteuid(),
                         "process %d belongs to user %u, this is user %u", (int)who.pid, who.uid, geteuid());
    }
    if (who.pid <= 0) {
        return afd__fail(error, AFD_ERR_ACCESS, "peer.pid", 0, 0,
                         "the peer lives in a pid namespace that cannot be seen from here");
    }
    int pidfd = (int)syscall(SYS_pidfd_open, who.pid, 0);
    if (pidfd < 0 && errno == ESRCH) {
        return afd__fail(error, AFD_ERR_PEER, "peer.pid", (uint64_t)who.pid, 0, "process %d has ended meanwhile",
                         (int)who.pid);
    }
    if (pidfd < 0) {
        return afd__fail_system(error, errno, "peer.pid", "watch the peer's process");
    }
    *peer = (afd__peer){ .pid = (uint32_t)who.pid, .pidfd = pidfd };
    return AFD_OK;
}

bool afd__peer_has_ended(int pidfd)
{
    struct pollfd look = { .fd = pidfd, .events = POLLIN };
    return pidfd >= 0 && poll(&look, 1, 0) == 1;
}

bool afd__peer_end_is_known(bool has_ended, uint64_t closed_ns, uint64_t now_ns, uint64_t dead_ns)
{
    return has_ended || (now_ns > closed_ns && now_ns - closed_ns > dead_ns / 4);
}

static afd_status send_packet(int fd, const void *packet, size_t packet_bytes)
{
    ssize_t sent = send(fd, packet, packet_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == (ssize_t)packet_bytes) {
        return AFD_OK;
    }
    return sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) ? AFD_NOT_YET : AFD_ERR_PEER;
}

afd_status afd__channel_send(const afd__channel *channel, const afd__message *message)
{
    return channel->line != NULL ? afd__line_send(channel->line, message, sizeof(*message))
                                 : send_packet(channel->fd, message, sizeof(*message));
}

/* recv() and not recvmsg(): descriptors that somebody sends along are closed by the kernel. */
static afd_status receive_packet(int fd, void *packet, size_t capacity, size_t *packet_bytes, afd_error *error)
{
    ssize_t received = recv(fd, packet, capacity, MSG_DONTWAIT);
    if (received > 0) {
        *packet_bytes = (size_t)received;
        return AFD_OK;
    }
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
        return AFD_NOT_YET;
    }
    return afd__fail(error, AFD_ERR_PEER, "peer", 0, 0, "the peer has closed its end");
}

afd_status afd__channel_receive(const afd__channel *channel, afd__message *message, afd_error *error)
{
    char packet[AFD__POST_PACKET_BYTES]; /* longer than a message, so that one that is too long is seen to be */
    size_t packet_bytes = 0;
    afd_status status = channel->line != NULL
                            ? afd__line_receive(channel->line, packet, sizeof(packet), &packet_bytes, error)
                            : receive_packet(channel->fd, packet, sizeof(packet), &packet_bytes, error);
    return status == AFD_OK ? afd__message_check(packet, packet_bytes, message, error) : status;
}

afd_status afd__channel_send_hello(const afd__channel *channel, const afd__message *hello,
                                   const afd__credentials *credentials)
{
    if (channel->line == NULL) {
        return afd__channel_send(channel, hello);
    }
    afd__knock knock = { .hello = *hello, .credentials = *credentials };
    afd_status status = afd__line_send(channel->line, &knock, sizeof(knock));
    afd__credentials_wipe(&knock.credentials);
    return status;
}

afd_status afd__channel_receive_hello(const afd__channel *channel, const afd__credentials *asked, afd__message *hello,
                                      afd_error *error)
{
    char packet[AFD__POST_PACKET_BYTES];
    size_t packet_bytes = 0;
    if (channel->line == NULL) {
        return afd__channel_receive(channel, hello, error);
    }
    afd_status status = afd__line_receive(channel->line, packet, sizeof(packet), &packet_bytes, error);
    if (status == AFD_OK) {
        status = afd__knock_check(packet, packet_bytes, asked, hello, error);
        explicit_bzero(packet, sizeof(packet)); /* it has the secret in it */
    }
    return status;
}

void afd__channel_close(afd__channel *channel)
{
    afd__descriptor_close(&channel->fd);
    afd__line_close(channel->line);
    channel->line = NULL;
}

void afd__descriptor_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}
