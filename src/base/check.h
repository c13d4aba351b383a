/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of arguments that every operator and object makes. Each names the field, which is static memory, the value and
 * the bound. */
#ifndef AFD_BASE_CHECK_H
#define AFD_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "afd/status.h"
#include "afd/token.h"

afd_status afd__check_not_null(const char *field, const void *pointer, afd_error *error);

/* value in [low, high]. */
afd_status afd__check_range(const char *field, uint64_t value, uint64_t low, uint64_t high, afd_error *error);

__attribute__((cold)) afd_status afd__fail_size(const char *field, size_t size, size_t expected,
                                                const char *initialiser, afd_error *error);

/* The size field of a structure is what this version has; `initialiser` is the macro that sets it. */
static inline afd_status afd__check_size(const char *field, size_t size, size_t expected, const char *initialiser,
                                         afd_error *error)
{
    return size == expected ? AFD_OK : afd__fail_size(field, size, expected, initialiser, error);
}

/* H is a multiple of 16 and not 0. */
afd_status afd__check_hidden(const char *field, uint32_t hidden, afd_error *error);

/* `type` is AFD_TOKEN_F16 or AFD_TOKEN_BF16. */
afd_status afd__check_float_type(const char *field, afd_token_type type, afd_error *error);

#endif
