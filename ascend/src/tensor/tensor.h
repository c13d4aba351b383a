/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptions that operators take: a tensor, an array of integers, a scalar. Each is an object behind a handle. */
#ifndef AFD_ASCEND_TENSOR_TENSOR_H
#define AFD_ASCEND_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "aclnn/acl_meta.h"
#include "runtime/handle.h"

/* The codes of the operator calls. */
enum {
    AFD__ACLNN_PARAM_NULL = 161001,
    AFD__ACLNN_PARAM_INVALID = 161002,
    AFD__ACLNN_RUNTIME_FAILED = 361001,
    AFD__ACLNN_EXECUTOR_NOT_CREATED = 561101,
    AFD__ACLNN_EXECUTOR_NULL = 561103
};

enum { AFD__ACL_RANK_MAX = 64 };

typedef struct afd__acl_tensor {
    afd__acl_object object;
    aclDataType data_type;
    void *data;            /* of the first element of the view, the offset included */
    uint64_t rank;
    uint64_t element_num;  /* the product of the dims; 1 for rank 0 */
    bool contiguous;
    int64_t extents[];     /* dims[rank], then strides[rank], in elements */
} afd__acl_tensor;

/* Copied when it is created, and read-only from then on. */
typedef struct afd__acl_values {
    afd__acl_object object;
    uint64_t bytes;
    uint64_t data[]; /* of an int array: int64_t[bytes / 8] */
} afd__acl_values;

#endif
