/* SPDX-License-Identifier: Apache-2.0 */
/* What a program asks a communicator, and the texts of the codes. */
#include <string.h>

#include "comm/fail.h"
#include "comm/object.h"
#include "hccl/hccl.h"

HcclResult HcclGetCommName(HcclComm comm, char *commName)
{
    afd__acl_comm *held = NULL;
    HcclResult result = afd__acl_comm_check_given(commName, "commName");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_hold_for(comm, &held);
    }
    if (result == HCCL_SUCCESS) {
        memcpy(commName, held->world->name, COMM_NAME_MAX_LENGTH);
        afd__acl_object_release(held);
    }
    return result;
}

HcclResult HcclGetRankId(HcclComm comm, uint32_t *rank)
{
    afd__acl_comm *held = NULL;
    HcclResult result = afd__acl_comm_check_given(rank, "rank");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_hold_for(comm, &held);
    }
    if (result == HCCL_SUCCESS) {
        *rank = afd__acl_comm_rank(held);
        afd__acl_object_release(held);
    }
    return result;
}

HcclResult HcclGetRankSize(HcclComm comm, uint32_t *rankSize)
{
    afd__acl_comm *held = NULL;
    HcclResult result = afd__acl_comm_check_given(rankSize, "rankSize");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_hold_for(comm, &held);
    }
    if (result == HCCL_SUCCESS) {
        *rankSize = afd__acl_comm_size(held);
        afd__acl_object_release(held);
    }
    return result;
}

HcclResult HcclGetHcclBuffer(HcclComm comm, void **buffer, uint64_t *size)
{
    afd__acl_comm *held = NULL;
    HcclResult result = afd__acl_comm_check_given((const void *)buffer, "buffer");
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_check_given(size, "size");
    }
    if (result == HCCL_SUCCESS) {
        result = afd__acl_comm_hold_for(comm, &held);
    }
    if (result == HCCL_SUCCESS) {
        *buffer = held->world->buffers[held->rank].memory;
        *size = held->world->buffers[held->rank].bytes;
        afd__acl_object_release(held);
    }
    return result;
}

/* Every code there is, those that nothing here returns too. */
#define RESULTS(X)                                                    \
    X(HCCL_SUCCESS, "no error")                                       \
    X(HCCL_E_PARA, "a parameter is out of range")                     \
    X(HCCL_E_PTR, "a pointer is null")                                \
    X(HCCL_E_MEMORY, "no memory")                                     \
    X(HCCL_E_INTERNAL, "internal error")                              \
    X(HCCL_E_NOT_SUPPORT, "not supported")                            \
    X(HCCL_E_NOT_FOUND, "not found")                                  \
    X(HCCL_E_UNAVAIL, "cannot be reached")                            \
    X(HCCL_E_SYSCALL, "the system refused a call")                    \
    X(HCCL_E_TIMEOUT, "another rank did not come in time")            \
    X(HCCL_E_RUNTIME, "a call of the runtime failed")                 \
    X(HCCL_E_AGAIN, "not yet")                                        \
    X(HCCL_E_REMOTE, "another rank failed")                           \
    X(HCCL_E_SUSPENDING, "the communicator is being suspended")       \
    X(HCCL_E_OPRETRY_FAIL, "trying an operator again failed")         \
    X(HCCL_E_OOM, "no device memory")

const char *HcclGetErrorString(HcclResult code)
{
    switch (code) {
#define RESULT_TEXT(name, text) \
    case name:                  \
        return text;
        RESULTS(RESULT_TEXT)
#undef RESULT_TEXT
    }
    return "no code of the communication calls";
}
