/* SPDX-License-Identifier: Apache-2.0 */
/* Communicators. Declared, and not there yet: a program that calls them does not link; see ascend/README.md. */
#ifndef AFD_ASCEND_HCCL_HCCL_H
#define AFD_ASCEND_HCCL_HCCL_H

#include "hccl/hccl_comm.h"
#include "hccl/hccl_res.h"
#include "hccl/hccl_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

HcclResult HcclCommInitAll(uint32_t ndev, int32_t *devices, HcclComm *comms);
HcclResult HcclGetRootInfo(HcclRootInfo *rootInfo);
HcclResult HcclCommInitRootInfo(uint32_t nRanks, const HcclRootInfo *rootInfo, uint32_t rank, HcclComm *comm);
HcclResult HcclCommDestroy(HcclComm comm);

/* commName has COMM_NAME_MAX_LENGTH bytes. */
HcclResult HcclGetCommName(HcclComm comm, char *commName);
HcclResult HcclGetRankId(HcclComm comm, uint32_t *rank);
HcclResult HcclGetRankSize(HcclComm comm, uint32_t *rankSize);
const char *HcclGetErrorString(HcclResult code);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
