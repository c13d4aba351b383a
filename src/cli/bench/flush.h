/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFD_CLI_BENCH_FLUSH_H
#define AFD_CLI_BENCH_FLUSH_H

#include <stddef.h>

/* Writes every line of the memory back and drops it from all caches; when it returns that has been done. */
void bench_flush(const void *memory, size_t bytes);

/* Everything written before it is visible, and out of the store buffer, before anything after it begins. */
void bench_settle(void);

#endif
