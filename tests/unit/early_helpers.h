/* SPDX-License-Identifier: Apache-2.0 */
/* A small world whose calls copy early: all-sync, a scheduler object, and a wait whose poll goes through a script. */
#ifndef EARLY_HELPERS_H
#define EARLY_HELPERS_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/ffn.h"
#include "ffn_world.h"

enum { S = 4, M = 2, POLLED = 1, BS = 3, E = 1 };

/* A world with a scheduler object, and a wait whose poll goes through a script. */
typedef struct early {
    ffn_world *world;
    afd_ffn_scheduler *scheduler;
    afd_ffn_schedule_args args;
    afd_wait wait;
    int32_t stop;
    void (*script)(struct early *t, int step);
    int step;
    uint8_t *window; /* what the token info must be whenever poll looks */
} early;

early early_begin(void);
void early_end(early *t);

/* Publishes the polled micro-batch of a session. */
void early_arm(early *t, uint32_t session, uint32_t round);

afd_status early_poll(early *t);

/* A waiting call whose poll goes through the script; nobody but the script changes the window. */
afd_status early_wait(early *t, void (*script)(early *t, int step), uint32_t *taken_num);

void early_expect_window_unchanged(const early *t);

/* Whether row k holds an early copy of that session. */
bool early_row_is_copy(const early *t, uint32_t row, uint32_t session, uint32_t round);
bool early_row_is_untouched(const early *t, uint32_t row);

/* What a caller may do that has its outputs back. The layer ids stay right, so that no copy is told by them. */
void early_scribble(early *t);

/* These sessions were just taken, with what they published in these rounds. */
void early_expect_rows(const early *t, const uint32_t *sessions, const uint32_t *rounds, uint32_t num);
void early_expect_all(const early *t, uint32_t round);

#endif
