/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking what a pass has found. Finding and taking are apart, because then it is known, while a desc is taken, which
 * come next, and their ids can be fetched meanwhile; and because what was found can be taken in parts, by several
 * threads.
 */
#ifndef AFD_FFN_TAKE_H
#define AFD_FFN_TAKE_H

#include <stdint.h>

#include "ffn/plan.h"

enum { AFD__FFN_FOUND_MAX = 256 }; /* a pass that finds more takes these first: 4 KiB of stack */

/* A desc that was seen ready and will be taken. */
typedef struct afd__ffn_found {
    afd_ffn_desc *desc;
    uint32_t session;
    uint32_t micro_batch;
} afd__ffn_found;

/* What a call has found and not yet taken, in the order of the output rows; and how much it has taken before. */
typedef struct afd__ffn_taken {
    uint32_t taken_num;
    uint32_t found_num;
    uint64_t now_ns; /* when the first session was taken; kept only for a scheduler object */
    afd__ffn_found found[AFD__FFN_FOUND_MAX];
} afd__ffn_taken;

/* Takes all that was found, to the rows from taken_num on. */
void afd__ffn_take_found(const afd__ffn_plan *plan, afd__ffn_taken *taken);

/* The rest of taking, where the ids are in their rows already: who they are of, and the scheduler object. */
void afd__ffn_note_found(const afd__ffn_plan *plan, afd__ffn_taken *taken);

/* Takes it later, with the others. */
static inline void afd__ffn_add_found(const afd__ffn_plan *plan, afd__ffn_taken *taken, uint32_t session,
                                      uint32_t micro_batch, afd_ffn_desc *desc)
{
    if (taken->found_num == AFD__FFN_FOUND_MAX) {
        afd__ffn_take_found(plan, taken);
    }
    taken->found[taken->found_num++] =
        (afd__ffn_found){ .desc = desc, .session = session, .micro_batch = micro_batch };
}

#endif
