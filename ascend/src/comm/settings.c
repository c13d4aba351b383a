/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "comm/fail.h"

static HcclResult read_number(const char *name, long standard, long max, uint64_t *number)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the text is not kept */
    const char *text = getenv(name);
    if (text == NULL || *text == '\0') {
        *number = (uint64_t)standard;
        return HCCL_SUCCESS;
    }
    char *end = NULL;
    errno = 0;
    const long found = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || found < 1 || found > max) {
        return afd__acl_comm_fail(HCCL_E_PARA, "%s is '%.32s', must be a number in [1, %ld]", name, text, max);
    }
    *number = (uint64_t)found;
    return HCCL_SUCCESS;
}

HcclResult afd__acl_comm_buffer_bytes(uint64_t *bytes)
{
    uint64_t buffsize = 0;
    const HcclResult result = read_number(AFD__ACL_COMM_BUFFSIZE_VARIABLE, AFD__ACL_COMM_BUFFSIZE_DEFAULT,
                                          AFD__ACL_COMM_BUFFSIZE_MAX, &buffsize);
    if (result == HCCL_SUCCESS) {
        *bytes = 2 * buffsize << AFD__ACL_COMM_BUFFSIZE_SHIFT;
    }
    return result;
}

HcclResult afd__acl_comm_timeout_ns(uint64_t *timeout_ns)
{
    uint64_t timeout_s = 0;
    const HcclResult result = read_number(AFD__ACL_COMM_TIMEOUT_VARIABLE, AFD__ACL_COMM_TIMEOUT_DEFAULT_S,
                                          AFD__ACL_COMM_TIMEOUT_MAX_S, &timeout_s);
    if (result == HCCL_SUCCESS) {
        *timeout_ns = timeout_s * UINT64_C(1000000000);
    }
    return result;
}
