/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler against the plain model, on random shapes, flags, live sets and arguments, several calls in a row.
 * After each call every byte of context, window and outputs is compared, and of the gaps between them.
 *
 *     test_against_model [SEED]        or AFD_TEST_SEED=SEED; the seed is printed, and gives the same cases again
 *
 * Some waiting calls find little ready at first: poll() then lets sessions arrive one by one, come and go, until
 * everybody whom the model waits for is there or the script ends with a stop. In all-sync with a scheduler object those
 * are the calls that copy early.
 *
 * Nobody else writes during a call, so this says nothing about order between threads; tests/stress and tests/model do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "ffn_world.h"
#include "random_numbers.h"

enum {
    CASE_NUM = 20000,
    CALL_NUM_MAX = 6,
    STEP_NUM_MAX = 60,    /* of poll() in one call */
    LARGE_CASE_EVERY = 80 /* a case whose calls are cut into parts, and find more than they take at once */
};

static const uint64_t default_seed = 20261122;

/* One case: the real thing, and the model of what is not in the world's memory. */
typedef struct test_case {
    random_numbers numbers;
    ffn_world *world;
    afd_ffn_schedule_args args;
    plain_scheduler *plain; /* NULL without a scheduler object */
    void *scheduler_memory;
    uint32_t ready_percent;
    uint32_t round;
    bool has_copies; /* early ones, from a pass that said "not yet": the outputs are not the caller's */
} test_case;

static uint64_t failure_num;
/* By the kind of call and its result, to show that all of them came up. AFD_DEADLINE counts as AFD_NOT_YET, which frees
 * its number for the errors. */
enum { WAITING, ONE_PASS, KIND_NUM };
enum { REFUSED = AFD_DEADLINE, RESULT_NUM = AFD_NOBODY_LIVE + 1 };
static uint64_t call_nums[KIND_NUM][RESULT_NUM];
static uint64_t arrival_nums[RESULT_NUM]; /* of the calls whose poll() goes through a script */
static uint64_t early_num;                /* in whose outputs early copies were seen before they took */
static uint64_t part_run_num;

static void complain(const test_case *c, const char *what, int64_t got, int64_t expected)
{
    const afd_shape *shape = &c->world->shape;
    failure_num++;
    (void)printf("FAILED: %s: %" PRId64 ", the model says %" PRId64 " (S=%" PRIu32 " M=%" PRIu32 " BS=%" PRIu32
                 " E=%" PRIu32 " G=%" PRId32 " %s)\n",
                 what, got, expected, shape->session_num, shape->micro_batch_num, shape->micro_batch_size,
                 shape->selected_expert_num, c->args.sync_group_size,
                 c->plain == NULL ? "no object" : c->plain->fair ? "fair" : "lowest first");
}

static uint32_t random_divisor(random_numbers *numbers, uint32_t number)
{
    for (;;) {
        uint32_t divisor = 1 + random_below(numbers, number);
        if (number % divisor == 0) {
            return divisor;
        }
    }
}

static int32_t random_flag(test_case *c)
{
    static const int32_t garbage[] = { 2, -1, 256, 0x7F7F7F7F, 0x101, INT32_MIN, INT32_MIN + 1, 1 << 24 };
    if (random_chance(&c->numbers, c->ready_percent)) {
        return AFD_FLAG_READY;
    }
    return random_chance(&c->numbers, 70) ? AFD_FLAG_FREE : garbage[random_below(&c->numbers, 8)];
}

/* Arms some descs anew; a round of `percent` 100 arms all of them. */
static void arm(test_case *c, uint32_t percent)
{
    c->round++;
    for (uint32_t s = 0; s < c->world->shape.session_num; s++) {
        for (uint32_t m = 0; m < c->world->shape.micro_batch_num; m++) {
            if (random_chance(&c->numbers, percent)) {
                ffn_world_arm(c->world, s, m, c->round, random_flag(c));
            }
        }
    }
}

