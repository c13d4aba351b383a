/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attention operators against the plain models, on random shapes, types, flags and data, several calls in a row.
 * After each call every byte of context, window and output is compared.
 *
 *     test_attention_against_model [SEED]   or AFD_TEST_SEED=SEED; the seed is printed, and gives the same cases again
 *
 * Nobody writes during a call, so this says nothing about order between threads; tests/model does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_world.h"
#include "plain_attention.h"
#include "random_numbers.h"

enum { CASE_NUM = 1500, CALL_NUM_MAX = 6, OUTPUT_BYTE = 0xEE, OUTPUT_SLACK = 8 };

static const uint64_t default_seed = 20261122;

/* One case: the same world twice, one for the model. */
typedef struct test_case {
    random_numbers numbers;
    attention_world *world;
    attention_world *plain;
    uint32_t hidden;
    uint32_t top_k;
    afd_token_type type;
    afd_status last;
} test_case;

/* What combine writes, and what stands behind it. */
typedef struct outputs {
    uint16_t *got;
    uint16_t *expected;
    size_t num;
} outputs;

static uint64_t failure_num;
static uint64_t call_nums[2][AFD_DEADLINE + 1]; /* by operator and result */

static void check(const test_case *c, bool is_right, const char *what)
{
    const afd_shape *shape = &c->world->shape;
    if (!is_right) {
        failure_num++;
        (void)printf("FAILED: %s (M=%" PRIu32 " BS=%" PRIu32 " E=%" PRIu32 " HS=%" PRIu32 " K=%" PRIu32 " H=%" PRIu32
                     " %s)\n",
                     what, shape->micro_batch_num, shape->micro_batch_size, shape->selected_expert_num,
                     shape->ffn_to_attn_token_size, c->top_k, c->hidden, c->type == AFD_TOKEN_F16 ? "f16" : "bf16");
    }
}

/* Values of every kind, and many that are near each other, so that sums round and cancel. */
static uint16_t random_half(test_case *c)
{
    uint16_t any = (uint16_t)random_u64(&c->numbers);
    uint16_t around_1 = c->type == AFD_TOKEN_F16 ? 0x3C00 : 0x3F80;
    return random_chance(&c->numbers, 3) ? any : (uint16_t)((any & 0x83FF) + around_1 - 0x0100);
}

static void fill_data(test_case *c)
{
    for (uint64_t at = 0; at + 2 <= c->world->sizes.token_data_bytes; at += 2) {
        uint16_t half = random_half(c);
        memcpy(c->world->token_data + at, &half, sizeof(half));
    }
    memcpy(c->plain->token_data, c->world->token_data, c->world->sizes.token_data_bytes);
}

/* Rows that are as large as the token, larger, at odd distances, or smaller, and then not looked at. */
static uint32_t random_slot_bytes(random_numbers *numbers, uint32_t hidden)
{
    switch (random_below(numbers, 4)) {
    case 0: return 2 * hidden;
    case 1: return 2 * hidden + 4 * random_below(numbers, 40);
    case 2: return 2 * hidden + random_below(numbers, 9);
    default: return 2 * hidden + 512;
    }
}

static test_case make_case(uint64_t seed)
{
    test_case c = { .numbers = { .state = seed } };
    c.hidden = 16 * (1 + random_below(&c.numbers, 5));
    c.top_k = 1 + random_below(&c.numbers, 8);
    c.type = random_chance(&c.numbers, 50) ? AFD_TOKEN_F16 : AFD_TOKEN_BF16;
    uint32_t micro_batch_num = 1 + random_below(&c.numbers, 3);
    uint32_t micro_batch_size = 1 + random_below(&c.numbers, 5);
    static const uint32_t shared_nums[] = { 0, 1, 2, 4 };
    uint32_t selected_expert_num = c.top_k + shared_nums[random_below(&c.numbers, 4)];
    uint32_t slot_bytes = random_slot_bytes(&c.numbers, c.hidden);
    c.world = attention_world_new(micro_batch_num, micro_batch_size, selected_expert_num, slot_bytes);
    c.plain = attention_world_new(micro_batch_num, micro_batch_size, selected_expert_num, slot_bytes);
    fill_data(&c);
    if (slot_bytes == 2 * c.hidden && random_chance(&c.numbers, 50)) {
        c.world->context->common.ffn_to_attn_token_size = random_below(&c.numbers, slot_bytes);
        c.plain->context->common.ffn_to_attn_token_size = c.world->context->common.ffn_to_attn_token_size;
    }
    return c;
}

static void end_case(test_case *c)
{
    attention_world_free(c->world);
    attention_world_free(c->plain);
}

/* Makes flags ready, most of the time a whole micro-batch, and sometimes one of them something else. */
static void arm(test_case *c)
{
    uint32_t m = random_below(&c->numbers, c->world->shape.micro_batch_num);
    uint32_t token = random_below(&c->numbers, c->world->shape.micro_batch_size);
    uint32_t slot = random_below(&c->numbers, c->world->shape.selected_expert_num);
    int32_t other = random_chance(&c->numbers, 50) ? 0 : (int32_t)random_u64(&c->numbers);
    attention_world_arm(c->world, m, AFD_FLAG_READY);
    if (random_chance(&c->numbers, 30)) {
        *attention_world_flag(c->world, m, token, slot) = other;
    }
    memcpy(c->plain->flags, c->world->flags, c->world->sizes.token_info_bytes);
}

static void compare_worlds(const test_case *c, const char *what)
{
    afd_schedule_context context = *c->plain->context;
    context.attention.window = c->world->context->attention.window; /* the addresses alone differ */
    check(c, memcmp(&context, c->world->context, sizeof(context)) == 0, what);
    check(c, memcmp(c->plain->flags, c->world->flags, c->world->sizes.token_info_bytes) == 0, what);
    check(c, memcmp(c->plain->token_data, c->world->token_data, c->world->sizes.token_data_bytes) == 0, what);
}

