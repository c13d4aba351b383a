/* SPDX-License-Identifier: Apache-2.0 */
/* The token that workers of different hosts must both know: the contents of a file that only its owner may read. */
#ifndef AFD_CLI_SECRET_H
#define AFD_CLI_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "afd/member.h"

typedef struct afd_cli_secret {
    char bytes[AFD_SECRET_BYTES_MAX + 2]; /* room for a newline, and for one too many, so that it is noticed */
    size_t num;
} afd_cli_secret;

/* Reads a file, without one newline at its end. False, with a sentence of `verb` on stderr, if it cannot be read, is
 * not a regular file, may be read by others than its owner, is empty or too long. Ends with afd_cli_secret_forget(). */
bool afd_cli_secret_read(const char *verb, const char *path, afd_cli_secret *secret);

/* Overwrites it. */
void afd_cli_secret_forget(afd_cli_secret *secret);

#endif
