/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hidden state of a token, and what stands in for attention: the sum of a layer's input and of its experts'
 * results, brought back to a root mean square of 1, its channels turned and moved as the layer has it. It costs a few
 * operations a channel and, like attention, leaves no channel of the next layer's input where it was. Values are bf16
 * bit patterns.
 *
 * Every result follows bit for bit from the arguments: sums have one order, and sqrtf() is exact to the last bit.
 */
#ifndef AFD_CLI_RUN_HIDDEN_H
#define AFD_CLI_RUN_HIDDEN_H

#include <stdint.h>

#include "run/router.h"

/* The input of the first layer, of root mean square about 1. */
void run_hidden_begin(uint64_t token_seed, uint32_t hidden, uint16_t *state);

/* The input of layer + 1 from that of `layer` and the combined results of its experts. `next` is other memory; `hidden`
 * is even. A result that is not finite shows as NaN in all of `next`. */
void run_hidden_advance(uint32_t layer, uint32_t hidden, const uint16_t *state, const uint16_t *combined,
                        uint16_t *next);

/* What the router looks at: sums of the channels i, i + 32, ... with signs that belong to the channel, scaled so that
 * the gate sees the variance that its biases are made for, 1/3. */
void run_hidden_features(uint32_t hidden, const uint16_t *state, float features[RUN_ROUTER_WIDTH]);

#endif
