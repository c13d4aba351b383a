/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that a communicator brings along. */
#ifndef AFD_ASCEND_HCCL_HCCL_RES_H
#define AFD_ASCEND_HCCL_HCCL_RES_H

#include "hccl/hccl_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * The buffer of the communicator's rank in *buffer, and its 2 x HCCL_BUFFSIZE MiB in *size, in bytes. Its first half is
 * the rank's window unless other memory is registered. It is the communicator's, and there until that is destroyed.
 * Errors, threads and fork: as in hccl.h.
 */
HcclResult HcclGetHcclBuffer(HcclComm comm, void **buffer, uint64_t *size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
