/* SPDX-License-Identifier: Apache-2.0 */
/* Why a part of a run could not be made: a sentence for whoever prints it. */
#ifndef AFD_CLI_RUN_FAILURE_H
#define AFD_CLI_RUN_FAILURE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum { RUN_FAILURE_BYTES = 320 };

typedef struct run_failure {
    char text[RUN_FAILURE_BYTES];
} run_failure;

/* Writes the sentence and returns false, so that a function can end with it. */
__attribute__((format(printf, 2, 3))) static inline bool run_fail(run_failure *failure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    return false;
}

#endif
