/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of one scheduling call: everything that it needs of the context, read once and checked, in the caller's
 * stack. After that the context is touched only for run_flag, polling_index and out_num.
 */
#ifndef AFD_FFN_PLAN_H
#define AFD_FFN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/ffn.h"
#include "afd/window.h"
#include "ffn/scheduler.h"
#include "window/handover.h"

typedef struct afd__ffn_plan {
    char *token_info;             /* desc[S][M] */
    size_t desc_bytes;
    size_t id_num;                /* BS*E */
    uint32_t session_num;
    uint32_t micro_batch_num;
    uint32_t group_size;          /* G; session_num = all-sync */
    uint32_t polling_index;       /* < micro_batch_num */
    int32_t *layer_ids;
    int32_t *session_ids;
    int32_t *micro_batch_ids;
    int32_t *expert_ids;
    const int32_t *run_flag;
    afd_ffn_scheduler *scheduler; /* or NULL: every session is live */
    const afd_part_runner *parts; /* or NULL */
} afd__ffn_plan;

/* All checks of afd_ffn_schedule_check(), in its order; fills *plan only if all pass. */
afd_status afd__ffn_plan_make(afd__ffn_plan *plan, const afd_schedule_context *context,
                              const afd_ffn_schedule_args *args, afd_error *error);

/* session < session_num and micro_batch < micro_batch_num, which the loops of this folder see to. */
static inline afd_ffn_desc *afd__ffn_plan_desc(const afd__ffn_plan *plan, uint32_t session, uint32_t micro_batch)
{
    size_t number = (size_t)session * plan->micro_batch_num + micro_batch;
    return (afd_ffn_desc *)(void *)(plan->token_info + number * plan->desc_bytes);
}

static inline bool afd__ffn_plan_is_ready(const afd__ffn_plan *plan, uint32_t session, uint32_t micro_batch)
{
    return afd__desc_is_ready(afd__ffn_plan_desc(plan, session, micro_batch));
}

/* The first desc in [from, end) that is ready, by its number session * M + micro_batch; `end` if there is none. */
static inline size_t afd__ffn_plan_next_ready(const afd__ffn_plan *plan, size_t from, size_t end)
{
    const char *at = plan->token_info + from * plan->desc_bytes;
    for (size_t number = from; number < end; number++, at += plan->desc_bytes) {
        if (afd__desc_is_ready((const afd_ffn_desc *)(const void *)at)) {
            return number;
        }
    }
    return end;
}

/* The first of the descs from, from + stride, ... below `end` that is not ready, by its number; >= end if all are. */
static inline size_t afd__ffn_plan_next_not_ready(const afd__ffn_plan *plan, size_t from, size_t end, size_t stride)
{
    const char *at = plan->token_info + from * plan->desc_bytes;
    size_t number = from;
    while (number < end && afd__desc_is_ready((const afd_ffn_desc *)(const void *)at)) {
        number += stride;
        at += stride * plan->desc_bytes;
    }
    return number;
}

static inline afd_session_state afd__ffn_plan_state(const afd__ffn_plan *plan, uint32_t session)
{
    return plan->scheduler == NULL ? AFD_SESSION_LIVE
                                   : (afd_session_state)plan->scheduler->sessions[session].state;
}

/* Whether the call may not go on without this session. */
static inline bool afd__ffn_plan_awaits(const afd__ffn_plan *plan, uint32_t session)
{
    return afd__ffn_plan_state(plan, session) == AFD_SESSION_LIVE;
}

/* Nobody is live or joining, so that only poll can bring anything. */
static inline bool afd__ffn_plan_is_deserted(const afd__ffn_plan *plan)
{
    return plan->scheduler != NULL && plan->scheduler->live_num == 0 && plan->scheduler->joining_num == 0;
}

/* The first awaited session in [from, end) whose micro_batch is not ready; `end` if there is none. */
static inline uint32_t afd__ffn_plan_next_missing(const afd__ffn_plan *plan, uint32_t from, uint32_t end,
                                                  uint32_t micro_batch)
{
    uint32_t s = from;
    while (s < end && (!afd__ffn_plan_awaits(plan, s) || afd__ffn_plan_is_ready(plan, s, micro_batch))) {
        s++;
    }
    return s;
}

/* The polling index after an all-sync take. */
static inline uint32_t afd__ffn_plan_next_polling_index(const afd__ffn_plan *plan)
{
    uint32_t next = plan->polling_index + 1;
    return next < plan->micro_batch_num ? next : 0;
}

#endif