/* What waits ends at once: its deadline has passed. */
static afd_wait passed_wait(void)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    wait.deadline_ns = 1;
    return wait;
}

static void schedule_once(test_case *c)
{
    afd_wait wait = passed_wait();
    uint32_t m = random_chance(&c->numbers, 50) ? AFD_MICRO_BATCH_NEXT
                                                : random_below(&c->numbers, c->world->shape.micro_batch_num);
    uint32_t ready = 77;
    bool poll = random_chance(&c->numbers, 50);
    afd_status expected = plain_attention_schedule(c->plain, m);
    afd_status status = poll ? afd_attention_schedule_poll(c->world->context, m, &ready, NULL)
                             : afd_attention_schedule(c->world->context, m, &wait, &ready, NULL);
    if (expected == AFD_NOT_YET && !poll) {
        expected = AFD_DEADLINE;
    }
    check(c, status == expected, "the result of schedule");
    check(c, ready == (status == AFD_OK ? c->plain->context->attention.micro_batch_id : 77), "ready");
    compare_worlds(c, "what schedule wrote");
    call_nums[0][status == AFD_DEADLINE ? AFD_NOT_YET : status]++;
}

static outputs new_outputs(size_t num)
{
    outputs made = { .num = num + OUTPUT_SLACK };
    made.got = malloc(made.num * sizeof(uint16_t));
    made.expected = malloc(made.num * sizeof(uint16_t));
    if (made.got == NULL || made.expected == NULL) {
        abort();
    }
    memset(made.got, OUTPUT_BYTE, made.num * sizeof(uint16_t));
    memset(made.expected, OUTPUT_BYTE, made.num * sizeof(uint16_t));
    return made;
}

static float random_scale(test_case *c)
{
    float scale = (float)(int32_t)random_u64(&c->numbers) / (float)(1 << 30);
    return random_chance(&c->numbers, 5) ? 0.0F : scale;
}

static void combine_with(test_case *c, afd_combine_args *args, const outputs *out)
{
    afd_wait wait = passed_wait();
    afd_status expected = AFD_OK;
    args->output = out->got;
    afd_status status = afd_attention_combine(c->world->context, args, &wait, NULL);
    if (status == AFD_OK) {
        plain_attention_combine(c->plain, args, out->expected);
    }
    if (args->need_schedule) {
        expected = plain_attention_schedule(c->plain, AFD_MICRO_BATCH_NEXT);
    }
    check(c, (status == AFD_DEADLINE ? AFD_NOT_YET : status) == expected, "the result of combine");
    check(c, plain_attention_equal(args->type, out->got, out->expected, out->num), "the output of combine");
    compare_worlds(c, "what combine wrote");
    call_nums[1][status == AFD_DEADLINE ? AFD_NOT_YET : status]++;
}

static void combine_once(test_case *c)
{
    afd_combine_args args = AFD_COMBINE_ARGS_INIT;
    args.token_num = random_below(&c->numbers, c->world->shape.micro_batch_size + 1);
    args.top_k = c->top_k;
    args.hidden = c->hidden;
    args.type = c->type;
    args.need_schedule = random_chance(&c->numbers, 50);
    float *scales = malloc(((size_t)args.token_num * args.top_k + 1) * sizeof(*scales));
    outputs out = new_outputs((size_t)args.token_num * args.hidden);
    if (scales == NULL) {
        abort();
    }
    for (size_t i = 0; i < (size_t)args.token_num * args.top_k; i++) {
        scales[i] = random_scale(c);
    }
    args.expert_scales = scales;
    combine_with(c, &args, &out);
    free(scales);
    free(out.got);
    free(out.expected);
}

static void run_case(uint64_t seed)
{
    test_case c = make_case(seed);
    uint32_t call_num = 1 + random_below(&c.numbers, CALL_NUM_MAX);
    for (uint32_t i = 0; i < call_num; i++) {
        int32_t run_flag = random_chance(&c.numbers, 5) ? 0 : (int32_t)random_u64(&c.numbers) | 1;
        c.world->context->control.run_flag = run_flag;
        c.plain->context->control.run_flag = run_flag;
        if (random_chance(&c.numbers, 70)) {
            arm(&c);
        }
        if (random_chance(&c.numbers, 50)) {
            schedule_once(&c);
        } else {
            combine_once(&c);
        }
    }
    end_case(&c);
}

int main(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : getenv("AFD_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : default_seed;
    random_numbers seeds = { seed };
    bool all_came_up = true;
    (void)printf("seed %" PRIu64 ", %d cases\n", seed, CASE_NUM);
    for (int i = 0; i < CASE_NUM && failure_num < 10; i++) {
        run_case(random_u64(&seeds));
        if (failure_num > 0) {
            (void)printf("in case %d of seed %" PRIu64 "\n", i, seed);
        }
    }
    for (int combine = 0; combine < 2; combine++) {
        (void)printf("%s: %" PRIu64 " done, %" PRIu64 " not yet, %" PRIu64 " stopped\n",
                     combine ? "combine" : "schedule", call_nums[combine][AFD_OK], call_nums[combine][AFD_NOT_YET],
                     call_nums[combine][AFD_STOPPED]);
        for (int result = AFD_OK; result <= AFD_STOPPED; result++) {
            all_came_up = all_came_up && call_nums[combine][result] > 0;
        }
    }
    bool is_right = failure_num == 0 && all_came_up;
    (void)printf("%s\n", is_right ? "all equal" : "NOT equal, or not every result came up");
    return is_right ? 0 : 1;
}
