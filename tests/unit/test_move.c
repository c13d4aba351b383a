/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving ids (window/move.h) against the loop that its header writes down: every small size at every place in a cache
 * line on both sides, large sizes by chance, the words around both looked at; and between pages that nobody may touch.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "afd/window.h"
#include "cmocka_headers.h"
#include "random_numbers.h"
#include "window/move.h"

enum {
    LINE_WORDS = 16,
    GUARD_WORDS = 2 * LINE_WORDS, /* more than a vector of any width that could be stored by mistake */
    SMALL_MAX = 200,
    LARGE_MAX = 10000,
    LARGE_NUM = 3000,
    AHEAD_WORDS = AFD__MOVE_AHEAD_BYTES / 4,
    ROOM_WORDS = LARGE_MAX + LINE_WORDS + 2 * GUARD_WORDS
};

static const int32_t out_guard = 0x11111111;
static const int32_t ids_guard = 0x22222222;

/* Words with a guard before and behind them. */
typedef struct side {
    _Alignas(64) int32_t room[ROOM_WORDS];
} side;

static side out_side;
static side ids_side;

static int32_t id_of(size_t i)
{
    return (int32_t)(i * 2654435761U);
}

static void fill(int32_t *words, size_t num, int32_t value)
{
    for (size_t i = 0; i < num; i++) {
        words[i] = value;
    }
}

/* The number of words that are not `value`. */
static size_t count_others(const int32_t *words, size_t num, int32_t value)
{
    size_t others = 0;
    for (size_t i = 0; i < num; i++) {
        others += words[i] != value;
    }
    return others;
}

static void expect_moved(const int32_t *out, const int32_t *ids, size_t id_num)
{
    for (size_t i = 0; i < id_num; i++) {
        if (out[i] != id_of(i) || ids[i] != AFD_EXPERT_ID_REFILL) {
            fail_msg("of %zu ids number %zu became %" PRId32 " and left %" PRId32, id_num, i, out[i], ids[i]);
        }
    }
}

/* Moves id_num ids, whose first words lie so many words behind the beginning of a line. */
static void move_and_check(size_t out_shift, size_t ids_shift, size_t id_num, const int32_t *next_ids)
{
    int32_t *out = out_side.room + GUARD_WORDS + out_shift;
    int32_t *ids = ids_side.room + GUARD_WORDS + ids_shift;
    fill(out_side.room, 2 * GUARD_WORDS + out_shift + id_num, out_guard);
    fill(ids_side.room, 2 * GUARD_WORDS + ids_shift + id_num, ids_guard);
    for (size_t i = 0; i < id_num; i++) {
        ids[i] = id_of(i);
    }
    afd__move_ids(out, ids, id_num, next_ids);
    expect_moved(out, ids, id_num);
    assert_int_equal(count_others(out_side.room, GUARD_WORDS + out_shift, out_guard), 0);
    assert_int_equal(count_others(ids_side.room, GUARD_WORDS + ids_shift, ids_guard), 0);
    assert_int_equal(count_others(out + id_num, GUARD_WORDS, out_guard), 0);
    assert_int_equal(count_others(ids + id_num, GUARD_WORDS, ids_guard), 0);
}

static void every_small_size_moves_at_every_place_in_a_line(void **state)
{
    (void)state;
    for (size_t id_num = 0; id_num <= SMALL_MAX; id_num++) {
        for (size_t out_shift = 0; out_shift < LINE_WORDS; out_shift++) {
            for (size_t ids_shift = 0; ids_shift < LINE_WORDS; ids_shift++) {
                move_and_check(out_shift, ids_shift, id_num, ids_side.room);
            }
        }
    }
}

/* Where a long desc is cut in two, and where a part of it is shorter than a line or than a vector. */
static void every_size_around_the_distance_moves(void **state)
{
    (void)state;
    for (size_t id_num = AHEAD_WORDS - 2 * LINE_WORDS; id_num <= AHEAD_WORDS + 3 * LINE_WORDS; id_num++) {
        for (size_t ids_shift = 0; ids_shift < LINE_WORDS; ids_shift++) {
            move_and_check((ids_shift * 5 + 3) % LINE_WORDS, ids_shift, id_num, ids_side.room);
        }
    }
}

static void large_sizes_move_too(void **state)
{
    (void)state;
    const char *given = getenv("AFD_TEST_SEED");
    random_numbers numbers = { given != NULL ? strtoull(given, NULL, 0) : 20261123 };
    print_message("seed %" PRIu64 "\n", numbers.state);
    for (int i = 0; i < LARGE_NUM; i++) {
        move_and_check(random_below(&numbers, LINE_WORDS), random_below(&numbers, LINE_WORDS),
                       random_below(&numbers, LARGE_MAX + 1), ids_side.room);
    }
}

/* ---- between pages that nobody may touch ---- */

/* `bytes`, whole pages, with a page before and one behind them that faults. */
static char *guarded_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, bytes, PROT_READ | PROT_WRITE), 0);
    return pages + page;
}

static void free_guarded_pages(char *pages, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(munmap(pages - page, bytes + 2 * page), 0);
}

/* Where id_num words begin that touch the first or the last byte of the pages. */
static int32_t *at_edge(char *pages, size_t bytes, size_t id_num, bool at_end)
{
    return (int32_t *)(void *)(pages + (at_end ? bytes - id_num * sizeof(int32_t) : 0));
}

static void nothing_past_either_end_is_read_or_written(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (2 * AHEAD_WORDS * sizeof(int32_t) + page) / page * page;
    char *out_pages = guarded_pages(bytes);
    char *ids_pages = guarded_pages(bytes);
    for (size_t id_num = 0; id_num <= 2 * AHEAD_WORDS; id_num += id_num < 300 ? 1 : 97) {
        for (int edges = 0; edges < 4; edges++) {
            int32_t *out = at_edge(out_pages, bytes, id_num, (edges & 1) != 0);
            int32_t *ids = at_edge(ids_pages, bytes, id_num, (edges & 2) != 0);
            for (size_t i = 0; i < id_num; i++) {
                ids[i] = id_of(i);
            }
            /* What comes next is behind the end, as it is for the last desc of a window. */
            afd__move_ids(out, ids, id_num, ids + id_num);
            expect_moved(out, ids, id_num);
        }
    }
    free_guarded_pages(out_pages, bytes);
    free_guarded_pages(ids_pages, bytes);
}

static void what_comes_next_may_be_anywhere(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = guarded_pages(page);
    const uintptr_t places[] = {
        0, 1, 2, UINTPTR_MAX, UINTPTR_MAX - AFD__MOVE_AHEAD_BYTES, (uintptr_t)1 << 63, (uintptr_t)1 << 47,
        (uintptr_t)pages - 1, (uintptr_t)pages - page, (uintptr_t)pages + page - 1, (uintptr_t)pages + page,
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (size_t id_num = 0; id_num <= 2 * AHEAD_WORDS; id_num += 61) {
            move_and_check(1, 3, id_num, (const int32_t *)places[i]); /* a hint, which nobody follows */
        }
    }
    free_guarded_pages(pages, page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_size_moves_at_every_place_in_a_line),
        cmocka_unit_test(every_size_around_the_distance_moves),
        cmocka_unit_test(large_sizes_move_too),
        cmocka_unit_test(nothing_past_either_end_is_read_or_written),
        cmocka_unit_test(what_comes_next_may_be_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
