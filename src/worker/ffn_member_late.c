/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deadline: who keeps others waiting. A group waits when some of its live members have a micro-batch ready and
 * others have not; when all of them are missing, nobody waits. That is looked at now and then, and once a deadline at
 * least sixteen times, so a wait is believed to be up to a sixteenth of the deadline shorter than it is.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/wait.h"
#include "ffn/scheduler.h"
#include "window/handover.h"
#include "window/stats.h"
#include "worker/ffn_member.h"
#include "worker/member/event.h"

enum { LOOKS_A_DEADLINE = 16 };

static const uint64_t look_period_max_ns = UINT64_C(100000000);

static bool is_live(const afd_ffn_worker *worker, uint32_t session)
{
    return worker->schedule.scheduler->sessions[session].state == AFD_SESSION_LIVE;
}

static bool is_ready(const afd_ffn_worker *worker, uint32_t session, uint32_t micro_batch)
{
    return afd__desc_is_ready(afd_window_desc(worker->window, session, micro_batch));
}

/* ---- who waits ---- */

/* A group of sessions and the micro-batch that it waits for. */
typedef struct waiting_group {
    uint32_t number;
    uint32_t first;
    uint32_t end;
    uint32_t micro_batch;
} waiting_group;

typedef struct group_count {
    uint32_t ready_num;
    uint32_t missing_num;
} group_count;

static group_count count_group(const afd_ffn_worker *worker, const waiting_group *group, uint32_t micro_batch)
{
    group_count count = { 0, 0 };
    for (uint32_t s = group->first; s < group->end; s++) {
        if (is_live(worker, s)) {
            bool ready = is_ready(worker, s, micro_batch);
            count.ready_num += ready ? 1 : 0;
            count.missing_num += ready ? 0 : 1;
        }
    }
    return count;
}

/* Whether the group waits, and for which micro-batch: the one that most of its members have ready. */
static bool is_waiting(const afd_ffn_worker *worker, waiting_group *group)
{
    uint32_t ready_max = 0;
    if (worker->member->takes_turns) {
        group->micro_batch = (uint32_t)worker->context->ffn.polling_index;
        group_count count = count_group(worker, group, group->micro_batch);
        return count.ready_num > 0 && count.missing_num > 0;
    }
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        group_count count = count_group(worker, group, m);
        if (count.ready_num > 0 && count.missing_num == 0) {
            return false;
        }
        if (count.ready_num > ready_max) {
            ready_max = count.ready_num;
            group->micro_batch = m;
        }
    }
    return ready_max > 0;
}

/* When something of the group was taken last; a wait is not older than that. */
static uint64_t taken_ns(const afd_ffn_worker *worker, const waiting_group *group)
{
    uint64_t latest_ns = 0;
    for (uint32_t s = group->first; s < group->end; s++) {
        if (is_live(worker, s) && worker->schedule.scheduler->sessions[s].heard_ns > latest_ns) {
            latest_ns = worker->schedule.scheduler->sessions[s].heard_ns;
        }
    }
    return latest_ns;
}

/* ---- what is done about it ---- */

static void report_late(const afd_ffn_worker *worker, const waiting_group *group, uint32_t session, uint64_t silent_ns)
{
    afd_wait *wait = worker->member->wait;
    if (wait == NULL) {
        return;
    }
    const afd_late late = {
        .session = session,
        .micro_batch = group->micro_batch,
        .flag = afd_ffn_desc_peek_flag(afd_window_desc(worker->window, session, group->micro_batch)),
        .silent_ns = silent_ns,
    };
    afd__wait_add_late(wait, late);
}

static void be_late(afd_ffn_worker *worker, const waiting_group *group, uint32_t session)
{
    struct afd__ffn_member *member = worker->member;
    afd_event event = afd__ffn_member_event(worker, AFD_EVENT_LATE, session);
    event.micro_batch = group->micro_batch;
    afd__stat_add(&member->door.stats->late_num, 1);
    afd__stat_add(&afd__window_own_member_stats(worker->window, session)->late_num, 1);
    afd__event_tell(&member->options, event,
                    "session %" PRIu32 " (process %" PRIu32 "%s%s) keeps its sync group waiting for micro-batch "
                    "%" PRIu32 ", layer %" PRId32 ", silent for %" PRIu64 " ms",
                    session, event.pid, event.host != NULL ? " of " : "", event.host != NULL ? event.host : "",
                    group->micro_batch, event.layer_id, event.silent_ns / 1000000);
    switch (member->options.on_deadline) {
    case AFD_ON_DEADLINE_DROP:
        event.kind = AFD_EVENT_DROPPED;
        afd__ffn_member_drop(worker, session, AFD_DROP_DEADLINE, event);
        break;
    case AFD_ON_DEADLINE_STOP:
        report_late(worker, group, session, event.silent_ns);
        member->is_late = member->wait != NULL;
        break;
    default:
        break;
    }
}

static void look_at_group(afd_ffn_worker *worker, waiting_group *group, uint64_t now_ns)
{
    struct afd__ffn_member *member = worker->member;
    uint64_t *since_ns = &member->since_ns[group->number];
    if (!is_waiting(worker, group)) {
        *since_ns = 0;
        return;
    }
    bool is_another_wait = member->takes_turns ? member->since_turn != member->turn
                                               : *since_ns < taken_ns(worker, group);
    if (*since_ns == 0 || is_another_wait) {
        *since_ns = now_ns;
        member->since_turn = member->turn;
        return;
    }
    if (now_ns - *since_ns < member->options.deadline_ns) {
        return;
    }
    *since_ns = now_ns; /* the next deadline of the same wait */
    for (uint32_t s = group->first; s < group->end; s++) {
        if (is_live(worker, s) && !is_ready(worker, s, group->micro_batch)) {
            be_late(worker, group, s);
        }
    }
}

static void look_at_groups(afd_ffn_worker *worker, uint64_t now_ns)
{
    uint32_t group_size = (uint32_t)worker->schedule.sync_group_size;
    for (uint32_t g = 0; g < worker->shape.session_num / group_size; g++) {
        waiting_group group = { .number = g, .first = g * group_size, .end = (g + 1) * group_size };
        look_at_group(worker, &group, now_ns);
    }
}

/* A micro-batch that is being written or waits to be taken, for who looks at the counters. */
static void count_in_flight(const afd_ffn_worker *worker)
{
    for (uint32_t s = 0; s < worker->shape.session_num; s++) {
        uint64_t ready_num = 0;
        for (uint32_t m = 0; worker->writers[s] != NULL && m < worker->shape.micro_batch_num; m++) {
            ready_num += is_ready(worker, s, m);
        }
        afd__stat_set(&afd__window_own_member_stats(worker->window, s)->in_flight_num, ready_num);
    }
}

void afd__ffn_member_look(afd_ffn_worker *worker)
{
    struct afd__ffn_member *member = worker->member;
    uint64_t period_ns = member->options.deadline_ns / LOOKS_A_DEADLINE;
    uint64_t now_ns = afd_clock_ns();
    member->passes_to_look = AFD__MEMBER_LOOK_PASSES;
    if (worker->plane != NULL) {
        afd__ffn_member_look_at_links(worker);
    }
    if (now_ns < member->next_look_ns) {
        return;
    }
    member->next_look_ns = now_ns + (period_ns < look_period_max_ns ? period_ns : look_period_max_ns);
    count_in_flight(worker);
    if (worker->plane != NULL) {
        afd__ffn_member_count_plane(worker);
    }
    if (worker->schedule.sync_group_size > 1) { /* a group of one waits for nobody */
        look_at_groups(worker, now_ns);
    }
}
