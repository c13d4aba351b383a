/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one row of the benchmark works on: windows with their contexts, made as a user of libafd makes them,
 * and for the floors a contiguous block with the ids of all sessions. Ours and the reference work on the same window,
 * and all of them, floors too, write into the same outputs.
 *
 * A call that is too short for the clock is timed many at a time: the world then has that many instances, packed
 * tightly so that the caches hold them all.
 *
 * Before a call the target is *armed*: ids that only this (draw, instance, session) has are written and published.
 * After it the world can say whether exactly they came out.
 */
#ifndef AFD_CLI_BENCH_WORLD_H
#define AFD_CLI_BENCH_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/ffn.h"
#include "afd/window.h"
#include "bench/row.h"

/* What a variant takes from. */
typedef enum bench_target {
    BENCH_WINDOW, /* the descs of a window */
    BENCH_BLOCK   /* the contiguous block */
} bench_target;

typedef struct bench_instance {
    afd_schedule_context *context;
    char *token_info;
    int32_t *block; /* i32[S][BS][E] */
} bench_instance;

typedef struct bench_world {
    const bench_row *row;
    size_t id_num;     /* BS*E */
    size_t desc_bytes;
    size_t token_info_bytes;
    size_t block_bytes; /* of one instance: 4*S*BS*E */
    uint32_t instance_num;
    bench_instance *instances;
    afd_ffn_schedule_args args;
    afd_wait wait;

    uint32_t draw;           /* counts up: what was armed last */
    uint64_t random_state;
    uint32_t *micro_batches; /* [S]: what each session has ready in this draw */
    uint32_t awaited;        /* rows of kind flag: the session that arrives last */

    afd_window *window;      /* of the one instance; NULL where there are many */
    void *arena;             /* of many instances */
    size_t arena_bytes;
    void *blocks;
    size_t blocks_bytes;
    void *scheduler_memory;
} bench_world;

/* Makes it and touches all of its memory. On an error there is nothing to free. */
afd_status bench_world_new(bench_world *world, const bench_row *row, afd_error *error);
void bench_world_free(bench_world *world);

uint64_t bench_world_random(bench_world *world);

/* Chooses what is armed next: new ids, a random micro-batch a session (in all-sync one for all), the session that is
 * awaited; and resets what the calls are given. */
void bench_world_draw(bench_world *world);

/* Writes the ids of the sessions [first, end) of all instances, and publishes the descs of a window. */
void bench_world_arm(bench_world *world, bench_target target, uint32_t first, uint32_t end);

/* The two halves of arming the awaited session, whose desc is always one of the first window. */
void bench_world_write_awaited(bench_world *world);
void bench_world_publish_awaited(bench_world *world);

/* Writes back and drops every line of the target from all caches. */
void bench_world_flush(const bench_world *world, bench_target target);

/* Writes into every line of the outputs, so that they are warm and old results are gone. */
void bench_world_warm_outputs(const bench_world *world);

/* The same for the ids that the first or second of two threads will write, in the first instance's outputs. */
void bench_world_warm_half(const bench_world *world, uint32_t half);

afd_ffn_desc *bench_world_desc(const bench_world *world, uint32_t instance, uint32_t session, uint32_t micro_batch);

/* Whether every session came out as armed, was refilled and given back. */
bool bench_world_is_taken(const bench_world *world, bench_target target);

/* Whether the awaited session alone did, as row `out_row` of the outputs; ours and reference also say who it is. */
bool bench_world_awaited_is_taken(const bench_world *world, uint32_t out_row, bool with_names);

#endif
