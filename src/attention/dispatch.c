/* SPDX-License-Identifier: Apache-2.0 */
#include "attention/dispatch.h"

#include <inttypes.h>
#include <string.h>

#include "attention/quantize.h"
#include "base/error.h"
#include "base/wait.h"

/* ---- to whom ---- */

/*
 * Which of RANKS_AT_ONCE writers get a token. There may be any number of writers and nothing is allocated, so where
 * only ranks with tokens count the routes are walked once for so many; one walk is enough for every world that is
 * known.
 */
enum { RANKS_AT_ONCE = 1024 };

typedef struct rank_set {
    uint32_t first;
    uint32_t num; /* writers [first, first + num) are known; 0 at the start */
    uint64_t masks[RANKS_AT_ONCE / 64];
} rank_set;

static void mark_ranks(const afd__dispatch_plan *plan, rank_set *ranks, uint32_t first)
{
    *ranks = (rank_set){ .first = first, .num = RANKS_AT_ONCE };
    for (uint32_t token = 0; token < plan->active_num; token++) {
        for (uint32_t slot = 0; slot < plan->slot_num; slot++) {
            const int32_t *row = afd__dispatch_row(plan, afd__dispatch_expert(plan, token, slot));
            afd__expert_home home = afd__dispatch_home(row, plan->round.session);
            uint32_t number = afd__dispatch_writer(plan, home.rank) - first; /* far beyond for those before `first` */
            if (number < RANKS_AT_ONCE) {
                ranks->masks[number / 64] |= UINT64_C(1) << number % 64;
            }
        }
    }
}

/* The first writer from `from` on that will be published to; writer_num if there is none. */
static uint32_t next_rank(const afd__dispatch_plan *plan, rank_set *ranks, uint32_t from)
{
    if (!plan->only_ranks_with_tokens) {
        return from;
    }
    for (; from < plan->writer_num; from++) {
        if (from - ranks->first >= ranks->num) {
            mark_ranks(plan, ranks, from);
        }
        uint32_t number = from - ranks->first;
        if ((ranks->masks[number / 64] >> number % 64 & 1) != 0) {
            break;
        }
    }
    return from;
}

/* ---- waiting until their descs are free ---- */

static bool is_free(const afd__dispatch_plan *plan, uint32_t rank)
{
    return afd_writer_is_free(plan->writers[rank], plan->round.session, plan->round.micro_batch);
}

/* One pass. A desc that was seen free stays free, for only we publish it; so a pass begins at the one that the last
 * pass ended at. */
static bool all_are_free(const afd__dispatch_plan *plan, rank_set *ranks, uint32_t *awaited)
{
    uint32_t rank = next_rank(plan, ranks, *awaited);
    while (rank < plan->writer_num && is_free(plan, rank)) {
        rank = next_rank(plan, ranks, rank + 1);
    }
    *awaited = rank;
    return rank >= plan->writer_num;
}

/* Also of writers whose desc is free: what one rank still has to get of us can be what another one waits for before it
 * gives its desc back. */
static void progress(const afd__dispatch_plan *plan)
{
    for (uint32_t rank = 0; rank < plan->writer_num; rank++) {
        afd_writer_progress(plan->writers[rank]);
    }
}

static void report_late(const afd__dispatch_plan *plan, rank_set *ranks, const afd__waiter *waiter)
{
    uint64_t now_ns = afd_clock_ns();
    for (uint32_t rank = next_rank(plan, ranks, 0); rank < plan->writer_num; rank = next_rank(plan, ranks, rank + 1)) {
        if (!is_free(plan, rank)) {
            afd_late late = {
                .session = rank,
                .micro_batch = plan->round.micro_batch,
                .flag = AFD_FLAG_READY, /* the only one that is not free */
                .silent_ns = now_ns > waiter->began_ns ? now_ns - waiter->began_ns : 0,
            };
            afd__wait_add_late(waiter->wait, late);
        }
    }
}

static afd_status await_free(const afd__dispatch_plan *plan, rank_set *ranks, afd_wait *wait, afd_error *error)
{
    afd__waiter waiter;
    uint32_t awaited = 0;
    afd_status status = afd__waiter_start(&waiter, wait, plan->run_flag, error);
    while (status == AFD_OK && !all_are_free(plan, ranks, &awaited)) {
        progress(plan);
        status = afd__waiter_idle(&waiter);
    }
    if (status == AFD_DEADLINE) {
        report_late(plan, ranks, &waiter);
    }
    return status;
}

/* ---- sending ---- */

/* What a transport refused, and which. */
typedef struct refusal {
    uint32_t rank;
    uint32_t published_num;
    afd_error cause;
} refusal;

