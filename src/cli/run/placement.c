/* SPDX-License-Identifier: Apache-2.0 */
#include "run/placement.h"

#include <stdlib.h>

#include "out.h"

/* The routed experts [first, end) of a worker. */
static uint32_t first_routed(const run_model *model, uint32_t ffn_num, uint32_t ffn)
{
    return (uint32_t)((uint64_t)model->routed_expert_num * ffn / ffn_num);
}

/* Its own block, and those of the workers before it that it has copies of. */
static void deal_out(run_placement *placement, const run_model *model, uint32_t ffn, uint32_t copy_num)
{
    uint32_t ffn_num = placement->ffn_num;
    uint32_t *local = afd_cli_alloc(run_model_expert_num(model), sizeof(uint32_t));
    uint32_t num = 0;
    for (uint32_t copy = 0; copy < copy_num; copy++) {
        uint32_t block = (ffn + ffn_num - copy) % ffn_num;
        for (uint32_t expert = first_routed(model, ffn_num, block); expert < first_routed(model, ffn_num, block + 1);
             expert++) {
            local[num++] = expert;
        }
    }
    for (uint32_t shared = 0; shared < model->shared_expert_num; shared++) {
        local[num++] = model->routed_expert_num + shared;
    }
    placement->local_experts[ffn] = local;
    placement->local_nums[ffn] = num;
}

/* Adds the copies at one worker to the rows of all its experts, at every layer. */
static void enter(run_placement *placement, uint32_t ffn)
{
    uint32_t local_num = placement->local_nums[ffn];
    for (uint32_t layer = 0; layer < placement->layer_num; layer++) {
        for (uint32_t local = 0; local < local_num; local++) {
            size_t row = (size_t)layer * placement->table.expert_num + placement->local_experts[ffn][local];
            int32_t *entry = &placement->entries[row * placement->table.width];
            int32_t copy = entry[0]++;
            entry[1 + 2 * copy] = (int32_t)ffn;
            entry[2 + 2 * copy] = (int32_t)(layer * local_num + local);
        }
    }
}

void run_placement_create(run_placement *placement, const run_model *model, uint32_t layer_num, uint32_t ffn_num,
                          uint32_t copy_num)
{
    uint32_t expert_num = run_model_expert_num(model);
    uint32_t width = 1 + 2 * ffn_num;
    *placement = (run_placement){
        .ffn_num = ffn_num,
        .layer_num = layer_num,
        .local_nums = afd_cli_alloc(ffn_num, sizeof(uint32_t)),
        .local_experts = afd_cli_alloc(ffn_num, sizeof(uint32_t *)),
        .entries = afd_cli_alloc((size_t)layer_num * expert_num * width, sizeof(int32_t)),
    };
    placement->table = (afd_expert_table){ placement->entries, layer_num, expert_num, width };
    for (uint32_t ffn = 0; ffn < ffn_num; ffn++) {
        deal_out(placement, model, ffn, copy_num);
        enter(placement, ffn);
    }
}

void run_placement_destroy(run_placement *placement)
{
    for (uint32_t ffn = 0; ffn < placement->ffn_num; ffn++) {
        free(placement->local_experts[ffn]);
    }
    free(placement->local_experts);
    free(placement->local_nums);
    free(placement->entries);
    *placement = (run_placement){ 0 };
}
