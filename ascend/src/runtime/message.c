/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "acl/acl.h"

/* Two buffers, because what was returned must stay readable while the next call of the thread may fail. */
static _Thread_local char pending[AFD__ACL_MESSAGE_BYTES];
static _Thread_local char returned[AFD__ACL_MESSAGE_BYTES];

__attribute__((format(printf, 1, 0))) static void record(const char *format, va_list arguments)
{
    char sentence[AFD__ACL_MESSAGE_BYTES]; /* an argument may be the pending sentence itself */
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    memcpy(pending, sentence, sizeof(pending));
}

int afd__acl_fail(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
    return code;
}

void afd__acl_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
}

const char *afd__acl_errno_text(void)
{
    static _Thread_local char text[64];
    /* The GNU strerror_r: it returns the text, which need not be in the buffer. */
    return strerror_r(errno, text, sizeof(text));
}

const char *afd__acl_message_pending(void)
{
    return pending;
}

const char *aclGetRecentErrMsg(void)
{
    if (pending[0] == '\0') {
        return NULL;
    }
    memcpy(returned, pending, sizeof(returned));
    pending[0] = '\0';
    return returned;
}
