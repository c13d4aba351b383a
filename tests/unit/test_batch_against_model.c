/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batching against the plain model, on random shapes, types, ids, live sets and arguments, several calls in a row; the
 * output area is filled by the scheduler, in groups and all-sync, or with whatever indices. After each call every byte
 * of context, window, output area, outputs and the gaps between them is compared. Token data lies in a block of its own
 * that is exactly as large as the context says, for AddressSanitizer.
 *
 *     test_batch_against_model [SEED]        or AFD_TEST_SEED=SEED; the seed is printed, and gives the same cases again
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch_world.h"
#include "random_numbers.h"

enum { CASE_NUM = 6000, CALL_NUM_MAX = 5 };

static const uint64_t default_seed = 20261122;

typedef struct test_case {
    random_numbers numbers;
    batch_world *world;
    plain_scheduler *plain; /* NULL without a scheduler object */
    void *scheduler_memory;
    uint32_t wild_percent;  /* of sessions that get a wild id */
    uint32_t layer_num;     /* of different layer ids */
} test_case;

static uint64_t failure_num;

enum { TOOK, LEFT_OUT, REFUSED, NOT_READY, STOPPED, NOBODY, OUTCOME_NUM };
static const char *const outcome_names[OUTCOME_NUM] = { "batched", "with sessions left out", "refused", "not ready",
                                                        "stopped", "with nobody live" };
static uint64_t outcome_nums[2][OUTCOME_NUM]; /* by need_schedule */

static void complain(const test_case *c, const char *what, int64_t got, int64_t expected)
{
    const afd_shape *shape = &c->world->ffn->shape;
    const afd_ffn_batch_args *args = &c->world->args;
    failure_num++;
    (void)printf("FAILED: %s: %" PRId64 ", the model says %" PRId64 " (S=%" PRIu32 " M=%" PRIu32 " BS=%" PRIu32
                 " E=%" PRIu32 " HS=%" PRIu32 " H=%" PRIu32 " type=%d experts=%" PRIu32 " A=%" PRIu32
                 " need_schedule=%d %s)\n",
                 what, got, expected, shape->session_num, shape->micro_batch_num, shape->micro_batch_size,
                 shape->selected_expert_num, shape->attn_to_ffn_token_size, args->hidden, (int)args->type,
                 args->expert_num, args->session_max, args->need_schedule, c->plain == NULL ? "no object" : "object");
}

static void check(const test_case *c, bool holds, const char *what)
{
    if (!holds) {
        complain(c, what, 0, 1);
    }
}

/* ---- cases ---- */

static uint32_t pick(random_numbers *numbers, const uint32_t *from, uint32_t num)
{
    return from[random_below(numbers, num)];
}

static uint32_t random_slot_bytes(random_numbers *numbers, const afd_ffn_batch_args *args)
{
    uint32_t bytes = (uint32_t)afd_token_bytes(args->type, args->hidden);
    switch (random_below(numbers, 5)) {
    case 0: return 0;
    case 1: return 4 * random_below(numbers, bytes / 4);
    case 2: return (uint32_t)afd_token_slot_bytes(args->type, args->hidden) + 4 * random_below(numbers, 40);
    default: return bytes;
    }
}

static void make_scheduler(test_case *c)
{
    const afd_shape *shape = &c->world->ffn->shape;
    uint64_t bytes = afd_ffn_scheduler_footprint(shape->session_num, shape->micro_batch_num);
    c->scheduler_memory = malloc(bytes);
    check(c, c->scheduler_memory != NULL &&
                 afd_ffn_scheduler_new(shape->session_num, shape->micro_batch_num, NULL, c->scheduler_memory, bytes,
                                       &c->world->args.scheduler, NULL) == AFD_OK,
          "a scheduler object can be made");
    c->plain = plain_scheduler_new(shape->session_num, shape->micro_batch_num, false, false);
}

