/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain model of a dispatch: what one must do, as slowly and plainly as can be, for tests to hold the real one
 * against. It shares no code with the library: windows by their formulas, floats by their definition.
 */
#ifndef PLAIN_DISPATCH_H
#define PLAIN_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatch_world.h"

/* The value of a 16-bit float. */
double plain_value(uint16_t bits, afd_token_type type);

/* Quantises a token into the first up32(H) + 4 bytes of `slot`. */
void plain_quantize(uint8_t *slot, const uint16_t *token, const float *smooth_scales, uint32_t hidden,
                    afd_token_type type);

/*
 * Does to `copy`, a copy of the world's block, what a dispatch with the world's args must do. AFD_OK; AFD_DEADLINE,
 * with is_late[writer] for every awaited desc that is not free; AFD_ERR_INVALID where the round is still open. The last
 * two have changed nothing. The arguments must be right otherwise.
 */
afd_status plain_dispatch(const dispatch_world *world, uint8_t *copy, bool is_late[DISPATCH_WORLD_WRITERS_MAX]);

#endif
