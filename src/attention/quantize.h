/* SPDX-License-Identifier: Apache-2.0 */
/* Quantising one token to int8, as afd_attention_dispatch() sends it (afd/attention.h). */
#ifndef AFD_ATTENTION_QUANTIZE_H
#define AFD_ATTENTION_QUANTIZE_H

#include <stdint.h>

#include "afd/token.h"

typedef struct afd__quantize_work {
    const uint16_t *token;      /* u16[hidden] */
    const float *smooth_scales; /* f32[hidden], or NULL */
    uint32_t hidden;            /* a multiple of 16 */
    afd_token_type type;        /* AFD_TOKEN_F16 or AFD_TOKEN_BF16 */
} afd__quantize_work;

/*
 * Writes the afd_token_bytes(AFD_TOKEN_INT8, hidden) bytes of a token into `slot`, of any alignment: the int8 values,
 * zeros up to the scale, the scale.
 */
void afd__quantize_token(void *slot, const afd__quantize_work *work);

/* The two passes over a token, once for each width of vectors. All give the same bits. */
typedef struct afd__quantize_passes {
    int32_t (*find_largest)(const afd__quantize_work *work); /* the bits of max|v| */
    void (*write_values)(uint8_t *slot, const afd__quantize_work *work, float d);
} afd__quantize_passes;

/* For every machine. */
extern const afd__quantize_passes afd__quantize_plain;

#if defined(__x86_64__)
/* For one with AVX2 and F16C. */
extern const afd__quantize_passes afd__quantize_avx2;
#endif

/* afd__quantize_token() with these passes. */
void afd__quantize_token_with(const afd__quantize_passes *passes, void *slot, const afd__quantize_work *work);

#endif
