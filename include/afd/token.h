/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token slot of a window holds.
 *
 *     f16, bf16   H values of 2 bytes
 *     int8        H values of 1 byte, then at the next multiple of 32 one f32 scale; value = int8 * scale
 *
 * A slot has HS bytes (attn_to_ffn_token_size, ffn_to_attn_token_size of the shape); HS may be larger than the token
 * and need not be a multiple of anything but 4. What is behind the token in its slot is never read. The original
 * writes H + 128 bytes for an int8 token and reads the scale at byte H, so H is a multiple of 32 where both sides must
 * agree.
 *
 * Threads: pure functions, from anywhere.
 */
#ifndef AFD_TOKEN_H
#define AFD_TOKEN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* The numbers are those of tokenDtype in CANN's operators. */
typedef enum afd_token_type {
    AFD_TOKEN_F16 = 0,
    AFD_TOKEN_BF16 = 1,
    AFD_TOKEN_INT8 = 2
} afd_token_type;

/* H is a multiple of this everywhere. */
enum { AFD_HIDDEN_MULTIPLE = 16 };

/* Bytes of a token from its first value to its end: 2*H, or up32(H) + 4. 0 for a type that does not exist. */
uint64_t afd_token_bytes(afd_token_type type, uint32_t hidden);

/* The smallest HS that the original accepts for it: 2*H, or H + 128. 0 for a type that does not exist. */
uint64_t afd_token_slot_bytes(afd_token_type type, uint32_t hidden);

/* Where the scale of an int8 token stands in its slot: H rounded up to a multiple of 32. */
uint64_t afd_token_scale_offset(uint32_t hidden);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
