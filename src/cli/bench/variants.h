/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes turns in a row: ours, the reference and the floors. A call does its work on one instance of the world; in
 * rows of kind flag it waits for the flag first.
 */
#ifndef AFD_CLI_BENCH_VARIANTS_H
#define AFD_CLI_BENCH_VARIANTS_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/stage.h"
#include "bench/world.h"

typedef struct bench_variant {
    const char *name;
    bench_target target;
    bool is_floor;
    void (*call)(bench_world *world, uint32_t instance);
} bench_variant;

/* The variants of a row: ours, the reference, then one floor or more, of which the fastest counts. */
size_t bench_variants(const bench_row *row, const bench_variant **variants);

/* Does nothing, so that what the clock and a call cost can be measured and subtracted. */
void bench_call_nothing(bench_world *world, uint32_t instance);

#endif
