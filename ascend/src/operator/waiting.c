/* SPDX-License-Identifier: Apache-2.0 */
#include "operator/waiting.h"

#include <inttypes.h>
#include <stdio.h>

#include "operator/operator.h"
#include "runtime/message.h"

enum { LATE_SHOWN_MAX = 4, LATE_TEXT_BYTES = 256 };

/* "session 3 micro-batch 1", "session 3" where any micro-batch would do, "micro-batch 1 token 0 slot 2". */
static void describe_place(const afd__acl_waiting *waiting, const afd_late *late, char *text, size_t text_bytes)
{
    const char *name = waiting->late_name != NULL ? waiting->late_name : "session";
    if (waiting->late_are_slots) {
        (void)snprintf(text, text_bytes, "micro-batch %" PRIu32 " token %" PRIu32 " slot %" PRIu32, late->micro_batch,
                       late->token, late->slot);
    } else if (late->micro_batch == AFD_MICRO_BATCH_ANY) {
        (void)snprintf(text, text_bytes, "%s %" PRIu32, name, late->session);
    } else {
        (void)snprintf(text, text_bytes, "%s %" PRIu32 " micro-batch %" PRIu32, name, late->session, late->micro_batch);
    }
}

/* "session 0 micro-batch 1 has flag 0, session 3 has flag 2": as many as were kept. */
static void describe_late(const afd__acl_waiting *waiting, const afd_wait *wait, char *text, size_t text_bytes)
{
    const uint32_t shown_num = wait->late_num < wait->late_capacity ? wait->late_num : wait->late_capacity;
    size_t length = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < shown_num && length < text_bytes; i++) {
        char place[64];
        describe_place(waiting, &wait->late[i], place, sizeof(place));
        int written = snprintf(text + length, text_bytes - length, "%s%s has flag %" PRId32, i == 0 ? "" : ", ", place,
                               wait->late[i].flag);
        length += written > 0 ? (size_t)written : 0;
    }
}

static aclError fail_timeout(const afd__acl_waiting *waiting, const afd_wait *wait, uint32_t timeout_s)
{
    char late[LATE_TEXT_BYTES];
    describe_late(waiting, wait, late, sizeof(late));
    return afd__acl_fail(waiting->timeout_code,
                         "%s: no %s within %" PRIu32 " s (aclrtSetOpExecuteTimeOut); %" PRIu32 " late: %s",
                         waiting->op_name, waiting->awaited, timeout_s, wait->late_num, late);
}

/*
 * The wait ended by the run flag or because the stream closes. One more call tells which, and takes what is there: it
 * has no stop word, and a deadline that passed long ago.
 */
static afd_status last_look(const afd__acl_waiting *waiting, void *arg, afd_error *error)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = 1;
    return waiting->call(arg, &wait, error);
}

aclError afd__acl_op_run(const afd__acl_waiting *waiting, void *arg, const afd__acl_limits *limits, afd_status *status)
{
    afd_late late[LATE_SHOWN_MAX];
    afd_error error;
    afd_wait wait = afd__acl_op_wait(limits, late, LATE_SHOWN_MAX);
    *status = waiting->call(arg, &wait, &error);
    if (*status == AFD_DEADLINE) {
        return fail_timeout(waiting, &wait, limits->timeout_s);
    }
    if (*status == AFD_STOPPED) {
        *status = last_look(waiting, arg, &error);
    }
    if (*status < 0) {
        return afd__acl_fail(waiting->failed_code, "%s: %s", waiting->op_name, error.message);
    }
    if (*status == AFD_DEADLINE) {
        return afd__acl_fail(ACL_ERROR_RT_INVALID_HANDLE, "%s: the stream was destroyed while it waited",
                             waiting->op_name);
    }
    return ACL_SUCCESS;
}
