/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of the communication calls. */
#include <stdlib.h>
#include <sys/resource.h>

#include "acl/acl.h"
#include "codes.h"
#include "comm/rendezvous.h"
#include "faults.h"
#include "hccl/hccl.h"

enum { NO_DESCRIPTOR = 1000000, SHARED_BYTES = 4096 };

static int32_t devices[2] = { 0, 1 };

/* A communicator of one rank, which a root info made. */
static HcclComm make_shared(void)
{
    HcclRootInfo info;
    HcclComm comm = NULL;
    must(HcclGetRootInfo(&info));
    must(HcclCommInitRootInfo(1, &info, 0, &comm));
    return comm;
}

static void set_variable(const char *name, const char *value)
{
    must(setenv(name, value, 1));
}

static int rank_too_high(code_world *cw)
{
    (void)cw;
    HcclRootInfo info = { { 0 } };
    HcclComm comm = NULL;
    return HcclCommInitRootInfo(2, &info, 2, &comm);
}

static int no_root_info(code_world *cw)
{
    (void)cw;
    HcclRootInfo info = { { 0 } };
    HcclComm comm = NULL;
    return HcclCommInitRootInfo(2, &info, 1, &comm);
}

static int no_buffsize(code_world *cw)
{
    (void)cw;
    HcclComm comms[2];
    set_variable("HCCL_BUFFSIZE", "0");
    const HcclResult result = HcclCommInitAll(2, devices, comms);
    must(unsetenv("HCCL_BUFFSIZE"));
    return (int)result;
}

static int device_twice(code_world *cw)
{
    (void)cw;
    int32_t twice[2] = { 1, 1 };
    HcclComm comms[2];
    return HcclCommInitAll(2, twice, comms);
}

static int comm_twice(code_world *cw)
{
    (void)cw;
    HcclComm comm = make_shared();
    must(HcclCommDestroy(comm));
    return HcclCommDestroy(comm);
}

static int registered_nothing(code_world *cw)
{
    uint32_t rank = 0;
    HcclComm comm = make_shared();
    const HcclResult result = HcclCommExchangeMem(comm, cw, &rank, 1);
    must(HcclCommDestroy(comm));
    return (int)result;
}

static int null_comms(code_world *cw)
{
    (void)cw;
    return HcclCommInitAll(2, devices, NULL);
}

static int no_comm_memory(code_world *cw)
{
    (void)cw;
    HcclComm comms[2];
    faults_fail_calloc_after(1);
    return HcclCommInitAll(2, devices, comms);
}

static int no_address_space(code_world *cw)
{
    (void)cw;
    HcclComm comms[16];
    int32_t all[16];
    for (int32_t i = 0; i < 16; i++) {
        all[i] = i;
    }
    set_variable("HCCL_BUFFSIZE", "16777216");
    const HcclResult result = HcclCommInitAll(16, all, comms);
    must(unsetenv("HCCL_BUFFSIZE"));
    return (int)result;
}

static int not_shareable(code_world *cw)
{
    void *token = NULL;
    HcclComm comm = make_shared();
    const HcclResult result = HcclCommRegister(comm, cw->w.token_info, 8, &token, 0);
    must(HcclCommDestroy(comm));
    return (int)result;
}

static int used_up(code_world *cw)
{
    (void)cw;
    HcclRootInfo info;
    HcclComm comm = NULL;
    must(HcclGetRootInfo(&info));
    must(HcclCommInitRootInfo(1, &info, 0, &comm));
    must(HcclCommDestroy(comm));
    return HcclCommInitRootInfo(1, &info, 0, &comm);
}

static int no_descriptor(code_world *cw)
{
    (void)cw;
    struct rlimit before;
    HcclRootInfo info;
    must(getrlimit(RLIMIT_NOFILE, &before));
    const struct rlimit none = { .rlim_cur = 0, .rlim_max = before.rlim_max };
    must(setrlimit(RLIMIT_NOFILE, &none));
    const HcclResult result = HcclGetRootInfo(&info);
    must(setrlimit(RLIMIT_NOFILE, &before));
    return (int)result;
}

