/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of another process, found by its process id and the number of a descriptor there; neither is trusted. */
#ifndef AFD_ASCEND_COMM_FOREIGN_H
#define AFD_ASCEND_COMM_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct afd__acl_foreign {
    int fd;         /* the caller closes it */
    uint64_t bytes; /* that it has, and always will */
    uint64_t device; /* these two name the memory: */
    uint64_t inode;  /* equal for equal memory */
} afd__acl_foreign;

/*
 * Opens descriptor `fd` of process `pid`, and nothing but memory made by afd__acl_memfd_new() in a process of this
 * user. False, with a sentence that begins with `what`.
 */
bool afd__acl_foreign_open(const char *what, int32_t pid, int32_t fd, afd__acl_foreign *foreign);

#endif
