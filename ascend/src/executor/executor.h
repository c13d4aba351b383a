/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executors: the plan of one operator call, between its two phases.
 *
 * The first phase copies what the call needs into the plan, so that tensors, arrays and names may be destroyed after
 * it. The second phase hands the executor to a stream as a task, and takes the handle away unless the executor is
 * repeatable; the task keeps the executor alive. A second phase that fails before the stream was found leaves the
 * executor as it was. The workspace is the program's: it must stay until the stream is through with the task.
 */
#ifndef AFD_ASCEND_EXECUTOR_EXECUTOR_H
#define AFD_ASCEND_EXECUTOR_EXECUTOR_H

#include <stddef.h>
#include <stdint.h>

#include "acl/acl_rt.h"
#include "aclnn/acl_meta.h"

/* How a stream ends a call that waits. */
typedef struct afd__acl_limits {
    const int32_t *stop; /* not 0: the stream closes */
    uint32_t timeout_s;  /* of aclrtSetOpExecuteTimeOut() when the call was enqueued; 0 = none */
} afd__acl_limits;

typedef struct afd__acl_operator {
    const char *name; /* of the second phase */
    /* On the stream's thread; `workspace` has the bytes that were planned. 0, or a code whose sentence was recorded. */
    aclError (*run)(const void *plan, void *workspace, const afd__acl_limits *limits);
} afd__acl_operator;

/*
 * The end of every first phase: a handle for a copy of the plan, whose second phase wants workspace_bytes of workspace.
 * AFD__ACLNN_EXECUTOR_NOT_CREATED, and *executor as it was, if there is no room for it. `op` must be static.
 */
aclnnStatus afd__acl_executor_new(const afd__acl_operator *op, const void *plan, size_t plan_bytes,
                                  uint64_t workspace_bytes, aclOpExecutor **executor);

/*
 * Every second phase: AFD__ACLNN_PARAM_NULL for a null executor, or a null workspace with a size; _PARAM_INVALID for an
 * executor that is none, is spent or is another operator's, and for a workspace that is smaller than planned or not
 * AFD__ACL_WORKSPACE_ALIGN-byte aligned; _RUNTIME_FAILED where the stream is none.
 */
enum { AFD__ACL_WORKSPACE_ALIGN = 8 };
aclnnStatus afd__acl_executor_launch(const afd__acl_operator *op, void *workspace, uint64_t workspace_bytes,
                                     aclOpExecutor *executor, aclrtStream stream);

#endif
