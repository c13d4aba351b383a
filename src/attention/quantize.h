/* SPDX-License-Identifier: Apache-2.0 */
/* Quantising one token to int8, as afd_attention_dispatch() sends it (afd/attention.h). */
#ifndef AFD_ATTENTION_QUANTIZE_H
#define AFD_ATTENTION_QUANTIZE_H

#include <stdint.h>

#include "afd/token.h"

/*
 * Writes the afd_token_bytes(AFD_TOKEN_INT8, hidden) bytes of a token into `slot`, of any alignment: the int8 values,
 * zeros up to the scale, the scale. `token` is u16[hidden] of AFD_TOKEN_F16 or AFD_TOKEN_BF16, hidden a multiple of
 * 16; smooth_scales is f32[hidden] or NULL.
 */
void afd__quantize_token(void *slot, const uint16_t *token, const float *smooth_scales, uint32_t hidden,
                         afd_token_type type);

#endif
