/* SPDX-License-Identifier: Apache-2.0 */
/* A micro-batch's way round: dispatch, collect, and leaving when no round is under way any more. */
#include <inttypes.h>
#include <string.h>

#include "attention/dispatch.h"
#include "base/error.h"
#include "base/wait.h"
#include "worker/attention_member.h"
#include "worker/attention_worker.h"

/* With a plane, all writers are members', and either have nothing to do here or are links of that plane. */
static void progress(const afd_attention_worker *worker)
{
    if (worker->plane != NULL) {
        afd__plane_progress(worker->plane);
        return;
    }
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (worker->writers[rank] != NULL) {
            afd_writer_progress(worker->writers[rank]);
        }
    }
}

static afd_status check_micro_batch(const afd_attention_worker *worker, uint32_t micro_batch, afd_error *error)
{
    return afd__check_range("micro_batch", micro_batch, 0, worker->shape.micro_batch_num - 1, error);
}

/* ---- dispatch ---- */

static afd_status check_connected(const afd_attention_worker *worker, afd_error *error)
{
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (worker->writers[rank] == NULL) {
            return afd__fail(error, AFD_ERR_INVALID, "writers", worker->connected_num, worker->ffn_num,
                             "%" PRIu32 " of %" PRIu32 " FFN workers are connected; rank %" PRIu32
                             " is the first that is not",
                             worker->connected_num, worker->ffn_num, rank);
        }
    }
    return AFD_OK;
}

static afd_status check_turn(const afd_attention_worker *worker, uint32_t micro_batch, afd_error *error)
{
    uint32_t next = worker->next_micro_batch;
    if (!worker->takes_turns || micro_batch == next) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "micro_batch", micro_batch, next,
                     "micro-batch %" PRIu32 " is dispatched out of turn: all sessions are one sync group, whose FFN "
                     "workers wait for micro-batch %" PRIu32 " next",
                     micro_batch, next);
}

/* With members: what has become of them meanwhile. */
static afd_status check_members(afd_attention_worker *worker, afd__subject about, afd_error *error)
{
    if (worker->member == NULL) {
        return AFD_OK;
    }
    afd__attention_member_listen(worker);
    return afd__attention_member_may_dispatch(worker, about.micro_batch, about.layer_id, error);
}

