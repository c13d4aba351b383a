/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_parties.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_numbers.h"
#include "traffic.h"

/* What only a hang can reach. */
#define HANG_NS (UINT64_C(120) * 1000000000)

enum { LATE_NUM = 4, UNTOUCHED_BYTE = 0xA5 };

static void *allocate(size_t count, size_t each)
{
    void *memory = calloc(count, each);
    if (memory == NULL) {
        traffic_fail("no memory for the parties");
    }
    return memory;
}

static afd_wait wait_for_long(afd_late late[LATE_NUM])
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = afd_clock_ns() + HANG_NS;
    wait.late = late;
    wait.late_capacity = LATE_NUM;
    return wait;
}

/* ---- cases ---- */

/* Some sessions leave before the others. */
static uint32_t step_num_of(const layer_case *c, uint32_t session)
{
    random_numbers numbers = { c->seed + session };
    return c->step_num > 1 && random_chance(&numbers, 30) ? 1 + random_below(&numbers, c->step_num) : c->step_num;
}

void layer_case_draw(layer_case *c)
{
    /* 2880 is a real model's, and no multiple of 512 bytes; 48 is none of 32. */
    static const uint32_t hiddens[] = { 16, 48, 64, 80, 256, 320, 512, 2880 };
    static const uint32_t shared_nums[] = { 0, 1, 2, 4 };
    random_numbers numbers = { c->seed };
    c->micro_batch_num = 1 + random_below(&numbers, 3);
    c->micro_batch_size = random_chance(&numbers, 50) ? 8 : 1 + random_below(&numbers, 7);
    c->layer_num = 1 + random_below(&numbers, 4);
    c->hidden = hiddens[random_below(&numbers, random_chance(&numbers, 10) ? 8 : 7)];
    c->shared_num = shared_nums[random_below(&numbers, 4)];
    c->top_k = 1 + random_below(&numbers, 6);
    c->routed_num = 1 + random_below(&numbers, 16);
    c->copy_max = 1 + random_below(&numbers, 3);
    c->fair = random_chance(&numbers, 50);
    c->smooth = random_chance(&numbers, 50);
    layer_case_make(c);
}

void layer_case_print(const layer_case *c)
{
    fprintf(stderr,
            "case: seed %" PRIu64 " A=%" PRIu32 " F=%" PRIu32 " M=%" PRIu32 " BS=%" PRIu32 " L=%" PRIu32 " H=%" PRIu32
            " experts %" PRIu32 "+%" PRIu32 " K=%" PRIu32 " G=%" PRIu32 " type %d%s\n",
            c->seed, c->attention_num, c->ffn_num, c->micro_batch_num, c->micro_batch_size, c->layer_num, c->hidden,
            c->routed_num, c->shared_num, c->top_k, c->sync_group_size, (int)c->type, c->quantize ? " int8" : "");
}

/* ---- FFN ---- */

static afd_status run_experts(void *argument, const afd_experts_call *call)
{
    const ffn_party *party = argument;
    const char *why = NULL;
    if (!layer_case_run_experts(party->c, party->rank, call, &why)) {
        layer_case_print(party->c);
        traffic_fail("rank %" PRIu32 ": the experts were called with %s", party->rank, why);
    }
    return AFD_OK;
}

void ffn_party_make(ffn_party *party, const char *window_name)
{
    afd_error error;
    afd_ffn_worker_options options = layer_case_ffn_options(party->c, party->rank);
    options.window_name = window_name;
    options.experts = run_experts;
    options.experts_arg = party;
    if (afd_ffn_worker_create(&options, &party->worker, &error) != AFD_OK) {
        layer_case_print(party->c);
        traffic_fail("FFN worker %" PRIu32 ": %s", party->rank, error.message);
    }
}

static _Noreturn void fail_to_answer(const ffn_party *party, afd_status status, const afd_wait *wait,
                                     const afd_error *error)
{
    layer_case_print(party->c);
    for (uint32_t i = 0; status == AFD_DEADLINE && i < wait->late_num && i < LATE_NUM; i++) {
        fprintf(stderr, "late: session %" PRIu32 " micro-batch %" PRIu32 " flag %" PRId32 "\n", wait->late[i].session,
                wait->late[i].micro_batch, wait->late[i].flag);
    }
    traffic_fail("FFN worker %" PRIu32 " got %s: %s", party->rank, afd_status_name(status),
                 status < 0 ? error->message : "");
}

