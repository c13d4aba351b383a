/* SPDX-License-Identifier: Apache-2.0 */
#include "dispatch_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP_BYTE = 0xC7, GAP_BYTES = 64 };

static void check(bool is_right, const char *what)
{
    if (!is_right) {
        (void)fprintf(stderr, "dispatch_world: %s\n", what);
        abort();
    }
}

static void *get_memory(uint64_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
    check(memory != NULL, "no memory");
    return memory;
}

/* Where the next part of the block begins: after a gap, at a multiple of 64. */
static uint64_t next_part(uint64_t end)
{
    return (end + GAP_BYTES + 63) / 64 * 64;
}

static void lay_out(dispatch_world *world)
{
    const dispatch_plan *plan = &world->plan;
    afd_window_sizes own;
    check(afd_ffn_window_measure(&plan->shape, &world->ffn_sizes, NULL) == AFD_OK &&
              afd_attention_window_measure(&plan->shape, &own, NULL) == AFD_OK, "measure");
    uint64_t context_offset = next_part(0);
    world->own_offset = next_part(context_offset + AFD_CONTEXT_BYTES);
    uint64_t end = world->own_offset + own.token_info_bytes;
    for (uint32_t writer = 0; writer < plan->writer_num; writer++) {
        world->ffn_offsets[writer] = next_part(end) + 4; /* windows begin at odd multiples of 4, too */
        end = world->ffn_offsets[writer] + world->ffn_sizes.window_bytes;
    }
    world->block_bytes = next_part(end);
    world->block = get_memory(world->block_bytes);
    memset(world->block, GAP_BYTE, world->block_bytes);
    check(afd_attention_context_layout(&plan->shape, world->block + context_offset, AFD_CONTEXT_BYTES, &world->context,
                                       NULL) == AFD_OK, "context");
    world->own_flags = (int32_t *)(void *)(world->block + world->own_offset);
    memset(world->own_flags, 0, own.token_info_bytes);
    world->context->attention.window.token_info_buf = (uint64_t)(uintptr_t)world->own_flags;
    world->context->attention.window.token_info_buf_size = own.token_info_bytes;
}

static void make_windows(dispatch_world *world)
{
    const dispatch_plan *plan = &world->plan;
    for (uint32_t writer = 0; writer < plan->writer_num; writer++) {
        uint8_t *window = world->block + world->ffn_offsets[writer];
        const afd_window_fields fields = {
            .token_info_buf = (uint64_t)(uintptr_t)window,
            .token_info_buf_size = world->ffn_sizes.token_info_bytes,
            .token_data_buf = (uint64_t)(uintptr_t)window + world->ffn_sizes.token_data_offset,
            .token_data_buf_size = world->ffn_sizes.token_data_bytes,
        };
        check(afd_ffn_window_format(&plan->shape, window, world->ffn_sizes.window_bytes, NULL) == AFD_OK, "format");
        check(afd_writer_memory_create(AFD_WINDOW_FFN, &plan->shape, &fields, &world->writers[writer], NULL) == AFD_OK,
              "writer");
    }
}

/* Rows of 1..copy_max copies at random ranks under random ids; what is behind them is garbage. */
static void make_table(dispatch_world *world, random_numbers *numbers)
{
    const dispatch_plan *plan = &world->plan;
    uint32_t expert_num = plan->routed_num + plan->shape.selected_expert_num - plan->top_k;
    uint32_t width = 1 + 2 * plan->copy_max + random_below(numbers, 3);
    uint64_t row_num = (uint64_t)plan->layer_num * expert_num;
    world->table = get_memory(row_num * width * sizeof(int32_t));
    for (uint64_t row = 0; row < row_num; row++) {
        int32_t *entries = world->table + row * width;
        for (uint32_t i = 0; i < width; i++) {
            entries[i] = (int32_t)random_u64(numbers);
        }
        entries[0] = 1 + (int32_t)random_below(numbers, plan->copy_max);
        for (int32_t copy = 0; copy < entries[0]; copy++) {
            entries[1 + 2 * copy] = plan->first_rank + (int32_t)random_below(numbers, plan->writer_num);
            entries[2 + 2 * copy] = (int32_t)random_below(numbers, AFD_EXPERT_ID_LIMIT);
        }
    }
    uint64_t scale_num = plan->smooth ? row_num * plan->hidden : 0;
    world->smooth_scales = get_memory(scale_num * sizeof(float));
    for (uint64_t i = 0; i < scale_num; i++) {
        world->smooth_scales[i] = (float)(int32_t)random_u64(numbers) / 1.0e9F;
    }
    world->args.experts = (afd_expert_table){ world->table, plan->layer_num, expert_num, width };
    world->args.smooth_scales = plan->smooth ? world->smooth_scales : NULL;
}

