/* SPDX-License-Identifier: Apache-2.0 */
/* One fault from beginning to end, and what it cost. */
#ifndef AFD_TEST_FAULT_RUN_H
#define AFD_TEST_FAULT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "fault_case.h"

typedef struct fault_result {
    uint64_t detected_ns;  /* from the strike to the first report of it; 0 where there is none */
    uint64_t recovered_ns; /* from the strike until every member that is to live has come two rounds further */
    uint64_t gap_ns;       /* the longest time in which a survivor had no round */
    uint64_t lost_num;     /* rounds of survivors that were sent again */
} fault_result;

/*
 * Starts the case's members, lets them work, strikes, looks on, ends them, and checks: every row was right; who was
 * struck and nobody else was dropped, with the right reason; everybody who is to live went on; no process and no shared
 * memory is left. False, with everything that is known on stderr, where one of these is not so.
 */
bool fault_run(const fault_case *f, fault_result *result);

#endif