/* A session that has left is waited for no more. */
static void drop_who_left(void *argument)
{
    const ffn_party *party = argument;
    for (uint32_t session = 0; session < party->c->attention_num; session++) {
        if (__atomic_load_n(&party->left[session], __ATOMIC_ACQUIRE) != 0) {
            (void)afd_ffn_worker_drop(party->worker, session, NULL);
        }
    }
}

void ffn_party_run(ffn_party *party)
{
    for (;;) {
        afd_late late[LATE_NUM];
        afd_wait wait = wait_for_long(late);
        afd_wild_id wild;
        afd_error error;
        wait.poll = drop_who_left;
        wait.poll_arg = party;
        afd_status status = afd_ffn_worker_await(party->worker, &wait, &wild, &error);
        if (status == AFD_NOBODY_LIVE) {
            return;
        }
        if (status != AFD_OK) {
            fail_to_answer(party, status, &wait, &error);
        }
        if (wild.expert_id != AFD_EXPERT_ID_NONE) {
            traffic_fail("FFN worker %" PRIu32 " took id %" PRId32 " of session %" PRIu32 " for a wild one",
                         party->rank, wild.expert_id, wild.session);
        }
    }
}

/* ---- attention ---- */

/* A micro-batch on its way. */
typedef struct round_under_way {
    bool is_open;
    layer_round round;
    uint16_t *tokens;     /* [BS][H] */
    int32_t *expert_ids;  /* [BS][K] */
    float *expert_scales; /* [BS][K] */
} round_under_way;

typedef struct attention_run {
    attention_party *party;
    const layer_case *c;
    round_under_way *rounds; /* [M] */
    uint16_t *output;        /* [BS][H] */
    uint16_t *expected;      /* [BS][H] */
} attention_run;

static _Noreturn void fail_round(const attention_run *run, const layer_round *round, const char *what,
                                 afd_status status, const afd_wait *wait, const afd_error *error)
{
    layer_case_print(run->c);
    for (uint32_t i = 0; status == AFD_DEADLINE && i < wait->late_num && i < LATE_NUM; i++) {
        const afd_late *late = &wait->late[i];
        fprintf(stderr, "late: session %" PRIu32 " token %" PRIu32 " slot %" PRIu32 " of rank %" PRId32 "\n",
                late->session, late->token, late->slot,
                afd_attention_worker_late_rank(run->party->worker, round->micro_batch, late->token, late->slot));
    }
    traffic_fail("session %" PRIu32 " micro-batch %" PRIu32 " step %" PRIu32 " layer %" PRId32 ": %s got %s: %s",
                 round->session, round->micro_batch, round->step, round->layer_id, what, afd_status_name(status),
                 status < 0 ? error->message : "");
}

static void dispatch(attention_run *run, const layer_round *round)
{
    afd_late late[LATE_NUM];
    afd_wait wait = wait_for_long(late);
    afd_error error;
    round_under_way *under_way = &run->rounds[round->micro_batch];
    under_way->round = *round;
    under_way->is_open = true;
    if (round->layer_id == 0) {
        layer_case_tokens(run->c, round, under_way->tokens);
    }
    layer_case_route(run->c, round, under_way->expert_ids, under_way->expert_scales);
    afd_status status = afd_attention_worker_dispatch(run->party->worker, round->micro_batch, round->layer_id,
                                                      under_way->tokens, layer_case_token_num(run->c, round),
                                                      under_way->expert_ids, &wait, &error);
    if (status != AFD_OK) {
        fail_round(run, round, "dispatch", status, &wait, &error);
    }
}

static void compare(const attention_run *run, const layer_round *round)
{
    size_t sent = (size_t)layer_case_token_num(run->c, round) * run->c->hidden;
    size_t all = (size_t)run->c->micro_batch_size * run->c->hidden;
    for (size_t i = 0; i < all; i++) {
        uint16_t expected = i < sent ? run->expected[i] : UNTOUCHED_BYTE << 8 | UNTOUCHED_BYTE;
        if (run->output[i] != expected) {
            layer_case_print(run->c);
            traffic_fail("session %" PRIu32 " micro-batch %" PRIu32 " step %" PRIu32 " layer %" PRId32
                         ": value %zu of token %zu is %04x, must be %04x",
                         round->session, round->micro_batch, round->step, round->layer_id, i % run->c->hidden,
                         i / run->c->hidden, run->output[i], expected);
        }
    }
}

