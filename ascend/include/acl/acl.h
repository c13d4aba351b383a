/* SPDX-License-Identifier: Apache-2.0 */
/* The one header that most programs include: codes, runtime, start and end. */
#ifndef AFD_ASCEND_ACL_ACL_H
#define AFD_ASCEND_ACL_ACL_H

#include "acl/acl_base.h"
#include "acl/acl_mdl.h"
#include "acl/acl_op.h"
#include "acl/acl_rt.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* The configuration file is not read. A second call without aclFinalize() is ACL_ERROR_REPEAT_INITIALIZE. */
aclError aclInit(const char *configPath);

/* Resets every device. Memory, events, tensors and executors stay until they are freed or destroyed. */
aclError aclFinalize(void);

/*
 * Returns the sentence of the thread's latest error and forgets it; NULL when there is none. It stays valid until the
 * thread calls this again.
 */
const char *aclGetRecentErrMsg(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
