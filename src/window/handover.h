/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two hand-overs of a round, and the only code that loads or stores a live flag.
 *
 * A desc goes between its one producer, the attention worker of its session, and the FFN worker's scheduler:
 *
 *     producer                                   scheduler
 *     afd__desc_is_free       A2  <------------- R2   afd__desc_give_back
 *     writes data, ids, layer_id                      reads layer_id and ids, refills the ids
 *     afd__desc_publish       R1  -------------> A1   afd__desc_is_ready
 *
 * A slot of an attention window goes from the FFN worker that computed it to the attention worker, whose next dispatch
 * gives it back by the desc's own release:
 *
 *     FFN worker                                 attention worker
 *     afd__desc_is_ready      A1  <------------- R1   afd__desc_publish, of the next round
 *     writes the slot's token data                    afd__slot_clear; reads the token data
 *     afd__slot_publish       R5  -------------> A5   afd__slot_is_ready
 *
 * Each arrow is a release that an acquire meets; what stands before the release happens before what stands after the
 * acquire. So the payload has one user at a time, and its accesses are plain. tests/model compiles this very file
 * against a weak-memory checker and fails it with each of the six orders weakened.
 */
#ifndef AFD_WINDOW_HANDOVER_H
#define AFD_WINDOW_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/fault.h"
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
    afd__fault_at(AFD__FAULT_GIVE_BACK, desc);
    afd__desc_give_back(desc);
}

/*
 * FFN worker: whatever a producer has left in a desc is gone, and it is free for the next producer of its session. Only
 * when the one before can write no more, which no look at the desc can say: it has said goodbye, or its process has
 * ended; and while the session is away, so that no scheduler looks. The same release as after a take, for the same
 * reason: R2, meets A2 of the next producer, whose writes must come after the refill.
 */
static inline void afd__desc_reset(afd_ffn_desc *desc, size_t id_num)
{
    afd__desc_refill_ids(desc, id_num);
    afd__desc_give_back(desc);
}

/* Anyone, to look: relaxed, because it gives no right to read anything else. */
static inline int32_t afd__desc_peek_flag(const afd_ffn_desc *desc)
{
    return afd__load_relaxed_i32(afd__desc_flag(desc));
}

/* FFN worker: the slot's token data is complete. Also the attention worker itself, for a slot that it sent nowhere. */
static inline void afd__slot_publish(afd__slot_flag *flag)
{
    /* R5, meets A5: without it the attention worker could see the flag before the token data. */
    afd__store_release_i32(flag, AFD_FLAG_READY);
}

/* Attention worker: may the slot's token data be read? Only 1 is ready. */
static inline bool afd__slot_is_ready(const afd__slot_flag *flag)
{
    /* A5, meets R5: without it we could read token data from before the publish. */
    return afd__load_acquire_i32(flag) == AFD_FLAG_READY;
}

/*
 * Attention worker: the slot is empty again, to be called before the next dispatch of its micro-batch. Relaxed is
 * enough, because this store hands nothing over: no FFN worker loads the flag, and none may write the slot before it
 * has seen (A1) a desc of the next round, which we publish (R1) after this store and after our last read of the data,
 * in program order. So both happen before the next afd__slot_publish(), whose 1 comes after this 0 in the order of
 * stores to the flag. A release here would meet no acquire, and could not stand in for R1.
 */
static inline void afd__slot_clear(afd__slot_flag *flag)
{
    afd__store_relaxed_i32(flag, AFD_FLAG_FREE);
}

/* Anyone, to look, as afd__desc_peek_flag(). */
static inline int32_t afd__slot_peek_flag(const afd__slot_flag *flag)
{
    return afd__load_relaxed_i32(flag);
}

#endif
