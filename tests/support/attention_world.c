/* SPDX-License-Identifier: Apache-2.0 */
#include "attention_world.h"

#include <stdlib.h>
#include <string.h>

#include "random_numbers.h"

static void *new_block(uint64_t bytes)
{
    void *block = malloc(bytes);
    if (block == NULL) {
        abort();
    }
    return block;
}

attention_world *attention_world_new(uint32_t micro_batch_num, uint32_t micro_batch_size, uint32_t selected_expert_num,
                                     uint32_t slot_bytes)
{
    attention_world *world = new_block(sizeof(*world));
    random_numbers noise = { .state = 7 };
    world->shape = (afd_shape){ .session_num = 1,
                                .micro_batch_num = micro_batch_num,
                                .micro_batch_size = micro_batch_size,
                                .selected_expert_num = selected_expert_num,
                                .expert_num = 16,
                                .ffn_to_attn_token_size = slot_bytes };
    if (afd_attention_context_create(&world->shape, &world->context, NULL) != AFD_OK ||
        afd_attention_window_measure(&world->shape, &world->sizes, NULL) != AFD_OK) {
        abort();
    }
    world->flags = new_block(world->sizes.token_info_bytes);
    world->token_data = new_block(world->sizes.token_data_bytes);
    memset(world->flags, 0, world->sizes.token_info_bytes);
    for (uint64_t i = 0; i < world->sizes.token_data_bytes; i++) {
        world->token_data[i] = (uint8_t)random_u64(&noise);
    }
    afd_window_fields *fields = &world->context->attention.window;
    fields->token_info_buf = (uint64_t)(uintptr_t)world->flags;
    fields->token_info_buf_size = world->sizes.token_info_bytes;
    fields->token_data_buf = (uint64_t)(uintptr_t)world->token_data;
    fields->token_data_buf_size = world->sizes.token_data_bytes;
    return world;
}

void attention_world_free(attention_world *world)
{
    afd_context_destroy(world->context);
    free(world->flags);
    free(world->token_data);
    free(world);
}

int32_t *attention_world_flag(const attention_world *world, uint32_t micro_batch, uint32_t token, uint32_t slot)
{
    size_t row = (size_t)micro_batch * world->shape.micro_batch_size + token;
    return &world->flags[row * world->shape.selected_expert_num + slot];
}

void attention_world_arm(const attention_world *world, uint32_t micro_batch, int32_t flag)
{
    for (uint32_t t = 0; t < world->shape.micro_batch_size; t++) {
        for (uint32_t k = 0; k < world->shape.selected_expert_num; k++) {
            __atomic_store_n(attention_world_flag(world, micro_batch, t, k), flag, __ATOMIC_RELEASE);
        }
    }
}

uint8_t *attention_world_copy(const attention_world *world)
{
    uint64_t info_bytes = world->sizes.token_info_bytes;
    uint8_t *copy = new_block(AFD_CONTEXT_BYTES + info_bytes + world->sizes.token_data_bytes);
    memcpy(copy, world->context, AFD_CONTEXT_BYTES);
    memcpy(copy + AFD_CONTEXT_BYTES, world->flags, info_bytes);
    memcpy(copy + AFD_CONTEXT_BYTES + info_bytes, world->token_data, world->sizes.token_data_bytes);
    return copy;
}

bool attention_world_equals(const attention_world *world, const uint8_t *copy)
{
    uint64_t info_bytes = world->sizes.token_info_bytes;
    return memcmp(copy, world->context, AFD_CONTEXT_BYTES) == 0 &&
           memcmp(copy + AFD_CONTEXT_BYTES, world->flags, info_bytes) == 0 &&
           memcmp(copy + AFD_CONTEXT_BYTES + info_bytes, world->token_data, world->sizes.token_data_bytes) == 0;
}
