/* SPDX-License-Identifier: Apache-2.0 */
#include "attention/schedule.h"

#include <stdbool.h>

#include "base/wait.h"

/* The first slot in [from, slot_num) that is not ready; slot_num if there is none. */
static size_t first_not_ready(const afd__attention_plan *plan, size_t from)
{
    size_t i = from;
    while (i < plan->slot_num && afd__slot_is_ready(&plan->flags[i])) {
        i++;
    }
    return i;
}

/* One pass. Goes on at the slot that the last one stopped at; when the last one is there, looks at all once more,
 * because a peer that breaks the rules can take its flag back. */
static bool all_are_ready(const afd__attention_plan *plan, size_t *first_unseen)
{
    size_t from = *first_unseen;
    size_t unseen = first_not_ready(plan, from);
    if (unseen == plan->slot_num && from > 0) {
        unseen = first_not_ready(plan, 0);
    }
    *first_unseen = unseen;
    return unseen == plan->slot_num;
}

/* A slot that has become ready meanwhile is not late. */
static void report_late(const afd__attention_plan *plan, uint64_t since_ns, afd_wait *wait)
{
    uint64_t now_ns = afd_clock_ns();
    for (size_t i = 0; i < plan->slot_num; i++) {
        int32_t flag = afd__slot_peek_flag(&plan->flags[i]);
        if (flag != AFD_FLAG_READY) {
            afd_late late = {
                .micro_batch = plan->micro_batch,
                .token = (uint32_t)(i / plan->slots_a_token),
                .slot = (uint32_t)(i % plan->slots_a_token),
                .flag = flag,
                .silent_ns = now_ns > since_ns ? now_ns - since_ns : 0,
            };
            afd__wait_add_late(wait, late);
        }
    }
}

afd_status afd__attention_await(const afd__attention_plan *plan, afd_wait *wait, afd_error *error)
{
    afd__waiter waiter;
    size_t first_unseen = 0;
    afd_status status = afd__waiter_start(&waiter, wait, plan->run_flag, error);
    while (status == AFD_OK && !all_are_ready(plan, &first_unseen)) {
        status = afd__waiter_idle(&waiter);
    }
    if (status == AFD_DEADLINE) {
        report_late(plan, waiter.began_ns, waiter.wait);
    }
    return status;
}

void afd__attention_clear(const afd__attention_plan *plan)
{
    for (size_t i = 0; i < plan->slot_num; i++) {
        afd__slot_clear(&plan->flags[i]);
    }
}

/* The end of a call that found everything ready. */
static void take(const afd__attention_plan *plan, afd_schedule_context *context, uint32_t *ready)
{
    afd__attention_clear(plan);
    context->attention.micro_batch_id = plan->micro_batch;
    if (ready != NULL) {
        *ready = plan->micro_batch;
    }
}

afd_status afd_attention_schedule(afd_schedule_context *context, uint32_t micro_batch, afd_wait *wait, uint32_t *ready,
                                  afd_error *error)
{
    afd__attention_plan plan;
    afd_status status = afd__attention_plan_make(&plan, context, micro_batch, error);
    if (status == AFD_OK) {
        status = afd__attention_await(&plan, wait, error);
    }
    if (status == AFD_OK) {
        take(&plan, context, ready);
    }
    return status;
}

afd_status afd_attention_schedule_poll(afd_schedule_context *context, uint32_t micro_batch, uint32_t *ready,
                                       afd_error *error)
{
    afd__attention_plan plan;
    afd_status status = afd__attention_plan_make(&plan, context, micro_batch, error);
    if (status != AFD_OK) {
        return status;
    }
    if (afd__stop_requested(plan.run_flag, NULL)) {
        return AFD_STOPPED;
    }
    if (first_not_ready(&plan, 0) < plan.slot_num) {
        return AFD_NOT_YET;
    }
    take(&plan, context, ready);
    return AFD_OK;
}
