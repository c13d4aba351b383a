/* SPDX-License-Identifier: Apache-2.0 */
#include "small_dispatch.h"

dispatch_plan small_dispatch_plan(void)
{
    return (dispatch_plan){
        .shape = { .session_num = 2, .micro_batch_num = 2, .micro_batch_size = BS, .selected_expert_num = E,
                   .attn_to_ffn_token_size = H + 128, .ffn_to_attn_token_size = 2 * H },
        .writer_num = WRITERS, .top_k = K, .routed_num = ROUTED, .layer_num = 1, .copy_max = 1, .hidden = H,
        .type = AFD_TOKEN_F16,
    };
}

dispatch_world *small_dispatch_world(void)
{
    random_numbers numbers = { 3 };
    dispatch_plan plan = small_dispatch_plan();
    dispatch_world *world = dispatch_world_new(&plan, &numbers);
    for (int32_t expert = 0; expert <= ROUTED; expert++) {
        int32_t *row = world->table + (uint32_t)expert * world->args.experts.width;
        row[0] = 1;
        row[1] = expert % WRITERS;
        row[2] = 10 + expert;
    }
    for (int i = 0; i < BS * K; i++) {
        world->expert_ids[i] = i % K;
    }
    return world;
}
