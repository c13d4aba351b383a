/* SPDX-License-Identifier: Apache-2.0 */
/* The two kinds of stress cases. Each runs one to its end, with every content checked, or fails the test. */
#ifndef AFD_TEST_MODES_H
#define AFD_TEST_MODES_H

#include <stdint.h>

#include "traffic.h"
#include "world.h"

typedef struct stress_case {
    traffic_plan traffic;
    world_options options;
    uint32_t round_num;
} stress_case;

/* Every round of every (session, micro-batch) is taken; then another thread stops the call that waits for more. */
uint64_t run_full_traffic(const stress_case *stress);

/* Sessions leave and come back all the time, when the seed decides. `round_num` is then a number of calls. */
uint64_t run_live_set(const stress_case *stress);

#endif
