/* SPDX-License-Identifier: Apache-2.0 */
/* Int arrays and scalars: values, copied when they are created. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "runtime/message.h"
#include "tensor/tensor.h"

static void destroy_values(afd__acl_object *object)
{
    free(object);
}

/* A handle for a copy of `bytes` bytes; NULL with a sentence. */
static void *new_values(afd__acl_kind kind, const void *data, uint64_t bytes)
{
    afd__acl_values *made = NULL;
    uint64_t all_bytes = 0;
    if (afd__add_u64(sizeof(*made), bytes, &all_bytes)) {
        made = calloc(1, all_bytes);
    }
    if (made == NULL) {
        afd__acl_say("no memory for %" PRIu64 " bytes of values", bytes);
        return NULL;
    }
    made->object.kind = kind;
    made->object.destroy = destroy_values;
    made->bytes = bytes;
    if (bytes > 0) {
        memcpy(made->data, data, bytes);
    }
    void *handle = afd__acl_handle_new(&made->object);
    if (handle == NULL) {
        free(made);
    }
    return handle;
}

aclIntArray *aclCreateIntArray(const int64_t *value, uint64_t size)
{
    uint64_t bytes = 0;
    if (value == NULL && size > 0) {
        afd__acl_say("value is null with size %" PRIu64, size);
        return NULL;
    }
    if (!afd__mul_u64(size, sizeof(*value), &bytes)) {
        afd__acl_say("size is %" PRIu64 ", more than fits", size);
        return NULL;
    }
    return new_values(AFD__ACL_INT_ARRAY, value, bytes);
}

aclScalar *aclCreateScalar(void *value, aclDataType dataType)
{
    const size_t bytes = aclDataTypeSize(dataType);
    if (value == NULL) {
        afd__acl_say("value is null");
        return NULL;
    }
    if (bytes == 0) {
        afd__acl_say("dataType is %d, which has no scalars", (int)dataType);
        return NULL;
    }
    return new_values(AFD__ACL_SCALAR, value, bytes);
}
