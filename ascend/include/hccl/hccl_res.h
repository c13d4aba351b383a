/* SPDX-License-Identifier: Apache-2.0 */
/* The window of a communicator: twice HCCL_BUFFSIZE bytes, of which the first half is it. Not there yet. */
#ifndef AFD_ASCEND_HCCL_HCCL_RES_H
#define AFD_ASCEND_HCCL_HCCL_RES_H

#include "hccl/hccl_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

HcclResult HcclGetHcclBuffer(HcclComm comm, void **buffer, uint64_t *size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