static int nobody_comes(code_world *cw)
{
    (void)cw;
    HcclRootInfo info;
    HcclComm comm = NULL;
    must(HcclGetRootInfo(&info));
    set_variable("HCCL_CONNECT_TIMEOUT", "1");
    const HcclResult result = HcclCommInitRootInfo(3, &info, 1, &comm);
    must(unsetenv("HCCL_CONNECT_TIMEOUT"));
    return (int)result;
}

static int nobody_registers(code_world *cw)
{
    uint32_t peer = 1;
    void *token = NULL;
    HcclComm comms[2];
    must(HcclCommInitAll(2, devices, comms));
    must(HcclCommRegister(comms[0], cw->w.token_info, 8, &token, 0));
    set_variable("HCCL_CONNECT_TIMEOUT", "1");
    const HcclResult result = HcclCommExchangeMem(comms[0], token, &peer, 1);
    must(unsetenv("HCCL_CONNECT_TIMEOUT"));
    must(HcclCommDestroy(comms[0]));
    must(HcclCommDestroy(comms[1]));
    return (int)result;
}

static int no_current_device(code_world *cw)
{
    (void)cw;
    HcclRootInfo info = { { 0 } };
    HcclComm comm = NULL;
    must(aclrtResetDevice(0));
    return HcclCommInitRootInfo(1, &info, 0, &comm);
}

/* A rank that entered itself and has nothing, as one that was killed. */
static int rank_ended(code_world *cw)
{
    (void)cw;
    HcclRootInfo info;
    HcclComm comm = NULL;
    afd__acl_rendezvous ended;
    must(HcclGetRootInfo(&info));
    must(afd__acl_rendezvous_open(&info, 1, &ended));
    must(afd__acl_rendezvous_enter(&ended, 2, 1, NO_DESCRIPTOR, SHARED_BYTES));
    afd__acl_rendezvous_close(&ended);
    return HcclCommInitRootInfo(2, &info, 0, &comm);
}

const code_case comm_codes[] = {
    { 1, "a rank that is not below nRanks", "rank is 2, must be below nRanks, which is 2", rank_too_high },
    { 1, "bytes that are no root info", "it is not from HcclGetRootInfo()", no_root_info },
    { 1, "`HCCL_BUFFSIZE=0`", "HCCL_BUFFSIZE is '0', must be a number in [1, 16777216]", no_buffsize },
    { 1, "a device given twice", "devices[0] and devices[1] are both 1", device_twice },
    { 1, "a communicator that was destroyed", "for a communicator was destroyed already", comm_twice },
    { 1, "exchanging before registering", "rank 0 has no registered memory|the order is", registered_nothing },
    { 2, "a null argument of a communication call", "comms is null", null_comms },
    { 3, "`HcclCommInitAll` without memory", "no memory for a communicator of 2 ranks", no_comm_memory },
    { 3, "`HcclCommInitAll` without address space", "no address space for 35184372088832 bytes", no_address_space },
    { 5, "registering, between processes, what they cannot map", "not in an allocation of aclrtMalloc()|a page",
      not_shareable },
    { 7, "a root info that was used, or whose process has ended", "the table of rootInfo: /proc/|cannot be reached",
      used_up },
    { 8, "no descriptor", "HcclGetRootInfo: cannot make 131072 bytes of memory to share: Too many open",
      no_descriptor },
    { 9, "a rank that does not come", "rank 1 of 3: ranks 0, 2 did not come in time (HCCL_CONNECT_TIMEOUT)",
      nobody_comes },
    { 9, "a peer that registers nothing", "rank 0: rank 1 registered no memory in time", nobody_registers },
    { 15, "no current device", "current context that was destroyed: call aclrtSetDevice()", no_current_device },
    { 21, "a rank whose process has ended", "the buffer of rank 1: /proc/|the process may have ended", rank_ended },
    { 0, NULL, NULL, NULL },
};
