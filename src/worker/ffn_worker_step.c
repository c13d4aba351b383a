/* SPDX-License-Identifier: Apache-2.0 */
/* A step of an FFN worker: take, batch, experts, reply. */
#include <inttypes.h>

#include "base/error.h"
#include "base/wait.h"
#include "worker/ffn_member.h"
#include "worker/ffn_worker.h"

static const afd__subject several = { AFD_MICRO_BATCH_ANY, -1 };

/* With a plane, all writers are members', and either have nothing to do here or are links of that plane. */
static void progress(const afd_ffn_worker *worker)
{
    if (worker->plane != NULL) {
        afd__plane_progress(worker->plane);
        return;
    }
    for (uint32_t s = 0; s < worker->shape.session_num; s++) {
        if (worker->writers[s] != NULL) {
            afd_writer_progress(worker->writers[s]);
        }
    }
}

/* The first session from `from` on whose answers are still on their way; S if there is none. */
static uint32_t next_busy(const afd_ffn_worker *worker, uint32_t from)
{
    uint32_t s = from;
    while (s < worker->shape.session_num && afd_writer_is_idle(worker->writers[s])) {
        s++;
    }
    return s;
}

static bool is_idle(const afd_ffn_worker *worker)
{
    return next_busy(worker, 0) == worker->shape.session_num;
}

/* Not before the last answers have left, for the next ones are written where they stand. */
static afd_status look(afd_ffn_worker *worker, uint32_t *taken_num, afd_error *error)
{
    progress(worker);
    if (!is_idle(worker)) {
        return AFD_NOT_YET;
    }
    afd__stage_begins(&worker->observer, AFD_STAGE_SCHEDULE, several);
    return afd_ffn_schedule_poll(worker->context, &worker->schedule, taken_num, error);
}

afd_status afd__ffn_worker_take(afd_ffn_worker *worker, uint32_t *taken_num, afd_error *error)
{
    if (worker->member == NULL) {
        return look(worker, taken_num, error);
    }
    afd__ffn_member_before_take(worker);
    afd_status status = look(worker, taken_num, error);
    if (status == AFD_OK) {
        afd__ffn_member_after_take(worker);
    }
    return status;
}

/* The micro-batch and the layer that all taken sessions share. */
static afd__subject subject_of(const afd_schedule_context *context, uint32_t taken_num)
{
    const int32_t *micro_batch_ids = afd_context_micro_batch_ids(context);
    const int32_t *layer_ids = afd_context_layer_ids(context);
    afd__subject about = { (uint32_t)micro_batch_ids[0], layer_ids[0] };
    for (uint32_t k = 1; k < taken_num; k++) {
        if ((uint32_t)micro_batch_ids[k] != about.micro_batch) {
            about.micro_batch = AFD_MICRO_BATCH_ANY;
        }
        if (layer_ids[k] != about.layer_id) {
            about.layer_id = -1;
        }
    }
    return about;
}

/* A wild id costs its session the place, so that nobody waits for it any more. */
static void drop_wild(afd_ffn_worker *worker, afd_wild_id *wild)
{
    const afd_ffn_batch_out *out = &worker->out;
    for (uint32_t i = 0; i < out->wild_num; i++) {
        if (worker->member != NULL) {
            afd__ffn_member_drop_wild(worker, &out->wild[i]);
        } else {
            (void)afd_ffn_worker_drop(worker, out->wild[i].session, NULL); /* in range: batching has checked it */
        }
    }
    if (out->wild_num > 0 && wild != NULL) {
        *wild = out->wild[0];
    }
    worker->counters.wild_num += out->wild_num;
}

static afd_status run_experts(afd_ffn_worker *worker, afd__subject about, afd_error *error)
{
    const afd_ffn_batch_out *out = &worker->out;
    const afd_experts_call call = {
        .tokens = out->tokens,
        .type = worker->batch.type,
        .dynamic_scale = out->dynamic_scale,
        .hidden = worker->hidden,
        .row_num = out->row_num,
        .group_list = out->group_list,
        .group_num = out->group_num,
        .session_ids = out->session_ids,
        .micro_batch_ids = out->micro_batch_ids,
        .token_ids = out->token_ids,
        .expert_offsets = out->expert_offsets,
        .results = worker->results,
        .result_type = worker->result_type,
    };
    if (out->row_num == 0) {
        return AFD_OK;
    }
    afd__stage_begins(&worker->observer, AFD_STAGE_EXPERTS, about);
    afd_status status = worker->experts(worker->experts_arg, &call);
    afd__stage_ends(&worker->observer, AFD_STAGE_EXPERTS, about);
    if (status != AFD_OK) {
        (void)afd__fail(error, status, "experts", (uint64_t)(int64_t)status, AFD_OK,
                        "the experts ended with %s (%d) for a batch of %" PRIu64 " rows, whose sessions got no answer",
                        afd_status_name(status), (int)status, out->row_num);
    }
    return status;
}

/* The rounds of all taken sessions, those without a row too; not of those that were dropped. Returns their number. */
static uint32_t list_rounds(afd_ffn_worker *worker, uint32_t taken_num)
{
    const int32_t *session_ids = afd_context_session_ids(worker->context);
    const int32_t *micro_batch_ids = afd_context_micro_batch_ids(worker->context);
    const int32_t *layer_ids = afd_context_layer_ids(worker->context);
    uint32_t round_num = 0;
    for (uint32_t k = 0; k < taken_num; k++) {
        uint32_t session = (uint32_t)session_ids[k];
        uint32_t micro_batch = (uint32_t)micro_batch_ids[k];
        if (worker->writers[session] == NULL) {
            continue;
        }
        worker->rounds[round_num++] = (afd_round){
            .session = session,
            .micro_batch = micro_batch,
            .layer_id = layer_ids[k],
            .number = ++worker->round_numbers[(size_t)session * worker->shape.micro_batch_num + micro_batch],
        };
    }
    return round_num;
}