/* Takes outputs away that may be missing. */
static void thin_out(test_case *c)
{
    afd_ffn_batch_out *out = &c->world->out;
    uint32_t which = random_below(&c->numbers, 3);
    if (which == 0) {
        out->slots = NULL;
    } else if (which == 1) {
        out->session_ids = out->micro_batch_ids = out->token_ids = out->expert_offsets = NULL;
    }
    if (random_chance(&c->numbers, 30)) {
        out->tokens = NULL;
    }
    if (c->world->args.type != AFD_TOKEN_INT8 || (out->tokens == NULL && random_chance(&c->numbers, 50))) {
        out->dynamic_scale = random_chance(&c->numbers, 50) ? out->dynamic_scale : NULL;
    }
    out->layer_ids = random_chance(&c->numbers, 50) ? out->layer_ids : NULL;
    out->taken_sessions = random_chance(&c->numbers, 50) ? out->taken_sessions : NULL;
    out->wild_capacity = random_below(&c->numbers, c->world->args.session_max + 1);
    out->wild = out->wild_capacity == 0 && random_chance(&c->numbers, 50) ? NULL : out->wild;
}

static test_case make_case(uint64_t seed)
{
    static const uint32_t expert_nums[] = { 1, 2, 3, 7, 16, 40, 257 };
    static const uint32_t wild_percents[] = { 0, 0, 0, 3, 30 };
    test_case c = { .numbers = { seed } };
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    afd_shape shape = {
        .session_num = 1 + random_below(&c.numbers, 12),
        .micro_batch_num = 1 + random_below(&c.numbers, 4),
        .micro_batch_size = 1 + random_below(&c.numbers, 7),
        .selected_expert_num = 1 + random_below(&c.numbers, 6),
    };
    args.expert_num = pick(&c.numbers, expert_nums, 7);
    args.hidden = 16 * (1 + random_below(&c.numbers, 5));
    args.type = (afd_token_type)random_below(&c.numbers, 3);
    args.need_schedule = random_chance(&c.numbers, 50);
    args.fail_on_wild = random_chance(&c.numbers, 50);
    args.layer_num = random_below(&c.numbers, 3);
    args.session_max = random_chance(&c.numbers, 80) ? shape.session_num
                                                      : 1 + random_below(&c.numbers, shape.session_num);
    shape.attn_to_ffn_token_size = random_slot_bytes(&c.numbers, &args);
    uint64_t data_bytes = batch_world_data_bytes(&shape, &args);
    if (random_chance(&c.numbers, 20)) {
        data_bytes = random_u64(&c.numbers) % (data_bytes + 1);
    }
    c.world = batch_world_new(&shape, &args, data_bytes);
    c.wild_percent = pick(&c.numbers, wild_percents, 5);
    c.layer_num = random_chance(&c.numbers, 50) ? 1 : 3;
    c.world->ffn->context->ffn.polling_index = random_below(&c.numbers, shape.micro_batch_num);
    thin_out(&c);
    if (random_chance(&c.numbers, 50)) {
        make_scheduler(&c);
    }
    return c;
}

static void end_case(test_case *c)
{
    plain_scheduler_free(c->plain);
    free(c->scheduler_memory);
    batch_world_free(c->world);
}

/* ---- what a call finds ---- */

static int32_t random_id(test_case *c, uint32_t empty_percent)
{
    static const int32_t sentinels[] = { 1000000, AFD_EXPERT_ID_NONE, AFD_EXPERT_ID_REFILL };
    if (random_chance(&c->numbers, empty_percent)) {
        return sentinels[random_below(&c->numbers, 3)];
    }
    return (int32_t)random_below(&c->numbers, c->world->args.expert_num);
}

static void arm_desc(test_case *c, uint32_t session, uint32_t micro_batch)
{
    static const uint32_t empty_percents[] = { 0, 30, 90, 100 };
    const int32_t wild[] = { -1, INT32_MIN, 999999, (int32_t)c->world->args.expert_num };
    afd_ffn_desc *desc = ffn_world_desc(c->world->ffn, session, micro_batch);
    uint32_t id_num = (uint32_t)c->world->ffn->id_num;
    uint32_t empty_percent = pick(&c->numbers, empty_percents, 4);
    int32_t *ids = afd_ffn_desc_expert_ids(desc);
    for (uint32_t i = 0; i < id_num; i++) {
        ids[i] = random_id(c, empty_percent);
    }
    for (uint32_t i = 0; random_chance(&c->numbers, c->wild_percent) && i < 2; i++) {
        ids[random_below(&c->numbers, id_num)] = wild[random_below(&c->numbers, 4)];
    }
    desc->layer_id = (int32_t)random_below(&c->numbers, c->layer_num) - 1;
    desc->flag = AFD_FLAG_READY;
}

