/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the front share: cmocka with what it needs before it, and how a code and its sentence are checked.
 */
#ifndef AFD_ASCEND_TESTS_FRONT_TEST_H
#define AFD_ASCEND_TESTS_FRONT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "acl/acl.h"
#include "aclnn/acl_meta.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "world.h"

#define assert_ok(call) assert_code((call), 0)
#define assert_code(call, code) assert_int_equal((call), (code))

/* The pending sentence has all of these parts, which are separated by '|'. */
static inline void assert_message_has(const char *parts)
{
    const char *message = aclGetRecentErrMsg();
    char list[256];
    if (message == NULL) {
        fail_msg("no sentence, expected one with '%s'", parts);
        return;
    }
    (void)snprintf(list, sizeof(list), "%s", parts);
    for (char *part = strtok(list, "|"); part != NULL; part = strtok(NULL, "|")) {
        if (strstr(message, part) == NULL) {
            fail_msg("'%s' is not in '%s'", part, message);
        }
    }
}

#endif
