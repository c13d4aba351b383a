/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

#include "base/wait.h"
#include "ffn/late.h"
#include "ffn/plan.h"

/* What a call remembers from pass to pass. */
typedef struct pass_state {
    /* All-sync: every awaited session below this one was seen ready. A session only ever leaves the awaited ones while
     * a call waits, so what was seen stays seen. */
    uint32_t first_unseen;
    uint32_t taken_num;
} pass_state;

static void take(const afd__ffn_plan *plan, pass_state *pass, uint32_t session, uint32_t micro_batch)
{
    size_t row = pass->taken_num++;
    afd__desc_take(afd__ffn_plan_desc(plan, session, micro_batch), plan->id_num, &plan->layer_ids[row],
                   &plan->expert_ids[row * plan->id_num]);
    plan->session_ids[row] = (int32_t)session;
    plan->micro_batch_ids[row] = (int32_t)micro_batch;
}

/* Takes micro_batch of the sessions [first, first + num): of the awaited, who were all seen ready, and of those who are
 * joining and have it ready. */
static void take_sessions(const afd__ffn_plan *plan, pass_state *pass, uint32_t first, uint32_t num,
                          uint32_t micro_batch)
{
    for (uint32_t s = first; s < first + num; s++) {
        afd_session_state state = afd__ffn_plan_state(plan, s);
        if (state == AFD_SESSION_LIVE ||
            (state == AFD_SESSION_JOINING && afd__ffn_plan_is_ready(plan, s, micro_batch))) {
            take(plan, pass, s, micro_batch);
        }
    }
}

/* The first awaited session in [from, end) whose micro_batch is not ready; `end` if there is none. */
static uint32_t first_not_ready(const afd__ffn_plan *plan, uint32_t from, uint32_t end, uint32_t micro_batch)
{
    uint32_t s = from;
    while (s < end && (!afd__ffn_plan_awaits(plan, s) || afd__ffn_plan_is_ready(plan, s, micro_batch))) {
        s++;
    }
    return s;
}

/* Whether anybody in [from, end) has micro_batch ready, awaited or joining. */
static bool anybody_ready(const afd__ffn_plan *plan, uint32_t from, uint32_t end, uint32_t micro_batch)
{
    for (uint32_t s = from; s < end; s++) {
        if (afd__ffn_plan_state(plan, s) != AFD_SESSION_AWAY && afd__ffn_plan_is_ready(plan, s, micro_batch)) {
            return true;
        }
    }
    return false;
}

/* All-sync: everybody's polling_index. Looks only at whom it has not seen ready yet; when the last one is there, once
 * more at all, because a peer that breaks the rules can take its flag back. */
static bool all_are_ready(const afd__ffn_plan *plan, pass_state *pass)
{
    uint32_t from = pass->first_unseen;
    uint32_t unseen = first_not_ready(plan, from, plan->session_num, plan->polling_index);
    if (unseen == plan->session_num && from > 0) {
        unseen = first_not_ready(plan, 0, plan->session_num, plan->polling_index);
    }
    pass->first_unseen = unseen < plan->session_num ? unseen : 0;
    return unseen == plan->session_num && anybody_ready(plan, 0, plan->session_num, plan->polling_index);
}

static void pass_all(const afd__ffn_plan *plan, pass_state *pass)
{
    if (all_are_ready(plan, pass)) {
        take_sessions(plan, pass, 0, plan->session_num, plan->polling_index);
    }
}

/* One group: the first micro-batch, from its cursor on, that all its awaited members have ready. */
static void pass_group(const afd__ffn_plan *plan, pass_state *pass, uint32_t first)
{
    bool fair = plan->scheduler != NULL && plan->scheduler->fair;
    uint32_t end = first + plan->group_size;
    uint32_t m = fair ? plan->scheduler->sessions[first].cursor : 0;
    for (uint32_t looked_at = 0; looked_at < plan->micro_batch_num; looked_at++) {
        uint32_t next = m + 1 < plan->micro_batch_num ? m + 1 : 0;
        if (first_not_ready(plan, first, end, m) == end && anybody_ready(plan, first, end, m)) {
            take_sessions(plan, pass, first, plan->group_size, m);
            if (fair) {
                plan->scheduler->sessions[first].cursor = next;
            }
            return;
        }
        m = next;
    }
}

