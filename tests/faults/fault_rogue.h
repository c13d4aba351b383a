/* SPDX-License-Identifier: Apache-2.0 */
/* Disturbances from outside of the world: a process that sends nonsense, and load. Each returns when it is over. */
#ifndef AFD_TEST_FAULT_ROGUE_H
#define AFD_TEST_FAULT_ROGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "fault_board.h"

/* Connects to every door, many times: random messages, cut-off ones, none at all. Between hosts it is a process of its
 * own, on the host of a session, and does everything that wire_rogue.h has. False
 * if it could not. */
bool fault_pester(const fault_world *world, uint64_t seed);

/* As many processes as there are cores, and one more, that compute. */
void fault_burn(uint32_t milliseconds);

#endif