static void check(bool is_right, const char *what)
{
    if (!is_right) {
        (void)printf("FAILED: %s\n", what);
        exit(1);
    }
}

/* Runs the parts in an order that changes from call to call. */
static void run_parts(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg, uint32_t part_num)
{
    random_numbers *numbers = run_arg;
    uint32_t first = random_below(numbers, part_num);
    for (uint32_t i = 0; i < part_num; i++) {
        part(part_arg, (first + i) % part_num);
    }
    part_run_num++;
}

static void make_scheduler(test_case *c)
{
    uint32_t session_num = c->world->shape.session_num;
    uint32_t micro_batch_num = c->world->shape.micro_batch_num;
    afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    options.fair = random_chance(&c->numbers, 50);
    options.start_empty = random_chance(&c->numbers, 30);
    uint64_t bytes = afd_ffn_scheduler_footprint(session_num, micro_batch_num);
    c->scheduler_memory = malloc(bytes);
    check(c->scheduler_memory != NULL &&
              afd_ffn_scheduler_new(session_num, micro_batch_num, &options, c->scheduler_memory, bytes,
                                    &c->args.scheduler, NULL) == AFD_OK,
          "a scheduler object can be made");
    c->plain = plain_scheduler_new(session_num, micro_batch_num, options.fair, options.start_empty);
}

static test_case make_case(uint64_t seed)
{
    test_case c = { .numbers = { seed } };
    bool is_large = random_below(&c.numbers, LARGE_CASE_EVERY) == 0;
    uint32_t session_num = 1 + random_below(&c.numbers, is_large ? 600 : 40);
    uint32_t micro_batch_num = 1 + random_below(&c.numbers, is_large ? 2 : 5);
    uint32_t id_num = 1 + random_below(&c.numbers, is_large ? 500 : 70);
    uint32_t selected_expert_num = random_divisor(&c.numbers, id_num);
    c.world = ffn_world_new(session_num, micro_batch_num, id_num / selected_expert_num, selected_expert_num,
                            4 * random_below(&c.numbers, 16));
    c.args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)random_divisor(&c.numbers, session_num));
    c.world->context->ffn.polling_index = random_below(&c.numbers, micro_batch_num);
    static const uint32_t ready_percents[] = { 100, 98, 80, 50, 10, 0 };
    c.ready_percent = ready_percents[random_below(&c.numbers, 6)];
    if (random_chance(&c.numbers, 70)) {
        make_scheduler(&c);
    }
    arm(&c, 100);
    return c;
}

static void end_case(test_case *c)
{
    plain_scheduler_free(c->plain);
    free(c->scheduler_memory);
    ffn_world_free(c->world);
}

/* Lets some sessions come and some go, in both. */
static void change_members(test_case *c)
{
    uint32_t percent = random_chance(&c->numbers, 10) ? 100 : random_below(&c->numbers, 40);
    bool admit = random_chance(&c->numbers, 60);
    for (uint32_t s = 0; c->plain != NULL && s < c->world->shape.session_num; s++) {
        if (random_chance(&c->numbers, percent)) {
            if (admit) {
                plain_scheduler_admit(c->plain, s);
                check(afd_ffn_scheduler_admit(c->args.scheduler, s, NULL) == AFD_OK, "admit");
            } else {
                plain_scheduler_drop(c->plain, s);
                check(afd_ffn_scheduler_drop(c->args.scheduler, s, NULL) == AFD_OK, "drop");
            }
        }
    }
}

static void compare_members(const test_case *c)
{
    for (uint32_t s = 0; c->plain != NULL && s < c->world->shape.session_num; s++) {
        afd_session_state state = afd_ffn_scheduler_state(c->args.scheduler, s);
        plain_member member = c->plain->members[s];
        if ((state == AFD_SESSION_AWAY) != (member == PLAIN_AWAY) ||
            (state == AFD_SESSION_LIVE) != (member == PLAIN_LIVE)) {
            complain(c, "the state of a session", (int64_t)state, (int64_t)member);
        }
    }
}

