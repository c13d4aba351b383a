/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the results of a micro-batch, for the operators that do. */
#ifndef AFD_ATTENTION_SCHEDULE_H
#define AFD_ATTENTION_SCHEDULE_H

#include "afd/wait.h"
#include "attention/plan.h"

/*
 * Waits until all flags of the plan were seen ready in one look. AFD_OK: their token data may be read until the flags
 * are cleared and the micro-batch is dispatched again. AFD_STOPPED; AFD_DEADLINE, with wait->late filled; the error of
 * a `wait` that is none. Changes nothing in the window.
 */
afd_status afd__attention_await(const afd__attention_plan *plan, afd_wait *wait, afd_error *error);

/* Makes all slots of the plan free. */
void afd__attention_clear(const afd__attention_plan *plan);

#endif