dispatch_world *dispatch_world_new(const dispatch_plan *plan, random_numbers *numbers)
{
    dispatch_world *world = calloc(1, sizeof(*world));
    check(world != NULL && plan->writer_num <= DISPATCH_WORLD_WRITERS_MAX, "no memory, or too many writers");
    uint64_t token_num = plan->shape.micro_batch_size;
    world->plan = *plan;
    world->tokens = get_memory(token_num * plan->hidden * sizeof(uint16_t));
    world->expert_ids = get_memory(token_num * plan->top_k * sizeof(int32_t));
    world->active_mask = get_memory(token_num);
    lay_out(world);
    make_windows(world);
    world->args = (afd_dispatch_args)AFD_DISPATCH_ARGS_INIT;
    make_table(world, numbers);
    world->args.tokens = world->tokens;
    world->args.token_num = plan->shape.micro_batch_size;
    world->args.hidden = plan->hidden;
    world->args.type = plan->type;
    world->args.quantize = plan->quantize;
    world->args.expert_ids = world->expert_ids;
    world->args.top_k = plan->top_k;
    world->args.writers = world->writers;
    world->args.writer_num = plan->writer_num;
    world->args.first_rank = plan->first_rank;
    dispatch_world_renew(world, numbers);
    return world;
}

void dispatch_world_free(dispatch_world *world)
{
    for (uint32_t writer = 0; writer < world->plan.writer_num; writer++) {
        afd_writer_close(world->writers[writer]);
    }
    free(world->block);
    free(world->table);
    free(world->smooth_scales);
    free(world->tokens);
    free(world->expert_ids);
    free(world->active_mask);
    free(world);
}

/* Most tokens have values of an ordinary size. */
static void renew_token(uint16_t *token, const dispatch_plan *plan, random_numbers *numbers)
{
    uint32_t kind = random_below(numbers, 20);
    uint16_t exponents = plan->type == AFD_TOKEN_F16 ? 0x7C00 : 0x7F80;
    uint16_t tiny = plan->type == AFD_TOKEN_F16 ? 0x03FF : 0x047F; /* to subnormals; bf16 on both sides of 2^-119 */
    for (uint32_t i = 0; i < plan->hidden; i++) {
        uint16_t bits = (uint16_t)random_u64(numbers);
        if (kind == 0) {
            bits &= 0x8000; /* zeros of both signs */
        } else if (kind == 1) {
            bits &= 0x8000 | tiny;
        } else if (kind < 18) {
            /* The smaller half of the exponents, so that nothing is near infinity. */
            bits = (uint16_t)((bits & ~exponents) | (bits & exponents & exponents >> 1) | (exponents & 0x3000));
        }
        token[i] = bits; /* else anything, NaN and infinity too */
    }
}

void dispatch_world_renew(dispatch_world *world, random_numbers *numbers)
{
    const dispatch_plan *plan = &world->plan;
    for (uint32_t token = 0; token < plan->shape.micro_batch_size; token++) {
        renew_token(world->tokens + (size_t)token * plan->hidden, plan, numbers);
        for (uint32_t k = 0; k < plan->top_k; k++) {
            world->expert_ids[token * plan->top_k + k] = (int32_t)random_below(numbers, plan->routed_num);
        }
    }
}

uint64_t dispatch_world_desc_offset(const dispatch_world *world, uint32_t writer, uint32_t session,
                                    uint32_t micro_batch)
{
    uint64_t number = (uint64_t)session * world->plan.shape.micro_batch_num + micro_batch;
    return world->ffn_offsets[writer] + number * world->ffn_sizes.desc_bytes;
}

uint64_t dispatch_world_data_offset(const dispatch_world *world, uint32_t writer, uint32_t session,
                                    uint32_t micro_batch)
{
    const afd_shape *shape = &world->plan.shape;
    uint64_t number = (uint64_t)session * shape->micro_batch_num + micro_batch;
    uint64_t bytes = (uint64_t)shape->micro_batch_size * shape->selected_expert_num * shape->attn_to_ffn_token_size;
    return world->ffn_offsets[writer] + world->ffn_sizes.token_data_offset + number * bytes;
}

int32_t *dispatch_world_desc(const dispatch_world *world, uint32_t writer, uint32_t session, uint32_t micro_batch)
{
    uint64_t offset = dispatch_world_desc_offset(world, writer, session, micro_batch);
    return (int32_t *)(void *)(world->block + offset);
}

uint8_t *dispatch_world_copy(const dispatch_world *world)
{
    uint8_t *copy = get_memory(world->block_bytes);
    memcpy(copy, world->block, world->block_bytes);
    return copy;
}

uint64_t dispatch_world_first_difference(const dispatch_world *world, const uint8_t *copy)
{
    uint64_t at = 0;
    while (at < world->block_bytes && world->block[at] == copy[at]) {
        at++;
    }
    return at;
}
