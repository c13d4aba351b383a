/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-over of a desc between its one producer and the scheduler: the only code that loads or stores a live flag.
 *
 *     producer                                   scheduler
 *     afd__desc_is_free       A2  <------------- R2   afd__desc_give_back
 *     writes data, ids, layer_id                      reads layer_id and ids, refills the ids
 *     afd__desc_publish       R1  -------------> A1   afd__desc_is_ready
 *
 * Each arrow is a release that an acquire meets; what stands before the release happens before what stands after the
 * acquire. So the payload has one user at a time, and its accesses are plain. tests/model compiles this very file
 * against a weak-memory checker and fails it with each of the four orders weakened.
 */
#ifndef AFD_WINDOW_HANDOVER_H
#define AFD_WINDOW_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "window/desc.h"

/* Producer: may the payload be written? Anything but 1 is free, a corrupt flag too: its producer can repair it. */
static inline bool afd__desc_is_free(const afd_ffn_desc *desc)
{
    /* A2, meets R2: without it our writes for the next round could land before the scheduler's last reads of this one,
     * and be overwritten by its refill. */
    return afd__load_acquire_i32(afd__desc_flag(desc)) != AFD_FLAG_READY;
}

/* Producer: the payload is complete. One 4-byte store of the flag alone: {flag, layer_id} as eight bytes may straddle
 * two cache lines, and a reader then sees the new flag with the old layer_id. */
static inline void afd__desc_publish(afd_ffn_desc *desc)
{
    /* R1, meets A1: without it the scheduler could see the flag before the ids. */
    afd__store_release_i32(afd__desc_flag_mut(desc), AFD_FLAG_READY);
}

/* Scheduler: may the payload be read? Only 1 is ready. */
static inline bool afd__desc_is_ready(const afd_ffn_desc *desc)
{
    /* A1, meets R1: without it we could read ids from before the publish. */
    return afd__load_acquire_i32(afd__desc_flag(desc)) == AFD_FLAG_READY;
}

/* Scheduler: the payload was read and refilled, and is the producer's again. layer_id stays. */
static inline void afd__desc_give_back(afd_ffn_desc *desc)
{
    /* R2, meets A2: without it our reads and the refill could come after the producer's next writes. */
    afd__store_release_i32(afd__desc_flag_mut(desc), AFD_FLAG_FREE);
}

/* Scheduler: the whole take of a desc that afd__desc_is_ready() said yes to. `next` is the desc that will be taken
 * AFD__MOVE_AHEAD_BYTES later, or any other. */
static inline void afd__desc_take(afd_ffn_desc *desc, size_t id_num, int32_t *layer_id, int32_t *ids,
                                  const afd_ffn_desc *next)
{
    *layer_id = afd__desc_read_layer_id(desc);
    afd__desc_move_ids(ids, desc, id_num, next);
    afd__desc_give_back(desc);
}

/* Anyone, to look: relaxed, because it gives no right to read anything else. */
static inline int32_t afd__desc_peek_flag(const afd_ffn_desc *desc)
{
    return afd__load_relaxed_i32(afd__desc_flag(desc));
}

#endif
