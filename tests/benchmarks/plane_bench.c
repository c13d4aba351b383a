/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     plane_bench [SECONDS [THRESHOLD]...]
 *
 * prints, for each size, what a round there and back takes: p50 and p99 in microseconds, by each way and threshold of
 * UCX_RNDV_THRESH, all of them in turn. SECONDS is for how long each is measured, 0 for a few rounds that only show
 * that it runs. Other settings of UCX are the environment's.
 */
#include "plane_bench.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/wait.h"

void bench_expect(int holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "plane_bench: %s\n", what);
        _exit(1);
    }
}

void *bench_memory(size_t bytes)
{
    void *memory = malloc(bytes);
    bench_expect(memory != NULL, "no memory");
    memset(memory, 0x3C, bytes);
    return memory;
}

void bench_announce(bench_board *board, uint16_t port)
{
    __atomic_store_n(&board->port, port, __ATOMIC_RELEASE);
}

uint16_t bench_await_port(const bench_board *board)
{
    int32_t port = 0;
    while ((port = __atomic_load_n(&board->port, __ATOMIC_ACQUIRE)) == 0) {
        (void)sched_yield();
    }
    return (uint16_t)port;
}

void bench_note(const bench_case *c, bench_board *board, uint32_t number, uint64_t began_ns)
{
    if (number >= bench_warm_up_num(c)) {
        board->times_ns[number - bench_warm_up_num(c)] = afd_clock_ns() - began_ns;
    }
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

static pid_t start(void (*end)(const bench_case *, bench_board *), int cpu, const bench_case *c, bench_board *board)
{
    const pid_t pid = fork();
    if (pid == 0) {
        pin(cpu);
        end(c, board);
        _exit(0);
    }
    return pid;
}

static void expect_end(pid_t pid)
{
    int status = 0;
    bench_expect(waitpid(pid, &status, 0) == pid && status == 0, "one of the two processes failed");
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Runs one case by one way, and prints its two columns. */
static double measure(const bench_way *way, const bench_case *c)
{
    const size_t board_bytes = sizeof(bench_board) + c->round_num * sizeof(uint64_t);
    bench_board *board = mmap(NULL, board_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bench_expect(board != MAP_FAILED, "no memory");
    const pid_t server = start(way->serve, (int)sysconf(_SC_NPROCESSORS_ONLN) - 1, c, board);
    const pid_t client = start(way->ask, 0, c, board);
    expect_end(client);
    expect_end(server);
    qsort(board->times_ns, c->round_num, sizeof(uint64_t), compare);
    const double p50_us = (double)board->times_ns[c->round_num / 2] / 1e3;
    (void)printf(" %9.1f %9.1f", p50_us, (double)board->times_ns[c->round_num * UINT64_C(99) / 100] / 1e3);
    (void)fflush(stdout);
    (void)munmap(board, board_bytes);
    return p50_us;
}

/* How many rounds fit the time, if a round is about 20 us and moves 1 GB/s. */
static uint32_t rounds_of(const bench_case *c, double seconds)
{
    const double round_us = 20.0 + (double)bench_payload_bytes(c) / 500.0;
    return seconds == 0 ? 20 : (uint32_t)(seconds * 1e6 / round_us) + 20;
}

static void print_case(bench_case *c, double seconds, const char *const *thresholds)
{
    c->round_num = rounds_of(c, seconds);
    for (; *thresholds != NULL; thresholds++) {
        (void)setenv("UCX_RNDV_THRESH", *thresholds, 1);
        (void)printf("%5" PRIu32 " %6" PRIu32 " %5s", c->row_num, c->row_bytes, *thresholds);
        const double link_us = measure(&bench_link, c);
        const double raw_us = measure(&bench_raw, c);
        (void)measure(&bench_socket, c);
        (void)printf(" %7.2f\n", link_us / raw_us);
    }
}

int main(int argc, char **argv)
{
    static const uint32_t row_nums[] = { 1, 8, 32, 128, 256 };
    static const uint32_t row_bytes[] = { 4096, 14336 };
    static const char *const thresholds[] = { "auto", "inf", "64k", "256k", NULL };
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.5;
    (void)printf("                        link p50       p99   raw p50       p99   tcp p50       p99    link\n"
                 " rows  bytes  rndv            us        us        us        us        us        us    /raw\n");
    for (size_t b = 0; b < sizeof(row_bytes) / sizeof(row_bytes[0]); b++) {
        for (size_t n = 0; n < sizeof(row_nums) / sizeof(row_nums[0]); n++) {
            bench_case c = { .row_num = row_nums[n], .row_bytes = row_bytes[b] };
            print_case(&c, seconds, argc > 2 ? (const char *const *)argv + 2 : thresholds);
        }
    }
    return 0;
}
