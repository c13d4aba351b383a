/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch against the plain model, on random shapes, tables, types and batch sizes, several calls in a row. After each
 * call every byte of the context, the own flags and all FFN windows is compared, and of the gaps between them.
 *
 *     test_dispatch_against_model [SEED]        or AFD_TEST_SEED=SEED; the seed is printed
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch_world.h"
#include "plain_dispatch.h"

/* ThreadSanitizer sees one thread here, and takes twenty times as long. */
#ifdef __SANITIZE_THREAD__
enum { CASE_NUM = 200 };
#else
enum { CASE_NUM = 4000 };
#endif
enum { CALL_NUM_MAX = 8 };

static const uint64_t default_seed = 20261122;

static uint64_t failure_num;
static uint64_t result_nums[3]; /* done, late, refused */

static void complain(const dispatch_world *world, const char *what, int64_t got, int64_t expected)
{
    const dispatch_plan *plan = &world->plan;
    failure_num++;
    (void)printf("FAILED: %s: %" PRId64 ", the model says %" PRId64 " (S=%" PRIu32 " M=%" PRIu32 " BS=%" PRIu32
                 " E=%" PRIu32 " K=%" PRIu32 " H=%" PRIu32 " HS=%" PRIu32 " writers %" PRIu32 " type %d%s%s%s)\n",
                 what, got, expected, plan->shape.session_num, plan->shape.micro_batch_num,
                 plan->shape.micro_batch_size, plan->shape.selected_expert_num, plan->top_k, plan->hidden,
                 plan->shape.attn_to_ffn_token_size, plan->writer_num, (int)plan->type,
                 plan->quantize ? " quantized" : "", plan->smooth ? " smooth" : "",
                 world->args.only_ranks_with_tokens ? " only with tokens" : "");
}

static dispatch_plan random_plan(random_numbers *numbers)
{
    static const uint32_t shared_nums[] = { 0, 1, 2, 4 };
    uint32_t shared_num = shared_nums[random_below(numbers, 4)];
    dispatch_plan plan = {
        .shape = { .session_num = 1 + random_below(numbers, 5), .micro_batch_num = 1 + random_below(numbers, 3),
                   .micro_batch_size = 1 + random_below(numbers, 8) },
        .writer_num = 1 + random_below(numbers, DISPATCH_WORLD_WRITERS_MAX),
        .first_rank = (int32_t)random_below(numbers, 100),
        .top_k = 1 + random_below(numbers, random_chance(numbers, 10) ? 20 : 8),
        .routed_num = 1 + random_below(numbers, 20),
        .layer_num = random_chance(numbers, 50) ? 1 : 2 + random_below(numbers, 3),
        .copy_max = 1 + random_below(numbers, 4),
        .hidden = 16 * (1 + random_below(numbers, 9)),
        .type = random_chance(numbers, 50) ? AFD_TOKEN_F16 : AFD_TOKEN_BF16,
        .quantize = random_chance(numbers, 50),
    };
    plan.shape.selected_expert_num = plan.top_k + shared_num;
    plan.shape.expert_num = plan.routed_num + shared_num;
    plan.smooth = plan.quantize && random_chance(numbers, 50);
    plan.shape.attn_to_ffn_token_size = (plan.quantize ? plan.hidden + 128 : 2 * plan.hidden) +
                                        4 * random_below(numbers, 3) * random_below(numbers, 30);
    plan.shape.ffn_to_attn_token_size = 2 * plan.hidden;
    return plan;
}

/* Every desc that is ready is taken, as a scheduler does it; now and then one is left. */
static void take_descs(dispatch_world *world, random_numbers *numbers)
{
    const afd_shape *shape = &world->plan.shape;
    size_t id_num = (size_t)shape->micro_batch_size * shape->selected_expert_num;
    uint32_t left_percent = random_chance(numbers, 25) ? 20 : 0;
    for (uint32_t writer = 0; writer < world->plan.writer_num; writer++) {
        for (uint32_t i = 0; i < shape->session_num * shape->micro_batch_num; i++) {
            int32_t *desc = dispatch_world_desc(world, writer, i / shape->micro_batch_num, i % shape->micro_batch_num);
            if (desc[0] == 1 && !random_chance(numbers, left_percent)) {
                memset(desc + 2, 0x7F, 4 * id_num);
                desc[0] = random_chance(numbers, 5) ? -1 : 0; /* not 1 is free */
            }
        }
    }
}

/* The flags of all micro-batches are cleared; now and then one is left, and one is garbage. */
static void take_slots(dispatch_world *world, random_numbers *numbers)
{
    const afd_shape *shape = &world->plan.shape;
    uint32_t flag_num = shape->micro_batch_num * shape->micro_batch_size * shape->selected_expert_num;
    memset(world->own_flags, 0, 4 * (size_t)flag_num);
    if (random_chance(numbers, 15)) {
        world->own_flags[random_below(numbers, flag_num)] = random_chance(numbers, 50) ? 1 : 2;
    }
}

