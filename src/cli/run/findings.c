/* SPDX-License-Identifier: Apache-2.0 */
#include "run/findings.h"

#include <stdarg.h>
#include <stdio.h>

void run_findings_mismatch(run_findings *findings, const char *format, ...)
{
    if (findings->wrong_num++ > 0) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(findings->first_mismatch, sizeof(findings->first_mismatch), format, arguments);
    va_end(arguments);
}
