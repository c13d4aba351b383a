/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/ucx/post.h"

enum { HOST_NUM = FAULT_SESSIONS_MAX + FAULT_RANKS_MAX, SCRIPT_BYTES = 512, PORT = 7000, NOT_HERE = -1 };

static struct {
    fault_transport transport;
    bool has_own_network;
    bool can_harm;
    int hosts[HOST_NUM];             /* their namespaces; NOT_HERE: the campaign's own */
    uint16_t ports[FAULT_RANKS_MAX];
} net;

static uint32_t host_of(char side, uint32_t number)
{
    return side == 'f' ? FAULT_SESSIONS_MAX + number : number;
}

static bool enter_host(uint32_t host)
{
    return net.hosts[host] == NOT_HERE || setns(net.hosts[host], CLONE_NEWNET) == 0;
}

/* Runs a line of shell on a host; whether it ended well. */
static bool run_on(uint32_t host, bool quietly, const char *script)
{
    int status = 0;
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        if (quietly && (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)) {
            _exit(EXIT_FAILURE);
        }
        if (enter_host(host)) {
            (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        }
        _exit(EXIT_FAILURE);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* What must not go wrong once it has been tried at the beginning. */
static void harm(uint32_t host, const char *script)
{
    if (!run_on(host, false, script)) {
        fprintf(stderr, "the network of host %" PRIu32 " cannot be changed: %s\n", host, script);
        abort();
    }
}

/* ---- a network of our own ---- */

static bool write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_written;
}

/* Whoever is not root is root in a user namespace, where that is allowed. */
static bool leave_the_network(void)
{
    char map[64];
    if (unshare(CLONE_NEWNET) == 0) {
        return true;
    }
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned int)getuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", map);
}

/* A namespace outlives the process that made it as long as its descriptor is open. */
static int make_namespace(uint32_t host)
{
    char script[SCRIPT_BYTES];
    char path[64];
    int ready[2];
    char byte = 0;
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return NOT_HERE;
    }
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "+", 1) == 1) {
            (void)pause();
        }
        _exit(EXIT_FAILURE);
    }
    (void)close(ready[1]);
    int fd = NOT_HERE;
    if (read(ready[0], &byte, 1) == 1) {
        (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)child);
        (void)snprintf(script, sizeof(script),
                       "ip link add to-%" PRIu32 " type veth peer name eth0 netns %d && "
                       "ip link set to-%" PRIu32 " master bridge up", host, (int)child, host);
        fd = run_on(host, true, script) ? open(path, O_RDONLY | O_CLOEXEC) : NOT_HERE;
    }
    (void)close(ready[0]);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return fd;
}

static bool make_hosts(void)
{
    bool is_made = run_on(0, true, "ip link add bridge type bridge && ip link set bridge up");
    for (uint32_t host = 0; host < HOST_NUM && is_made; host++) {
        char script[SCRIPT_BYTES];
        net.hosts[host] = make_namespace(host);
        (void)snprintf(script, sizeof(script),
                       "ip link set lo up && ip addr add 10.78.0.%" PRIu32 "/24 dev eth0 && ip link set eth0 up",
                       host + 1);
        is_made = net.hosts[host] != NOT_HERE && run_on(host, true, script);
    }
    return is_made;
}

/* ---- ports ---- */

static bool is_free(uint16_t port)
{
    const struct sockaddr_in address = { AF_INET, htons(port), { htonl(INADDR_LOOPBACK) }, { 0 } };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_bound;
}

/* Each with the one behind it, below those that the kernel gives to whoever asks for any. */
static void find_ports(void)
{
    uint16_t port = (uint16_t)(net.has_own_network ? PORT : 25000 + getpid() % 300 * 10);
    for (uint32_t rank = 0; rank < FAULT_RANKS_MAX; rank++) {
        while (!is_free(port) || !is_free((uint16_t)(port + 1))) {
            port = (uint16_t)(port + 2);
        }
        net.ports[rank] = port;
        port = (uint16_t)(port + 2);
    }
}

