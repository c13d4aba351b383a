/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a round there and back over TCP takes by three ways: our links, UCX's active messages and a plain socket. Each
 * is a pair of processes, the client pinned to the first processor and the server to the last one; both read every byte
 * that they get.
 */
#ifndef PLANE_BENCH_H
#define PLANE_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* One row of the table. */
typedef struct bench_case {
    uint32_t row_num;   /* in a round, and in its answer */
    uint32_t row_bytes;
    uint32_t round_num; /* measured, after a tenth of that to warm up */
} bench_case;

/* What the two processes share. */
typedef struct bench_board {
    int32_t port;          /* of the server; 0: not yet */
    uint64_t times_ns[];   /* of each measured round */
} bench_board;

static inline uint32_t bench_warm_up_num(const bench_case *c)
{
    return c->round_num / 10 + 1;
}

static inline size_t bench_payload_bytes(const bench_case *c)
{
    return (size_t)c->row_num * (c->row_bytes + 8);
}

/* One way: the two ends, each of which runs all rounds and returns. */
typedef struct bench_way {
    const char *name;
    void (*serve)(const bench_case *c, bench_board *board);
    void (*ask)(const bench_case *c, bench_board *board);
} bench_way;

extern const bench_way bench_link;
extern const bench_way bench_raw;
extern const bench_way bench_socket;

/* The server says where it is; the client waits for it. */
void bench_announce(bench_board *board, uint16_t port);
uint16_t bench_await_port(const bench_board *board);

/* Notes the time of round `number`, warm-up included, which began at began_ns. */
void bench_note(const bench_case *c, bench_board *board, uint32_t number, uint64_t began_ns);

/* Ends the process where a benchmark cannot go on. */
void bench_expect(int holds, const char *what);

/* Memory for `bytes`, every page of it there. */
void *bench_memory(size_t bytes);

#endif
