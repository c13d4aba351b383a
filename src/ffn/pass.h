/* SPDX-License-Identifier: Apache-2.0 */
/* One look at the window by a scheduling call: who is ready, and taking them. */
#ifndef AFD_FFN_PASS_H
#define AFD_FFN_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "ffn/plan.h"
#include "ffn/take.h"

/* What a call remembers from pass to pass. */
typedef struct afd__ffn_pass {
    /* All-sync: every awaited session outside of [first_missing, end_missing) was seen ready. A session only ever
     * leaves the awaited ones while a call waits, so what was seen stays seen. */
    uint32_t first_missing;
    uint32_t end_missing;
    afd__ffn_taken taken;
} afd__ffn_pass;

void afd__ffn_pass_begin(afd__ffn_pass *pass, const afd__ffn_plan *plan);

/* One look at the window; true if something was taken. */
bool afd__ffn_pass_make(const afd__ffn_plan *plan, afd__ffn_pass *pass);

#endif