/* Takes back what was put and not published, everywhere, and says what became of the round. */
static __attribute__((cold)) afd_status give_up(const afd__dispatch_plan *plan, afd_status status,
                                                const refusal *refused, afd_error *error)
{
    for (uint32_t rank = 0; rank < plan->writer_num; rank++) {
        afd_writer_discard(plan->writers[rank], plan->round.session, plan->round.micro_batch);
    }
    (void)afd__fail(error, status, "writers", refused->rank, refused->published_num,
                    "writer %" PRIu32 " (%s): %.150s; published to %" PRIu32 " writers, the rest was taken back",
                    refused->rank, plan->writers[refused->rank]->ops->name, refused->cause.message,
                    refused->published_num);
    if (error != NULL) {
        error->system_error = refused->cause.system_error;
    }
    return status;
}

/* The slots of one quantised token. Without smooth scales they are all the same and the first is copied. */
static afd_status send_quantized(const afd__dispatch_plan *plan, const afd_place *place, const uint16_t *token,
                                 uint32_t expert, uint32_t rank, const void **first, afd_error *error)
{
    void *row = NULL;
    afd_status status = afd_writer_stage(plan->writers[rank], place, &row, error);
    if (status != AFD_OK) {
        return status;
    }
    afd__quantize_work work = { .token = token, .hidden = plan->hidden, .type = plan->type };
    if (plan->smooth_scales != NULL) {
        work.smooth_scales = plan->smooth_scales + (size_t)expert * plan->hidden;
        afd__quantize_token(row, &work);
    } else if (*first == NULL) {
        afd__quantize_token(row, &work);
        *first = row;
    } else {
        memcpy(row, *first, afd_token_bytes(AFD_TOKEN_INT8, plan->hidden));
    }
    return AFD_OK;
}

/* Puts one token into all its slots. */
static afd_status send_token(const afd__dispatch_plan *plan, uint32_t token, refusal *refused)
{
    size_t row_bytes = afd_token_bytes(plan->type, plan->hidden);
    const char *row = plan->tokens + token * row_bytes;
    const void *quantized = NULL;
    afd_status status = AFD_OK;
    for (uint32_t slot = 0; slot < plan->slot_num && status == AFD_OK; slot++) {
        uint32_t expert = afd__dispatch_expert(plan, token, slot);
        afd__expert_home home = afd__dispatch_home(afd__dispatch_row(plan, expert), plan->round.session);
        uint32_t rank = afd__dispatch_writer(plan, home.rank);
        const afd_place place = { plan->round.session, plan->round.micro_batch, token, slot, home.expert_id };
        refused->rank = rank;
        status = plan->quantize ? send_quantized(plan, &place, (const uint16_t *)(const void *)row, expert, rank,
                                                 &quantized, &refused->cause)
                                : afd_writer_put(plan->writers[rank], &place, row, row_bytes, &refused->cause);
    }
    return status;
}

static afd_status send_all(const afd__dispatch_plan *plan, rank_set *ranks, refusal *refused)
{
    afd_status status = AFD_OK;
    for (uint32_t token = 0; token < plan->active_num && status == AFD_OK; token++) {
        status = send_token(plan, token, refused);
    }
    for (uint32_t rank = next_rank(plan, ranks, 0); status == AFD_OK && rank < plan->writer_num;
         rank = next_rank(plan, ranks, rank + 1)) {
        refused->rank = rank;
        status = afd_writer_publish(plan->writers[rank], &plan->round, &refused->cause);
        refused->published_num += status == AFD_OK;
    }
    return status;
}

/* Nobody will answer for what was not sent. */
static void answer_unsent(const afd__dispatch_plan *plan)
{
    for (size_t i = (size_t)plan->active_num * plan->slot_num; i < plan->own_flag_num; i++) {
        afd__slot_publish(&plan->own_flags[i]);
    }
}

afd_status afd_attention_dispatch(afd_schedule_context *context, const afd_dispatch_args *args, afd_wait *wait,
                                  afd_error *error)
{
    afd__dispatch_plan plan;
    rank_set ranks;
    refusal refused;
    afd_status status = afd__dispatch_plan_make(&plan, context, args, error);
    if (status != AFD_OK) {
        return status;
    }
    ranks.first = 0;
    ranks.num = 0;
    status = await_free(&plan, &ranks, wait, error);
    if (status != AFD_OK) {
        return status;
    }
    refused.published_num = 0;
    refused.cause.message[0] = '\0'; /* for a transport that fails without a word */
    refused.cause.system_error = 0;
    status = send_all(&plan, &ranks, &refused);
    if (status != AFD_OK) {
        return give_up(&plan, status, &refused, error);
    }
    answer_unsent(&plan);
    return AFD_OK;
}
