/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka.h with the headers that it needs before it, in one place because their order matters. */
#ifndef CMOCKA_HEADERS_H
#define CMOCKA_HEADERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
