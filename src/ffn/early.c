/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn/early.h"

#include "base/fault.h"

static const afd_ffn_desc *first_desc(const afd__ffn_plan *plan)
{
    return afd__ffn_plan_desc(plan, 0, plan->polling_index);
}

bool afd__ffn_early_is_allowed(const afd__ffn_plan *plan)
{
    const afd_ffn_scheduler *scheduler = plan->scheduler;
    return scheduler != NULL && scheduler->joining_num == 0 && scheduler->live_num > 1;
}

bool afd__ffn_early_has_begun(const afd__ffn_plan *plan)
{
    const afd_ffn_scheduler *scheduler = plan->scheduler;
    return scheduler != NULL && scheduler->early_id_num == plan->id_num && scheduler->early_rows == plan->expert_ids &&
           scheduler->early_desc == first_desc(plan);
}

void afd__ffn_early_discard(const afd__ffn_plan *plan)
{
    if (plan->scheduler != NULL) {
        plan->scheduler->early_id_num = 0;
    }
}

/* Counts rows from session to session: the row of one is the number of live ones before it. Sessions only go up. */
typedef struct row_counter {
    uint32_t session;
    uint32_t row; /* of that session */
} row_counter;

static uint32_t row_of(const afd__ffn_plan *plan, row_counter *counter, uint32_t session)
{
    if (plan->scheduler->live_num == plan->session_num) {
        return session;
    }
    for (; counter->session < session; counter->session++) {
        counter->row += afd__ffn_plan_awaits(plan, counter->session);
    }
    return counter->row;
}

static void copy(const afd__ffn_plan *plan, uint32_t session, size_t row)
{
    const afd_ffn_desc *desc = afd__ffn_plan_desc(plan, session, plan->polling_index);
    plan->layer_ids[row] = afd__desc_read_layer_id(desc);
    afd__desc_read_ids(&plan->expert_ids[row * plan->id_num], desc, plan->id_num);
    plan->scheduler->sessions[session].is_copied = true;
}

static void miss(afd__ffn_pass *pass, uint32_t session)
{
    if (pass->end_missing == 0) {
        pass->first_missing = session;
    }
    pass->end_missing = session + 1;
}

/* Copies who is ready among those that were missing; true if nobody is missing any more. */
static bool copy_ready(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    row_counter rows = { 0, 0 }; /* of this pass, so that many copies in one pass count every session once */
    uint32_t end = pass->end_missing;
    pass->end_missing = 0;
    for (uint32_t s = pass->first_missing; s < end; s++) {
        if (!afd__ffn_plan_awaits(plan, s) || plan->scheduler->sessions[s].is_copied) {
            continue;
        }
        if (afd__ffn_plan_is_ready(plan, s, plan->polling_index)) {
            copy(plan, s, row_of(plan, &rows, s));
        } else {
            miss(pass, s);
        }
    }
    return pass->end_missing == 0;
}

/* H7: looks at every flag and layer_id once more before anything is changed, and copies again what another round has
 * replaced. A peer that keeps to the rules never has; one that took its flag back is missing again. */
static bool copies_hold(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    size_t row = 0;
    for (uint32_t s = 0; s < plan->session_num; s++) {
        if (!afd__ffn_plan_awaits(plan, s)) {
            continue;
        }
        const afd_ffn_desc *desc = afd__ffn_plan_desc(plan, s, plan->polling_index);
        if (!afd__desc_is_ready(desc)) {
            plan->scheduler->sessions[s].is_copied = false;
            miss(pass, s);
        } else if (afd__desc_read_layer_id(desc) != plan->layer_ids[row]) {
            copy(plan, s, row);
        }
        row++;
    }
    return pass->end_missing == 0;
}

static void take_copied(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    for (uint32_t s = 0; s < plan->session_num; s++) {
        if (!afd__ffn_plan_awaits(plan, s)) {
            continue;
        }
        afd_ffn_desc *desc = afd__ffn_plan_desc(plan, s, plan->polling_index);
        afd__fault_at(AFD__FAULT_TAKE, desc);
        afd__desc_refill_ids(desc, plan->id_num);
        afd__fault_at(AFD__FAULT_GIVE_BACK, desc);
        afd__desc_give_back(desc);
        if (pass->taken.found_num == AFD__FFN_FOUND_MAX) {
            afd__ffn_note_found(plan, &pass->taken);
        }
        afd__ffn_add_found(plan, &pass->taken, s, plan->polling_index, desc);
    }
    afd__ffn_note_found(plan, &pass->taken);
}

void afd__ffn_early_pass(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    if (copy_ready(plan, pass) && copies_hold(plan, pass)) {
        take_copied(plan, pass);
    }
}

void afd__ffn_early_begin(const afd__ffn_plan *plan, afd__ffn_pass *pass)
{
    afd_ffn_scheduler *scheduler = plan->scheduler;
    scheduler->early_desc = first_desc(plan);
    scheduler->early_rows = plan->expert_ids;
    scheduler->early_id_num = plan->id_num;
    for (uint32_t s = 0; s < plan->session_num; s++) {
        scheduler->sessions[s].is_copied = false;
    }
    pass->first_missing = 0;
    pass->end_missing = plan->session_num;
    afd__ffn_early_pass(plan, pass);
}
