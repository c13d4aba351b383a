/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests that compare the communication operators with the native calls: ranks, and for each of their windows a
 * private copy, which the native calls write into.
 */
#ifndef AFD_ASCEND_TESTS_COPIES_H
#define AFD_ASCEND_TESTS_COPIES_H

#include <stddef.h>
#include <stdint.h>

#include "afd/window.h"
#include "afd/writer.h"
#include "communication_world.h"

enum { SHAPE_TRIES = 16, CALLS_A_SHAPE = 8, WINDOW_BYTES = 1 << 20 };

extern rank_world ranks;
extern uint8_t *copies[RANK_MAX];

/* Of cmocka: the front, and random numbers whose seed is printed. */
int copies_set_up(void **state);
int copies_tear_down(void **state);

void start_ranks(uint32_t rank_num);
void end_ranks(void);

/* Every byte of every rank's window is that of its copy. */
void assert_same_windows(void);

/* Native writers into all copies. */
void make_writers(afd_window_kind kind, const afd_shape *shape, const afd_window_sizes *sizes, afd_writer **writers);
void close_writers(afd_writer **writers);

void fill_randomly(void *memory, size_t byte_num);

#endif
