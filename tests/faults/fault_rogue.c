/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_rogue.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault_net.h"
#include "random_numbers.h"
#include "wire_rogue.h"

enum { ROGUES_MAX_NUM = 5, VISITS = 60, OPEN_MAX_NUM = 8, MESSAGE_BYTES = 4096 };

/* A connection to a door, -1 if it is full. */
static int visit(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "afd.%s", name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(fd, (const struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void send_nonsense(int fd, random_numbers *numbers)
{
    unsigned char message[MESSAGE_BYTES];
    const size_t bytes = random_chance(numbers, 50) ? random_below(numbers, MESSAGE_BYTES) : random_below(numbers, 64);
    for (size_t i = 0; i < bytes; i++) {
        message[i] = (unsigned char)random_u64(numbers);
    }
    (void)send(fd, message, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Goes round all kinds of visits. */
static void pester_wire(const fault_world *world, uint64_t seed)
{
    const afd_member_options options = fault_member_options(world->f);
    for (uint32_t rank = 0; rank < world->f->layer.ffn_num; rank++) {
        char door[FAULT_ADDRESS_BYTES];
        fault_net_door(rank, door);
        wire_rogue *rogue = wire_rogue_create(door, options.secret, options.secret_bytes, seed + rank);
        if (rogue == NULL) {
            _exit(EXIT_FAILURE);
        }
        for (int i = 0; i < VISITS; i++) {
            wire_rogue_visit(rogue, (wire_visit)(i % WIRE_VISIT_NUM));
        }
        wire_rogue_free(rogue);
    }
}

/* The run has no UCX in it, because it forks. Returns the status of the process. */
static int pester_from_outside(const fault_world *world, uint64_t seed)
{
    int status = -1;
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        fault_net_enter('a', world->f->victim);
        pester_wire(world, seed);
        _exit(EXIT_SUCCESS);
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

/* Whoever treats UCX like that may die of it himself, which is nobody's fault here: then another one goes on. */
static bool pester_until_done(const fault_world *world, uint64_t seed)
{
    int status = 0;
    for (uint64_t attempt = 0; attempt < ROGUES_MAX_NUM; attempt++) {
        status = pester_from_outside(world, seed + attempt);
        if (status == 0 || !WIFSIGNALED(status)) {
            break;
        }
    }
    return status == 0;
}

static bool pester_by_name(const fault_world *world, uint64_t seed)
{
    random_numbers numbers = { seed };
    int open_fds[OPEN_MAX_NUM];
    for (size_t i = 0; i < OPEN_MAX_NUM; i++) {
        open_fds[i] = -1;
    }
    for (int i = 0; i < VISITS; i++) {
        char name[FAULT_NAME_BYTES];
        const size_t place = random_below(&numbers, OPEN_MAX_NUM);
        fault_ffn_name(world, random_below(&numbers, world->f->layer.ffn_num), name);
        if (open_fds[place] >= 0) {
            (void)close(open_fds[place]);
        }
        open_fds[place] = visit(name);
        for (uint32_t left = random_below(&numbers, 4); open_fds[place] >= 0 && left > 0; left--) {
            send_nonsense(open_fds[place], &numbers);
        }
        const struct timespec pause = { 0, 5000000 };
        (void)nanosleep(&pause, NULL);
    }
    for (size_t i = 0; i < OPEN_MAX_NUM; i++) {
        if (open_fds[i] >= 0) {
            (void)close(open_fds[i]);
        }
    }
    return true;
}

bool fault_pester(const fault_world *world, uint64_t seed)
{
    return world->f->transport == FAULT_ON_SHM ? pester_by_name(world, seed) : pester_until_done(world, seed);
}

static _Noreturn void compute_until(uint64_t end_ns)
{
    uint64_t state = 1;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (afd_clock_ns() < end_ns) {
        for (int i = 0; i < 100000; i++) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            __asm__ volatile("" : : "r"(state)); /* or there would be nothing to compute */
        }
    }
    _exit(0);
}

void fault_burn(uint32_t milliseconds)
{
    const uint64_t end_ns = afd_clock_ns() + milliseconds * UINT64_C(1000000);
    const long burner_num = sysconf(_SC_NPROCESSORS_ONLN) + 1;
    pid_t burners[64];
    long started_num = 0;
    (void)fflush(NULL);
    for (; started_num < burner_num && started_num < 64; started_num++) {
        burners[started_num] = fork();
        if (burners[started_num] == 0) {
            compute_until(end_ns);
        }
    }
    for (long i = 0; i < started_num; i++) {
        (void)waitpid(burners[i], NULL, 0);
    }
}
