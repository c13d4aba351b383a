/* SPDX-License-Identifier: Apache-2.0 */
/* Memory behind a descriptor, which other processes can map and nobody can take away from under them. */
#ifndef AFD_ASCEND_RUNTIME_MEMFD_H
#define AFD_ASCEND_RUNTIME_MEMFD_H

#include <stdint.h>

/*
 * A descriptor of `bytes` of zeroed memory that exists in no file system and comes page by page when it is touched. Its
 * size is sealed, so that who maps it never faults on it. -1, with a sentence that begins with `what`.
 */
int afd__acl_memfd_new(const char *what, uint64_t bytes);

/* The seals that it has: the size stays, and so do the seals. */
int afd__acl_memfd_seals(void);

#endif
