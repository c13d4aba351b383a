/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of rounds when an FFN worker is lost, or has dropped this session, or wants to end. */
#include "worker/attention_member.h"

#include <inttypes.h>

#include "base/error.h"
#include "window/handover.h"
#include "window/stats.h"
#include "worker/member/event.h"

/* ---- news ---- */

static bool is_trouble(const afd__tie *tie)
{
    return tie->state == AFD__TIE_LOST || tie->state == AFD__TIE_DROPPED;
}

/* The first open round, which is what an event is about. */
static void describe_round(const afd_attention_worker *worker, afd_event *event)
{
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        if (worker->rounds[m].state == AFD__ROUND_OPEN) {
            event->micro_batch = m;
            event->layer_id = worker->rounds[m].layer_id;
            return;
        }
    }
}

/* A tie as it stood under the lock, and what is new of it. */
typedef struct tie_news {
    afd__tie tie;
    uint32_t rank;
    bool has_trouble;
    bool is_draining;
    bool has_returned;
} tie_news;

static afd_event event_of(const afd_attention_worker *worker, const tie_news *news, afd_event_kind kind)
{
    uint64_t now_ns = afd_clock_ns();
    afd_event event = afd__event_make(kind, news->rank);
    event.pid = news->tie.pid;
    event.epoch = news->tie.epoch;
    event.silent_ns = now_ns > news->tie.heard_ns ? now_ns - news->tie.heard_ns : 0;
    describe_round(worker, &event);
    return event;
}

static void show_trouble(const afd_attention_worker *worker, uint32_t rank)
{
    afd_member_stats *stats = afd__window_own_member_stats(worker->window, rank);
    afd__stat_set(&stats->state, AFD_MEMBER_DROPPED);
    afd__stat_add(&stats->drop_num, 1);
    afd__stat_add(&afd__window_own_worker_stats(worker->window)->drop_num, 1);
}

static void tell_trouble(const afd_attention_worker *worker, const tie_news *news)
{
    const struct afd__attention_member *member = worker->member;
    const char *name = member->ties.names[news->rank];
    bool is_lost = news->tie.state == AFD__TIE_LOST;
    afd_event event = event_of(worker, news, is_lost ? AFD_EVENT_LOST : AFD_EVENT_DROPPED);
    event.reason = news->tie.reason;
    show_trouble(worker, news->rank);
    if (is_lost) {
        afd__event_tell(&member->options, event, "FFN worker %" PRIu32 " (%s, process %" PRIu32 ") is lost: %s",
                        news->rank, name, news->tie.pid, afd_drop_reason_text(news->tie.reason));
    } else {
        afd__event_tell(&member->options, event, "FFN worker %" PRIu32 " (%s, process %" PRIu32 "): %.200s",
                        news->rank, name, news->tie.pid, news->tie.text);
    }
}

static void tell(const afd_attention_worker *worker, const tie_news *news)
{
    const struct afd__attention_member *member = worker->member;
    const char *name = member->ties.names[news->rank];
    if (news->has_trouble) {
        tell_trouble(worker, news);
    }
    if (news->is_draining) {
        afd__event_tell(&member->options, event_of(worker, news, AFD_EVENT_DRAINING),
                        "FFN worker %" PRIu32 " (%s, process %" PRIu32 ") wants to end", news->rank, name,
                        news->tie.pid);
    }
    if (news->has_returned) {
        afd__event_tell(&member->options, event_of(worker, news, AFD_EVENT_RETURNED),
                        "FFN worker %" PRIu32 " (%s, process %" PRIu32 ") is there again", news->rank, name,
                        news->tie.pid);
    }
}

/* Under the lock. */
static tie_news look_at(afd_attention_worker *worker, uint32_t rank)
{
    struct afd__attention_member *member = worker->member;
    afd__tie *tie = &member->ties.ties[rank];
    tie_news news = {
        .tie = *tie,
        .rank = rank,
        .has_trouble = is_trouble(tie) && !tie->is_told_of_trouble,
        .is_draining = tie->is_draining && !tie->is_told_of_drain,
        .has_returned = tie->has_returned && !tie->is_told_of_return,
    };
    tie->is_told_of_trouble = is_trouble(tie);
    tie->is_told_of_drain = tie->is_draining;
    tie->is_told_of_return = tie->has_returned;
    member->is_troubled = member->is_troubled || news.has_trouble;
    member->is_draining = member->is_draining || news.is_draining;
    member->has_returned = member->has_returned || news.has_returned;
    return news;
}

void afd__attention_member_hear(afd_attention_worker *worker)
{
    afd__ties *ties = &worker->member->ties;
    afd__ties_lock(ties);
    afd__ties_settle(ties);
    afd__ties_unlock(ties);
    for (uint32_t rank = 0; worker->member->is_joined && rank < worker->ffn_num; rank++) {
        afd__ties_lock(ties);
        tie_news news = look_at(worker, rank);
        afd__ties_unlock(ties);
        tell(worker, &news);
    }
}

/* ---- what follows for rounds ---- */

static bool is_wanting_to_end(const afd__tie *tie)
{
    return tie->is_draining;
}

/* The first rank of which `is_so` says so, copied; false if there is none. */
static bool find_tie(const afd_attention_worker *worker, bool (*is_so)(const afd__tie *tie), tie_news *found)
{
    afd__ties *ties = &worker->member->ties;
    bool is_found = false;
    afd__ties_lock(ties);
    for (uint32_t rank = 0; !is_found && rank < worker->ffn_num; rank++) {
        is_found = !ties->ties[rank].is_missing && is_so(&ties->ties[rank]);
        if (is_found) {
            *found = (tie_news){ .tie = ties->ties[rank], .rank = rank };
        }
    }
    afd__ties_unlock(ties);
    return is_found;
}