static void arm(test_case *c)
{
    static const uint32_t ready_percents[] = { 100, 100, 97, 60, 0 };
    const afd_shape *shape = &c->world->ffn->shape;
    uint32_t ready_percent = pick(&c->numbers, ready_percents, 5);
    for (uint32_t s = 0; s < shape->session_num; s++) {
        for (uint32_t m = 0; m < shape->micro_batch_num; m++) {
            if (random_chance(&c->numbers, ready_percent)) {
                arm_desc(c, s, m);
            }
        }
    }
}

static void change_members(test_case *c)
{
    uint32_t percent = random_chance(&c->numbers, 10) ? 100 : random_below(&c->numbers, 40);
    bool admit = random_chance(&c->numbers, 60);
    for (uint32_t s = 0; c->plain != NULL && s < c->world->ffn->shape.session_num; s++) {
        if (random_chance(&c->numbers, percent)) {
            if (admit) {
                plain_scheduler_admit(c->plain, s);
                check(c, afd_ffn_scheduler_admit(c->world->args.scheduler, s, NULL) == AFD_OK, "admit");
            } else {
                plain_scheduler_drop(c->plain, s);
                check(c, afd_ffn_scheduler_drop(c->world->args.scheduler, s, NULL) == AFD_OK, "drop");
            }
        }
    }
}

/* Has the scheduler fill the output area; now and then the indices in it are bent, into the range and out of it. */
static void fill_area(test_case *c)
{
    ffn_world *ffn = c->world->ffn;
    uint32_t session_num = ffn->shape.session_num;
    uint32_t group_size = 1 + random_below(&c->numbers, session_num);
    while (session_num % group_size != 0) {
        group_size--;
    }
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)group_size);
    afd_status status = afd_ffn_schedule_poll(ffn->context, &args, NULL, NULL);
    check(c, status == AFD_OK || status == AFD_NOT_YET, "the scheduler runs");
    if (random_chance(&c->numbers, 15)) {
        uint32_t k = random_below(&c->numbers, session_num);
        ffn->session_ids[k] = (int32_t)random_below(&c->numbers, session_num + 2) - 1;
        ffn->micro_batch_ids[k] = (int32_t)random_below(&c->numbers, ffn->shape.micro_batch_num + 2) - 1;
    }
}

/* ---- calls ---- */

/* What the model makes of the call: on copies, of which the caller has made one of everything. */
static int model_call(test_case *c, const plain_memory *plain, afd_ffn_batch_out *out)
{
    const batch_world *world = c->world;
    const afd_schedule_context *context = world->ffn->context;
    uint32_t session_num = world->ffn->shape.session_num;
    uint32_t taken_num = context->ffn.out_num;
    if (world->args.need_schedule) {
        if (c->plain == NULL && world->args.session_max < session_num) {
            return REFUSED;
        }
        afd_status status = plain_schedule(plain, (int32_t)session_num, 0, c->plain, &taken_num);
        if (status != AFD_OK) {
            return status == AFD_STOPPED ? STOPPED : status == AFD_NOBODY_LIVE ? NOBODY : NOT_READY;
        }
    }
    const plain_taken taken = {
        .num = taken_num,
        .layer_ids = (const int32_t *)(const void *)plain->layer_ids,
        .session_ids = (const int32_t *)(const void *)plain->session_ids,
        .micro_batch_ids = (const int32_t *)(const void *)plain->micro_batch_ids,
        .expert_ids = (const int32_t *)(const void *)plain->expert_ids,
    };
    if (!plain_batch(&world->ffn->shape, &world->args, &taken, world->token_data, world->token_data_bytes, out)) {
        return REFUSED;
    }
    return out->wild_num > 0 ? LEFT_OUT : TOOK;
}

/* The model schedules into the output area of its copy, which batching leaves alone, as it does out_num. */
static void keep_output_area(const test_case *c, const plain_memory *plain)
{
    const ffn_world *ffn = c->world->ffn;
    size_t row_bytes = 4 * (size_t)ffn->shape.session_num;
    memcpy(plain->layer_ids, ffn->layer_ids, row_bytes);
    memcpy(plain->session_ids, ffn->session_ids, row_bytes);
    memcpy(plain->micro_batch_ids, ffn->micro_batch_ids, row_bytes);
    memcpy(plain->expert_ids, ffn->expert_ids, row_bytes * ffn->id_num);
    memcpy(plain->context + offsetof(afd_schedule_context, ffn.out_num), &ffn->context->ffn.out_num, 4);
}

