/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentence of a thread's latest error. Whoever finds an error first says why, with the value and the bound; what a
 * task says is kept at its stream and said again on the thread that synchronizes.
 */
#ifndef AFD_ASCEND_RUNTIME_MESSAGE_H
#define AFD_ASCEND_RUNTIME_MESSAGE_H

#include <stddef.h>

enum { AFD__ACL_MESSAGE_BYTES = 512 };

/* Records the sentence for this thread and returns `code`, so that a check can end with `return afd__acl_fail(...)`. */
__attribute__((cold, format(printf, 2, 3))) int afd__acl_fail(int code, const char *format, ...);

/* The same where the caller knows the code and this place does not. */
__attribute__((cold, format(printf, 1, 2))) void afd__acl_say(const char *format, ...);

/* What errno says, for a sentence; valid until the thread's next call of it. */
const char *afd__acl_errno_text(void);

/* The sentence that is pending, "" if there is none. It stays pending. */
const char *afd__acl_message_pending(void);

#endif
