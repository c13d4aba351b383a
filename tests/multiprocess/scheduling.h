/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's side: one scheduler over a named window, every row checked. */
#ifndef AFD_TEST_SCHEDULING_H
#define AFD_TEST_SCHEDULING_H

#include <stdint.h>

#include "ledger.h"
#include "world.h"

/* A name that no other test run has. Static memory. */
const char *shared_name(void);

/* Takes until the ledger has `row_num` rows. */
void take_rows(const stress_world *world, taken_ledger *ledger, uint64_t row_num);

/* Nothing that bears our name or pid is in /dev/shm. */
void check_nothing_left(void);

/* The two tests. */
void run_full_traffic(const world_options *options, const traffic_plan *traffic, uint32_t round_num);
void run_killed(const world_options *options, uint64_t seed);

#endif