static void choose_call(dispatch_world *world, random_numbers *numbers)
{
    const dispatch_plan *plan = &world->plan;
    afd_dispatch_args *args = &world->args;
    uint32_t token_num = random_below(numbers, plan->shape.micro_batch_size + 1);
    args->session = random_below(numbers, plan->shape.session_num);
    args->micro_batch = random_below(numbers, plan->shape.micro_batch_num);
    args->layer_id = (int32_t)random_below(numbers, plan->layer_num == 1 ? 1000 : plan->layer_num);
    args->token_num = random_chance(numbers, 40) ? plan->shape.micro_batch_size : token_num;
    args->only_ranks_with_tokens = random_chance(numbers, 40);
    args->active_mask = random_chance(numbers, 30) ? world->active_mask : NULL;
    uint32_t active_num = random_below(numbers, args->token_num + 1);
    for (uint32_t token = 0; token < args->token_num; token++) {
        world->active_mask[token] = token < active_num;
    }
    /* What is not sent is not looked at either. */
    uint32_t used_num = args->active_mask != NULL ? active_num : args->token_num;
    for (uint32_t i = used_num * plan->top_k; i < plan->shape.micro_batch_size * plan->top_k; i++) {
        world->expert_ids[i] = (int32_t)random_u64(numbers);
    }
    if (args->token_num == 0 && random_chance(numbers, 50)) {
        args->tokens = NULL;
        args->expert_ids = NULL;
    } else {
        args->tokens = world->tokens;
        args->expert_ids = world->expert_ids;
    }
}

static void compare_late(const dispatch_world *world, const afd_wait *wait, const bool is_late[])
{
    uint32_t found = 0;
    for (uint32_t writer = 0; writer < world->plan.writer_num; writer++) {
        if (is_late[writer]) {
            const afd_late *late = &wait->late[found++];
            if (late->session != writer || late->micro_batch != world->args.micro_batch || late->flag != 1) {
                complain(world, "who is late", late->session, writer);
            }
        }
    }
    if (wait->late_num != found) {
        complain(world, "how many are late", wait->late_num, found);
    }
}

static void make_call(dispatch_world *world, random_numbers *numbers)
{
    afd_late late[DISPATCH_WORLD_WRITERS_MAX];
    bool is_late[DISPATCH_WORLD_WRITERS_MAX] = { false };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    wait.deadline_ns = 1;
    wait.late = late;
    wait.late_capacity = DISPATCH_WORLD_WRITERS_MAX;
    take_descs(world, numbers);
    take_slots(world, numbers);
    dispatch_world_renew(world, numbers);
    choose_call(world, numbers);
    uint8_t *copy = dispatch_world_copy(world);
    afd_status expected = plain_dispatch(world, copy, is_late);
    afd_status status = afd_attention_dispatch(world->context, &world->args, &wait, NULL);
    if (status != expected) {
        complain(world, "the result", status, expected);
    }
    compare_late(world, &wait, is_late);
    uint64_t at = dispatch_world_first_difference(world, copy);
    if (at != world->block_bytes) {
        (void)printf("byte %" PRIu64 " of the block, first window at %" PRIu64 ":\n", at, world->ffn_offsets[0]);
        complain(world, "a byte", world->block[at], copy[at]);
    }
    result_nums[expected == AFD_OK ? 0 : expected == AFD_DEADLINE ? 1 : 2]++;
    free(copy);
}

static void run_case(uint64_t seed)
{
    random_numbers numbers = { seed };
    dispatch_plan plan = random_plan(&numbers);
    dispatch_world *world = dispatch_world_new(&plan, &numbers);
    uint32_t call_num = 1 + random_below(&numbers, CALL_NUM_MAX);
    for (uint32_t i = 0; i < call_num && failure_num == 0; i++) {
        make_call(world, &numbers);
    }
    dispatch_world_free(world);
}

int main(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : getenv("AFD_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : default_seed;
    random_numbers seeds = { seed };
    (void)printf("seed %" PRIu64 ", %d cases\n", seed, CASE_NUM);
    for (int i = 0; i < CASE_NUM && failure_num == 0; i++) {
        run_case(random_u64(&seeds));
        if (failure_num > 0) {
            (void)printf("in case %d of seed %" PRIu64 "\n", i, seed);
        }
    }
    (void)printf("%" PRIu64 " sent, %" PRIu64 " had somebody late, %" PRIu64 " rounds still open\n", result_nums[0],
                 result_nums[1], result_nums[2]);
    bool all_came_up = result_nums[0] > 0 && result_nums[1] > 0 && result_nums[2] > 0;
    (void)printf("%s\n", failure_num > 0 ? "NOT equal" : all_came_up ? "all equal" : "a result did not come up");
    return failure_num == 0 && all_came_up ? 0 : 1;
}
