/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Communicators: groups of ranks that write into each other's windows.
 *
 * Every rank has a buffer of 2 x HCCL_BUFFSIZE MiB (an environment variable, in [1, 16777216], 200 without it, read
 * whenever a communicator is made), zeroed, of which pages come when they are touched. Its first half is the rank's
 * window, unless the rank registers other memory (hccl_comm.h). All ranks of a communicator have one name, which is
 * what operators take as `group`.
 *
 * Errors: HCCL_E_PTR for a null pointer, HCCL_E_PARA for a value out of range and for a communicator that was destroyed
 * or never was; aclGetRecentErrMsg() has the sentence. Outputs are written on success only.
 *
 * Threads: every call, from any thread. fork: processes are forked before the first call, and each makes its own rank.
 */
#ifndef AFD_ASCEND_HCCL_HCCL_H
#define AFD_ASCEND_HCCL_HCCL_H

#include "hccl/hccl_comm.h"
#include "hccl/hccl_res.h"
#include "hccl/hccl_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Makes all ranks of a communicator in this process: rank i on devices[i], its handle in comms[i]. ndev is in [1, the
 * number of devices], and the devices are different ones. HCCL_E_MEMORY where there is no memory or address space.
 */
HcclResult HcclCommInitAll(uint32_t ndev, int32_t *devices, HcclComm *comms);

/*
 * Makes a place where ranks in several processes meet, and describes it in *rootInfo, whose bytes the program hands to
 * every rank. This process must live until all of them have their communicators; one root info makes one. It costs a
 * descriptor until then. HCCL_E_SYSCALL where the system has none.
 */
HcclResult HcclGetRootInfo(HcclRootInfo *rootInfo);

/*
 * Makes this process, or thread, rank `rank` of nRanks, in [1, 1024], on the thread's current device. Returns when all
 * ranks have come and can write each other's windows: waits at most HCCL_CONNECT_TIMEOUT seconds (an environment
 * variable, in [1, 7200], 120 without it) for the ranks to come and as long again for their mappings, asleep.
 *
 * All ranks are processes of one user on one host that see each other in /proc, and have the same nRanks. HCCL_E_PARA:
 * a rank that is taken, another nRanks, bytes that are no root info. HCCL_E_TIMEOUT names the ranks that did not come;
 * HCCL_E_REMOTE one that ended or gave up; HCCL_E_UNAVAIL: the root info is of another pid namespace or user, was used,
 * or its process has ended; HCCL_E_RUNTIME: there is no current device; HCCL_E_SYSCALL and HCCL_E_MEMORY as above.
 * After a timeout the root info is used up. Nothing is left behind, whichever process is killed when.
 */
HcclResult HcclCommInitRootInfo(uint32_t nRanks, const HcclRootInfo *rootInfo, uint32_t rank, HcclComm *comm);

/*
 * Ends the handle. The memory goes when no task and, within one process, no other rank uses it any more: peers may
 * still be writing this rank's buffer. Registered memory is this rank's own again; who frees it must know that no peer
 * writes it.
 */
HcclResult HcclCommDestroy(HcclComm comm);

/* commName has COMM_NAME_MAX_LENGTH bytes, all of which are written; the name ends with a zero. */
HcclResult HcclGetCommName(HcclComm comm, char *commName);
HcclResult HcclGetRankId(HcclComm comm, uint32_t *rank);
HcclResult HcclGetRankSize(HcclComm comm, uint32_t *rankSize);

/* A text for any code, also one that is none; static memory. */
const char *HcclGetErrorString(HcclResult code);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
