/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment: address space that holds the buffer of a rank. It is reserved and comes page by page, zeroed, when it is
 * touched, so that many large ones cost nothing.
 */
#ifndef AFD_ASCEND_COMM_SEGMENT_H
#define AFD_ASCEND_COMM_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct afd__acl_segment {
    void *memory; /* NULL = none */
    uint64_t bytes;
} afd__acl_segment;

/* Memory of this process alone. False with a sentence. */
bool afd__acl_segment_reserve(uint64_t bytes, afd__acl_segment *segment);

/* `bytes` from `offset`, a multiple of the page size, of a descriptor that has them; the descriptor may be closed.
 * False with a sentence. */
bool afd__acl_segment_map(int fd, uint64_t offset, uint64_t bytes, afd__acl_segment *segment);

/* Gives the address space back; nothing for one that has none. */
void afd__acl_segment_release(afd__acl_segment *segment);

#endif
