/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adding up of combine in vectors of whatever width the including file is compiled for. A piece of a token at a
 * time, over all its slots: the sums stay in registers, each slot is read once, in order, and nothing but the result
 * is written. That reads E slots at once, more streams than the hardware fetches ahead by itself. Slots are read and
 * results written as bytes, because a slot need not be aligned.
 *
 * Everything is compiled with -ffp-contract=off: a fused product and sum would be rounded once instead of twice.
 */
#ifndef AFD_ATTENTION_COMBINE_BODY_H
#define AFD_ATTENTION_COMBINE_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "attention/combine.h"
#include "base/half_vector.h"

enum {
    LINE_BYTES = 64,
    LAST_BYTES = 2 * AFD_HIDDEN_MULTIPLE, /* what may be left of a row behind its whole lines */
    AHEAD_BYTES = 512, /* of each slot: less leaves the sums waiting for memory, more is slower in a near cache */
    PAIR_MAX = LINE_BYTES / AFD__VECTOR_BYTES
};

/* `type` and `num` are constants wherever this is inlined, and so is whether there is a scale. */
AFD__INLINE void add_slot(afd__float_pair *sums, const char *slot, const float *scale, afd_token_type type, size_t num)
{
#pragma GCC unroll 4
    for (size_t i = 0; i < num; i++) {
        afd__float_pair values = afd__widen(slot + i * AFD__VECTOR_BYTES, type);
        sums[i].low += scale != NULL ? *scale * values.low : values.low;
        sums[i].high += scale != NULL ? *scale * values.high : values.high;
    }
}

/* By number and not by pointer, because there may be no object at all where it points to. */
AFD__INLINE void fetch_ahead(const char *slot, size_t ahead)
{
    __builtin_prefetch((const void *)((uintptr_t)slot + ahead));
}

/* What one memory access of each slot brings, or what is left at the end of a row. */
AFD__INLINE void combine_piece(const afd__combine_work *work, const char *slot, const float *scales, char *output,
                               size_t ahead, afd_token_type type, size_t num)
{
    afd__float_pair sums[PAIR_MAX] = { 0 };
    for (uint32_t k = 0; k < work->top_k; k++, slot += work->slot_bytes) {
        fetch_ahead(slot, ahead);
        add_slot(sums, slot, &scales[k], type, num);
    }
    for (uint32_t k = work->top_k; k < work->slot_num; k++, slot += work->slot_bytes) {
        fetch_ahead(slot, ahead);
        add_slot(sums, slot, NULL, type, num);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < num; i++) {
        afd__narrow(output + i * AFD__VECTOR_BYTES, sums[i], type);
    }
}

AFD__INLINE void combine_tokens(const afd__combine_work *work, afd_token_type type)
{
    const size_t row_bytes = (size_t)work->hidden * sizeof(uint16_t);
    const size_t line_bytes = row_bytes / LINE_BYTES * LINE_BYTES;
    const size_t to_next_token = work->slot_num * work->slot_bytes - row_bytes;
    for (size_t t = 0; t < work->token_num; t++) {
        const char *slots = work->slots + t * work->slot_num * work->slot_bytes;
        const float *scales = work->scales + t * work->top_k;
        char *output = work->output + t * row_bytes;
        for (size_t at = 0; at < line_bytes; at += LINE_BYTES) {
            /* At the end of the rows those of the next token come up. */
            size_t ahead = at + AHEAD_BYTES < row_bytes ? AHEAD_BYTES : AHEAD_BYTES + to_next_token;
            combine_piece(work, slots + at, scales, output + at, ahead, type, PAIR_MAX);
        }
        if (line_bytes < row_bytes) {
            combine_piece(work, slots + line_bytes, scales, output + line_bytes, 0, type,
                          LAST_BYTES / AFD__VECTOR_BYTES);
        }
    }
}

/* Each type has its own copy of the code, in which it is not asked again. */
AFD__INLINE void combine_work(const afd__combine_work *work)
{
    if (work->type == AFD_TOKEN_BF16) {
        combine_tokens(work, AFD_TOKEN_BF16);
    } else {
        combine_tokens(work, AFD_TOKEN_F16);
    }
}

#endif
