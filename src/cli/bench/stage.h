/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What measuring a row needs to know of its kind: who takes turns, how one sample of each is taken, and whether the
 * result was right. Making a stage is up to the kind (scheduling.h,
 * companions.h); rounds, order and percentiles are the same for all (measure.h).
 */
#ifndef AFD_CLI_BENCH_STAGE_H
#define AFD_CLI_BENCH_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/measure.h"

enum { BENCH_OURS, BENCH_REFERENCE, BENCH_FIRST_FLOOR, BENCH_VARIANT_MAX = 6 };

typedef struct bench_stage {
    void *self;
    /* Ours, the reference, then one floor or more, of which the fastest counts. */
    size_t variant_num;
    const char *names[BENCH_VARIANT_MAX];
    /* Brings everything into the row's state and calls; in ns a call, without what clock and call themselves cost. */
    double (*sample)(void *self, size_t variant);
    /* Whether the last sample, of this variant, gave what it should. */
    bool (*is_right)(const void *self, size_t variant);
    void (*end)(void *self);
    uint32_t call_num;    /* calls that are timed together */
    double overhead_ns;   /* what is subtracted for each */
    double witness_ns;    /* 0 where there is no partner */
    size_t result_bytes;  /* decides how often results are looked at */
} bench_stage;

/* Skips the row; always false. */
bool bench_stage_skip(bench_result *result, const char *why, const char *detail);

#endif