static bool may_copy_early(const test_case *c)
{
    return c->plain != NULL && (uint32_t)c->args.sync_group_size == c->world->shape.session_num;
}

/* With a scheduler object an all-sync call may leave early copies past the rows that it took: ids and layers only. */
static void forgive_early_copies(const test_case *c, const plain_memory *plain, uint32_t taken_num)
{
    const ffn_world *world = c->world;
    size_t first = taken_num;
    size_t num = world->shape.session_num - first;
    if (may_copy_early(c)) {
        memcpy(plain->layer_ids + 4 * first, world->layer_ids + first, 4 * num);
        memcpy(plain->expert_ids + 4 * first * world->id_num, world->expert_ids + first * world->id_num,
               4 * num * world->id_num);
    }
}

/* The waiting call, with a deadline long past, so that it ends where the model says "not yet". */
static afd_status schedule_until_deadline(test_case *c, uint32_t *taken_num)
{
    static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };
    afd_wait wait = AFD_WAIT_INIT(strategies[random_below(&c->numbers, 3)]);
    wait.deadline_ns = 1;
    afd_status status = afd_ffn_schedule(c->world->context, &c->args, &wait, taken_num, NULL);
    return status == AFD_DEADLINE ? AFD_NOT_YET : status;
}

static void compare(test_case *c, afd_status status, afd_status expected, uint32_t taken_num, uint32_t expected_num,
                    uint8_t *copy)
{
    ffn_world *world = c->world;
    plain_memory plain = ffn_world_plain(world, copy);
    if (status != expected) {
        complain(c, "the result", status, expected);
    }
    if (taken_num != expected_num) {
        complain(c, "the number taken", taken_num, expected_num);
    }
    if (expected >= 0) {
        forgive_early_copies(c, &plain, expected_num);
    }
    if (!ffn_world_equals(world, copy)) {
        uint64_t at = 0;
        while (world->block[at] == copy[at]) {
            at++;
        }
        complain(c, "a byte", world->block[at], copy[at]);
    }
    compare_members(c);
}

static void make_call(test_case *c)
{
    ffn_world *world = c->world;
    bool poll = random_chance(&c->numbers, 50);
    uint32_t taken_num = 77;
    uint32_t expected_num = 78;
    if (!c->has_copies && random_chance(&c->numbers, 70)) {
        ffn_world_clear_outputs(world);
    }
    uint8_t *copy = ffn_world_copy(world);
    plain_memory plain = ffn_world_plain(world, copy);
    afd_status expected = plain_schedule(&plain, c->args.sync_group_size, c->args.execute_mode, c->plain,
                                         &expected_num);
    afd_status status = poll ? afd_ffn_schedule_poll(world->context, &c->args, &taken_num, NULL)
                             : schedule_until_deadline(c, &taken_num);
    compare(c, status, expected, taken_num, expected_num, copy);
    if (expected >= 0) {
        c->has_copies = poll && expected == AFD_NOT_YET && may_copy_early(c);
    }
    call_nums[poll ? ONE_PASS : WAITING][expected < 0 ? REFUSED : (int)expected]++;
    free(copy);
}

/* ---- arrivals ---- */

/* A waiting call whose poll() changes the world, and the model's world beside it. */
typedef struct arrivals {
    test_case *c;
    uint8_t *copy;
    afd_status expected;
    uint32_t expected_num;
    int32_t stop;
    uint32_t step_num; /* still to come */
    bool is_over; /* the model knows the result: there must be no other empty pass */
    bool saw_copies;
    uint8_t first_layer_id[4]; /* what the output held before */
} arrivals;

/* What the model makes of the world as it is now. A second look without anybody there ends the call. */
static void ask_model(arrivals *a)
{
    const afd_ffn_schedule_args *args = &a->c->args;
    plain_memory plain = ffn_world_plain(a->c->world, a->copy);
    afd_status before = a->expected;
    a->expected = plain_schedule(&plain, args->sync_group_size, args->execute_mode, a->c->plain, &a->expected_num);
    a->is_over = a->expected == AFD_OK || (a->expected == AFD_NOBODY_LIVE && before == AFD_NOBODY_LIVE);
}

