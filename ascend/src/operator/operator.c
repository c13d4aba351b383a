/* SPDX-License-Identifier: Apache-2.0 */
#include "operator/operator.h"

#include <inttypes.h>
#include <string.h>

#include "afd/context.h"
#include "runtime/message.h"

aclnnStatus afd__acl_op_check_given(const char *op_name, const void *pointer, const char *name)
{
    return pointer != NULL ? ACL_SUCCESS : afd__acl_fail(AFD__ACLNN_PARAM_NULL, "%s: %s is null", op_name, name);
}

aclnnStatus afd__acl_op_check_outputs(const char *op_name, const uint64_t *workspace_size, aclOpExecutor **executor)
{
    const aclnnStatus status = afd__acl_op_check_given(op_name, workspace_size, "workspaceSize");
    return status != ACL_SUCCESS ? status : afd__acl_op_check_given(op_name, (const void *)executor, "executor");
}

aclnnStatus afd__acl_op_view(const char *op_name, const aclTensor *tensor, const char *name, afd__acl_view *view)
{
    const aclnnStatus status = afd__acl_op_check_given(op_name, tensor, name);
    if (status != ACL_SUCCESS) {
        return status;
    }
    afd__acl_tensor *held = afd__acl_handle_hold(tensor, AFD__ACL_TENSOR);
    if (held == NULL) {
        return afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, tensor, AFD__ACL_TENSOR);
    }
    *view = (afd__acl_view){
        .data = held->data,
        .data_type = held->data_type,
        .rank = held->rank,
        .element_num = held->element_num,
        .contiguous = held->contiguous,
    };
    for (uint64_t i = 0; i < held->rank && i < AFD__ACL_VIEW_RANK_MAX; i++) {
        view->dims[i] = held->extents[i];
        view->strides[i] = held->extents[held->rank + i];
    }
    afd__acl_object_release(held);
    return ACL_SUCCESS;
}

aclnnStatus afd__acl_op_check_data(const char *op_name, const afd__acl_view *view, const char *name)
{
    if (view->data != NULL || view->element_num == 0) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(AFD__ACLNN_PARAM_NULL, "%s: the data of %s is null", op_name, name);
}

aclnnStatus afd__acl_op_check_context(const char *op_name, const afd__acl_view *view, int32_t execute_mode)
{
    if (view->rank != 1) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID,
                             "%s: scheduleContextRef has %" PRIu64 " dimensions, must have 1", op_name, view->rank);
    }
    if (execute_mode != 0) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, "%s: executeMode is %" PRId32 ", must be 0", op_name,
                             execute_mode);
    }
    if (view->element_num == 0) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, "%s: scheduleContextRef is empty", op_name);
    }
    if (view->data_type != ACL_INT8) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID,
                             "%s: scheduleContextRef has data type %d, must have %d (INT8)", op_name,
                             (int)view->data_type, ACL_INT8);
    }
    if (view->element_num < AFD_CONTEXT_BYTES) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID,
                             "%s: scheduleContextRef has %" PRIu64 " elements, must have at least %d", op_name,
                             view->element_num, AFD_CONTEXT_BYTES);
    }
    if (!view->contiguous) {
        return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, "%s: scheduleContextRef is not contiguous", op_name);
    }
    return afd__acl_op_check_data(op_name, view, "scheduleContextRef");
}

aclnnStatus afd__acl_op_check_array(const aclIntArray *array)
{
    afd__acl_values *held = afd__acl_handle_hold(array, AFD__ACL_INT_ARRAY);
    if (held == NULL) {
        return afd__acl_handle_fail(AFD__ACLNN_PARAM_INVALID, array, AFD__ACL_INT_ARRAY);
    }
    afd__acl_object_release(held);
    return ACL_SUCCESS;
}

bool afd__acl_op_values(const aclIntArray *array, int64_t *values, uint64_t num, uint64_t *found)
{
    afd__acl_values *held = afd__acl_handle_hold(array, AFD__ACL_INT_ARRAY);
    *found = held != NULL ? held->bytes / sizeof(*values) : 0;
    const bool is_right = held != NULL && *found == num;
    if (is_right) {
        memcpy(values, held->data, num * sizeof(*values));
    }
    afd__acl_object_release(held);
    return is_right;
}

afd_wait afd__acl_op_wait(const afd__acl_limits *limits, afd_late *late, uint32_t late_capacity)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    wait.stop = limits->stop;
    wait.late = late;
    wait.late_capacity = late_capacity;
    if (limits->timeout_s != 0) {
        wait.deadline_ns = afd_clock_ns() + limits->timeout_s * UINT64_C(1000000000);
    }
    return wait;
}
