/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/context.h"

#include <pthread.h>
#include <stdlib.h>

#include "runtime/check.h"
#include "runtime/handle.h"
#include "runtime/message.h"

struct afd__acl_context {
    afd__acl_object object;
    aclrtContext self; /* its handle */
    int32_t device;
    aclrtStream default_stream;     /* under the family lock; NULL until it is first used */
    struct afd__acl_context *next;  /* in the list of those that are ending */
};

/*
 * Guards who belongs to whom: held while a child is made and while a parent's children are looked up, so that no child
 * is born to a parent that is dying. Never held while a stream is waited for.
 */
static pthread_mutex_t family_lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local aclrtContext current_context;

/* ---- contexts ---- */

static void destroy_context(afd__acl_object *object)
{
    free(object);
}

aclError afd__acl_context_new(int32_t device, aclrtContext *handle)
{
    afd__acl_context *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return afd__acl_fail(ACL_ERROR_RT_MEMORY_ALLOCATION, "no memory for a context");
    }
    made->object.kind = AFD__ACL_CONTEXT;
    made->object.destroy = destroy_context;
    made->device = device;
    (void)pthread_mutex_lock(&family_lock);
    made->self = afd__acl_handle_new(&made->object);
    aclrtContext made_handle = made->self;
    (void)pthread_mutex_unlock(&family_lock);
    if (made_handle == NULL) {
        free(made);
        return ACL_ERROR_RT_MEMORY_ALLOCATION;
    }
    *handle = made_handle;
    return ACL_SUCCESS;
}

bool afd__acl_context_lives(aclrtContext handle)
{
    void *living = afd__acl_handle_hold(handle, AFD__ACL_CONTEXT);
    afd__acl_object_release(living);
    return living != NULL;
}

void afd__acl_context_make_current(aclrtContext handle)
{
    current_context = handle;
}

/* The thread's current context, held; NULL, with a sentence, if it has none or its context died. */
static afd__acl_context *hold_current(void)
{
    afd__acl_context *current = afd__acl_handle_hold(current_context, AFD__ACL_CONTEXT);
    if (current == NULL) {
        afd__acl_say("this thread %s: call aclrtSetDevice() or aclrtSetCurrentContext()",
                     current_context == NULL ? "has no current context" : "has a current context that was destroyed");
    }
    return current;
}

aclError afd__acl_context_current(aclrtContext *handle, int32_t *device)
{
    afd__acl_context *current = hold_current();
    if (current == NULL) {
        return ACL_ERROR_RT_CONTEXT_NULL;
    }
    *handle = current->self;
    *device = current->device;
    afd__acl_object_release(current);
    return ACL_SUCCESS;
}

/* ---- their streams ---- */

/* Under the family lock, which is why it is asked again whether the context lives: it may have died on the way here. */
static aclError new_stream(const afd__acl_context *parent, aclrtStream *handle)
{
    if (!afd__acl_context_lives(parent->self)) {
        return afd__acl_handle_fail(ACL_ERROR_RT_CONTEXT_NULL, parent->self, AFD__ACL_CONTEXT);
    }
    afd__acl_stream *stream = afd__acl_stream_new(parent->self, parent->device);
    if (stream == NULL) {
        return ACL_ERROR_RT_MEMORY_ALLOCATION;
    }
    aclrtStream made = afd__acl_handle_new(&stream->object);
    if (made == NULL) {
        afd__acl_stream_close(stream, true);
        afd__acl_object_release(stream);
        return ACL_ERROR_RT_MEMORY_ALLOCATION;
    }
    *handle = made;
    return ACL_SUCCESS;
}

aclError afd__acl_context_new_stream(aclrtStream *handle)
{
    afd__acl_context *current = hold_current();
    if (current == NULL) {
        return ACL_ERROR_RT_CONTEXT_NULL;
    }
    (void)pthread_mutex_lock(&family_lock);
    aclError code = new_stream(current, handle);
    (void)pthread_mutex_unlock(&family_lock);
    afd__acl_object_release(current);
    return code;
}

static aclError default_stream(aclrtStream *handle)
{
    afd__acl_context *current = hold_current();
    if (current == NULL) {
        return ACL_ERROR_RT_CONTEXT_NULL;
    }
    aclError code = ACL_SUCCESS;
    (void)pthread_mutex_lock(&family_lock);
    if (current->default_stream == NULL) {
        code = new_stream(current, &current->default_stream);
    }
    *handle = current->default_stream;
    (void)pthread_mutex_unlock(&family_lock);
    afd__acl_object_release(current);
    return code;
}