static afd_status reply(afd_ffn_worker *worker, uint32_t round_num, afd__subject about, afd_error *error)
{
    const afd_ffn_batch_out *out = &worker->out;
    afd_ffn_reply_args args = AFD_FFN_REPLY_ARGS_INIT;
    args.rows = worker->results;
    args.row_num = out->row_num;
    args.hidden = worker->hidden;
    args.type = worker->result_type;
    args.session_ids = out->session_ids;
    args.micro_batch_ids = out->micro_batch_ids;
    args.token_ids = out->token_ids;
    args.expert_offsets = out->expert_offsets;
    args.writers = worker->writers;
    args.writer_num = worker->shape.session_num;
    args.rounds = worker->rounds;
    args.round_num = round_num;
    afd__stage_begins(&worker->observer, AFD_STAGE_REPLY, about);
    afd_status status = afd_ffn_reply(&args, error);
    afd__stage_ends(&worker->observer, AFD_STAGE_REPLY, about);
    return status;
}

static void count(afd_ffn_worker *worker, uint32_t round_num)
{
    uint64_t row_num = worker->out.row_num;
    worker->counters.step_num++;
    worker->counters.micro_batch_num += round_num;
    worker->counters.row_num += row_num;
    worker->counters.byte_num += row_num * (2 * (uint64_t)worker->hidden + sizeof(int32_t));
}

afd_status afd__ffn_worker_answer(afd_ffn_worker *worker, uint32_t taken_num, afd_wild_id *wild, afd_error *error)
{
    afd__subject about = subject_of(worker->context, taken_num);
    worker->has_taken = true;
    afd__stage_ends(&worker->observer, AFD_STAGE_SCHEDULE, about);
    afd__stage_begins(&worker->observer, AFD_STAGE_BATCH, about);
    afd_status status = afd_ffn_batch(worker->context, &worker->batch, &worker->out, NULL, error);
    afd__stage_ends(&worker->observer, AFD_STAGE_BATCH, about);
    if (status != AFD_OK) {
        return status;
    }
    drop_wild(worker, wild);
    uint32_t round_num = list_rounds(worker, taken_num);
    status = run_experts(worker, about, error);
    if (status == AFD_OK) {
        status = reply(worker, round_num, about, error);
    }
    if (status == AFD_OK) {
        count(worker, round_num);
    }
    if (status == AFD_OK && worker->member != NULL) {
        afd__ffn_member_count(worker, round_num);
    }
    return status;
}

/* So that a caller sees whether there was one. */
static void clear_wild(afd_wild_id *wild)
{
    if (wild != NULL) {
        *wild = (afd_wild_id){ .expert_id = AFD_EXPERT_ID_NONE };
    }
}

afd_status afd_ffn_worker_step(afd_ffn_worker *worker, afd_wild_id *wild, afd_error *error)
{
    uint32_t taken_num = 0;
    clear_wild(wild);
    afd_status status = afd__ffn_worker_take(worker, &taken_num, error);
    return status == AFD_OK ? afd__ffn_worker_answer(worker, taken_num, wild, error) : status;
}

/* Takes, idling between the looks. That nobody is live is believed when poll had one chance to change it. */
static afd_status wait_and_take(afd_ffn_worker *worker, afd__waiter *waiter, uint32_t *taken_num, afd_error *error)
{
    bool nobody_was_there = false;
    for (;;) {
        afd_status status = afd__ffn_worker_take(worker, taken_num, error);
        bool nobody_is_there = status == AFD_NOBODY_LIVE;
        if (status != AFD_NOT_YET && (!nobody_is_there || nobody_was_there)) {
            return status;
        }
        nobody_was_there = nobody_is_there;
        status = afd__waiter_idle(waiter);
        if (status != AFD_OK) {
            return status;
        }
    }
}

/* Names the sessions that do not take their answers. */
static void report_busy(const afd_ffn_worker *worker, const afd__waiter *waiter)
{
    uint64_t now_ns = afd_clock_ns();
    for (uint32_t s = next_busy(worker, 0); s < worker->shape.session_num; s = next_busy(worker, s + 1)) {
        afd_late late = {
            .session = s,
            .micro_batch = AFD_MICRO_BATCH_ANY,
            .flag = AFD_FLAG_FREE,
            .silent_ns = now_ns > waiter->began_ns ? now_ns - waiter->began_ns : 0,
        };
        afd__wait_add_late(waiter->wait, late);
    }
}

afd_status afd_ffn_worker_await(afd_ffn_worker *worker, afd_wait *wait, afd_wild_id *wild, afd_error *error)
{
    afd__waiter waiter;
    uint32_t taken_num = 0;
    clear_wild(wild);
    afd_status status = afd__waiter_start(&waiter, wait, &worker->context->control.run_flag, error);
    if (status == AFD_OK) {
        status = wait_and_take(worker, &waiter, &taken_num, error);
    }
    if (status == AFD_DEADLINE && !is_idle(worker)) {
        report_busy(worker, &waiter);
    } else if (status == AFD_DEADLINE) {
        /* The operator names who is late; or it takes what has come in this moment. */
        status = afd_ffn_schedule(worker->context, &worker->schedule, wait, &taken_num, error);
        if (status == AFD_OK && worker->member != NULL) {
            afd__ffn_member_after_take(worker);
        }
    }
    return status == AFD_OK ? afd__ffn_worker_answer(worker, taken_num, wild, error) : status;
}