/* Arms one desc in the world and in the copy. */
static void arm_one(arrivals *a, uint32_t session, uint32_t micro_batch, int32_t flag)
{
    ffn_world *world = a->c->world;
    uint8_t *desc = (uint8_t *)ffn_world_desc(world, session, micro_batch);
    ffn_world_arm(world, session, micro_batch, a->c->round, flag);
    memcpy(a->copy + (desc - world->block), desc, world->desc_bytes);
}

static void let_some_arrive(arrivals *a)
{
    test_case *c = a->c;
    const afd_shape *shape = &c->world->shape;
    uint32_t num = random_chance(&c->numbers, 50) ? 1 : 1 + random_below(&c->numbers, shape->session_num);
    uint32_t polled = (uint32_t)c->world->context->ffn.polling_index;
    uint32_t session = random_below(&c->numbers, shape->session_num);
    for (uint32_t i = 0; i < shape->session_num && num > 0; i++, session = (session + 1) % shape->session_num) {
        bool is_awaited = random_chance(&c->numbers, 90);
        uint32_t micro_batch = is_awaited ? polled : random_below(&c->numbers, shape->micro_batch_num);
        if (ffn_world_desc(c->world, session, micro_batch)->flag != AFD_FLAG_READY) {
            arm_one(a, session, micro_batch, AFD_FLAG_READY);
            num--;
        }
    }
}

/* A peer that breaks the rules: replaces what it has published, or takes it back. */
static void let_one_cheat(arrivals *a)
{
    const afd_shape *shape = &a->c->world->shape;
    uint32_t session = random_below(&a->c->numbers, shape->session_num);
    a->c->round++;
    arm_one(a, session, (uint32_t)a->c->world->context->ffn.polling_index,
            random_chance(&a->c->numbers, 70) ? AFD_FLAG_READY : AFD_FLAG_FREE);
}

static void let_time_go_by(void *arg)
{
    arrivals *a = arg;
    test_case *c = a->c;
    if (a->is_over) {
        complain(c, "an empty pass though the model is through", 1, 0);
        afd_stop_raise(&a->stop);
        return;
    }
    a->saw_copies = a->saw_copies || memcmp(c->world->layer_ids, a->first_layer_id, sizeof(a->first_layer_id)) != 0;
    uint32_t what = random_below(&c->numbers, 100);
    if (--a->step_num == 0) {
        afd_stop_raise(&a->stop);
    } else if (what < 80) {
        let_some_arrive(a);
    } else if (what < 90) {
        change_members(c);
    } else if (what < 95) {
        let_one_cheat(a);
    }
    ask_model(a);
    if (!a->is_over && a->stop != 0) {
        a->expected = AFD_STOPPED;
        a->is_over = true;
    }
}

static void wait_for_arrivals(test_case *c)
{
    arrivals a = { .c = c, .step_num = 1 + random_below(&c->numbers, STEP_NUM_MAX) };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    uint32_t taken_num = 77;
    c->ready_percent = random_below(&c->numbers, 80);
    arm(c, 100);
    c->world->context->control.run_flag = 1;
    if (!c->has_copies) {
        ffn_world_clear_outputs(c->world);
    }
    memcpy(a.first_layer_id, c->world->layer_ids, sizeof(a.first_layer_id));
    wait.poll = let_time_go_by;
    wait.poll_arg = &a;
    wait.stop = &a.stop;
    a.copy = ffn_world_copy(c->world);
    ask_model(&a);
    a.is_over = a.expected == AFD_OK;
    afd_status status = afd_ffn_schedule(c->world->context, &c->args, &wait, &taken_num, NULL);
    compare(c, status, a.expected, taken_num, a.expected_num, a.copy);
    c->has_copies = false;
    early_num += a.saw_copies && status == AFD_OK;
    arrival_nums[a.expected]++;
    free(a.copy);
}