static afd_status check_dispatch(const afd_attention_worker *worker, uint32_t micro_batch, afd_error *error)
{
    afd_status status = check_connected(worker, error);
    if (status == AFD_OK) {
        status = check_micro_batch(worker, micro_batch, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    const afd__attention_round *round = &worker->rounds[micro_batch];
    if (round->state != AFD__ROUND_CLOSED) {
        return afd__fail(error, AFD_ERR_INVALID, "micro_batch", micro_batch, round->number,
                         "round %" PRIu64 " of micro-batch %" PRIu32 ", at layer %" PRId32
                         ", is under way; it must be collected first",
                         round->number, micro_batch, round->layer_id);
    }
    return check_turn(worker, micro_batch, error);
}

static bool all_descs_are_free(const afd_attention_worker *worker, uint32_t micro_batch)
{
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (!afd_writer_is_free(worker->writers[rank], worker->session, micro_batch)) {
            return false;
        }
    }
    return true;
}

/* What the operator would wait for, waited for in a stage of its own, and with the writers progressed. */
static afd_status wait_for_descs(afd_attention_worker *worker, afd__subject about, afd_wait *wait,
                                 afd_error *error)
{
    afd__waiter waiter;
    afd__stage_begins(&worker->observer, AFD_STAGE_WAIT, about);
    afd_status status = afd__waiter_start(&waiter, wait, &worker->context->control.run_flag, error);
    while (status == AFD_OK && !all_descs_are_free(worker, about.micro_batch)) {
        progress(worker);
        status = check_members(worker, about, error);
        if (status == AFD_OK) {
            status = afd__waiter_idle(&waiter);
        }
    }
    afd__stage_ends(&worker->observer, AFD_STAGE_WAIT, about);
    return status;
}

static void open_round(afd_attention_worker *worker, const afd_dispatch_args *args)
{
    afd__attention_round *round = &worker->rounds[args->micro_batch];
    uint32_t next = args->micro_batch + 1;
    round->state = AFD__ROUND_OPEN;
    round->token_num = args->token_num;
    round->layer_id = args->layer_id;
    if (args->token_num > 0) {
        memcpy(round->expert_ids, args->expert_ids, (size_t)args->token_num * args->top_k * sizeof(int32_t));
    }
    worker->next_micro_batch = next < worker->shape.micro_batch_num ? next : 0;
}

static void count_dispatch(afd_attention_worker *worker, uint32_t token_num)
{
    uint64_t slot_num = (uint64_t)token_num * worker->shape.selected_expert_num;
    worker->counters.micro_batch_num++;
    worker->counters.row_num += slot_num;
    worker->counters.byte_num += slot_num * (worker->sent_bytes + sizeof(int32_t));
}

/*
 * Whether some FFN workers were told of a round before a transport failed: the operator says so with the number of them
 * as the bound. Whatever else it can say about writers was checked when they were connected.
 */
static bool went_out_in_part(afd_status status, const afd_error *refused)
{
    return status < 0 && strcmp(refused->field, "writers") == 0 && refused->bound > 0;
}

static afd_status send_round(afd_attention_worker *worker, const afd_dispatch_args *args, afd_wait *wait,
                             afd_error *error)
{
    afd_error refused;
    afd_status status = afd_attention_dispatch(worker->context, args, wait, &refused);
    if (status == AFD_OK) {
        open_round(worker, args);
        count_dispatch(worker, args->token_num);
    } else if (went_out_in_part(status, &refused)) {
        open_round(worker, args); /* answers will come that are those of no other round */
    }
    if (status < 0 && error != NULL) {
        *error = refused;
    }
    return status;
}

/* A dispatch that failed because a link broke meanwhile is one to an FFN worker that is lost. */
static afd_status explain(afd_attention_worker *worker, afd__subject about, afd_status status, afd_error *error)
{
    afd__attention_member_look_at_links(worker, true);
    afd__attention_member_listen(worker);
    afd_status lost = afd__attention_member_may_dispatch(worker, about.micro_batch, about.layer_id, error);
    return lost == AFD_OK ? status : lost;
}

afd_status afd_attention_worker_dispatch(afd_attention_worker *worker, uint32_t micro_batch, int32_t layer_id,
                                         const void *tokens, uint32_t token_num, const int32_t *expert_ids,
                                         afd_wait *wait, afd_error *error)
{
    const afd__subject about = { micro_batch, layer_id };
    afd_status status = check_members(worker, about, error);
    if (status == AFD_OK) {
        status = check_dispatch(worker, micro_batch, error);
    }
    if (status == AFD_OK) {
        status = wait_for_descs(worker, about, wait, error);
    }
    if (status != AFD_OK && status != AFD_DEADLINE) {
        return status;
    }
    afd_dispatch_args args = worker->dispatch;
    args.micro_batch = micro_batch;
    args.layer_id = layer_id;
    args.round = ++worker->rounds[micro_batch].number; /* also of one that fails: a transport may have told of it */
    args.tokens = tokens;
    args.token_num = token_num;
    args.expert_ids = expert_ids;
    /* After a deadline the operator names who is late; or it goes on, where that desc is not needed. */
    afd__stage_begins(&worker->observer, AFD_STAGE_DISPATCH, about);
    status = send_round(worker, &args, wait, error);
    afd__stage_ends(&worker->observer, AFD_STAGE_DISPATCH, about);
    progress(worker);
    if (status < 0 && worker->plane != NULL) {
        status = explain(worker, about, status, error);
    }
    if (status == AFD_OK && worker->member != NULL) {
        afd__attention_member_count_dispatch(worker, micro_batch);
    }
    return status;
}

bool afd_attention_worker_is_idle(const afd_attention_worker *worker)
{
    bool all_are_idle = true;
    progress(worker);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        all_are_idle = all_are_idle && afd_writer_is_idle(worker->writers[rank]);
    }
    return all_are_idle;
}

/* ---- collect ---- */

/* The caller's wait, with the writers progressed before its poll. With members, news of them ends it as a stop does:
 * the operator looks at a stop word of ours, which stands for the caller's as well. */
