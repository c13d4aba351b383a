/* SPDX-License-Identifier: Apache-2.0 */
#include "batch_world.h"

#include <stdlib.h>
#include <string.h>

enum { GAP_BYTES = 64, ARRAY_NUM = 11 };

static void *allocate(uint64_t bytes)
{
    void *memory = malloc(bytes == 0 ? 1 : bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* Where a pointer of `out` stands, and the bytes of its array. */
typedef struct out_array {
    size_t at;
    uint64_t bytes;
} out_array;

static void arrays_of(const batch_world *world, out_array arrays[ARRAY_NUM])
{
    uint64_t y = world->row_max;
    uint64_t a = world->args.session_max;
    const out_array listed[ARRAY_NUM] = {
        { offsetof(afd_ffn_batch_out, tokens),
          y * world->args.hidden * (world->args.type == AFD_TOKEN_INT8 ? 1 : 2) },
        { offsetof(afd_ffn_batch_out, dynamic_scale), 4 * y },
        { offsetof(afd_ffn_batch_out, group_list), 16 * (uint64_t)world->args.expert_num },
        { offsetof(afd_ffn_batch_out, session_ids), 4 * y },
        { offsetof(afd_ffn_batch_out, micro_batch_ids), 4 * y },
        { offsetof(afd_ffn_batch_out, token_ids), 4 * y },
        { offsetof(afd_ffn_batch_out, expert_offsets), 4 * y },
        { offsetof(afd_ffn_batch_out, slots), 8 * y },
        { offsetof(afd_ffn_batch_out, layer_ids), 4 * a },
        { offsetof(afd_ffn_batch_out, taken_sessions), 4 * a },
        { offsetof(afd_ffn_batch_out, wild), sizeof(afd_wild_id) * a },
    };
    memcpy(arrays, listed, sizeof(listed));
}

/* The pointers have types of their own: they are moved as bytes. */
static uint8_t *get_array(const afd_ffn_batch_out *out, size_t at)
{
    uint8_t *array;
    memcpy(&array, (const char *)out + at, sizeof(array));
    return array;
}

static void set_array(afd_ffn_batch_out *out, size_t at, uint8_t *array)
{
    memcpy((char *)out + at, &array, sizeof(array));
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + 7) / 8 * 8 + GAP_BYTES;
}

static void make_outputs(batch_world *world)
{
    out_array arrays[ARRAY_NUM];
    world->out = (afd_ffn_batch_out)AFD_FFN_BATCH_OUT_INIT;
    world->out.wild_capacity = world->args.session_max;
    arrays_of(world, arrays);
    world->block_bytes = GAP_BYTES;
    for (int i = 0; i < ARRAY_NUM; i++) {
        world->block_bytes += padded(arrays[i].bytes);
    }
    world->block = allocate(world->block_bytes);
    uint64_t at = GAP_BYTES;
    for (int i = 0; i < ARRAY_NUM; i++) {
        set_array(&world->out, arrays[i].at, world->block + at);
        at += padded(arrays[i].bytes);
    }
}

uint64_t batch_world_data_bytes(const afd_shape *shape, const afd_ffn_batch_args *args)
{
    uint64_t slot_num = (uint64_t)shape->session_num * shape->micro_batch_num * shape->micro_batch_size *
                        shape->selected_expert_num;
    return (slot_num - 1) * shape->attn_to_ffn_token_size + afd_token_bytes(args->type, args->hidden);
}

batch_world *batch_world_new(const afd_shape *shape, const afd_ffn_batch_args *args, uint64_t token_data_bytes)
{
    batch_world *world = allocate(sizeof(*world));
    *world = (batch_world){ .args = *args, .token_data_bytes = token_data_bytes };
    world->ffn = ffn_world_new(shape->session_num, shape->micro_batch_num, shape->micro_batch_size,
                               shape->selected_expert_num, 4);
    world->ffn->shape.attn_to_ffn_token_size = shape->attn_to_ffn_token_size;
    world->row_max = (uint64_t)args->session_max * shape->micro_batch_size * shape->selected_expert_num;
    world->token_data = allocate(token_data_bytes);
    uint32_t value = 1;
    for (uint64_t i = 0; i < token_data_bytes; i++) {
        value = value * 1664525 + 1013904223;
        world->token_data[i] = (uint8_t)(value >> 24);
    }
    afd_schedule_context *context = world->ffn->context;
    context->common.attn_to_ffn_token_size = shape->attn_to_ffn_token_size;
    context->ffn.window.token_data_buf = (uint64_t)(uintptr_t)world->token_data;
    context->ffn.window.token_data_buf_size = token_data_bytes;
    context->ffn.out_num = 0;
    world->args.workspace_bytes = afd_ffn_batch_workspace_bytes(context, args);
    world->args.workspace = allocate(world->args.workspace_bytes);
    memset(world->args.workspace, 0xA5, world->args.workspace_bytes);
    make_outputs(world);
    batch_world_clear_outputs(world);
    return world;
}

void batch_world_free(batch_world *world)
{
    ffn_world_free(world->ffn);
    free(world->token_data);
    free(world->args.workspace);
    free(world->block);
    free(world);
}

void batch_world_clear_outputs(batch_world *world)
{
    out_array arrays[ARRAY_NUM];
    arrays_of(world, arrays);
    memset(world->block, FFN_WORLD_GAP_BYTE, world->block_bytes);
    for (int i = 0; i < ARRAY_NUM; i++) {
        uint8_t *array = get_array(&world->out, arrays[i].at);
        if (array != NULL) {
            memset(array, FFN_WORLD_OUTPUT_BYTE, arrays[i].bytes);
        }
    }
    world->out.row_num = 0x1111;
    world->out.group_num = 0x2222;
    world->out.taken_num = 0x3333;
    world->out.wild_num = 0x4444;
}

uint8_t *batch_world_copy(const batch_world *world)
{
    uint8_t *copy = allocate(world->block_bytes);
    memcpy(copy, world->block, world->block_bytes);
    return copy;
}

afd_ffn_batch_out batch_world_out_in(const batch_world *world, uint8_t *copy)
{
    afd_ffn_batch_out out = world->out;
    out_array arrays[ARRAY_NUM];
    arrays_of(world, arrays);
    for (int i = 0; i < ARRAY_NUM; i++) {
        uint8_t *array = get_array(&world->out, arrays[i].at);
        if (array != NULL) {
            set_array(&out, arrays[i].at, copy + (array - world->block));
        }
    }
    return out;
}

bool batch_world_equals(const batch_world *world, const uint8_t *copy, const afd_ffn_batch_out *expected)
{
    return world->out.row_num == expected->row_num && world->out.group_num == expected->group_num &&
           world->out.taken_num == expected->taken_num && world->out.wild_num == expected->wild_num &&
           memcmp(world->block, copy, world->block_bytes) == 0;
}

afd_status batch_world_call(batch_world *world, afd_wait *wait, afd_error *error)
{
    return afd_ffn_batch(world->ffn->context, &world->args, &world->out, wait, error);
}
