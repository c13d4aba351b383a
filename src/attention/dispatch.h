/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of one dispatch: everything that it needs of the context and the arguments, checked, on the caller's stack.
 * Every expert id and every table entry that the plan's routes will look at was checked when it was made.
 */
#ifndef AFD_ATTENTION_DISPATCH_H
#define AFD_ATTENTION_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/attention.h"
#include "window/handover.h"

typedef struct afd__dispatch_plan {
    afd_writer *const *writers;
    uint32_t writer_num;
    int32_t first_rank;           /* of writers[0] */
    bool only_ranks_with_tokens;
    afd_round round;              /* what is published */
    uint32_t active_num;          /* tokens that are sent, the first ones */
    uint32_t slot_num;            /* E */
    uint32_t top_k;               /* K */
    uint32_t first_shared_expert; /* of slot K */
    const int32_t *expert_ids;    /* i32[token][K] */
    const int32_t *table;         /* the rows of the layer */
    uint32_t table_width;
    const char *tokens;
    uint32_t hidden;
    afd_token_type type;
    bool quantize;
    const float *smooth_scales;   /* f32[expert][hidden] of the layer, or NULL */
    afd__slot_flag *own_flags;    /* [BS][E] of the micro-batch in the own window */
    size_t own_flag_num;          /* BS*E */
    const int32_t *run_flag;
} afd__dispatch_plan;

/* All checks; fills *plan only if all pass. */
afd_status afd__dispatch_plan_make(afd__dispatch_plan *plan, const afd_schedule_context *context,
                                   const afd_dispatch_args *args, afd_error *error);

/* The expert of a slot: the routed ones by their ids, then the shared ones. */
static inline uint32_t afd__dispatch_expert(const afd__dispatch_plan *plan, uint32_t token, uint32_t slot)
{
    if (slot < plan->top_k) {
        return (uint32_t)plan->expert_ids[(size_t)token * plan->top_k + slot];
    }
    return plan->first_shared_expert + (slot - plan->top_k);
}

/* Where this session finds an expert. */
typedef struct afd__expert_home {
    int32_t rank;
    int32_t expert_id; /* as that rank numbers it */
} afd__expert_home;

/* row[0] >= 1 copies; the division is for experts that have several. */
static inline afd__expert_home afd__dispatch_home(const int32_t *row, uint32_t session)
{
    size_t copy = row[0] == 1 ? 0 : session % (uint32_t)row[0];
    return (afd__expert_home){ .rank = row[1 + 2 * copy], .expert_id = row[2 + 2 * copy] };
}

static inline const int32_t *afd__dispatch_row(const afd__dispatch_plan *plan, uint32_t expert)
{
    return plan->table + (size_t)expert * plan->table_width;
}

/* The number of the writer to a rank that is in range. */
static inline uint32_t afd__dispatch_writer(const afd__dispatch_plan *plan, int32_t rank)
{
    return (uint32_t)(rank - plan->first_rank);
}

#endif