typedef struct progressing_wait {
    const afd_attention_worker *worker;
    const afd_wait *theirs; /* or NULL */
    afd_wait wait;
    int32_t stop;           /* with members: 1 when the caller's word says so, or there is news */
    bool has_news;
} progressing_wait;

static bool wants_stop(const progressing_wait *ours)
{
    return ours->theirs != NULL && afd__stop_requested(NULL, ours->theirs->stop);
}

static void look_for_news(progressing_wait *ours)
{
    if (ours->worker->plane != NULL) {
        afd__attention_member_look_at_links(ours->worker, false);
    }
    ours->has_news = !wants_stop(ours) && afd__ties_have_news(&ours->worker->member->ties);
    ours->stop = ours->has_news || wants_stop(ours);
}

static void progress_and_poll(void *argument)
{
    progressing_wait *ours = argument;
    progress(ours->worker);
    if (ours->worker->member != NULL) {
        look_for_news(ours);
    }
    if (ours->theirs != NULL && ours->theirs->poll != NULL) {
        ours->theirs->poll(ours->theirs->poll_arg);
    }
}

/* Waits until the results are there, or cannot come any more. What is there already is collected, whoever has died
 * since; so each piece of news is followed by one more look before it is acted upon. */
static afd_status schedule_with_members(afd_attention_worker *worker, uint32_t micro_batch, progressing_wait *ours,
                                        afd_error *error)
{
    ours->wait.stop = &ours->stop;
    for (;;) {
        afd_status status = afd_attention_schedule_poll(worker->context, micro_batch, NULL, error);
        if (status != AFD_NOT_YET) {
            return status;
        }
        afd__attention_member_listen(worker);
        status = afd__attention_member_may_end(worker, micro_batch, error);
        if (status != AFD_OK) {
            return status;
        }
        ours->stop = wants_stop(ours);
        ours->has_news = false;
        status = afd_attention_schedule(worker->context, micro_batch, &ours->wait, NULL, error);
        if (status != AFD_STOPPED || !ours->has_news) {
            return status;
        }
    }
}

/* The operator waits, which remembers between its passes how many flags it has seen. */
static afd_status wait_and_schedule(afd_attention_worker *worker, uint32_t micro_batch, afd_wait *wait,
                                    afd_error *error)
{
    progressing_wait ours = { .worker = worker, .theirs = wait, .wait = AFD_WAIT_INIT(AFD_WAIT_YIELD) };
    if (wait != NULL) {
        afd_status status = afd__wait_check(wait, error);
        if (status != AFD_OK) {
            return status;
        }
        ours.wait = *wait;
    }
    ours.wait.poll = progress_and_poll;
    ours.wait.poll_arg = &ours;
    progress(worker);
    afd_status status = worker->member == NULL
                            ? afd_attention_schedule(worker->context, micro_batch, &ours.wait, NULL, error)
                            : schedule_with_members(worker, micro_batch, &ours, error);
    if (wait != NULL) {
        wait->late_num = ours.wait.late_num;
        wait->unpolled_pass_num = ours.wait.unpolled_pass_num;
        wait->empty_pass_num = ours.wait.empty_pass_num;
    }
    return status;
}

/* Brings an open round to its end: all results are here. */
static afd_status complete_round(afd_attention_worker *worker, uint32_t micro_batch, afd_wait *wait, afd_error *error)
{
    afd__attention_round *round = &worker->rounds[micro_batch];
    const afd__subject about = { micro_batch, round->layer_id };
    if (round->state != AFD__ROUND_OPEN) {
        return AFD_OK;
    }
    afd__stage_begins(&worker->observer, AFD_STAGE_WAIT, about);
    afd_status status = wait_and_schedule(worker, micro_batch, wait, error);
    afd__stage_ends(&worker->observer, AFD_STAGE_WAIT, about);
    if (status == AFD_OK) {
        round->state = AFD__ROUND_COMPLETE;
    }
    return status;
}

