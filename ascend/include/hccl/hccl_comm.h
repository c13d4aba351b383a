/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registered memory, in the order register, exchange, use, deregister; one registration a communicator. Not there yet.
 */
#ifndef AFD_ASCEND_HCCL_HCCL_COMM_H
#define AFD_ASCEND_HCCL_HCCL_COMM_H

#include "hccl/hccl_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* flag is 0, which C++ may leave out. */
#ifdef __cplusplus
HcclResult HcclCommRegister(HcclComm comm, void *addr, uint64_t size, void **handle, uint32_t flag = 0);
#else
HcclResult HcclCommRegister(HcclComm comm, void *addr, uint64_t size, void **handle, uint32_t flag);
#endif
HcclResult HcclCommExchangeMem(HcclComm comm, void *windowHandle, uint32_t *peerRanks, uint32_t peerRankNum);
HcclResult HcclCommDeregister(HcclComm comm, void *handle);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
