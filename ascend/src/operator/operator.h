/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operators have in common: the checks of their first phases, and how their tasks wait and fail.
 *
 * A first phase goes through its checks in this order: workspaceSize, executor and every required pointer (161001),
 * then whether the handles are alive, then the operator's own. It reads no tensor's data, because that is device memory
 * which the program may fill in until the second phase. A plan holds views, and no tensors: those may be destroyed.
 */
#ifndef AFD_ASCEND_OPERATOR_OPERATOR_H
#define AFD_ASCEND_OPERATOR_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acl/acl_base.h"
#include "aclnn/acl_meta.h"
#include "afd/status.h"
#include "afd/wait.h"
#include "executor/executor.h"
#include "tensor/tensor.h"

/* What only tiling finds in the original: a shape or a value out of range. */
enum { AFD__ACLNN_TILING_FAILED = 561002 };

/* No operator here takes a tensor of more dimensions. */
enum { AFD__ACL_VIEW_RANK_MAX = 5 };

/* A tensor as an operator sees it. */
typedef struct afd__acl_view {
    void *data;
    aclDataType data_type;
    uint64_t rank; /* dims and strides have the first AFD__ACL_VIEW_RANK_MAX of them */
    uint64_t element_num;
    bool contiguous;
    int64_t dims[AFD__ACL_VIEW_RANK_MAX];
    int64_t strides[AFD__ACL_VIEW_RANK_MAX]; /* elements */
} afd__acl_view;

/* AFD__ACLNN_PARAM_NULL with "NAME: `name` is null". */
aclnnStatus afd__acl_op_check_given(const char *op_name, const void *pointer, const char *name);

/* What every first phase looks at first. */
aclnnStatus afd__acl_op_check_outputs(const char *op_name, const uint64_t *workspace_size, aclOpExecutor **executor);

/*
 * The view of a tensor; a null one is AFD__ACLNN_PARAM_NULL, one that is not alive _PARAM_INVALID. Whether it has data
 * is asked by afd__acl_op_check_data(): the codes of shapes come before it.
 */
aclnnStatus afd__acl_op_view(const char *op_name, const aclTensor *tensor, const char *name, afd__acl_view *view);

/* AFD__ACLNN_PARAM_NULL for a view of elements without memory. */
aclnnStatus afd__acl_op_check_data(const char *op_name, const afd__acl_view *view, const char *name);

/*
 * The view of a context as the schedulers want it, with its codes in their order: AFD__ACLNN_PARAM_INVALID for a rank
 * other than 1, for `execute_mode` other than 0, no elements, a type other than INT8, fewer than 1024 elements, not
 * contiguous; then _PARAM_NULL without data.
 */
aclnnStatus afd__acl_op_check_context(const char *op_name, const afd__acl_view *view, int32_t execute_mode);

/* AFD__ACLNN_PARAM_INVALID for an int array that is not alive. */
aclnnStatus afd__acl_op_check_array(const aclIntArray *array);

/* Copies the `num` values of an int array; false if it is not alive or has another number, which is in *found. */
bool afd__acl_op_values(const aclIntArray *array, int64_t *values, uint64_t num, uint64_t *found);

/* A wait that ends with the stream and at aclrtSetOpExecuteTimeOut(). Many streams may wait on few cores, so it sleeps
 * when it takes long. */
afd_wait afd__acl_op_wait(const afd__acl_limits *limits, afd_late *late, uint32_t late_capacity);

#endif
