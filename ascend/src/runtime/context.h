/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: each belongs to a device and has streams, one of which may be its default stream.
 *
 * Every thread has a current context, kept as a handle: when the context dies the thread finds out by its next call. A
 * stream may be used from any thread, whatever context is current there (the original wants its own; see README.md).
 */
#ifndef AFD_ASCEND_RUNTIME_CONTEXT_H
#define AFD_ASCEND_RUNTIME_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "acl/acl_rt.h"
#include "runtime/stream.h"

typedef struct afd__acl_context afd__acl_context;

aclError afd__acl_context_new(int32_t device, aclrtContext *handle);
bool afd__acl_context_lives(aclrtContext handle);

void afd__acl_context_make_current(aclrtContext handle);

/* The thread's current context and its device, or ACL_ERROR_RT_CONTEXT_NULL with a sentence. */
aclError afd__acl_context_current(aclrtContext *handle, int32_t *device);

/* A new stream in the current context. */
aclError afd__acl_context_new_stream(aclrtStream *handle);

/* The stream of a handle, held; for NULL the default stream of the current context. NULL with *code and a sentence. */
afd__acl_stream *afd__acl_stream_hold(aclrtStream stream, aclError *code);

/* Takes every context of a device out of the table, at once; they end, with their streams, in the second call. */
afd__acl_context *afd__acl_contexts_retire(int32_t device);
void afd__acl_contexts_end(afd__acl_context *list);

#endif
