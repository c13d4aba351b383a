/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `afd run` writes into a token slot: a stamp at its first and at its last eight bytes that says whose it is. It
 * shows that a slot is where the format puts it, and that token data is there when the flag is. Whole tokens move when
 * dispatch moves them.
 */
#ifndef AFD_CLI_RUN_STAMP_H
#define AFD_CLI_RUN_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "run/random.h"

static inline uint64_t run_stamp_of(uint32_t session, uint32_t micro_batch, uint64_t round, uint64_t slot)
{
    run_random random = run_random_of(session, micro_batch, round, slot);
    return run_random_next(&random);
}

/* slot_bytes >= 8 */
static inline void run_stamp_write(char *slot, uint64_t slot_bytes, uint64_t stamp)
{
    memcpy(slot, &stamp, sizeof(stamp));
    memcpy(slot + slot_bytes - sizeof(stamp), &stamp, sizeof(stamp));
}

static inline bool run_stamp_matches(const char *slot, uint64_t slot_bytes, uint64_t stamp)
{
    return memcmp(slot, &stamp, sizeof(stamp)) == 0 &&
           memcmp(slot + slot_bytes - sizeof(stamp), &stamp, sizeof(stamp)) == 0;
}

#endif
