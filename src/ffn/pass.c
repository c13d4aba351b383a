/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn/pass.h"

#include "ffn/early.h"

void afd__ffn_pass_begin(afd__ffn_pass *pass, const afd__ffn_plan *plan)
{
    pass->first_missing = 0;
    pass->end_missing = plan->session_num;
    pass->taken.taken_num = 0;
    pass->taken.found_num = 0;
    pass->taken.now_ns = 0;
}

static void find(const afd__ffn_plan *plan, afd__ffn_pass *pass, uint32_t session, uint32_t micro_batch)
{
    afd__ffn_add_found(plan, &pass->taken, session, micro_batch, afd__ffn_plan_desc(plan, session, micro_batch));
}

/* Finds micro_batch of the sessions [first, first + num): of the awaited, who were all seen ready, and of those who are
 * joining and have it ready. */
static void find_sessions(const afd__ffn_plan *plan, afd__ffn_pass *pass, uint32_t first, uint32_t num,
                          uint32_t micro_batch)
{
    for (uint32_t s = first; s < first + num; s++) {
        afd_session_state state = afd__ffn_plan_state(plan, s);
        if (state == AFD_SESSION_LIVE ||
            (state == AFD_SESSION_JOINING && afd__ffn_plan_is_ready(plan, s, micro_batch))) {
            find(plan, pass, s, micro_batch);
        }
    }
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
static bool all_are_ready(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    uint32_t from = pass->first_missing;
    uint32_t missing = afd__ffn_plan_next_missing(plan, from, plan->session_num, plan->polling_index);
    if (missing == plan->session_num && from > 0) {
        missing = afd__ffn_plan_next_missing(plan, 0, plan->session_num, plan->polling_index);
    }
    pass->first_missing = missing < plan->session_num ? missing : 0;
    return missing == plan->session_num && anybody_ready(plan, 0, plan->session_num, plan->polling_index);
}

/* The same where everybody is awaited and no object says otherwise: nothing but descs to look at. */
static bool all_are_ready_without_object(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    const size_t stride = plan->micro_batch_num;
    const size_t end = (size_t)plan->session_num * stride;
    size_t from = pass->first_missing * stride + plan->polling_index;
    size_t missing = afd__ffn_plan_next_not_ready(plan, from, end, stride);
    if (missing >= end && pass->first_missing > 0) {
        missing = afd__ffn_plan_next_not_ready(plan, plan->polling_index, end, stride);
    }
    pass->first_missing = missing < end ? (uint32_t)(missing / stride) : 0;
    return missing >= end;
}

static void pass_all_without_object(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    if (!all_are_ready_without_object(plan, pass)) {
        return;
    }
    for (uint32_t s = 0; s < plan->session_num; s++) {
        find(plan, pass, s, plan->polling_index);
    }
}

static void pass_all(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    if (afd__ffn_early_has_begun(plan)) {
        afd__ffn_early_pass(plan, pass);
    } else if (all_are_ready(plan, pass)) {
        find_sessions(plan, pass, 0, plan->session_num, plan->polling_index);
    } else if (afd__ffn_early_is_allowed(plan)) {
        afd__ffn_early_begin(plan, pass);
    }
}

/* One group: the first micro-batch, from its cursor on, that all its awaited members have ready. */
static void pass_group(const afd__ffn_plan *plan, afd__ffn_pass *pass, uint32_t first)
{
    bool fair = plan->scheduler != NULL && plan->scheduler->fair;
    uint32_t end = first + plan->group_size;
    uint32_t m = fair ? plan->scheduler->sessions[first].cursor : 0;
    for (uint32_t looked_at = 0; looked_at < plan->micro_batch_num; looked_at++) {
        uint32_t next = m + 1 < plan->micro_batch_num ? m + 1 : 0;
        if (afd__ffn_plan_next_missing(plan, first, end, m) == end && anybody_ready(plan, first, end, m)) {
            find_sessions(plan, pass, first, plan->group_size, m);
            if (fair) {
                plan->scheduler->sessions[first].cursor = next;
            }
            return;
        }
        m = next;
    }
}

static void pass_groups(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    for (uint32_t first = 0; first < plan->session_num; first += plan->group_size) {
        pass_group(plan, pass, first);
    }
}

/* Groups of one, everybody awaited, the lowest micro-batch first: then descs are looked at one behind the other, and
 * whose they are is worked out only for those that are ready. */
static void pass_singles(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    size_t desc_num = (size_t)plan->session_num * plan->micro_batch_num;
    size_t number = 0;
    while ((number = afd__ffn_plan_next_ready(plan, number, desc_num)) < desc_num) {
        uint32_t session = (uint32_t)(number / plan->micro_batch_num);
        find(plan, pass, session, (uint32_t)(number % plan->micro_batch_num));
        number = ((size_t)session + 1) * plan->micro_batch_num;
    }
}

static bool awaits_everybody_as_they_come(const afd__ffn_plan *plan)
{
    const afd_ffn_scheduler *scheduler = plan->scheduler;
    return scheduler == NULL || (scheduler->live_num == plan->session_num && !scheduler->fair);
}

bool afd__ffn_pass_make(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    if (plan->group_size == plan->session_num && plan->scheduler == NULL) {
        pass_all_without_object(plan, pass);
    } else if (plan->group_size == plan->session_num) {
        pass_all(plan, pass);
    } else if (plan->group_size == 1 && awaits_everybody_as_they_come(plan)) {
        pass_singles(plan, pass);
    } else {
        pass_groups(plan, pass);
    }
    if (pass->taken.found_num > 0) {
        afd__ffn_take_found(plan, &pass->taken);
    }
    return pass->taken.taken_num > 0;
}