static void pass_groups(const afd__ffn_plan *plan, pass_state *pass)
{
    for (uint32_t first = 0; first < plan->session_num; first += plan->group_size) {
        pass_group(plan, pass, first);
    }
}

/* One look at the window; true if something was taken. */
static bool make_pass(const afd__ffn_plan *plan, pass_state *pass)
{
    if (plan->group_size == plan->session_num) {
        pass_all(plan, pass);
    } else {
        pass_groups(plan, pass);
    }
    return pass->taken_num > 0;
}

static bool nobody_is_there(const afd__ffn_plan *plan)
{
    return plan->scheduler != NULL && plan->scheduler->live_num == 0 && plan->scheduler->joining_num == 0;
}

/* Writes down that something was taken: in the context, in the scheduler object and for the caller. */
static void conclude(const afd__ffn_plan *plan, const pass_state *pass, afd_schedule_context *context,
                     uint32_t *taken_num)
{
    context->ffn.out_num = pass->taken_num;
    if (taken_num != NULL) {
        *taken_num = pass->taken_num;
    }
    if (pass->taken_num == 0) {
        return;
    }
    if (plan->group_size == plan->session_num) {
        uint32_t next = plan->polling_index + 1;
        context->ffn.polling_index = next < plan->micro_batch_num ? next : 0;
    }
    if (plan->scheduler != NULL) {
        afd__scheduler_note_taken(plan->scheduler, plan->session_ids, pass->taken_num);
    }
}

static afd_status wait_and_take(const afd__ffn_plan *plan, afd__waiter *waiter, pass_state *pass)
{
    for (;;) {
        if (make_pass(plan, pass)) {
            return AFD_OK;
        }
        bool nobody_was_there = nobody_is_there(plan);
        afd_status status = afd__waiter_idle(waiter);
        if (status == AFD_OK && nobody_was_there && nobody_is_there(plan)) {
            status = AFD_NOBODY_LIVE;
        }
        if (status != AFD_OK) {
            return status;
        }
    }
}

static void clear_taken(uint32_t *taken_num)
{
    if (taken_num != NULL) {
        *taken_num = 0;
    }
}

afd_status afd_ffn_schedule(afd_schedule_context *context, const afd_ffn_schedule_args *args, afd_wait *wait,
                            uint32_t *taken_num, afd_error *error)
{
    afd__ffn_plan plan;
    afd__waiter waiter;
    pass_state pass = { 0 };
    clear_taken(taken_num);
    afd_status status = afd__ffn_plan_make(&plan, context, args, error);
    if (status == AFD_OK) {
        status = afd__waiter_start(&waiter, wait, plan.run_flag, error);
    }
    if (status < 0) {
        return status;
    }
    context->ffn.out_num = 0; /* before the wait: poll may look */
    if (status == AFD_OK) {
        status = wait_and_take(&plan, &waiter, &pass);
    }
    if (status == AFD_DEADLINE) {
        afd__ffn_report_late(&plan, waiter.began_ns, waiter.wait);
    }
    conclude(&plan, &pass, context, taken_num);
    return status;
}

afd_status afd_ffn_schedule_poll(afd_schedule_context *context, const afd_ffn_schedule_args *args, uint32_t *taken_num,
                                 afd_error *error)
{
    afd__ffn_plan plan;
    pass_state pass = { 0 };
    clear_taken(taken_num);
    afd_status status = afd__ffn_plan_make(&plan, context, args, error);
    if (status != AFD_OK) {
        return status;
    }
    if (afd__stop_requested(plan.run_flag, NULL)) {
        status = AFD_STOPPED;
    } else if (!make_pass(&plan, &pass)) {
        status = nobody_is_there(&plan) ? AFD_NOBODY_LIVE : AFD_NOT_YET;
    }
    conclude(&plan, &pass, context, taken_num);
    return status;
}
