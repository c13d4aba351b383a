/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one batching call may touch: an ffn_world (context, output area, token info), token data in memory of
 * its own that is as large as the context says, the outputs in one block with gaps of a known byte between them, and a
 * workspace of exactly the bytes that are asked for.
 */
#ifndef BATCH_WORLD_H
#define BATCH_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/ffn.h"
#include "ffn_world.h"
#include "plain_batch.h"

typedef struct batch_world {
    ffn_world *ffn;
    uint8_t *token_data;
    uint64_t token_data_bytes;
    uint64_t row_max; /* Y */
    afd_ffn_batch_args args;
    afd_ffn_batch_out out;
    uint64_t block_bytes;
    uint8_t *block; /* the arrays of `out` are in it */
} batch_world;

/* What the outputs hold before a call, and the gaps always: FFN_WORLD_OUTPUT_BYTE and FFN_WORLD_GAP_BYTE. */

/*
 * A world for these arguments (whose workspace is made here), with S, M, BS, E and attn_to_ffn_token_size of `shape`.
 * All arrays of `out` are there; a test takes away what it does not want. Token data holds `token_data_bytes`, no two
 * tokens of it alike.
 */
batch_world *batch_world_new(const afd_shape *shape, const afd_ffn_batch_args *args, uint64_t token_data_bytes);
void batch_world_free(batch_world *world);

/* The bytes of token data that all slots and the last token need. */
uint64_t batch_world_data_bytes(const afd_shape *shape, const afd_ffn_batch_args *args);

/* Puts the pattern back into the outputs, and junk into the counts. */
void batch_world_clear_outputs(batch_world *world);

/* A copy of the outputs, for free(), and `out` with its arrays in that copy. */
uint8_t *batch_world_copy(const batch_world *world);
afd_ffn_batch_out batch_world_out_in(const batch_world *world, uint8_t *copy);

/* Whether outputs and counts are what `copy` and `expected` say. */
bool batch_world_equals(const batch_world *world, const uint8_t *copy, const afd_ffn_batch_out *expected);

afd_status batch_world_call(batch_world *world, afd_wait *wait, afd_error *error);

#endif
