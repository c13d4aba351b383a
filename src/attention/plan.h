/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of one attention call: everything that it needs of the context, read once and checked, in the caller's
 * stack. After that the context is touched only for run_flag and micro_batch_id.
 */
#ifndef AFD_ATTENTION_PLAN_H
#define AFD_ATTENTION_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "afd/attention.h"
#include "window/handover.h"

typedef struct afd__attention_plan {
    afd__slot_flag *flags;  /* [slot_num], of micro_batch */
    size_t slot_num;        /* BS*E */
    uint32_t slots_a_token; /* E */
    uint32_t micro_batch;   /* the one that is awaited, in [0, M) */
    const int32_t *run_flag;
} afd__attention_plan;

/* All checks of afd_attention_schedule_check(), in its order; fills *plan only if all pass. */
afd_status afd__attention_plan_make(afd__attention_plan *plan, const afd_schedule_context *context,
                                    uint32_t micro_batch, afd_error *error);

/* What the checks of every attention operator share. */

/* M, BS and E, as they were read from the context; S is no dimension of an attention window. */
afd_status afd__attention_check_counts(const afd_shape *shape, afd_error *error);

/* An address of the window is not null. */
afd_status afd__attention_check_address(const char *field, uint64_t address, afd_error *error);

/* A micro-batch is below M. */
afd_status afd__attention_check_micro_batch(const char *field, uint32_t micro_batch, uint32_t micro_batch_num,
                                            afd_error *error);

/* Checks that the flags of all micro-batches have room, then micro_batch_id and micro_batch, which may be
 * AFD_MICRO_BATCH_NEXT; last the alignment. Then fills all of *plan in but run_flag. */
afd_status afd__attention_plan_flags(afd__attention_plan *plan, const afd_shape *shape,
                                     const afd_window_fields *window, uint32_t micro_batch_id, uint32_t micro_batch,
                                     afd_error *error);

#endif
