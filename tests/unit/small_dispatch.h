/* SPDX-License-Identifier: Apache-2.0 */
/* A small world of a dispatch whose table and expert ids are known by heart. */
#ifndef SMALL_DISPATCH_H
#define SMALL_DISPATCH_H

#include "dispatch_world.h"

enum { BS = 4, E = 3, K = 2, H = 32, WRITERS = 4, ROUTED = 8 };

dispatch_plan small_dispatch_plan(void);

/* Expert e is at rank e % WRITERS under the id 10 + e; every token goes to the experts 0 and 1, and the shared one is
 * number ROUTED. */
dispatch_world *small_dispatch_world(void);

#endif
