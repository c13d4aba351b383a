/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

afd_status afd__fail(afd_error *error, afd_status status, const char *field, uint64_t value, uint64_t bound,
                     const char *format, ...)
{
    if (error != NULL) {
        error->status = status;
        error->field = field;
        error->value = value;
        error->bound = bound;
        error->system_error = 0;
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, arguments);
        va_end(arguments);
    }
    return status;
}

static afd_status status_of_errno(int system_error)
{
    switch (system_error) {
    case ENOMEM:
        return AFD_ERR_NO_MEMORY;
    case EACCES:
    case EPERM:
        return AFD_ERR_ACCESS;
    default:
        return AFD_ERR_SYSTEM;
    }
}

afd_status afd__fail_system(afd_error *error, int system_error, const char *field, const char *what)
{
    char reason[96];
    /* The GNU strerror_r: it returns the text, which need not be in the buffer. */
    const char *text = strerror_r(system_error, reason, sizeof(reason));
    afd_status status = afd__fail(error, status_of_errno(system_error), field, 0, 0, "cannot %s: %s", what, text);
    if (error != NULL) {
        error->system_error = system_error;
    }
    return status;
}
