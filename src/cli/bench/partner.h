/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread on the other core: it writes descs, publishes the one that a call waits for, and hammers. It lives for
 * the rows that need it only, so that where both CPUs are one core it takes nothing from the others; between two
 * requests it spins, because a thread that sleeps wakes up with cold caches and a slow clock.
 */
#ifndef AFD_CLI_BENCH_PARTNER_H
#define AFD_CLI_BENCH_PARTNER_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/cpus.h"
#include "bench/world.h"

typedef struct bench_partner bench_partner;

/* Starts the thread on `cpu` for the rows of `world`; NULL, with errno, if there can be none or it cannot be there. */
bench_partner *bench_partner_start(bench_world *world, int cpu);
void bench_partner_end(bench_partner *partner);

/* Arms the sessions [first, end) over there, and returns when that is done. */
void bench_partner_arm(bench_partner *partner, bench_target target, uint32_t first, uint32_t end);

/* A part runner that does part 0 here and part 1 over there. It lives as long as the partner. */
const afd_part_runner *bench_partner_parts(bench_partner *partner);

/* Writes the awaited session's desc over there, but not yet its flag, and returns when that is done. */
void bench_partner_write_awaited(bench_partner *partner);

/* Asks for its flag, `delay_ticks` from now, and returns at once. */
void bench_partner_publish_later(bench_partner *partner, uint64_t delay_ticks);

/* When it was published: a reading of bench_ticks() just before the store. Waits until it was. */
uint64_t bench_partner_published(bench_partner *partner);

#endif
