/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing into a mapped window. A row is copied once, into its slot. In an FFN window its expert id goes into the desc
 * beside it, which is the producer's while the flag is not 1; in an attention window a bit of our own remembers that
 * the slot's flag is to be set. Nothing is visible to the peer's rules before publish().
 *
 * No allocation, lock or system call, and indices by multiplication alone.
 */
#include "transport/mapped.h"

#include <stdbool.h>
#include <string.h>

#include "base/fault.h"
#include "window/handover.h"

static inline afd__mapped_writer *mapped_of(afd_writer *base)
{
    return (afd__mapped_writer *)(void *)base;
}

static inline const afd__mapped_writer *mapped_of_const(const afd_writer *base)
{
    return (const afd__mapped_writer *)(const void *)base;
}

/* The number of a round; none of the products overflows, because the whole window was measured to fit. */
static inline size_t round_of(const afd_writer *base, uint32_t session, uint32_t micro_batch)
{
    bool is_ffn = base->kind == AFD_WINDOW_FFN;
    return is_ffn ? (size_t)session * base->shape.micro_batch_num + micro_batch : micro_batch;
}

static inline size_t slot_of(const afd_writer *base, const afd_place *place)
{
    return (size_t)place->token * base->shape.selected_expert_num + place->slot;
}

static inline afd_ffn_desc *desc_of(const afd__mapped_writer *writer, size_t round)
{
    return (afd_ffn_desc *)(void *)(writer->token_info + round * writer->info_bytes);
}

static inline int32_t *flags_of(const afd__mapped_writer *writer, size_t round)
{
    return (int32_t *)(void *)(writer->token_info + round * writer->info_bytes);
}

static inline char *data_of(const afd__mapped_writer *writer, size_t round, size_t slot)
{
    return writer->token_data + (round * writer->slot_num + slot) * writer->base.slot_bytes;
}

/* Makes every id of a desc an empty slot; those that are one already stay as they are. The desc is ours. */
static void empty_ids(const afd__mapped_writer *writer, size_t round)
{
    int32_t *ids = afd_ffn_desc_expert_ids(desc_of(writer, round));
    for (size_t i = 0; i < writer->slot_num; i++) {
        if (ids[i] < AFD_EXPERT_ID_LIMIT) {
            ids[i] = AFD_EXPERT_ID_REFILL;
        }
    }
}

/*
 * The first use of a desc by this writer. A window that somebody else laid out may be all zeros, and 0 is an expert; a
 * producer that died here may have left ids that nobody ever published. From then on the scheduler's refill and our
 * discard keep the ids of a free desc empty.
 */
static inline void begin(const afd__mapped_writer *writer, size_t round)
{
    if (writer->rounds[round] == AFD__ROUND_UNTOUCHED && writer->base.kind == AFD_WINDOW_FFN) {
        empty_ids(writer, round);
    }
}

bool afd__mapped_is_free(const afd_writer *base, uint32_t session, uint32_t micro_batch)
{
    return afd__desc_is_free(desc_of(mapped_of_const(base), round_of(base, session, micro_batch)));
}

void *afd__mapped_stage(afd_writer *base, const afd_place *place)
{
    afd__mapped_writer *writer = mapped_of(base);
    size_t round = round_of(base, place->session, place->micro_batch);
    size_t slot = slot_of(base, place);
    begin(writer, round);
    if (base->kind == AFD_WINDOW_FFN) {
        afd_ffn_desc_expert_ids(desc_of(writer, round))[slot] = place->expert_id;
    } else {
        writer->put_masks[round * writer->mask_words + slot / 64] |= UINT64_C(1) << slot % 64;
    }
    writer->rounds[round] = AFD__ROUND_PUT;
    return data_of(writer, round, slot);
}

afd_status afd__mapped_put(afd_writer *base, const afd_place *place, const void *row, size_t row_bytes,
                           afd_error *error)
{
    (void)error; /* nothing can fail here: the place and the size were checked */
    void *slot = afd__mapped_stage(base, place);
    memcpy(slot, row, row_bytes);
    afd__fault_at_torn(base->kind == AFD_WINDOW_FFN ? AFD__FAULT_PUT : AFD__FAULT_REPLY,
                       flags_of(mapped_of(base), round_of(base, place->session, place->micro_batch)), slot, row_bytes);
    return AFD_OK;
}

/* Sets the flags of the slots that were put, in their order, each by a release of its own: all their rows are there. */
static void publish_slots(afd__mapped_writer *writer, size_t round)
{
    uint64_t *masks = writer->put_masks + round * writer->mask_words;
    int32_t *flags = flags_of(writer, round);
    for (size_t word = 0; word < writer->mask_words; word++) {
        for (uint64_t left = masks[word]; left != 0; left &= left - 1) {
            int32_t *flag = &flags[64 * word + (size_t)__builtin_ctzll(left)];
            afd__fault_at(AFD__FAULT_ANSWER, flag);
            afd__slot_publish(flag);
        }
        masks[word] = 0;
    }
}

afd_status afd__mapped_publish(afd_writer *base, const afd_round *round, afd_error *error)
{
    (void)error;
    afd__mapped_writer *writer = mapped_of(base);
    size_t number = round_of(base, round->session, round->micro_batch);
    if (base->kind == AFD_WINDOW_FFN) {
        afd_ffn_desc *desc = desc_of(writer, number);
        begin(writer, number);
        desc->layer_id = round->layer_id;
        afd__fault_at(AFD__FAULT_PUBLISH, desc);
        afd__desc_publish(desc);
    } else if (writer->rounds[number] == AFD__ROUND_PUT) {
        publish_slots(writer, number);
    }
    writer->rounds[number] = AFD__ROUND_CLEAN;
    return AFD_OK;
}

static void discard_round(afd__mapped_writer *writer, size_t round)
{
    if (writer->rounds[round] != AFD__ROUND_PUT) {
        return;
    }
    if (writer->base.kind == AFD_WINDOW_FFN) {
        empty_ids(writer, round);
    } else {
        memset(writer->put_masks + round * writer->mask_words, 0, writer->mask_words * sizeof(uint64_t));
    }
    writer->rounds[round] = AFD__ROUND_CLEAN;
}

void afd__mapped_discard(afd_writer *base, uint32_t session, uint32_t micro_batch)
{
    discard_round(mapped_of(base), round_of(base, session, micro_batch));
}

void afd__mapped_discard_all(afd__mapped_writer *writer)
{
    const afd_shape *shape = &writer->base.shape;
    bool is_ffn = writer->base.kind == AFD_WINDOW_FFN;
    size_t round_num = is_ffn ? (size_t)shape->session_num * shape->micro_batch_num : shape->micro_batch_num;
    for (size_t round = 0; round < round_num; round++) {
        discard_round(writer, round);
    }
}

void afd__mapped_progress(afd_writer *base)
{
    (void)base; /* publish() was at once */
}

bool afd__mapped_is_idle(const afd_writer *base)
{
    (void)base;
    return true;
}
