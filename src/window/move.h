/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving the ids of a desc: one pass that copies them out and leaves the sentinel behind. A copy and then a refill
 * would bring every line of the window through the core twice.
 */
#ifndef AFD_WINDOW_MOVE_H
#define AFD_WINDOW_MOVE_H

#include <stddef.h>
#include <stdint.h>

/*
 * How far ahead of the move memory is fetched: the way to memory and back lasts as long as moving so much takes. Less
 * leaves the move waiting, more pushes out of the first-level cache what was fetched; flat between 4 and 8 KiB.
 */
enum { AFD__MOVE_AHEAD_BYTES = 8192 };

/*
 * out[i] = ids[i] and ids[i] = AFD_EXPERT_ID_REFILL for i in [0, id_num), and nothing else is touched: the words before
 * and behind `ids` are live in a window. Both are 4-byte aligned and do not overlap.
 *
 * `next_ids` is what will be moved AFD__MOVE_AHEAD_BYTES later. It is fetched meanwhile, line by line, which the
 * hardware does within a desc and not from one desc to another. A hint: any address will do.
 */
void afd__move_ids(int32_t *out, int32_t *ids, size_t id_num, const int32_t *next_ids);

#endif
