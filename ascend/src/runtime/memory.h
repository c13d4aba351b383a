/* SPDX-License-Identifier: Apache-2.0 */
/* What the rest of the front asks of memory from aclrtMalloc: that other processes can map it. */
#ifndef AFD_ASCEND_RUNTIME_MEMORY_H
#define AFD_ASCEND_RUNTIME_MEMORY_H

#include <stdint.h>

#include "acl/acl_base.h"

/* Where memory is for those who do not share the address space. */
typedef struct afd__acl_shared_memory {
    int fd;          /* sealed, at least offset + bytes long; the caller closes it */
    uint64_t offset; /* of the address that was asked for */
} afd__acl_shared_memory;

/*
 * Makes the block that has all of [address, address + bytes) one that other processes can map. It stays where it is,
 * with its contents, and is freed as before; who has mapped it keeps it. Nobody may write the block meanwhile: what is
 * written while it is shared for the first time may be lost.
 *
 * ACL_ERROR_RT_FEATURE_NOT_SUPPORT, with a sentence, where the bytes are not all in one block of aclrtMalloc, or the
 * block is smaller than a page; ACL_ERROR_RT_MEMORY_ALLOCATION where the system refuses.
 */
aclError afd__acl_memory_share(const void *address, uint64_t bytes, afd__acl_shared_memory *shared);

#endif
