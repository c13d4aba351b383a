/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floors of the scheduler's companions: as many bytes as they read and write, between two contiguous blocks. Which
 * of the loops applies is a matter of how the two sizes compare.
 */
#ifndef AFD_CLI_BENCH_COMPANION_FLOOR_H
#define AFD_CLI_BENCH_COMPANION_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_floor_work {
    char *to;
    size_t to_bytes;
    char *from;
    size_t from_bytes;
    size_t read_bytes; /* what is read of `from`, over and over where that is more than it has */
    size_t row_bytes;  /* of `from`; each row is written to_bytes / from_bytes times where `to` is the larger */
} bench_floor_work;

typedef struct bench_companion_floor {
    const char *name;
    void (*move)(const bench_floor_work *work);
    bool (*is_right)(const bench_floor_work *work); /* whether `to` is what move() makes of `from` */
} bench_companion_floor;

/* As much is read as is written: libc's memcpy; and vectors with the lines that come up fetched ahead. */
extern const bench_companion_floor bench_floor_copy;
extern const bench_companion_floor bench_floor_copy_ahead;

/* More is written: each row several times. */
extern const bench_companion_floor bench_floor_repeat;

/* More is read: all of it, one piece after the other into the same place; and each written line from as many read ones
 * as there are to each. */
extern const bench_companion_floor bench_floor_overwrite;
extern const bench_companion_floor bench_floor_fold;

/* i32 that become i64. */
extern const bench_companion_floor bench_floor_widen;

#endif