static afd_status expected_status(int outcome)
{
    static const afd_status statuses[OUTCOME_NUM] = { AFD_OK, AFD_OK, AFD_ERR_INVALID, AFD_DEADLINE, AFD_STOPPED,
                                                      AFD_NOBODY_LIVE };
    return statuses[outcome];
}

static void compare_members(const test_case *c)
{
    for (uint32_t s = 0; c->plain != NULL && s < c->world->ffn->shape.session_num; s++) {
        afd_session_state state = afd_ffn_scheduler_state(c->world->args.scheduler, s);
        static const afd_session_state states[] = { [PLAIN_AWAY] = AFD_SESSION_AWAY,
                                                    [PLAIN_JOINING] = AFD_SESSION_JOINING,
                                                    [PLAIN_LIVE] = AFD_SESSION_LIVE };
        if (state != states[c->plain->members[s]]) {
            complain(c, "the state of a session", state, states[c->plain->members[s]]);
        }
    }
}

static void make_call(test_case *c)
{
    batch_world *world = c->world;
    uint32_t session_num = world->ffn->shape.session_num;
    plain_member members[16];
    afd_wait wait = AFD_WAIT_INIT((afd_wait_strategy)random_below(&c->numbers, 3));
    afd_error error;
    wait.deadline_ns = 1;
    batch_world_clear_outputs(world);
    uint8_t *window_before = ffn_world_copy(world->ffn);
    uint8_t *window_copy = ffn_world_copy(world->ffn);
    uint8_t *copy = batch_world_copy(world);
    plain_memory plain = ffn_world_plain(world->ffn, window_copy);
    afd_ffn_batch_out expected = batch_world_out_in(world, copy);
    if (c->plain != NULL) {
        memcpy(members, c->plain->members, session_num * sizeof(*members));
    }
    int outcome = model_call(c, &plain, &expected);
    if (outcome == REFUSED && c->plain != NULL) {
        memcpy(c->plain->members, members, session_num * sizeof(*members));
    }
    if (outcome > REFUSED) {
        expected.row_num = expected.group_num = expected.taken_num = expected.wild_num = 0;
    }
    keep_output_area(c, &plain);
    afd_status status = batch_world_call(world, &wait, &error);
    if (status != expected_status(outcome)) {
        complain(c, status < 0 ? error.message : "the result", status, expected_status(outcome));
    }
    check(c, ffn_world_equals(world->ffn, outcome == REFUSED ? window_before : window_copy),
          "context, window and output area are what they should be");
    check(c, batch_world_equals(world, copy, &expected), "the outputs are what they should be");
    compare_members(c);
    outcome_nums[world->args.need_schedule][outcome]++;
    free(window_before);
    free(window_copy);
    free(copy);
}

static void run_case(uint64_t seed)
{
    test_case c = make_case(seed);
    uint32_t call_num = 1 + random_below(&c.numbers, CALL_NUM_MAX);
    for (uint32_t i = 0; i < call_num; i++) {
        arm(&c);
        if (random_chance(&c.numbers, 40)) {
            change_members(&c);
        }
        c.world->ffn->context->control.run_flag = 1;
        if (!c.world->args.need_schedule) {
            fill_area(&c);
        }
        c.world->ffn->context->control.run_flag = random_chance(&c.numbers, 5) ? 0 : 1;
        make_call(&c);
    }
    end_case(&c);
}

int main(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : getenv("AFD_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : default_seed;
    random_numbers seeds = { seed };
    (void)printf("seed %" PRIu64 ", %d cases\n", seed, CASE_NUM);
    for (int i = 0; i < CASE_NUM && failure_num < 10; i++) {
        run_case(random_u64(&seeds));
        if (failure_num > 0) {
            (void)printf("in case %d of seed %" PRIu64 "\n", i, seed);
        }
    }
    for (int waits = 0; waits < 2; waits++) {
        for (int outcome = 0; outcome < (waits ? OUTCOME_NUM : NOT_READY); outcome++) {
            (void)printf("%s: %" PRIu64 " %s\n", waits ? "need_schedule" : "output area", outcome_nums[waits][outcome],
                         outcome_names[outcome]);
            if (outcome_nums[waits][outcome] == 0 && failure_num == 0) {
                (void)printf("FAILED: every outcome comes up\n");
                failure_num++;
            }
        }
    }
    (void)printf("%s\n", failure_num == 0 ? "all equal" : "NOT equal");
    return failure_num == 0 ? 0 : 1;
}