/* Collects and compares; what came out is what goes into the next layer. */
static void collect(attention_run *run, uint32_t micro_batch)
{
    afd_late late[LATE_NUM];
    afd_wait wait = wait_for_long(late);
    afd_error error;
    round_under_way *under_way = &run->rounds[micro_batch];
    const layer_round *round = &under_way->round;
    size_t bytes = (size_t)run->c->micro_batch_size * run->c->hidden * sizeof(uint16_t);
    memset(run->output, UNTOUCHED_BYTE, bytes);
    afd_status status = afd_attention_worker_collect(run->party->worker, micro_batch, under_way->expert_scales,
                                                     run->output, &wait, &error);
    if (status != AFD_OK) {
        fail_round(run, round, "collect", status, &wait, &error);
    }
    layer_case_expect(run->c, round, under_way->tokens, under_way->expert_ids, under_way->expert_scales,
                      run->expected);
    compare(run, round);
    memcpy(under_way->tokens, run->output, bytes);
    under_way->is_open = false;
}

static void collect_if_open(attention_run *run, uint32_t micro_batch)
{
    if (run->rounds[micro_batch].is_open) {
        collect(run, micro_batch);
    }
}

/* All micro-batches in any order. */
static void collect_all(attention_run *run, random_numbers *numbers)
{
    uint32_t micro_batch_num = run->c->micro_batch_num;
    uint32_t first = random_below(numbers, micro_batch_num);
    bool backwards = random_chance(numbers, 50);
    for (uint32_t i = 0; i < micro_batch_num; i++) {
        uint32_t m = (first + (backwards ? micro_batch_num - i : i)) % micro_batch_num;
        collect_if_open(run, m);
    }
}

/* Micro-batch after micro-batch; each is collected when its next round is due, or all of a layer together. */
static void run_traffic(attention_run *run)
{
    random_numbers numbers = { run->c->seed + run->party->session };
    for (uint32_t step = 0; step < step_num_of(run->c, run->party->session); step++) {
        for (uint32_t layer = 0; layer < run->c->layer_num; layer++) {
            for (uint32_t m = 0; m < run->c->micro_batch_num; m++) {
                collect_if_open(run, m);
                dispatch(run, &(layer_round){ run->party->session, m, step, (int32_t)layer });
            }
            if (random_chance(&numbers, 50)) {
                collect_all(run, &numbers);
            }
        }
    }
    collect_all(run, &numbers);
}

void attention_party_make(attention_party *party, const char *window_name)
{
    afd_error error;
    afd_attention_worker_options options = layer_case_attention_options(party->c, party->session);
    options.window_name = window_name;
    if (afd_attention_worker_create(&options, &party->worker, &error) != AFD_OK) {
        layer_case_print(party->c);
        traffic_fail("attention worker %" PRIu32 ": %s", party->session, error.message);
    }
}

static void check_counters(const attention_run *run)
{
    afd_worker_counters counters;
    afd_attention_worker_count(run->party->worker, &counters);
    uint64_t round_num =
        (uint64_t)step_num_of(run->c, run->party->session) * run->c->layer_num * run->c->micro_batch_num;
    if (counters.micro_batch_num != round_num || counters.step_num != round_num) {
        traffic_fail("session %" PRIu32 " counts %" PRIu64 " dispatched and %" PRIu64 " collected of %" PRIu64,
                     run->party->session, counters.micro_batch_num, counters.step_num, round_num);
    }
}

void attention_party_run(attention_party *party)
{
    const layer_case *c = party->c;
    size_t values = (size_t)c->micro_batch_size * c->hidden;
    size_t ids = (size_t)c->micro_batch_size * c->top_k;
    attention_run run = { .party = party, .c = c };
    run.rounds = allocate(c->micro_batch_num, sizeof(*run.rounds));
    run.output = allocate(values, sizeof(*run.output));
    run.expected = allocate(values, sizeof(*run.expected));
    for (uint32_t m = 0; m < c->micro_batch_num; m++) {
        run.rounds[m].tokens = allocate(values, sizeof(uint16_t));
        run.rounds[m].expert_ids = allocate(ids, sizeof(int32_t));
        run.rounds[m].expert_scales = allocate(ids, sizeof(float));
    }
    run_traffic(&run);
    check_counters(&run);
    __atomic_store_n(&party->left[party->session], 1, __ATOMIC_RELEASE);
    for (uint32_t m = 0; m < c->micro_batch_num; m++) {
        free(run.rounds[m].expert_scales);
        free(run.rounds[m].expert_ids);
        free(run.rounds[m].tokens);
    }
    free(run.expected);
    free(run.output);
    free(run.rounds);
}
