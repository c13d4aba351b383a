/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floors of the benchmark: what the bytes themselves cost. They know where everything is, check nothing and work on
 * one contiguous block; a scheduler that has to find its descs cannot be faster than the lower of them.
 */
#ifndef AFD_CLI_BENCH_FLOOR_H
#define AFD_CLI_BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `to` = `from`, and `from` = the sentinel. `bytes` is a multiple of 4. */
typedef void (*bench_floor_take)(void *to, void *from, size_t bytes);

/* memcpy of all, then memset of all, as libc has them. */
void bench_floor_take_libc(void *to, void *from, size_t bytes);

/* One pass over both with the widest vectors that this CPU has. */
void bench_floor_take_fused(void *to, void *from, size_t bytes);

/* The same with the lines that come next prefetched: better on memory that no cache holds. */
void bench_floor_take_ahead(void *to, void *from, size_t bytes);

/* `to` = the sentinel. */
void bench_floor_refill(void *to, size_t bytes);

/* Waits until the flag is 1, and does nothing else. */
void bench_floor_spin(const int32_t *flag);

/* A bare loop over `num` flags that are `stride_bytes` apart: whether one is 1. */
bool bench_floor_scan(const char *first, size_t num, size_t stride_bytes);

/* The vectors that the fused loops use here: "avx512", "avx2", "128-bit". */
const char *bench_floor_vectors(void);

#endif