afd__acl_stream *afd__acl_stream_hold(aclrtStream stream, aclError *code)
{
    if (stream == NULL && (*code = default_stream(&stream)) != ACL_SUCCESS) {
        return NULL;
    }
    afd__acl_stream *held = afd__acl_handle_hold(stream, AFD__ACL_STREAM);
    if (held == NULL) {
        *code = afd__acl_handle_fail(ACL_ERROR_RT_INVALID_HANDLE, stream, AFD__ACL_STREAM);
    }
    return held;
}

/* ---- ending families ---- */

/* Takes one stream of `parent` out of the table; NULL when there is none. */
static afd__acl_stream *retire_stream_of(aclrtContext parent)
{
    afd__acl_stream *retired = NULL;
    afd__acl_stream *stream;
    void *handle = NULL;
    uint32_t cursor = 0;
    (void)pthread_mutex_lock(&family_lock);
    while (retired == NULL && (stream = afd__acl_handle_hold_next(AFD__ACL_STREAM, &cursor, &handle)) != NULL) {
        if (stream->context == parent) {
            retired = afd__acl_handle_retire(handle, AFD__ACL_STREAM); /* NULL if somebody else just did */
        }
        afd__acl_object_release(stream);
    }
    (void)pthread_mutex_unlock(&family_lock);
    return retired;
}

/* After the context itself has left the table, so that it gets no new streams. */
static void end_context(afd__acl_context *context)
{
    afd__acl_stream *stream;
    while ((stream = retire_stream_of(context->self)) != NULL) {
        afd__acl_stream_close(stream, false);
        afd__acl_object_release(stream);
    }
    afd__acl_object_release(context);
}

afd__acl_context *afd__acl_contexts_retire(int32_t device)
{
    afd__acl_context *list = NULL;
    afd__acl_context *looked_at;
    void *handle = NULL;
    uint32_t cursor = 0;
    (void)pthread_mutex_lock(&family_lock);
    while ((looked_at = afd__acl_handle_hold_next(AFD__ACL_CONTEXT, &cursor, &handle)) != NULL) {
        if (looked_at->device == device && afd__acl_handle_retire(handle, AFD__ACL_CONTEXT) != NULL) {
            looked_at->next = list;
            list = looked_at;
        }
        afd__acl_object_release(looked_at);
    }
    (void)pthread_mutex_unlock(&family_lock);
    return list;
}

void afd__acl_contexts_end(afd__acl_context *list)
{
    while (list != NULL) {
        afd__acl_context *context = list;
        list = context->next;
        end_context(context);
    }
}

/* ---- the calls ---- */

aclError aclrtCreateContext(aclrtContext *context, int32_t deviceId)
{
    aclError code = afd__acl_check_given(context, "context");
    if (code == ACL_SUCCESS) {
        code = afd__acl_check_device(deviceId);
    }
    if (code == ACL_SUCCESS) {
        code = afd__acl_context_new(deviceId, context);
    }
    if (code == ACL_SUCCESS) {
        current_context = *context;
    }
    return code;
}

aclError aclrtDestroyContext(aclrtContext context)
{
    aclError code = afd__acl_check_given(context, "context");
    if (code != ACL_SUCCESS) {
        return code;
    }
    (void)pthread_mutex_lock(&family_lock);
    afd__acl_context *retired = afd__acl_handle_retire(context, AFD__ACL_CONTEXT);
    (void)pthread_mutex_unlock(&family_lock);
    if (retired == NULL) {
        return afd__acl_handle_fail(ACL_ERROR_RT_INVALID_HANDLE, context, AFD__ACL_CONTEXT);
    }
    end_context(retired);
    return ACL_SUCCESS;
}

aclError aclrtSetCurrentContext(aclrtContext context)
{
    aclError code = afd__acl_check_given(context, "context");
    if (code != ACL_SUCCESS) {
        return code;
    }
    if (!afd__acl_context_lives(context)) {
        return afd__acl_handle_fail(ACL_ERROR_RT_INVALID_HANDLE, context, AFD__ACL_CONTEXT);
    }
    current_context = context;
    return ACL_SUCCESS;
}

aclError aclrtGetCurrentContext(aclrtContext *context)
{
    int32_t device = 0;
    aclError code = afd__acl_check_given(context, "context");
    return code != ACL_SUCCESS ? code : afd__acl_context_current(context, &device);
}
