/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registered memory: a window of the program's own, in the order register, exchange, use, deregister.
 *
 * Every rank registers its memory and then exchanges, which makes the memory of its peers their windows for this rank.
 * A communicator has one registration at a time. Errors, threads and fork: as in hccl.h.
 */
#ifndef AFD_ASCEND_HCCL_HCCL_COMM_H
#define AFD_ASCEND_HCCL_HCCL_COMM_H

#include "hccl/hccl_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Makes [addr, addr + size) this rank's window and *handle the name of that. addr is a multiple of 4, size at least 1,
 * flag 0, which C++ may leave out. The memory stays the program's, and allocated until HcclCommDeregister().
 *
 * Within one process it is any memory. Between processes it is memory inside one block of aclrtMalloc() of at least a
 * page, else HCCL_E_NOT_SUPPORT; nobody writes the block while it is registered for the first time. HCCL_E_PARA where
 * the communicator has a registration already.
 */
#ifdef __cplusplus
HcclResult HcclCommRegister(HcclComm comm, void *addr, uint64_t size, void **handle, uint32_t flag = 0);
#else
HcclResult HcclCommRegister(HcclComm comm, void *addr, uint64_t size, void **handle, uint32_t flag);
#endif

/*
 * Waits until every one of peerRanks[peerRankNum] has registered, at most HCCL_CONNECT_TIMEOUT seconds, and takes over
 * what it registered. Its own rank among them is passed over. May be called again, for other peers or for one that has
 * registered anew. HCCL_E_TIMEOUT names the ranks that registered nothing; the others are exchanged then. HCCL_E_REMOTE
 * where the process of one has ended.
 */
HcclResult HcclCommExchangeMem(HcclComm comm, void *windowHandle, uint32_t *peerRanks, uint32_t peerRankNum);

/*
 * Takes the registration back: the window of this rank is its buffer again, for its peers too, from their next operator
 * on. Operators that write this rank's window have ended.
 */
HcclResult HcclCommDeregister(HcclComm comm, void *handle);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
