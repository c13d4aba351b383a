/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ranks of a communicator tell each other: a table with an entry a rank, which only that rank writes. Between
 * processes it is shared memory that any of them can write, so nothing read from it is used unchecked.
 *
 * Everything is 4-byte words, because those are the atomics that there are. A number of 8 bytes is two words, each
 * read for itself: what must belong together is ordered by `state` or `registration`, which are written last.
 */
#ifndef AFD_ASCEND_COMM_TABLE_H
#define AFD_ASCEND_COMM_TABLE_H

#include <stdint.h>

#include "base/atomic.h"

/* The states of a rank, in their order; each is entered by the rank itself. */
enum {
    AFD__ACL_RANK_ABSENT = 0,
    AFD__ACL_RANK_ENTERED = 1, /* pid, fd and bytes say where its buffer is */
    AFD__ACL_RANK_MAPPED = 2,  /* it has mapped the buffers of all others, so their descriptors are not needed */
    AFD__ACL_RANK_GAVE_UP = 3
};

typedef struct afd__acl_rank_entry {
    int32_t state;
    int32_t pid;
    int32_t fd;
    int32_t bytes[2];
    int32_t registration;     /* odd: there is one, and the words below are its; it grows by one when that changes */
    int32_t window_fd;        /* between processes: where its memory is, */
    int32_t window_offset[2]; /* and from which byte on */
    int32_t window_address[2]; /* within one process */
    int32_t window_bytes[2];
    int32_t reserved[3];
} afd__acl_rank_entry;

_Static_assert(sizeof(afd__acl_rank_entry) == 64, "an entry is a cache line of its own");

/* Pair W: the words of a window against `registration`; registration.c says what they order. */
static inline void afd__acl_put_u64(int32_t words[2], uint64_t value)
{
    afd__store_release_i32(&words[0], (int32_t)(uint32_t)value);
    afd__store_release_i32(&words[1], (int32_t)(uint32_t)(value >> 32));
}

static inline uint64_t afd__acl_get_u64(const int32_t words[2])
{
    const uint64_t low = (uint32_t)afd__load_acquire_i32(&words[0]);
    const uint64_t high = (uint32_t)afd__load_acquire_i32(&words[1]);
    return low | high << 32;
}

#endif
