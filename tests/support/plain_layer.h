/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain model of one mixture-of-experts layer for one token: quantise, every expert, combine. It is written down as
 * plainly as can be and shares no code with the library, for tests to hold the workers against bit for bit.
 *
 * The experts of the tests are not a network: a result is made of bits that depend on the layer, the expert and every
 * value of the token, in their order. One wrong bit anywhere before the experts makes every value after them another.
 */
#ifndef PLAIN_LAYER_H
#define PLAIN_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/token.h"

/* The value of a f16 or bf16, which must be finite; and the nearest one to a value, ties to even. */
float plain_widen(afd_token_type type, uint16_t bits);
uint16_t plain_narrow(afd_token_type type, float value);

/* A finite value between 2^-7 and 2^4, of either sign, made from random bits. */
uint16_t plain_value(afd_token_type type, uint64_t bits);

/* v = token * smooth (which may be NULL); int8 = v * (127 / max|v|), half to even; scale = 1 / (127 / max|v|). */
void plain_quantize(afd_token_type type, const uint16_t *token, const float *smooth, uint32_t hidden, int8_t *values,
                    float *scale);

/* `token` is [hidden] of `type`; `scale` counts for int8 alone. `result` is [hidden] of `result_type`. */
void plain_expert(int32_t layer_id, uint32_t expert, afd_token_type type, const void *token, float scale,
                  uint32_t hidden, afd_token_type result_type, uint16_t *result);

/* One layer, as an attention worker sees it. */
typedef struct plain_layer {
    int32_t layer_id;
    uint32_t hidden;
    afd_token_type type;        /* f16 or bf16, in and out */
    bool quantize;
    const float *smooth_scales; /* [routed_num + shared_num][hidden] of this layer, or NULL */
    uint32_t routed_num;
    uint32_t shared_num;
    uint32_t top_k;
} plain_layer;

/* expert_ids and expert_scales are [top_k], token and output [hidden]. */
void plain_layer_run(const plain_layer *layer, const uint16_t *token, const int32_t *expert_ids,
                     const float *expert_scales, uint16_t *output);

#endif
