/* SPDX-License-Identifier: Apache-2.0 */
/* The adding up of combine, once for each width of vectors. All give the same bits. */
#ifndef AFD_ATTENTION_COMBINE_H
#define AFD_ATTENTION_COMBINE_H

#include <stddef.h>
#include <stdint.h>

#include "afd/token.h"

/* What is added up: everything was checked, and all reads are inside the token data. */
typedef struct afd__combine_work {
    const char *slots;   /* [token_num][slot_num] rows, slot_bytes apart */
    size_t slot_bytes;
    uint32_t token_num;
    uint32_t slot_num;   /* E */
    uint32_t top_k;      /* K */
    uint32_t hidden;
    afd_token_type type; /* AFD_TOKEN_F16 or AFD_TOKEN_BF16 */
    const float *scales; /* [token_num][top_k] */
    char *output;        /* [token_num][hidden] of 16 bits */
} afd__combine_work;

/* For every machine. */
void afd__combine_rows(const afd__combine_work *work);

#if defined(__x86_64__)
/* For one with AVX2 and F16C. */
void afd__combine_rows_avx2(const afd__combine_work *work);
#endif

#endif
