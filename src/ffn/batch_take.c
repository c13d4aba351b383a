/* SPDX-License-Identifier: Apache-2.0 */
/* Where a batch gets its sessions and ids from. */
#include <inttypes.h>

#include "base/error.h"
#include "ffn/batch.h"

/* ---- from the output area ---- */

/* The area is this worker's own memory, but what stands in it becomes an index into the token data: it is copied, and
 * the copy is checked. */
static afd_status copy_index(uint32_t *index, int32_t value, const char *field, uint32_t row, uint32_t bound,
                             afd_error *error)
{
    if (value < 0 || (uint32_t)value >= bound) {
        return afd__fail(error, AFD_ERR_INVALID, field, (uint64_t)(int64_t)value, bound,
                         "%s[%" PRIu32 "] is %" PRId32 ", must be in [0, %" PRIu32 ")", field, row, value, bound);
    }
    *index = (uint32_t)value;
    return AFD_OK;
}

afd_status afd__batch_copy_area(afd__batch *batch, afd_error *error)
{
    const afd__batch_area *area = &batch->area;
    for (uint32_t i = 0; i < area->out_num; i++) {
        afd__batch_member *member = &batch->members[i];
        *member = (afd__batch_member){ .layer_id = area->layer_ids == NULL ? 0 : area->layer_ids[i] };
        afd_status status = copy_index(&member->session, area->session_ids[i], "ffn.session_ids", i,
                                       batch->window.session_num, error);
        if (status == AFD_OK) {
            status = copy_index(&member->micro_batch, area->micro_batch_ids[i], "ffn.micro_batch_ids", i,
                                batch->window.micro_batch_num, error);
        }
        if (status != AFD_OK) {
            return status;
        }
    }
    if (area->out_num > 0) { /* with nothing taken the buffers may be null */
        memcpy(batch->keys, area->expert_ids, (size_t)area->out_num * batch->window.id_num * sizeof(int32_t));
    }
    batch->member_num = area->out_num;
    return AFD_OK;
}

/* ---- from the window ---- */

static afd_status fail_too_many(const afd__batch *batch, afd_error *error)
{
    uint64_t least_num = (uint64_t)batch->session_max + 1;
    return afd__fail(error, AFD_ERR_INVALID, "args.session_max", batch->session_max, least_num,
                     "args.session_max is %" PRIu32 ", must be at least %" PRIu64
                     ": so many sessions have micro-batch %" PRIu32 " ready",
                     batch->session_max, least_num, batch->window.polling_index);
}

/* Members are the live, and those who are joining and have it ready. AFD_NOT_YET if a live one is not ready after all;
 * AFD_ERR_INVALID if the workspace has no room for one. */
static afd_status find_members(afd__batch *batch, afd_error *error)
{
    const afd__ffn_plan *window = &batch->window;
    batch->member_num = 0;
    for (uint32_t s = 0; s < window->session_num; s++) {
        afd_session_state state = afd__ffn_plan_state(window, s);
        if (state == AFD_SESSION_AWAY) {
            continue;
        }
        if (!afd__ffn_plan_is_ready(window, s, window->polling_index)) {
            if (state == AFD_SESSION_LIVE) {
                return AFD_NOT_YET;
            }
            continue;
        }
        if (batch->member_num == batch->session_max) {
            return fail_too_many(batch, error);
        }
        batch->members[batch->member_num++] = (afd__batch_member){
            .session = s,
            .micro_batch = window->polling_index,
        };
    }
    return batch->member_num > 0 ? AFD_OK : AFD_NOT_YET;
}

static void copy_members(afd__batch *batch)
{
    size_t id_num = batch->window.id_num;
    for (uint32_t i = 0; i < batch->member_num; i++) {
        afd__batch_member *member = &batch->members[i];
        const afd_ffn_desc *desc = afd__ffn_plan_desc(&batch->window, member->session, member->micro_batch);
        member->layer_id = afd__desc_read_layer_id(desc);
        afd__desc_read_ids(batch->keys + i * id_num, desc, id_num);
    }
}

/* A peer that breaks the rules can take its flag back: then what was copied is no round, and nothing may be cleared. */
static bool members_are_still_ready(const afd__batch *batch)
{
    for (uint32_t i = 0; i < batch->member_num; i++) {
        const afd__batch_member *member = &batch->members[i];
        if (!afd__ffn_plan_is_ready(&batch->window, member->session, member->micro_batch)) {
            return false;
        }
    }
    return true;
}

afd_status afd__batch_copy_window(afd__batch *batch, uint32_t *first_unseen, afd_error *error)
{
    const afd__ffn_plan *window = &batch->window;
    /* Looks only at whom it has not seen ready yet: a session only ever leaves the awaited ones while a call waits.
     * When the last one is there, find_members() looks at everybody once more. */
    *first_unseen = afd__ffn_plan_next_missing(window, *first_unseen, window->session_num, window->polling_index);
    if (*first_unseen < window->session_num) {
        return AFD_NOT_YET;
    }
    *first_unseen = 0;
    afd_status status = find_members(batch, error);
    if (status != AFD_OK) {
        return status;
    }
    copy_members(batch);
    return members_are_still_ready(batch) ? AFD_OK : AFD_NOT_YET;
}

void afd__batch_give_back(const afd__batch *batch)
{
    afd_ffn_scheduler *scheduler = batch->window.scheduler;
    uint64_t now_ns = scheduler == NULL ? 0 : afd_clock_ns();
    for (uint32_t i = 0; i < batch->member_num; i++) {
        const afd__batch_member *member = &batch->members[i];
        afd_ffn_desc *desc = afd__ffn_plan_desc(&batch->window, member->session, member->micro_batch);
        afd__desc_refill_ids(desc, batch->window.id_num);
        afd__desc_give_back(desc);
        if (scheduler != NULL) {
            afd__scheduler_note_taken(scheduler, member->session, now_ns);
        }
    }
}
