/* SPDX-License-Identifier: Apache-2.0 */
/* Filling in afd_error where a cause is first known. These are cold: never on the path of a call that succeeds. */
#ifndef AFD_BASE_ERROR_H
#define AFD_BASE_ERROR_H

#include <stdint.h>

#include "afd/status.h"

/*
 * Records `status` with the field at fault, the value found and the bound it was held against, and the sentence;
 * returns `status`, so that a check can end with `return afd__fail(...)`. `error` may be NULL. `field` must be static
 * memory.
 */
__attribute__((cold, format(printf, 6, 7))) afd_status afd__fail(afd_error *error, afd_status status, const char *field,
                                                                 uint64_t value, uint64_t bound, const char *format,
                                                                 ...);

/*
 * The same for a system call that failed with `system_error` while doing `what` ("map /dev/shm/afd.x"); ENOMEM becomes
 * AFD_ERR_NO_MEMORY, EACCES and EPERM AFD_ERR_ACCESS, others AFD_ERR_SYSTEM.
 */
__attribute__((cold)) afd_status afd__fail_system(afd_error *error, int system_error, const char *field,
                                                  const char *what);

#endif
