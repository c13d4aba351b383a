/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows in private memory that threads of this process share with each other, by a key. A window that was shared goes
 * when the last of those who have it closes it, so that a thread that ends cannot pull memory from under another one
 * that still writes into it.
 *
 * Threads: from anywhere; one lock for the process, which no call on the token path takes.
 */
#ifndef AFD_WINDOW_REGISTRY_H
#define AFD_WINDOW_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/window.h"

/* The key of a window in private memory, for afd__window_borrow(); the same each time, never 0. */
uint64_t afd__window_share(afd_window *window);

/* The window of a key, to be closed with afd_window_close() by each who has it; NULL if there is none any more. */
afd_window *afd__window_borrow(uint64_t key);

/* Whether nobody else has the window, so that it can be unmapped. Called by afd_window_close(). */
bool afd__window_let_go(afd_window *window);

#endif
