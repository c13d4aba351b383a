/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn_world.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN_BYTES = 64, GAP_BYTES = 64 };

static void *allocate(uint64_t bytes)
{
    void *memory = aligned_alloc(ALIGN_BYTES, bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* Where the next buffer of `bytes` goes: behind a gap, aligned and shifted; *end moves behind it. */
static uint64_t place(uint64_t *end, uint64_t bytes, uint32_t shift_bytes)
{
    uint64_t at = (*end + GAP_BYTES + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES + shift_bytes;
    *end = at + bytes;
    return at;
}

static void fill_in_context(ffn_world *world)
{
    afd_schedule_context *context = world->context;
    memset(context, 0x5D, sizeof(*context)); /* junk in everything that is not ours to look at */
    context->common.session_num = world->shape.session_num;
    context->common.micro_batch_num = world->shape.micro_batch_num;
    context->common.micro_batch_size = world->shape.micro_batch_size;
    context->common.selected_expert_num = world->shape.selected_expert_num;
    context->common.schedule_mode = AFD_SCHEDULE_MODE_FFN;
    context->control.run_flag = 1;
    context->ffn.polling_index = 0;
    uint64_t row_bytes = 4 * (uint64_t)world->shape.session_num;
    context->ffn.window.token_info_buf = (uint64_t)(uintptr_t)world->token_info;
    context->ffn.window.token_info_buf_size =
        (uint64_t)world->shape.session_num * world->shape.micro_batch_num * world->desc_bytes;
    context->ffn.window.token_data_buf_size = 0;
    context->ffn.layer_ids_buf = (uint64_t)(uintptr_t)world->layer_ids;
    context->ffn.layer_ids_buf_size = row_bytes;
    context->ffn.session_ids_buf = (uint64_t)(uintptr_t)world->session_ids;
    context->ffn.session_ids_buf_size = row_bytes;
    context->ffn.micro_batch_ids_buf = (uint64_t)(uintptr_t)world->micro_batch_ids;
    context->ffn.micro_batch_ids_buf_size = row_bytes;
    context->ffn.expert_ids_buf = (uint64_t)(uintptr_t)world->expert_ids;
    context->ffn.expert_ids_buf_size = row_bytes * world->id_num;
}

ffn_world *ffn_world_new(uint32_t session_num, uint32_t micro_batch_num, uint32_t micro_batch_size,
                         uint32_t selected_expert_num, uint32_t shift_bytes)
{
    ffn_world *world = calloc(1, sizeof(*world));
    if (world == NULL) {
        abort();
    }
    world->shape = (afd_shape){ .session_num = session_num, .micro_batch_num = micro_batch_num,
                                .micro_batch_size = micro_batch_size, .selected_expert_num = selected_expert_num };
    world->id_num = (uint64_t)micro_batch_size * selected_expert_num;
    world->desc_bytes = 8 + 4 * world->id_num;
    uint64_t row_bytes = 4 * (uint64_t)session_num;
    uint64_t end = 0;
    uint64_t context = place(&end, AFD_CONTEXT_BYTES, 0);
    uint64_t layer_ids = place(&end, row_bytes, shift_bytes);
    uint64_t session_ids = place(&end, row_bytes, shift_bytes);
    uint64_t micro_batch_ids = place(&end, row_bytes, shift_bytes);
    uint64_t expert_ids = place(&end, row_bytes * world->id_num, shift_bytes);
    uint64_t token_info = place(&end, (uint64_t)session_num * micro_batch_num * world->desc_bytes, shift_bytes);
    world->block_bytes = place(&end, 0, 0);
    world->block = allocate(world->block_bytes);
    memset(world->block, FFN_WORLD_GAP_BYTE, world->block_bytes);
    world->context = (afd_schedule_context *)(void *)(world->block + context);
    world->layer_ids = (int32_t *)(void *)(world->block + layer_ids);
    world->session_ids = (int32_t *)(void *)(world->block + session_ids);
    world->micro_batch_ids = (int32_t *)(void *)(world->block + micro_batch_ids);
    world->expert_ids = (int32_t *)(void *)(world->block + expert_ids);
    world->token_info = world->block + token_info;
    fill_in_context(world);
    ffn_world_clear_outputs(world);
    for (uint32_t s = 0; s < session_num; s++) {
        for (uint32_t m = 0; m < micro_batch_num; m++) {
            ffn_world_arm(world, s, m, 0, AFD_FLAG_FREE);
        }
    }
    return world;
}

void ffn_world_free(ffn_world *world)
{
    free(world->block);
    free(world);
}

void ffn_world_clear_outputs(ffn_world *world)
{
    size_t row_bytes = 4 * (size_t)world->shape.session_num;
    memset(world->layer_ids, FFN_WORLD_OUTPUT_BYTE, row_bytes);
    memset(world->session_ids, FFN_WORLD_OUTPUT_BYTE, row_bytes);
    memset(world->micro_batch_ids, FFN_WORLD_OUTPUT_BYTE, row_bytes);
    memset(world->expert_ids, FFN_WORLD_OUTPUT_BYTE, row_bytes * world->id_num);
}

afd_ffn_desc *ffn_world_desc(const ffn_world *world, uint32_t session, uint32_t micro_batch)
{
    uint64_t number = (uint64_t)session * world->shape.micro_batch_num + micro_batch;
    return (afd_ffn_desc *)(void *)(world->token_info + number * world->desc_bytes);
}

int32_t ffn_world_layer_id(uint32_t session, uint32_t micro_batch, uint32_t round)
{
    return (int32_t)(round * 65536 + session * 256 + micro_batch);
}

int32_t ffn_world_expert_id(uint32_t session, uint32_t micro_batch, uint32_t round, uint64_t slot)
{
    return (int32_t)(((round * 61 + session) * 8 + micro_batch) * 512 + (uint32_t)slot);
}

void ffn_world_arm(ffn_world *world, uint32_t session, uint32_t micro_batch, uint32_t round, int32_t flag)
{
    afd_ffn_desc *desc = ffn_world_desc(world, session, micro_batch);
    int32_t *ids = afd_ffn_desc_expert_ids(desc);
    for (uint64_t i = 0; i < world->id_num; i++) {
        ids[i] = ffn_world_expert_id(session, micro_batch, round, i);
    }
    desc->layer_id = ffn_world_layer_id(session, micro_batch, round);
    desc->flag = flag;
}

bool ffn_world_row_is(const ffn_world *world, uint32_t row, uint32_t session, uint32_t micro_batch, uint32_t round)
{
    for (uint64_t i = 0; i < world->id_num; i++) {
        if (world->expert_ids[row * world->id_num + i] != ffn_world_expert_id(session, micro_batch, round, i)) {
            return false;
        }
    }
    return world->layer_ids[row] == ffn_world_layer_id(session, micro_batch, round) &&
           world->session_ids[row] == (int32_t)session && world->micro_batch_ids[row] == (int32_t)micro_batch;
}

uint8_t *ffn_world_copy(const ffn_world *world)
{
    uint8_t *copy = allocate(world->block_bytes);
    memcpy(copy, world->block, world->block_bytes);
    return copy;
}

bool ffn_world_equals(const ffn_world *world, const uint8_t *copy)
{
    return memcmp(world->block, copy, world->block_bytes) == 0;
}

/* The place in the copy of something in the block. */
static uint8_t *in_copy(const ffn_world *world, uint8_t *copy, const void *original)
{
    return copy + ((const uint8_t *)original - world->block);
}

plain_memory ffn_world_plain(const ffn_world *world, uint8_t *copy)
{
    return (plain_memory){
        .context = in_copy(world, copy, world->context),
        .token_info = in_copy(world, copy, world->token_info),
        .layer_ids = in_copy(world, copy, world->layer_ids),
        .session_ids = in_copy(world, copy, world->session_ids),
        .micro_batch_ids = in_copy(world, copy, world->micro_batch_ids),
        .expert_ids = in_copy(world, copy, world->expert_ids),
    };
}
