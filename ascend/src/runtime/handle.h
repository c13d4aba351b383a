/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles: what the front hands out for its objects. A handle is an index into one table and the generation of that
 * place, in the shape of a pointer that points nowhere. A stale, foreign or invented one is therefore found out by
 * comparing numbers, and no memory of a dead object is ever read.
 *
 *     63        52 51   48 47          22 21           0
 *     |   0xAFD   |  kind |  generation  |    index    |
 *
 * Objects count references. The table has one for as long as the handle lives; a call that uses an object holds
 * another, so that destroying a handle while somebody uses its object takes the name away at once and the memory later.
 *
 * Threads: all of it from any thread. The table's lock is a leaf: nothing else is locked while it is held.
 */
#ifndef AFD_ASCEND_RUNTIME_HANDLE_H
#define AFD_ASCEND_RUNTIME_HANDLE_H

#include <stdint.h>

typedef enum afd__acl_kind {
    AFD__ACL_NOTHING = 0,
    AFD__ACL_CONTEXT,
    AFD__ACL_STREAM,
    AFD__ACL_EVENT,
    AFD__ACL_EXECUTOR,
    AFD__ACL_TENSOR,
    AFD__ACL_INT_ARRAY,
    AFD__ACL_SCALAR,
    AFD__ACL_COMMUNICATOR,
    AFD__ACL_KIND_NUM
} afd__acl_kind;

/* The first member of every object. */
typedef struct afd__acl_object {
    afd__acl_kind kind;
    uint32_t ref_num; /* under the table's lock */
    void (*destroy)(struct afd__acl_object *object); /* frees it, when the last reference is gone */
} afd__acl_object;

/*
 * Puts an object whose kind and destroy are set into the table; the caller's reference becomes the table's. NULL, with
 * a sentence, if the table is full or there is no memory: the object is still the caller's.
 */
void *afd__acl_handle_new(afd__acl_object *object);

/* A new reference to the object of a handle; NULL if it is none of that kind or not alive. */
void *afd__acl_handle_hold(const void *handle, afd__acl_kind kind);

/*
 * Ends a handle and gives its reference to the caller; NULL as above. Of two that do it at once, one gets the object.
 */
void *afd__acl_handle_retire(const void *handle, afd__acl_kind kind);

/* Records why the handle is not one of a living object of that kind, and returns `code`. */
int afd__acl_handle_fail(int code, const void *handle, afd__acl_kind kind);

/*
 * Goes through the live objects of a kind: holds the next one at or after *cursor, which starts at 0, and moves the
 * cursor past it; its handle in *handle. NULL at the end. Objects that come or go meanwhile may or may not be seen.
 */
void *afd__acl_handle_hold_next(afd__acl_kind kind, uint32_t *cursor, void **handle);

/* Gives a reference back. `object` may be NULL. */
void afd__acl_object_release(void *object);

#endif
