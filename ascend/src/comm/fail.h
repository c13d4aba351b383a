/* SPDX-License-Identifier: Apache-2.0 */
/* The sentences of the communication calls: as those of the runtime, with an HcclResult. */
#ifndef AFD_ASCEND_COMM_FAIL_H
#define AFD_ASCEND_COMM_FAIL_H

#include <stddef.h>

#include "hccl/hccl_types.h"
#include "runtime/message.h"

/* Records the sentence for this thread and is `result`. */
#define afd__acl_comm_fail(result, ...) ((HcclResult)afd__acl_fail((int)(result), __VA_ARGS__))

/* HCCL_E_PTR if the pointer is null. */
static inline HcclResult afd__acl_comm_check_given(const void *pointer, const char *name)
{
    return pointer != NULL ? HCCL_SUCCESS : afd__acl_comm_fail(HCCL_E_PTR, "%s is null", name);
}

#endif
