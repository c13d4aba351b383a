/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler's side has been given so far, and the checks of every word that a call hands out. */
#ifndef AFD_TEST_LEDGER_H
#define AFD_TEST_LEDGER_H

#include <stdint.h>

#include "afd/context.h"
#include "afd/ffn.h"
#include "traffic.h"

typedef struct taken_ledger {
    const traffic_plan *traffic;
    uint32_t group_size;          /* G */
    uint32_t *taken_rounds;       /* [S][M]: rounds taken, so the next one's number */
    afd_session_state *states;    /* [S]: as they were when the call took */
    uint64_t taken_num;           /* rows of all calls */
} taken_ledger;

/* Every session is live until the caller writes other states. Ends with ledger_free(). */
taken_ledger ledger_new(const traffic_plan *traffic, uint32_t group_size);
void ledger_free(taken_ledger *ledger);

uint32_t *ledger_round(const taken_ledger *ledger, uint32_t session, uint32_t micro_batch);

/* Marks the outputs before a call that must leave the rows past the taken ones alone. */
void ledger_mark_outputs(const afd_schedule_context *context);
void ledger_check_marks(const taken_ledger *ledger, const afd_schedule_context *context, uint32_t taken_num);

/*
 * The rows of a call that took: each the next round of its (session, micro-batch), word for word; sessions ascending
 * and one micro-batch in each group; with nobody missing whom the call had to wait for. `polling_index` is that before
 * the call.
 */
void ledger_check_call(taken_ledger *ledger, const afd_schedule_context *context, uint32_t taken_num,
                       uint64_t polling_index);

#endif
