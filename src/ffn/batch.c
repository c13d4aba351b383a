/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn/batch.h"

#include "ffn/late.h"

/* Waits until everybody's desc of polling_index was copied. AFD_NOBODY_LIVE after poll had one chance to change it. */
static afd_status wait_and_copy(afd__batch *batch, afd__waiter *waiter, afd_error *error)
{
    uint32_t first_unseen = 0;
    for (;;) {
        afd_status status = afd__batch_copy_window(batch, &first_unseen, error);
        if (status != AFD_NOT_YET) {
            return status;
        }
        bool nobody_was_there = afd__ffn_plan_is_deserted(&batch->window);
        status = afd__waiter_idle(waiter);
        if (status == AFD_OK && nobody_was_there && afd__ffn_plan_is_deserted(&batch->window)) {
            status = AFD_NOBODY_LIVE;
        }
        if (status != AFD_OK) {
            return status;
        }
    }
}

static afd_status schedule(afd__batch *batch, afd_wait *wait, afd_error *error)
{
    afd__waiter waiter;
    afd_status status = afd__waiter_start(&waiter, wait, batch->window.run_flag, error);
    if (status == AFD_OK) {
        status = wait_and_copy(batch, &waiter, error);
    }
    if (status == AFD_DEADLINE) {
        afd__ffn_report_late(&batch->window, waiter.began_ns, waiter.wait);
    }
    return status;
}

/* A call that ends without a batch, and without an error, has one of nothing. */
static void write_nothing(afd_ffn_batch_out *out)
{
    out->row_num = 0;
    out->group_num = 0;
    out->taken_num = 0;
    out->wild_num = 0;
}

afd_status afd_ffn_batch(afd_schedule_context *context, const afd_ffn_batch_args *args, afd_ffn_batch_out *out,
                         afd_wait *wait, afd_error *error)
{
    afd__batch batch;
    afd_status status = afd__batch_make(&batch, context, args, out, error);
    if (status == AFD_OK) {
        status = batch.need_schedule ? schedule(&batch, wait, error) : afd__batch_copy_area(&batch, error);
    }
    if (status == AFD_OK) {
        status = afd__batch_count(&batch, out->tokens != NULL, error);
    }
    if (status < 0) {
        return status;
    }
    if (status != AFD_OK) {
        write_nothing(out);
        return status;
    }
    /* Nothing can fail any more. The descs go back first: the token data stays ours until the rounds are over (H6). */
    if (batch.need_schedule) {
        afd__batch_give_back(&batch);
        context->ffn.polling_index = afd__ffn_plan_next_polling_index(&batch.window);
    }
    afd__batch_write_members(&batch, out);
    afd__batch_write_groups(&batch, out);
    afd__batch_write_rows(&batch, out);
    return AFD_OK;
}
