/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

#include "base/wait.h"
#include "ffn/early.h"
#include "ffn/late.h"
#include "ffn/pass.h"
#include "ffn/plan.h"

/* Writes down what was taken, in the context and for the caller. */
static void conclude(const afd__ffn_plan *plan, const afd__ffn_pass *pass, afd_schedule_context *context,
                     uint32_t *taken_num)
{
    context->ffn.out_num = pass->taken.taken_num;
    if (taken_num != NULL) {
        *taken_num = pass->taken.taken_num;
    }
    if (pass->taken.taken_num > 0 && plan->group_size == plan->session_num) {
        context->ffn.polling_index = afd__ffn_plan_next_polling_index(plan);
    }
}

static afd_status wait_and_take(const afd__ffn_plan *plan, afd__waiter *waiter, afd__ffn_pass *pass)
{
    for (;;) {
        if (afd__ffn_pass_make(plan, pass)) {
            return AFD_OK;
        }
        bool nobody_was_there = afd__ffn_plan_is_deserted(plan);
        afd_status status = afd__waiter_idle(waiter);
        if (status == AFD_OK && nobody_was_there && afd__ffn_plan_is_deserted(plan)) {
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
    afd__ffn_pass pass;
    clear_taken(taken_num);
    afd_status status = afd__ffn_plan_make(&plan, context, args, error);
    if (status == AFD_OK) {
        status = afd__waiter_start(&waiter, wait, plan.run_flag, error);
    }
    if (status < 0) {
        return status;
    }
    afd__ffn_pass_begin(&pass, &plan);
    context->ffn.out_num = 0; /* before the wait: poll may look */
    if (status == AFD_OK) {
        status = wait_and_take(&plan, &waiter, &pass);
    }
    if (status == AFD_DEADLINE) {
        afd__ffn_report_late(&plan, waiter.began_ns, waiter.wait);
    }
    afd__ffn_early_discard(&plan); /* from here on the caller may use the output buffers */
    conclude(&plan, &pass, context, taken_num);
    return status;
}

afd_status afd_ffn_schedule_poll(afd_schedule_context *context, const afd_ffn_schedule_args *args, uint32_t *taken_num,
                                 afd_error *error)
{
    afd__ffn_plan plan;
    afd__ffn_pass pass;
    clear_taken(taken_num);
    afd_status status = afd__ffn_plan_make(&plan, context, args, error);
    if (status != AFD_OK) {
        return status;
    }
    afd__ffn_pass_begin(&pass, &plan);
    if (afd__stop_requested(plan.run_flag, NULL)) {
        status = AFD_STOPPED;
    } else if (!afd__ffn_pass_make(&plan, &pass)) {
        status = afd__ffn_plan_is_deserted(&plan) ? AFD_NOBODY_LIVE : AFD_NOT_YET;
    }
    if (status != AFD_NOT_YET) {
        afd__ffn_early_discard(&plan);
    }
    conclude(&plan, &pass, context, taken_num);
    return status;
}
