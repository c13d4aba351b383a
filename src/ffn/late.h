/* SPDX-License-Identifier: Apache-2.0 */
/* Who a scheduling call was waiting for when its deadline passed. */
#ifndef AFD_FFN_LATE_H
#define AFD_FFN_LATE_H

#include <stdint.h>

#include "afd/wait.h"
#include "ffn/plan.h"

/* Fills wait->late in, as ffn.h says. `since_ns` is when the call began to wait: without a scheduler object nothing
 * older is known. Only reads; a desc that has become ready meanwhile is not late. */
void afd__ffn_report_late(const afd__ffn_plan *plan, uint64_t since_ns, afd_wait *wait);

#endif
