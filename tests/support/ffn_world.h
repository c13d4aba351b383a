/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one FFN scheduling call may touch, in one block of memory: the context, the four outputs and the
 * token info, with gaps of a known byte between them. One comparison of the block with a copy of it therefore shows
 * every byte that a call wrote, inside of the buffers and just outside of them.
 */
#ifndef FFN_WORLD_H
#define FFN_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/window.h"
#include "plain_scheduler.h"

typedef struct ffn_world {
    afd_shape shape;
    uint64_t id_num;     /* BS*E */
    uint64_t desc_bytes;
    uint64_t block_bytes;
    uint8_t *block;
    afd_schedule_context *context; /* in the block, as are the buffers */
    int32_t *layer_ids;
    int32_t *session_ids;
    int32_t *micro_batch_ids;
    int32_t *expert_ids;
    uint8_t *token_info;
} ffn_world;

/* What the outputs hold before a call, byte by byte, and the gaps always. */
enum { FFN_WORLD_OUTPUT_BYTE = 0xEE, FFN_WORLD_GAP_BYTE = 0xC7 };

/*
 * A world of S sessions, M micro-batches and BS*E slots whose flags are all free. Every buffer starts `shift_bytes` (a
 * multiple of 4) after a multiple of 64. Reserved bytes of the context and the whole attention side hold junk, and so
 * does the address of the token data, which no scheduler may follow. Aborts without memory.
 */
ffn_world *ffn_world_new(uint32_t session_num, uint32_t micro_batch_num, uint32_t micro_batch_size,
                         uint32_t selected_expert_num, uint32_t shift_bytes);
void ffn_world_free(ffn_world *world);

/* Puts the pattern back into the outputs. */
void ffn_world_clear_outputs(ffn_world *world);

afd_ffn_desc *ffn_world_desc(const ffn_world *world, uint32_t session, uint32_t micro_batch);

/* Fills a desc in with numbers that only (session, micro_batch, round) has, and sets its flag to `flag`. */
void ffn_world_arm(ffn_world *world, uint32_t session, uint32_t micro_batch, uint32_t round, int32_t flag);

/* The numbers of ffn_world_arm(). */
int32_t ffn_world_layer_id(uint32_t session, uint32_t micro_batch, uint32_t round);
int32_t ffn_world_expert_id(uint32_t session, uint32_t micro_batch, uint32_t round, uint64_t slot);

/* Whether row k of the outputs holds what was armed for (session, micro_batch, round), to the last id. */
bool ffn_world_row_is(const ffn_world *world, uint32_t row, uint32_t session, uint32_t micro_batch, uint32_t round);

/* A copy of the block, for free(); and whether the block is still what the copy says. */
uint8_t *ffn_world_copy(const ffn_world *world);
bool ffn_world_equals(const ffn_world *world, const uint8_t *copy);

/* The memory of the plain model over a copy of the block. */
plain_memory ffn_world_plain(const ffn_world *world, uint8_t *copy);

#endif
