/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work while waiting, all-sync with a scheduler object: the ids of sessions that are ready are copied to their output
 * rows while others are awaited, so that when the last one comes only its own are left to copy. Copies are private;
 * the window changes only when everybody is there, after every flag and layer_id was looked at once more (H7).
 *
 * Who was copied stands in the scheduler object, with what for: the same descs, rows and size. Another such call, a
 * change of the live set, and every result but AFD_NOT_YET and errors discard it.
 */
#ifndef AFD_FFN_EARLY_H
#define AFD_FFN_EARLY_H

#include <stdbool.h>

#include "ffn/pass.h"

/* Whether this call may work early: rows are known only while nobody is joining. */
bool afd__ffn_early_is_allowed(const afd__ffn_plan *plan);

/* Whether there are copies that this call goes on with. */
bool afd__ffn_early_has_begun(const afd__ffn_plan *plan);

/* Begins with no copies, and makes a first pass. */
void afd__ffn_early_begin(const afd__ffn_plan *plan, afd__ffn_pass *pass);

/* Copies who has become ready; takes them all when nobody is missing. */
void afd__ffn_early_pass(const afd__ffn_plan *plan, afd__ffn_pass *pass);

/* Forgets the copies. */
void afd__ffn_early_discard(const afd__ffn_plan *plan);

#endif
