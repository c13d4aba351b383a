/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one dispatch may touch, in one block of memory: the context, the own attention window's flags and the
 * FFN windows of all ranks, with gaps of a known byte between them. One comparison of the block with a copy of it shows
 * every byte that a call wrote. What a dispatch only reads lies outside of the block.
 */
#ifndef DISPATCH_WORLD_H
#define DISPATCH_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/attention.h"
#include "afd/transport.h"
#include "random_numbers.h"

enum { DISPATCH_WORLD_WRITERS_MAX = 16 };

/* What a world is made of. */
typedef struct dispatch_plan {
    afd_shape shape;       /* attn_to_ffn_token_size: HS of every FFN window */
    uint32_t writer_num;   /* in [1, DISPATCH_WORLD_WRITERS_MAX] */
    int32_t first_rank;
    uint32_t top_k;
    uint32_t routed_num;   /* experts of a layer beside the E - top_k shared ones */
    uint32_t layer_num;
    uint32_t copy_max;     /* of an expert */
    uint32_t hidden;
    afd_token_type type;
    bool quantize;
    bool smooth;
} dispatch_plan;

typedef struct dispatch_world {
    dispatch_plan plan;
    afd_window_sizes ffn_sizes;
    uint64_t block_bytes;
    uint64_t own_offset;   /* of the own flags in the block */
    uint64_t ffn_offsets[DISPATCH_WORLD_WRITERS_MAX];
    uint8_t *block;
    afd_schedule_context *context; /* in the block */
    int32_t *own_flags;            /* in the block */
    afd_writer *writers[DISPATCH_WORLD_WRITERS_MAX];
    int32_t *table;        /* these five are what args points to */
    float *smooth_scales;
    uint16_t *tokens;
    int32_t *expert_ids;
    uint8_t *active_mask;
    afd_dispatch_args args; /* right in every part: all tokens of session 0, micro-batch 0, layer 0 */
} dispatch_world;

/* A world whose descs and slots are all free, with random ids, copies, tokens and scales. Aborts without memory. */
dispatch_world *dispatch_world_new(const dispatch_plan *plan, random_numbers *numbers);
void dispatch_world_free(dispatch_world *world);

/* Fills tokens and expert ids anew. Tokens of zeros and tiny ones, and with values that are not finite, come up. */
void dispatch_world_renew(dispatch_world *world, random_numbers *numbers);

/* Where the desc of (session, micro_batch) and the token data of the window of a writer lie in the block. */
uint64_t dispatch_world_desc_offset(const dispatch_world *world, uint32_t writer, uint32_t session,
                                    uint32_t micro_batch);
uint64_t dispatch_world_data_offset(const dispatch_world *world, uint32_t writer, uint32_t session,
                                    uint32_t micro_batch);
int32_t *dispatch_world_desc(const dispatch_world *world, uint32_t writer, uint32_t session, uint32_t micro_batch);

/* A copy of the block, for free(); and the first byte that differs from it, block_bytes if none does. */
uint8_t *dispatch_world_copy(const dispatch_world *world);
uint64_t dispatch_world_first_difference(const dispatch_world *world, const uint8_t *copy);

#endif