static afd_status combine(afd_attention_worker *worker, uint32_t micro_batch, const float *expert_scales, void *output,
                          afd_error *error)
{
    const afd__attention_round *round = &worker->rounds[micro_batch];
    const afd__subject about = { micro_batch, round->layer_id };
    afd_combine_args args = AFD_COMBINE_ARGS_INIT;
    args.token_num = round->token_num;
    args.top_k = worker->top_k;
    args.hidden = worker->hidden;
    args.type = worker->type;
    args.expert_scales = expert_scales;
    args.output = output;
    /* The operator reads the micro-batch that the context names, and another may have been completed since. */
    worker->context->attention.micro_batch_id = micro_batch;
    afd__stage_begins(&worker->observer, AFD_STAGE_COMBINE, about);
    afd_status status = afd_attention_combine(worker->context, &args, NULL, error);
    afd__stage_ends(&worker->observer, AFD_STAGE_COMBINE, about);
    return status;
}

afd_status afd_attention_worker_collect(afd_attention_worker *worker, uint32_t micro_batch, const float *expert_scales,
                                        void *output, afd_wait *wait, afd_error *error)
{
    afd_status status = check_micro_batch(worker, micro_batch, error);
    if (status == AFD_OK && worker->rounds[micro_batch].state == AFD__ROUND_CLOSED) {
        status = afd__fail(error, AFD_ERR_INVALID, "micro_batch", micro_batch, 0,
                           "micro-batch %" PRIu32 " is not under way; it must be dispatched first", micro_batch);
    }
    if (status == AFD_OK) {
        status = complete_round(worker, micro_batch, wait, error);
    }
    if (status == AFD_OK) {
        status = combine(worker, micro_batch, expert_scales, output, error);
    }
    if (status == AFD_OK) {
        worker->rounds[micro_batch].state = AFD__ROUND_CLOSED;
        worker->counters.step_num++;
    }
    if (status == AFD_OK && worker->member != NULL) {
        afd__attention_member_count_collect(worker);
    }
    return status;
}

int32_t afd_attention_worker_late_rank(const afd_attention_worker *worker, uint32_t micro_batch, uint32_t token,
                                       uint32_t slot)
{
    const afd_shape *shape = &worker->shape;
    const afd_expert_table *table = &worker->experts;
    if (micro_batch >= shape->micro_batch_num || slot >= shape->selected_expert_num) {
        return -1;
    }
    const afd__attention_round *round = &worker->rounds[micro_batch];
    if (round->state != AFD__ROUND_OPEN || token >= round->token_num) {
        return -1;
    }
    /* As dispatch found it, whose checks these numbers have passed. */
    uint64_t expert = slot < worker->top_k
                          ? (uint64_t)round->expert_ids[(size_t)token * worker->top_k + slot]
                          : (uint64_t)table->expert_num - shape->selected_expert_num + slot;
    uint64_t layer = table->layer_num == 1 ? 0 : (uint64_t)round->layer_id;
    const int32_t *row = table->entries + (layer * table->expert_num + expert) * table->width;
    return afd__dispatch_home(row, worker->session).rank;
}

/* ---- leaving ---- */

static void close_round(afd_attention_worker *worker, uint32_t micro_batch)
{
    worker->rounds[micro_batch].state = AFD__ROUND_CLOSED;
}

/* With members, rounds that cannot end are given up, and the first of them says why; everybody is told goodbye. */
static afd_status leave_members(afd_attention_worker *worker, afd_wait *wait, afd_error *error)
{
    afd_status lost = AFD_OK;
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        afd_status status = complete_round(worker, m, wait, lost == AFD_OK ? error : NULL);
        if (status == AFD_ERR_PEER) {
            lost = status;
            worker->member->lost_round_num++;
        } else if (status != AFD_OK) {
            return status;
        }
        close_round(worker, m);
    }
    afd_status status = afd__attention_member_leave(worker, wait, lost == AFD_OK ? error : NULL);
    return status == AFD_OK ? lost : status;
}

afd_status afd_attention_worker_leave(afd_attention_worker *worker, afd_wait *wait, afd_error *error)
{
    afd_status status = AFD_OK;
    if (worker->member != NULL) {
        return leave_members(worker, wait, error);
    }
    for (uint32_t m = 0; status == AFD_OK && m < worker->shape.micro_batch_num; m++) {
        status = complete_round(worker, m, wait, error);
        if (status == AFD_OK) {
            close_round(worker, m);
        }
    }
    return status;
}
