/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minutes of sessions that die, are stopped and come again, beside two FFN workers and a session that live through all
 * of it. Every row is compared with the model; memory and descriptors of those that live stay what they were.
 *
 *     soak [shm|ucx|hosts] MINUTES [SEED]
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault_board.h"
#include "fault_net.h"
#include "layer_parties.h"
#include "random_numbers.h"

#define SECONDS UINT64_C(1000000000)

enum { SESSIONS = 3, RANKS = 2, WARM_PERCENT = 10, STOP_MS = 1300, MORE_ROUNDS = 4 };

/* What a process that lives through all may grow by: pages that were touched late, not a block a fault. */
enum { GROWTH_KIB_MAX = 1024 };

typedef struct lasting {
    char side;
    uint32_t number;
    pid_t pid;
    long memory_kib; /* when it was warm */
    long descriptor_num;
} lasting;

static fault_world world;

static _Noreturn void fail(const char *what, uint32_t number)
{
    fprintf(stderr, "soak: %s %" PRIu32 "\n", what, number);
    exit(1); /* the children die with us */
}

static fault_seat *seat_of(char side, uint32_t number)
{
    return side == 'f' ? &world.board->ffn[number] : &world.board->attention[number];
}

static void start(char side, uint32_t number)
{
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child < 0) {
        fail("fork", 0);
    }
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        fault_net_enter(side, number);
        _exit(side == 'f' ? fault_be_ffn(&world, number) : fault_be_attention(&world, number));
    }
    board_set(&seat_of(side, number)->pid, child);
}

static void rest(uint32_t milliseconds)
{
    struct timespec left = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000L };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Anonymous memory that is resident, in KiB; -1 if the process is gone. */
static long memory_of(pid_t pid)
{
    char path[64];
    char line[128];
    long kib = -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && kib < 0 && fgets(line, sizeof(line), file) != NULL) {
        (void)sscanf(line, "RssAnon: %ld kB", &kib);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

static long descriptors_of(pid_t pid)
{
    char path[64];
    long num = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    while (folder != NULL && readdir(folder) != NULL) {
        num++;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return num;
}

static void await_rounds(uint32_t session, uint64_t wanted)
{
    const uint64_t began_ns = afd_clock_ns();
    while (board_get_u64(&world.board->attention[session].round_num) < wanted) {
        rest(1);
        if (afd_clock_ns() - began_ns > 60 * SECONDS) {
            fail("no more rounds of session", session);
        }
    }
}

/* Every session comes further. */
static void await_progress(void)
{
    uint64_t wanted[SESSIONS];
    for (uint32_t s = 0; s < SESSIONS; s++) {
        wanted[s] = board_get_u64(&world.board->attention[s].round_num) + MORE_ROUNDS;
    }
    for (uint32_t s = 0; s < SESSIONS; s++) {
        await_rounds(s, wanted[s]);
    }
}

static void strike(uint32_t session, bool kills)
{
    const pid_t pid = board_get(&world.board->attention[session].pid);
    if (kills) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        start('a', session);
    } else {
        (void)kill(pid, SIGSTOP);
        rest(STOP_MS);
        (void)kill(pid, SIGCONT);
    }
    board_set(&world.board->log_num, 0); /* there are more than it has room for, and they are not looked at */
    await_progress();
}

static void weigh(lasting *members, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        members[i].pid = board_get(&seat_of(members[i].side, members[i].number)->pid);
        members[i].memory_kib = memory_of(members[i].pid);
        members[i].descriptor_num = descriptors_of(members[i].pid);
    }
}

/* Whether all that live through it are what they were. */
static bool are_flat(const lasting *members, size_t num)
{
    bool flat = true;
    for (size_t i = 0; i < num; i++) {
        const lasting *m = &members[i];
        const long memory_kib = memory_of(m->pid);
        const long descriptor_num = descriptors_of(m->pid);
        printf("%c%" PRIu32 "  memory %ld KiB, then %ld KiB  descriptors %ld, then %ld\n", m->side, m->number,
               m->memory_kib, memory_kib, m->descriptor_num, descriptor_num);
        flat = flat && memory_kib >= 0 && memory_kib <= m->memory_kib + GROWTH_KIB_MAX &&
               descriptor_num == m->descriptor_num;
    }
    return flat;
}

static void join_all(char side, uint32_t num)
{
    for (uint32_t number = 0; number < num; number++) {
        int status = 0;
        const pid_t pid = board_get(&seat_of(side, number)->pid);
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fail(side == 'f' ? "wrong end of FFN worker" : "wrong end of session", number);
        }
    }
}

static void end_all(void)
{
    board_set(&world.board->finish, 1);
    join_all('a', SESSIONS);
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        afd_stop_raise(&world.board->drain[rank]);
    }
    join_all('f', RANKS);
}

static uint64_t strike_until(uint64_t end_ns, random_numbers *numbers)
{
    uint64_t fault_num = 0;
    while (afd_clock_ns() < end_ns) {
        strike(1 + random_below(numbers, SESSIONS - 1), random_chance(numbers, 90));
        fault_num++;
    }
    return fault_num;
}

static int run(double minutes, uint64_t seed)
{
    random_numbers numbers = { seed };
    lasting members[] = { { .side = 'f', .number = 0 }, { .side = 'f', .number = 1 }, { .side = 'a', .number = 0 } };
    const size_t member_num = sizeof(members) / sizeof(members[0]);
    const uint64_t length_ns = (uint64_t)(minutes * 60 * 1e9);
    const uint64_t began_ns = afd_clock_ns();
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        start('f', rank);
    }
    for (uint32_t s = 0; s < SESSIONS; s++) {
        start('a', s);
    }
    await_progress();
    uint64_t fault_num = strike_until(began_ns + length_ns * WARM_PERCENT / 100, &numbers);
    weigh(members, member_num);
    fault_num += strike_until(began_ns + length_ns, &numbers);
    const bool flat = are_flat(members, member_num);
    end_all();
    printf("%" PRIu64 " faults, %" PRIu64 " rounds of the session that lived through them, every row right%s\n",
           fault_num, board_get_u64(&world.board->attention[0].round_num), flat ? "" : "; NOT flat");
    return flat ? 0 : 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: soak [shm|ucx|hosts] MINUTES [SEED]\n");
    return 2;
}

int main(int argc, char **argv)
{
    fault_transport transport = FAULT_ON_SHM;
    const int first = argc >= 2 && fault_transport_parse(argv[1], &transport) ? 2 : 1;
    const double minutes = argc > first ? strtod(argv[first], NULL) : 0;
    const uint64_t seed = argc > first + 1 ? strtoull(argv[first + 1], NULL, 10) : afd_clock_ns();
    fault_case f = { .transport = transport, .layer = { .seed = seed, .attention_num = SESSIONS, .ffn_num = RANKS,
                     .sync_group_size = seed % 2 == 0 ? SESSIONS : 1, .type = AFD_TOKEN_BF16 } };
    if (argc > first + 2 || !(minutes > 0)) {
        return usage();
    }
    if (!fault_net_open(transport)) {
        return 77;
    }
    layer_case_draw(&f.layer);
    world = (fault_world){ .f = &f, .parent = getpid() };
    world.board = mmap(NULL, sizeof(*world.board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world.board == MAP_FAILED) {
        fail("no memory for the board", 0);
    }
    printf("seed %" PRIu64 ", %s\n", seed, f.layer.sync_group_size == 1 ? "groups of one" : "all-sync");
    const int result = run(minutes, seed);
    layer_case_free(&f.layer);
    return result;
}
