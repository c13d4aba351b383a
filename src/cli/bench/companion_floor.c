/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/companion_floor.h"

#include <stdint.h>
#include <string.h>

enum { LINE_BYTES = 64, VECTOR_BYTES = 16, LINE_VECTORS = LINE_BYTES / VECTOR_BYTES, AHEAD_BYTES = 1024 };

/* What every machine of a kind has, at any address: SSE2, NEON. */
typedef uint64_t vector __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

typedef int32_t narrow_vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

static inline vector *vectors_at(char *memory)
{
    return (vector *)(void *)memory;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- as much ---- */

static void copy(const bench_floor_work *work)
{
    memcpy(work->to, work->from, work->to_bytes);
}

/* What is fetched may lie behind the end. */
static void copy_ahead(const bench_floor_work *work)
{
    const size_t line_bytes = work->to_bytes / LINE_BYTES * LINE_BYTES;
    for (size_t at = 0; at < line_bytes; at += LINE_BYTES) {
        vector *from = vectors_at(work->from + at);
        vector *to = vectors_at(work->to + at);
        __builtin_prefetch((const void *)((uintptr_t)from + AHEAD_BYTES));
        vector a = from[0], b = from[1], c = from[2], d = from[3];
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
    }
    memcpy(work->to + line_bytes, work->from + line_bytes, work->to_bytes - line_bytes);
}

static bool is_copied(const bench_floor_work *work)
{
    return memcmp(work->to, work->from, work->to_bytes) == 0;
}

/* ---- more is written ---- */

static void repeat(const bench_floor_work *work)
{
    const size_t times = work->to_bytes / work->from_bytes;
    char *to = work->to;
    for (size_t at = 0; at < work->from_bytes; at += work->row_bytes) {
        for (size_t i = 0; i < times; i++, to += work->row_bytes) {
            memcpy(to, work->from + at, work->row_bytes);
        }
    }
}

static bool is_repeated(const bench_floor_work *work)
{
    const size_t times = work->to_bytes / work->from_bytes;
    bool right = true;
    for (size_t at = 0; at < work->to_bytes; at += work->row_bytes) {
        size_t row = at / work->row_bytes / times;
        right = right && memcmp(work->to + at, work->from + row * work->row_bytes, work->row_bytes) == 0;
    }
    return right;
}

/* ---- more is read ---- */

/* Returns where in `from` the last piece was. */
static size_t walk_pieces(const bench_floor_work *work, bool moves)
{
    size_t at = 0;
    size_t last = 0;
    for (size_t left = work->read_bytes; left >= work->to_bytes; left -= work->to_bytes) {
        if (at + work->to_bytes > work->from_bytes) {
            at = 0;
        }
        if (moves) {
            memcpy(work->to, work->from + at, work->to_bytes);
        }
        last = at;
        at += work->to_bytes;
    }
    return last;
}

static void overwrite(const bench_floor_work *work)
{
    (void)walk_pieces(work, true);
}

static bool is_overwritten(const bench_floor_work *work)
{
    return memcmp(work->to, work->from + walk_pieces(work, false), work->to_bytes) == 0;
}

/* The line of `from` that is read as number `number`. */
static char *line_at(const bench_floor_work *work, size_t number)
{
    return work->from + number % (work->from_bytes / LINE_BYTES) * LINE_BYTES;
}

static size_t lines_each(const bench_floor_work *work)
{
    return work->read_bytes / work->to_bytes;
}

static void fold(const bench_floor_work *work)
{
    const size_t num = lines_each(work);
    const char *end = work->from + work->from_bytes / LINE_BYTES * LINE_BYTES;
    char *line = work->from;
    for (size_t at = 0; at + LINE_BYTES <= work->to_bytes; at += LINE_BYTES) {
        vector sums[LINE_VECTORS] = { 0 };
        for (size_t i = 0; i < num; i++) {
            const vector *from = vectors_at(line);
            __builtin_prefetch((const void *)((uintptr_t)line + AHEAD_BYTES));
            sums[0] ^= from[0], sums[1] ^= from[1], sums[2] ^= from[2], sums[3] ^= from[3];
            line = line + LINE_BYTES < end ? line + LINE_BYTES : work->from;
        }
        vector *to = vectors_at(work->to + at);
        to[0] = sums[0], to[1] = sums[1], to[2] = sums[2], to[3] = sums[3];
    }
}

static bool is_folded(const bench_floor_work *work)
{
    const size_t num = lines_each(work);
    bool right = true;
    for (size_t at = 0; at + LINE_BYTES <= work->to_bytes; at += sizeof(uint64_t)) {
        uint64_t sum = 0;
        uint64_t made;
        memcpy(&made, work->to + at, sizeof(made));
        for (size_t i = 0; i < num; i++) {
            uint64_t part;
            memcpy(&part, line_at(work, at / LINE_BYTES * num + i) + at % LINE_BYTES, sizeof(part));
            sum ^= part;
        }
        right = right && sum == made;
    }
    return right;
}

/* ---- wider ---- */

static size_t number_num(const bench_floor_work *work)
{
    return smaller(work->from_bytes / sizeof(int32_t), work->to_bytes / sizeof(int64_t));
}

/* Four at a time: an id is not negative, so that zeros make the upper halves. */
static void widen(const bench_floor_work *work)
{
    const narrow_vector zeros = { 0 };
    const size_t num = number_num(work);
    const int32_t *from = (const int32_t *)(const void *)work->from;
    int64_t *to = (int64_t *)(void *)work->to;
    size_t i = 0;
    for (; i + 4 <= num; i += 4) {
        narrow_vector ids = *(const narrow_vector *)(const void *)(from + i);
        *(narrow_vector *)(void *)(to + i) = __builtin_shufflevector(ids, zeros, 0, 4, 1, 5);
        *(narrow_vector *)(void *)(to + i + 2) = __builtin_shufflevector(ids, zeros, 2, 6, 3, 7);
    }
    for (; i < num; i++) {
        to[i] = from[i];
    }
}

static bool is_widened(const bench_floor_work *work)
{
    const int32_t *from = (const int32_t *)(const void *)work->from;
    const int64_t *to = (const int64_t *)(const void *)work->to;
    bool right = true;
    for (size_t i = 0; i < number_num(work); i++) {
        right &= to[i] == from[i];
    }
    return right;
}

const bench_companion_floor bench_floor_copy = { "memcpy", copy, is_copied };
const bench_companion_floor bench_floor_copy_ahead = { "vectors+prefetch", copy_ahead, is_copied };
const bench_companion_floor bench_floor_repeat = { "memcpy", repeat, is_repeated };
const bench_companion_floor bench_floor_overwrite = { "memcpy", overwrite, is_overwritten };
const bench_companion_floor bench_floor_fold = { "fold+prefetch", fold, is_folded };
const bench_companion_floor bench_floor_widen = { "one pass", widen, is_widened };