static const char *trouble_of(const tie_news *news)
{
    return news->tie.state == AFD__TIE_LOST ? "is lost" : "has dropped this session";
}

static afd_status fail_peer(const afd_attention_worker *worker, const tie_news *news, uint32_t micro_batch,
                            int32_t layer_id, uint64_t slot_num, afd_error *error)
{
    return afd__fail(error, AFD_ERR_PEER, "rank", news->rank, micro_batch,
                     "FFN worker %" PRIu32 " (%s, process %" PRIu32 ") %s: %s; micro-batch %" PRIu32
                     ", layer %" PRId32 ", waits for %" PRIu64 " slots of it",
                     news->rank, worker->member->ties.names[news->rank], news->tie.pid, trouble_of(news),
                     afd_drop_reason_text(news->tie.reason), micro_batch, layer_id, slot_num);
}

static afd_status fail_dispatch(const afd_attention_worker *worker, uint32_t micro_batch, int32_t layer_id,
                                afd_error *error)
{
    const struct afd__attention_member *member = worker->member;
    tie_news news;
    if (find_tie(worker, is_trouble, &news)) {
        return afd__fail(error, AFD_ERR_PEER, "rank", news.rank, micro_batch,
                         "FFN worker %" PRIu32 " (%s, process %" PRIu32 ") %s: %s; micro-batch %" PRIu32
                         ", layer %" PRId32 ", was not sent",
                         news.rank, member->ties.names[news.rank], news.tie.pid, trouble_of(&news),
                         afd_drop_reason_text(news.tie.reason), micro_batch, layer_id);
    }
    if (find_tie(worker, is_wanting_to_end, &news)) {
        return afd__fail(error, AFD_ERR_PEER, "draining", news.rank, micro_batch,
                         "FFN worker %" PRIu32 " (%s, process %" PRIu32 ") wants to end; micro-batch %" PRIu32
                         ", layer %" PRId32 ", was not sent",
                         news.rank, member->ties.names[news.rank], news.tie.pid, micro_batch, layer_id);
    }
    return afd__fail(error, AFD_ERR_PEER, "worker", 0, micro_batch,
                     "the worker has left its FFN workers and not joined them again; micro-batch %" PRIu32
                     " was not sent",
                     micro_batch);
}

afd_status afd__attention_member_may_dispatch(const afd_attention_worker *worker, uint32_t micro_batch,
                                              int32_t layer_id, afd_error *error)
{
    const struct afd__attention_member *member = worker->member;
    if (member->is_joined && !member->is_troubled && !member->is_draining) {
        return AFD_OK;
    }
    return fail_dispatch(worker, micro_batch, layer_id, error);
}

/* Slots of an open round that are still to come from a rank. */
static uint64_t count_missing(const afd_attention_worker *worker, uint32_t micro_batch, uint32_t rank)
{
    const int32_t *flags = afd_window_slot_flags(worker->window, micro_batch);
    uint32_t slots_a_token = worker->shape.selected_expert_num;
    uint64_t missing_num = 0;
    for (uint32_t token = 0; token < worker->rounds[micro_batch].token_num; token++) {
        for (uint32_t slot = 0; slot < slots_a_token; slot++) {
            bool is_there = afd__slot_is_ready(&flags[(size_t)token * slots_a_token + slot]);
            missing_num += !is_there && afd_attention_worker_late_rank(worker, micro_batch, token, slot) ==
                                            (int32_t)rank;
        }
    }
    return missing_num;
}

afd_status afd__attention_member_may_end(const afd_attention_worker *worker, uint32_t micro_batch, afd_error *error)
{
    afd__ties *ties = &worker->member->ties;
    if (!worker->member->is_troubled) {
        return AFD_OK;
    }
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd__ties_lock(ties);
        const tie_news news = { .tie = ties->ties[rank], .rank = rank };
        afd__ties_unlock(ties);
        uint64_t missing_num = is_trouble(&news.tie) ? count_missing(worker, micro_batch, rank) : 0;
        if (missing_num > 0) {
            return fail_peer(worker, &news, micro_batch, worker->rounds[micro_batch].layer_id, missing_num, error);
        }
    }
    return AFD_OK;
}

/* ---- for the engine ---- */

static bool anybody_returned(const afd_attention_worker *worker)
{
    afd__ties *ties = &worker->member->ties;
    bool has_returned = false;
    afd__ties_lock(ties);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        has_returned = has_returned || ties->ties[rank].has_returned;
    }
    afd__ties_unlock(ties);
    return has_returned;
}

bool afd_attention_worker_wants_rejoin(const afd_attention_worker *worker)
{
    const struct afd__attention_member *member = worker->member;
    if (member == NULL || !member->is_joined) {
        return false;
    }
    if (member->is_draining || member->has_returned) {
        return true;
    }
    if (!afd__ties_have_news(&member->ties)) {
        return false;
    }
    /* News that no dispatch or collect has looked at yet. */
    tie_news news;
    return find_tie(worker, is_wanting_to_end, &news) || anybody_returned(worker);
}

uint32_t afd_attention_worker_session(const afd_attention_worker *worker)
{
    return worker->session;
}