/* ---- opening ---- */

/* Asked in a process of its own: the campaign's does not bring UCX into those that it forks. */
static bool has_ucx(void)
{
    int status = 0;
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        const afd__post_options options = { .line_max = 1 };
        afd__post *post = NULL;
        afd_error error;
        if (afd__post_open(&options, &post, &error) == AFD_OK) {
            afd__post_close(post);
            _exit(EXIT_SUCCESS);
        }
        printf("skipped: %s\n", error.message);
        (void)fflush(stdout);
        _exit(EXIT_FAILURE);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool fault_transport_parse(const char *word, fault_transport *transport)
{
    static const struct {
        const char *word;
        fault_transport transport;
    } words[] = { { "shm", FAULT_ON_SHM }, { "ucx", FAULT_ON_UCX }, { "hosts", FAULT_ON_HOSTS } };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) == 0) {
            *transport = words[i].transport;
            return true;
        }
    }
    return false;
}

bool fault_net_open(fault_transport transport)
{
    net.transport = transport;
    for (uint32_t host = 0; host < HOST_NUM; host++) {
        net.hosts[host] = NOT_HERE;
    }
    if (transport == FAULT_ON_SHM) {
        return true;
    }
    /* UCX prefers its shared memory, across namespaces too, and this is about the wire. */
    (void)setenv("UCX_TLS", "tcp,self", 0);
    net.has_own_network = leave_the_network();
    if (net.has_own_network) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin", getenv("PATH") != NULL ? getenv("PATH") : "/usr/bin");
        (void)setenv("PATH", path, 1);
        net.has_own_network = run_on(0, false, "ip link set lo up");
        net.can_harm = net.has_own_network && run_on(0, true, "nft list ruleset");
    }
    if (transport == FAULT_ON_HOSTS && (!net.can_harm || !make_hosts())) {
        printf("skipped: this user may not make network namespaces here, or there is no ip or nft "
               "(apt-get install iproute2 nftables)\n");
        return false;
    }
    find_ports();
    return has_ucx();
}

bool fault_net_can_harm(void)
{
    return net.can_harm;
}

void fault_net_door(uint32_t rank, char address[FAULT_ADDRESS_BYTES])
{
    if (net.transport == FAULT_ON_HOSTS) {
        (void)snprintf(address, FAULT_ADDRESS_BYTES, "10.78.0.%" PRIu32 ":%d", host_of('f', rank) + 1, PORT);
    } else {
        (void)snprintf(address, FAULT_ADDRESS_BYTES, "127.0.0.1:%" PRIu16, net.ports[rank]);
    }
}

void fault_net_enter(char side, uint32_t number)
{
    if (!enter_host(host_of(side, number))) {
        fprintf(stderr, "%c%" PRIu32 ": cannot go to its host: %s\n", side, number, strerror(errno));
        _exit(EXIT_FAILURE);
    }
}

/* ---- harm ---- */

void fault_net_cut(char side, uint32_t number)
{
    harm(host_of(side, number), "nft 'add table inet trouble; "
                                "add chain inet trouble in { type filter hook input priority 0; }; "
                                "add chain inet trouble out { type filter hook output priority 0; }; "
                                "add rule inet trouble in iifname eth0 drop; "
                                "add rule inet trouble out oifname eth0 drop'");
}

void fault_net_heal(char side, uint32_t number)
{
    harm(host_of(side, number), "nft delete table inet trouble");
}

static void harm_all(const char *script)
{
    const uint32_t host_num = net.transport == FAULT_ON_HOSTS ? HOST_NUM : 1;
    for (uint32_t host = 0; host < host_num; host++) {
        harm(host, script);
    }
}

void fault_net_lose(void)
{
    harm_all("nft 'add table inet trouble; add chain inet trouble in { type filter hook input priority 0; }; "
             "add rule inet trouble in numgen random mod 100 < 5 drop'");
}

void fault_net_lose_no_more(void)
{
    harm_all("nft delete table inet trouble");
}
