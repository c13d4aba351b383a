/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of 16 bytes, which every x86-64 and aarch64 has, and no wider ones behind a dispatch: with 32 or 64 bytes
 * warm descs move a sixth faster and cold ones, which is how they come from another core or host, a third slower.
 * docs/performance.md has the figures.
 */
#include "window/move.h"

#include "afd/window.h"

enum {
    VECTOR_BYTES = 16,
    VECTOR_WORDS = VECTOR_BYTES / sizeof(int32_t),
    LINE_BYTES = 64,
    LINE_WORDS = LINE_BYTES / sizeof(int32_t),
    LINE_VECTORS = LINE_BYTES / VECTOR_BYTES,
    AHEAD_WORDS = AFD__MOVE_AHEAD_BYTES / sizeof(int32_t)
};

/* A vector at any int32_t, and one at a multiple of its own size. */
typedef int32_t loose_vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vector __attribute__((vector_size(VECTOR_BYTES), may_alias));

static inline loose_vector load(const int32_t *words)
{
    return *(const loose_vector *)(const void *)words;
}

static inline void store(int32_t *words, loose_vector value)
{
    *(loose_vector *)(void *)words = value;
}

static inline loose_vector refill(void)
{
    return (loose_vector){ 0 } + AFD_EXPERT_ID_REFILL;
}

static void move_words(int32_t *out, int32_t *ids, size_t id_num)
{
    for (size_t i = 0; i < id_num; i++) {
        out[i] = ids[i];
        ids[i] = AFD_EXPERT_ID_REFILL;
    }
}

/* Less than a line. The last vector overlaps the one before it, so it is loaded before that one is refilled. */
static void move_vectors(int32_t *out, int32_t *ids, size_t id_num)
{
    const size_t tail = id_num - VECTOR_WORDS;
    const loose_vector last = load(ids + tail);
    for (size_t i = 0; i < tail; i += VECTOR_WORDS) {
        store(out + i, load(ids + i));
        store(ids + i, refill());
    }
    store(out + tail, last);
    store(ids + tail, refill());
}

static inline void move_line(int32_t *out, int32_t *ids)
{
#pragma GCC unroll 4
    for (size_t i = 0; i < LINE_WORDS; i += VECTOR_WORDS) {
        store(out + i, (loose_vector) * (vector *)(void *)(ids + i));
        *(vector *)(void *)(ids + i) = (vector)refill();
    }
}

/*
 * A line or more. The first vector and the last line may lie anywhere and overlap what is between them, so both are
 * loaded before anything is refilled, and refilled after everything was moved. Between them the window is touched in
 * aligned vectors, because one across two lines costs twice and descs begin at any multiple of 4. A last line of its
 * own instead of a loop over what remains leaves one branch to be guessed wrong, not two.
 */
static void move_lines(int32_t *out, int32_t *ids, size_t id_num, const int32_t *ahead)
{
    const size_t tail = id_num - LINE_WORDS;
    const loose_vector first = load(ids);
    loose_vector last[LINE_VECTORS];
#pragma GCC unroll 4
    for (size_t k = 0; k < LINE_VECTORS; k++) {
        last[k] = load(ids + tail + k * VECTOR_WORDS);
    }
    store(out, first);
    size_t i = (VECTOR_BYTES - (uintptr_t)ids % VECTOR_BYTES) / sizeof(int32_t);
    for (; i + LINE_WORDS <= id_num; i += LINE_WORDS) {
        /* By number and not by pointer, because there may be no object at all where it points to. */
        __builtin_prefetch((const void *)((uintptr_t)ahead + i * sizeof(int32_t)));
        move_line(out + i, ids + i);
    }
    store(ids, refill());
#pragma GCC unroll 4
    for (size_t k = 0; k < LINE_VECTORS; k++) {
        store(out + tail + k * VECTOR_WORDS, last[k]);
        store(ids + tail + k * VECTOR_WORDS, refill());
    }
}

static void move_block(int32_t *out, int32_t *ids, size_t id_num, const int32_t *ahead)
{
    if (id_num >= LINE_WORDS) {
        move_lines(out, ids, id_num, ahead);
    } else if (id_num >= VECTOR_WORDS) {
        move_vectors(out, ids, id_num);
    } else {
        move_words(out, ids, id_num);
    }
}

void afd__move_ids(int32_t *out, int32_t *ids, size_t id_num, const int32_t *next_ids)
{
    /* A long desc fetches its own ids until the distance reaches beyond them. */
    size_t own = id_num > AHEAD_WORDS ? id_num - AHEAD_WORDS : 0;
    if (own > 0) {
        move_block(out, ids, own, ids + AHEAD_WORDS);
    }
    move_block(out + own, ids + own, id_num - own, next_ids);
}
