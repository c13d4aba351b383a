/* SPDX-License-Identifier: Apache-2.0 */
/* A plain TCP socket: what is there without UCX. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "afd/wait.h"
#include "plane_bench.h"

enum { HEADER_BYTES = 64 };

static void write_all(int fd, const char *bytes, size_t byte_num)
{
    while (byte_num > 0) {
        const ssize_t written = write(fd, bytes, byte_num);
        bench_expect(written > 0, "write");
        bytes += written;
        byte_num -= (size_t)written;
    }
}

static void read_all(int fd, char *bytes, size_t byte_num)
{
    while (byte_num > 0) {
        const ssize_t got = read(fd, bytes, byte_num);
        bench_expect(got > 0, "read");
        bytes += got;
        byte_num -= (size_t)got;
    }
}

static void send_at_once(int fd)
{
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void serve(const bench_case *c, bench_board *board)
{
    const size_t bytes = HEADER_BYTES + bench_payload_bytes(c);
    char *buffer = bench_memory(bytes);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t address_bytes = sizeof(address);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    bench_expect(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 1) == 0 &&
                     getsockname(listener, (struct sockaddr *)&address, &address_bytes) == 0,
                 "listen");
    bench_announce(board, ntohs(address.sin_port));
    const int fd = accept(listener, NULL, NULL);
    bench_expect(fd >= 0, "accept");
    send_at_once(fd);
    for (uint32_t i = 0; i < c->round_num + bench_warm_up_num(c); i++) {
        read_all(fd, buffer, bytes);
        write_all(fd, buffer, bytes);
    }
}

static void ask(const bench_case *c, bench_board *board)
{
    const size_t bytes = HEADER_BYTES + bench_payload_bytes(c);
    char *buffer = bench_memory(bytes);
    const struct sockaddr_in address = { AF_INET, htons(bench_await_port(board)), { htonl(INADDR_LOOPBACK) }, { 0 } };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    bench_expect(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    send_at_once(fd);
    for (uint32_t i = 0; i < c->round_num + bench_warm_up_num(c); i++) {
        const uint64_t began_ns = afd_clock_ns();
        write_all(fd, buffer, bytes);
        read_all(fd, buffer, bytes);
        bench_note(c, board, i, began_ns);
    }
}

const bench_way bench_socket = { "socket", serve, ask };
