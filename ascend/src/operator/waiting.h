/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the task of an operator that waits ends: with what it waited for, with the run flag, past
 * aclrtSetOpExecuteTimeOut() with who is late, with its stream, or with an error of its call.
 */
#ifndef AFD_ASCEND_OPERATOR_WAITING_H
#define AFD_ASCEND_OPERATOR_WAITING_H

#include <stdbool.h>

#include "acl/acl_base.h"
#include "afd/status.h"
#include "afd/wait.h"
#include "executor/executor.h"

/* What differs between operators. */
typedef struct afd__acl_waiting {
    const char *op_name;
    const char *awaited;      /* "tokens": what the sentence of a timeout says was not there */
    aclError failed_code;     /* of an error that only the task can see */
    aclError timeout_code;
    bool late_are_slots;      /* attention side: a token and a slot are late, and not a session */
    const char *late_name;    /* "rank", where that is what late[].session numbers; NULL for a session */
    /* The native call, which waits as `wait` says. Called a second time after AFD_STOPPED. */
    afd_status (*call)(void *arg, afd_wait *wait, afd_error *error);
} afd__acl_waiting;

/*
 * Makes the call in a stream's task: 0 with *status AFD_OK or, where run_flag is 0, AFD_STOPPED; or a code whose
 * sentence was recorded. When the stream closes, the call gets one last look, without waiting, at what is there.
 */
aclError afd__acl_op_run(const afd__acl_waiting *waiting, void *arg, const afd__acl_limits *limits,
                         afd_status *status);

#endif
