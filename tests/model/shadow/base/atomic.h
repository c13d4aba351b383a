/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for src/base/atomic.h when src/window/handover.h is compiled into the model: the same names, but each
 * access goes to relacy's memory with the order of its name, or with relaxed if its site is the one that a run weakens.
 *
 * A site is one call of an ordered access, known by the function and the line it stands in; the compiler says both, so
 * an access that somebody adds to handover.h is found, printed and weakened without a word here.
 */
#ifndef AFD_MODEL_BASE_ATOMIC_H
#define AFD_MODEL_BASE_ATOMIC_H

#include <stdint.h>

#include <relacy/relacy.hpp>

typedef rl::atomic<int32_t> model_word;

/* The order to use at this site: `order`, or relaxed. Defined in sites.cpp, which keeps the list. */
rl::memory_order model_site_order(const char *function, int line, rl::memory_order order);

static inline int32_t afd__load_acquire_i32(const model_word *word, const char *function = __builtin_FUNCTION(),
                                            int line = __builtin_LINE())
{
    return word->load(model_site_order(function, line, rl::mo_acquire), RL_INFO);
}

static inline int32_t afd__load_relaxed_i32(const model_word *word)
{
    return word->load(rl::mo_relaxed, RL_INFO);
}

static inline void afd__store_relaxed_i32(model_word *word, int32_t value)
{
    word->store(value, rl::mo_relaxed, RL_INFO);
}

static inline void afd__store_release_i32(model_word *word, int32_t value,
                                          const char *function = __builtin_FUNCTION(), int line = __builtin_LINE())
{
    word->store(value, model_site_order(function, line, rl::mo_release), RL_INFO);
}

#endif