/* A call with one thing wrong: both must refuse it, and write nothing. */
static void make_wrong_call(test_case *c)
{
    afd_schedule_context right = *c->world->context;
    afd_ffn_schedule_args right_args = c->args;
    afd_schedule_context *context = c->world->context;
    uint32_t session_num = c->world->shape.session_num;
    switch (random_below(&c->numbers, 10)) {
    case 0: context->common.schedule_mode = 1 + (int32_t)random_below(&c->numbers, 2); break;
    case 1: context->common.session_num += 1; break;
    case 2: context->common.micro_batch_num = UINT32_MAX; break;
    case 3: context->common.selected_expert_num = 0; break;
    case 4: context->ffn.window.token_data_buf = 0; break;
    case 5: context->ffn.window.token_info_buf_size -= 1; break;
    case 6: context->ffn.polling_index = UINT64_C(1) << 32; break;
    case 7: c->args.sync_group_size = (int32_t)session_num + 1; break;
    case 8: c->args.execute_mode = 1; break;
    default: context->ffn.session_ids_buf += 1 + random_below(&c->numbers, 3); break;
    }
    make_call(c);
    *context = right;
    c->args = right_args;
}

static void run_case(uint64_t seed)
{
    test_case c = make_case(seed);
    random_numbers part_numbers = { seed };
    const afd_part_runner parts = { sizeof(parts), 1 + random_below(&c.numbers, 5), run_parts, &part_numbers };
    uint32_t call_num = 1 + random_below(&c.numbers, CALL_NUM_MAX);
    c.args.parts = random_chance(&c.numbers, 50) ? &parts : NULL;
    for (uint32_t i = 0; i < call_num; i++) {
        if (random_chance(&c.numbers, 30)) {
            change_members(&c);
        }
        if (random_chance(&c.numbers, 10)) {
            make_wrong_call(&c);
        }
        c.world->context->control.run_flag = random_chance(&c.numbers, 5) ? 0 : (int32_t)random_u64(&c.numbers) | 1;
        make_call(&c);
        if (random_chance(&c.numbers, 30)) {
            wait_for_arrivals(&c);
        }
        if (random_chance(&c.numbers, 60)) {
            arm(&c, random_below(&c.numbers, 101));
        }
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
    static const char *const kinds[KIND_NUM] = { "waiting", "one pass" };
    for (int kind = 0; kind < KIND_NUM; kind++) {
        const uint64_t *nums = call_nums[kind];
        (void)printf("%s: %" PRIu64 " took sessions, %" PRIu64 " had to wait, %" PRIu64 " refused, %" PRIu64
                     " stopped, %" PRIu64 " with nobody live\n",
                     kinds[kind], nums[AFD_OK], nums[AFD_NOT_YET], nums[REFUSED], nums[AFD_STOPPED],
                     nums[AFD_NOBODY_LIVE]);
        for (int result = 0; result < RESULT_NUM; result++) {
            check(nums[result] > 0 || failure_num > 0, "every result comes up");
        }
    }
    (void)printf("arrivals: %" PRIu64 " took sessions, %" PRIu64 " of them with early copies, %" PRIu64 " stopped, %"
                 PRIu64 " with nobody live; %" PRIu64 " runs in parts\n",
                 arrival_nums[AFD_OK], early_num, arrival_nums[AFD_STOPPED], arrival_nums[AFD_NOBODY_LIVE],
                 part_run_num);
    check((arrival_nums[AFD_STOPPED] > 0 && arrival_nums[AFD_NOBODY_LIVE] > 0 && early_num > 1000 &&
           part_run_num > 10) || failure_num > 0, "arrivals of every kind come up");
    (void)printf("%s\n", failure_num == 0 ? "all equal" : "NOT equal");
    return failure_num == 0 ? 0 : 1;
}
