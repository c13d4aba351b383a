/* SPDX-License-Identifier: Apache-2.0 */
/* A window with its context, and the scheduler object if the case wants one: the consumer's side. */
#ifndef AFD_TEST_WORLD_H
#define AFD_TEST_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/ffn.h"
#include "afd/window.h"

typedef enum world_memory { WORLD_PLAIN_MEMORY, WORLD_PRIVATE_WINDOW, WORLD_SHARED_WINDOW } world_memory;
typedef enum world_object { WORLD_NO_OBJECT, WORLD_OBJECT, WORLD_FAIR_OBJECT } world_object;

/* How the scheduler's thread waits: with a strategy of afd_ffn_schedule(), or in a loop of afd_ffn_schedule_poll(). */
typedef enum way_to_wait { WAITING_YIELD, WAITING_SPIN, WAITING_BACKOFF, WAITING_POLL, WAITING_NUM } way_to_wait;

typedef struct world_options {
    world_memory memory;
    const char *shared_name; /* of WORLD_SHARED_WINDOW */
    world_object object;
    bool start_empty;        /* no session is live at first */
    uint32_t group_size;
    way_to_wait waiting;
} world_options;

typedef struct stress_world {
    world_options options;
    afd_shape shape;
    uint64_t token_info_bytes;
    uint64_t desc_bytes;
    afd_window *window;      /* NULL with WORLD_PLAIN_MEMORY */
    char *block;             /* of WORLD_PLAIN_MEMORY: guard, token info, guard */
    char *token_info;        /* desc[S][M] */
    afd_schedule_context *context;
    void *scheduler_memory;
    afd_ffn_scheduler *scheduler;
} stress_world;

/* Fails the test where anything cannot be made. */
stress_world world_new(const afd_shape *shape, const world_options *options);

afd_ffn_desc *world_desc(const stress_world *world, uint32_t session, uint32_t micro_batch);

/* One call in the world's way of waiting; AFD_NOT_YET is never returned, and an error fails the test. poll, stop word
 * and deadline come with `wait`; a world that polls itself calls wait->poll and knows no more of it. */
afd_status world_schedule(const stress_world *world, afd_wait *wait, uint32_t *taken_num);

/* Checks the guards around plain memory, and frees everything. */
void world_free(stress_world *world);

#endif
