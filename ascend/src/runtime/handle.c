/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/handle.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "runtime/message.h"

enum {
    INDEX_BITS = 22,
    GENERATION_BITS = 26,
    KIND_BITS = 4,
    /* The table grows by doubling and never shrinks: a place has 16 bytes, and its generation must be remembered. */
    PLACE_NUM_FIRST = 256,
    PLACE_NUM_MAX = 1 << INDEX_BITS,
    GENERATION_MAX = (1 << GENERATION_BITS) - 1,
    NO_PLACE = -1
};

#define HANDLE_TAG UINT64_C(0xAFD)

typedef struct place {
    afd__acl_object *object; /* NULL = free */
    uint32_t generation;     /* of the handle that is alive, or of the next one */
    int32_t next_free;
} place;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static place *places;
static uint32_t place_num;
/* Places are reused in the order in which they became free, so that a stale handle stays stale for long. */
static int32_t first_free = NO_PLACE;
static int32_t last_free = NO_PLACE;

static const char *const kind_names[AFD__ACL_KIND_NUM] = {
    "nothing", "a context", "a stream", "an event", "an executor", "a tensor", "an int array", "a scalar",
    "a communicator",
};

typedef struct parts {
    uint64_t tag;
    afd__acl_kind kind;
    uint32_t generation;
    uint32_t index;
} parts;

static void *compose(afd__acl_kind kind, uint32_t generation, uint32_t index)
{
    uint64_t bits = HANDLE_TAG;
    bits = bits << KIND_BITS | (uint64_t)kind;
    bits = bits << GENERATION_BITS | generation;
    bits = bits << INDEX_BITS | index;
    return (void *)(uintptr_t)bits;
}

static parts decompose(const void *handle)
{
    uint64_t bits = (uint64_t)(uintptr_t)handle;
    parts p;
    p.index = (uint32_t)(bits & (PLACE_NUM_MAX - 1));
    bits >>= INDEX_BITS;
    p.generation = (uint32_t)(bits & GENERATION_MAX);
    bits >>= GENERATION_BITS;
    p.kind = (afd__acl_kind)(bits & ((1U << KIND_BITS) - 1U));
    p.tag = bits >> KIND_BITS;
    return p;
}

/* ---- under the lock ---- */

static void free_place(uint32_t index)
{
    places[index].object = NULL;
    if (places[index].generation == GENERATION_MAX) {
        return; /* its generations are spent; reusing it could make a stale handle valid */
    }
    places[index].generation++;
    places[index].next_free = NO_PLACE;
    if (last_free == NO_PLACE) {
        first_free = (int32_t)index;
    } else {
        places[last_free].next_free = (int32_t)index;
    }
    last_free = (int32_t)index;
}

static bool grow(void)
{
    uint32_t more = place_num == 0 ? PLACE_NUM_FIRST : place_num;
    if (place_num + more > PLACE_NUM_MAX) {
        return false;
    }
    place *grown = calloc((size_t)place_num + more, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < place_num; i++) {
        grown[i] = places[i];
    }
    free(places);
    places = grown;
    for (uint32_t i = place_num; i < place_num + more; i++) {
        free_place(i); /* which also makes the first generation 1 */
    }
    place_num += more;
    return true;
}

static place *find(const void *handle, afd__acl_kind kind)
{
    parts p = decompose(handle);
    if (p.tag != HANDLE_TAG || p.index >= place_num) {
        return NULL;
    }
    place *found = &places[p.index];
    /* The object's own kind, not the one in the handle, which anybody may have made up. */
    return found->object != NULL && found->generation == p.generation && found->object->kind == kind ? found : NULL;
}

/* What is wrong with a handle that find() did not find. */
static const char *describe_problem(const void *handle, afd__acl_kind kind, const char **other)
{
    parts p = decompose(handle);
    if (handle == NULL) {
        return "is null";
    }
    if (p.tag != HANDLE_TAG || p.index >= place_num || p.kind == AFD__ACL_NOTHING || p.kind >= AFD__ACL_KIND_NUM ||
        p.generation > places[p.index].generation) {
        return "was not made here";
    }
    if (p.kind != kind) {
        *other = kind_names[p.kind];
        return "is ";
    }
    return kind == AFD__ACL_EXECUTOR ? "was spent or destroyed already" : "was destroyed already";
}

/* ---- public ---- */

void *afd__acl_handle_new(afd__acl_object *object)
{
    void *handle = NULL;
    (void)pthread_mutex_lock(&lock);
    if (first_free != NO_PLACE || grow()) {
        uint32_t index = (uint32_t)first_free;
        place *taken = &places[index];
        first_free = taken->next_free;
        if (first_free == NO_PLACE) {
            last_free = NO_PLACE;
        }
        object->ref_num = 1;
        taken->object = object;
        handle = compose(object->kind, taken->generation, index);
    }
    (void)pthread_mutex_unlock(&lock);
    if (handle == NULL) {
        afd__acl_say("no room for %s: there is no memory, or %d handles are alive", kind_names[object->kind],
                     PLACE_NUM_MAX);
    }
    return handle;
}

void *afd__acl_handle_hold(const void *handle, afd__acl_kind kind)
{
    afd__acl_object *object = NULL;
    (void)pthread_mutex_lock(&lock);
    const place *found = find(handle, kind);
    if (found != NULL) {
        object = found->object;
        object->ref_num++;
    }
    (void)pthread_mutex_unlock(&lock);
    return object;
}

void *afd__acl_handle_retire(const void *handle, afd__acl_kind kind)
{
    afd__acl_object *object = NULL;
    (void)pthread_mutex_lock(&lock);
    const place *found = find(handle, kind);
    if (found != NULL) {
        object = found->object;
        free_place((uint32_t)(found - places));
    }
    (void)pthread_mutex_unlock(&lock);
    return object;
}

int afd__acl_handle_fail(int code, const void *handle, afd__acl_kind kind)
{
    const char *other = "";
    (void)pthread_mutex_lock(&lock);
    const char *problem = describe_problem(handle, kind, &other);
    (void)pthread_mutex_unlock(&lock);
    return afd__acl_fail(code, "the handle %p for %s %s%s", handle, kind_names[kind], problem, other);
}

void *afd__acl_handle_hold_next(afd__acl_kind kind, uint32_t *cursor, void **handle)
{
    afd__acl_object *object = NULL;
    (void)pthread_mutex_lock(&lock);
    while (object == NULL && *cursor < place_num) {
        const place *looked_at = &places[*cursor];
        if (looked_at->object != NULL && looked_at->object->kind == kind) {
            object = looked_at->object;
            object->ref_num++;
            *handle = compose(kind, looked_at->generation, *cursor);
        }
        (*cursor)++;
    }
    (void)pthread_mutex_unlock(&lock);
    return object;
}

void afd__acl_object_release(void *object_)
{
    afd__acl_object *object = object_;
    if (object == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&lock);
    bool last = --object->ref_num == 0;
    (void)pthread_mutex_unlock(&lock);
    if (last) {
        object->destroy(object);
    }
}
