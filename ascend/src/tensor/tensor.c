/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "runtime/message.h"

size_t aclDataTypeSize(aclDataType dataType)
{
    switch (dataType) {
    case ACL_INT8:
    case ACL_UINT8:
    case ACL_BOOL:
    case ACL_HIFLOAT8:
    case ACL_FLOAT8_E5M2:
    case ACL_FLOAT8_E4M3FN:
    case ACL_FLOAT8_E8M0:
        return 1;
    case ACL_FLOAT16:
    case ACL_BF16:
    case ACL_INT16:
    case ACL_UINT16:
        return 2;
    case ACL_FLOAT:
    case ACL_INT32:
    case ACL_UINT32:
    case ACL_COMPLEX32:
        return 4;
    case ACL_DOUBLE:
    case ACL_INT64:
    case ACL_UINT64:
    case ACL_COMPLEX64:
        return 8;
    case ACL_COMPLEX128:
        return 16;
    case ACL_DT_UNDEFINED:
    case ACL_STRING:
    case ACL_INT4:
    case ACL_UINT1:
    case ACL_FLOAT6_E3M2:
    case ACL_FLOAT6_E2M3:
    case ACL_FLOAT4_E2M1:
    case ACL_FLOAT4_E1M2:
        break;
    }
    return 0;
}

static void destroy_tensor(afd__acl_object *object)
{
    free(object);
}

/* The element count of a view; false, with a sentence, for dims that make none. */
static bool count_elements(const int64_t *dims, uint64_t rank, uint64_t *element_num)
{
    if (rank > AFD__ACL_RANK_MAX) {
        afd__acl_say("viewDimsNum is %" PRIu64 ", must be at most %d", rank, AFD__ACL_RANK_MAX);
        return false;
    }
    if (dims == NULL && rank > 0) {
        afd__acl_say("viewDims is null with viewDimsNum %" PRIu64, rank);
        return false;
    }
    *element_num = 1;
    for (uint64_t i = 0; i < rank; i++) {
        if (dims[i] < 0) {
            afd__acl_say("viewDims[%" PRIu64 "] is %" PRId64 ", must be at least 0", i, dims[i]);
            return false;
        }
        if (!afd__mul_u64(*element_num, (uint64_t)dims[i], element_num) || *element_num > INT64_MAX) {
            afd__acl_say("viewDims have more than %" PRId64 " elements", INT64_MAX);
            return false;
        }
    }
    return true;
}

/* Dims, then strides; where none are given, those of a contiguous tensor, and zeros for one without elements, whose
 * dims may multiply to anything. */
static void set_extents(afd__acl_tensor *tensor, const int64_t *dims, const int64_t *strides)
{
    int64_t *to = tensor->extents;
    int64_t expected = tensor->element_num > 0 ? 1 : 0;
    for (uint64_t i = tensor->rank; i-- > 0;) {
        to[i] = dims[i];
        to[tensor->rank + i] = strides != NULL ? strides[i] : expected;
        expected *= dims[i];
    }
}

/* Whether the elements lie one behind the other; the stride of a dimension of one element does not matter. */
static bool is_contiguous(const int64_t *dims, const int64_t *strides, uint64_t rank, uint64_t element_num)
{
    int64_t expected = 1;
    if (strides == NULL || element_num == 0) {
        return true;
    }
    for (uint64_t i = rank; i-- > 0;) {
        if (dims[i] != 1 && strides[i] != expected) {
            return false;
        }
        expected *= dims[i];
    }
    return true;
}

/* Where the view begins; false if that does not fit. */
static bool find_start(void *data, int64_t offset, size_t element_bytes, void **start)
{
    uint64_t offset_bytes = 0;
    uint64_t address = 0;
    *start = data;
    if (offset == 0 || data == NULL) {
        return true;
    }
    if (offset < 0 || !afd__mul_u64((uint64_t)offset, element_bytes, &offset_bytes) ||
        !afd__add_u64((uint64_t)(uintptr_t)data, offset_bytes, &address)) {
        afd__acl_say("offset is %" PRId64 ", must be at least 0 and inside of the address space", offset);
        return false;
    }
    *start = (char *)data + offset_bytes;
    return true;
}

aclTensor *aclCreateTensor(const int64_t *viewDims, uint64_t viewDimsNum, aclDataType dataType, const int64_t *stride,
                           int64_t offset, aclFormat format, const int64_t *storageDims, uint64_t storageDimsNum,
                           void *tensorData)
{
    (void)format; /* nothing here is laid out in any other way than ND */
    (void)storageDims;
    (void)storageDimsNum;
    uint64_t element_num = 0;
    void *start = NULL;
    if (!count_elements(viewDims, viewDimsNum, &element_num) ||
        !find_start(tensorData, offset, aclDataTypeSize(dataType), &start)) {
        return NULL;
    }
    afd__acl_tensor *tensor = calloc(1, sizeof(*tensor) + 2 * viewDimsNum * sizeof(int64_t));
    if (tensor == NULL) {
        afd__acl_say("no memory for a tensor");
        return NULL;
    }
    tensor->object.kind = AFD__ACL_TENSOR;
    tensor->object.destroy = destroy_tensor;
    tensor->data_type = dataType;
    tensor->data = start;
    tensor->rank = viewDimsNum;
    tensor->element_num = element_num;
    tensor->contiguous = is_contiguous(viewDims, stride, viewDimsNum, element_num);
    set_extents(tensor, viewDims, stride);
    aclTensor *handle = afd__acl_handle_new(&tensor->object);
    if (handle == NULL) {
        free(tensor);
    }
    return handle;
}

/* Ends the description of a handle; NULL is none and no error. */
static aclnnStatus destroy_description(const void *handle, afd__acl_kind kind)
{
    if (handle == NULL) {
        return ACL_SUCCESS;
    }
    void *retired = afd__acl_handle_retire(handle, kind);
    if (retired == NULL) {
        return afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, handle, kind);
    }
    afd__acl_object_release(retired);
    return ACL_SUCCESS;
}

aclnnStatus aclDestroyTensor(const aclTensor *tensor)
{
    return destroy_description(tensor, AFD__ACL_TENSOR);
}

aclnnStatus aclDestroyIntArray(const aclIntArray *array)
{
    return destroy_description(array, AFD__ACL_INT_ARRAY);
}

aclnnStatus aclDestroyScalar(const aclScalar *scalar)
{
    return destroy_description(scalar, AFD__ACL_SCALAR);
}
