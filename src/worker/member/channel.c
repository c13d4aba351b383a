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

afd_status afd__channel_listen(const char *name, int *fd, afd_error *error)
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
    *fd = made;
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

afd_status afd__channel_connect(const char *name, int *fd, afd_error *error)
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
    *fd = made;
    return AFD_OK;
}

afd_status afd__channel_accept(int listener, int *fd, afd_error *error)
{
    int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
        *fd = accepted;
        return AFD_OK;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) {
        return AFD_NOT_YET;
    }
    return afd__fail_system(error, errno, "name", "let somebody in");
}

afd_status afd__channel_identify(int fd, afd__peer *peer, afd_error *error)
{
    struct ucred who = { 0 };
    socklen_t bytes = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) != 0) {
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

afd_status afd__channel_send(int fd, const afd__message *message)
{
    ssize_t sent = send(fd, message, sizeof(*message), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == (ssize_t)sizeof(*message)) {
        return AFD_OK;
    }
    return sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) ? AFD_NOT_YET : AFD_ERR_PEER;
}

/* recv() and not recvmsg(): descriptors that somebody sends along are closed by the kernel. */
afd_status afd__channel_receive(int fd, afd__message *message, afd_error *error)
{
    char bytes[sizeof(afd__message) + 1]; /* one more, so that a message that is too long is seen to be */
    ssize_t received = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (received > 0) {
        return afd__message_check(bytes, (size_t)received, message, error);
    }
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
        return AFD_NOT_YET;
    }
    return afd__fail(error, AFD_ERR_PEER, "peer", 0, 0, "the peer has closed its end");
}

void afd__channel_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}
