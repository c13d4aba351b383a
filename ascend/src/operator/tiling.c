/* SPDX-License-Identifier: Apache-2.0 */
#include "operator/tiling.h"

#include <inttypes.h>
#include <stdalign.h>

#include "afd/context.h"
#include "afd/token.h"
#include "runtime/message.h"

aclnnStatus afd__acl_tiling_range(const char *op_name, const char *name, int64_t value, int64_t low, int64_t high)
{
    if (value >= low && value <= high) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s is %" PRId64 ", must be in [%" PRId64 ", %" PRId64 "]",
                         op_name, name, value, low, high);
}

aclnnStatus afd__acl_tiling_hidden(const char *op_name, const char *name, int64_t value)
{
    const aclnnStatus status = afd__acl_tiling_range(op_name, name, value, AFD_HIDDEN_MULTIPLE, UINT32_MAX);
    if (status != ACL_SUCCESS || value % AFD_HIDDEN_MULTIPLE == 0) {
        return status;
    }
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s is %" PRId64 ", must be a multiple of %d", op_name, name,
                         value, AFD_HIDDEN_MULTIPLE);
}

/* ---- tensors ---- */

aclnnStatus afd__acl_tiling_given(const afd__acl_required *required, const aclTensor *const *tensors)
{
    aclnnStatus status = ACL_SUCCESS;
    for (uint32_t i = 0; i < required->num && status == ACL_SUCCESS; i++) {
        status = afd__acl_op_check_given(required->op_name, tensors[i], required->names[i]);
    }
    return status;
}

aclnnStatus afd__acl_tiling_views(const afd__acl_required *required, const aclTensor *const *tensors,
                                  afd__acl_view *views)
{
    aclnnStatus status = ACL_SUCCESS;
    for (uint32_t i = 0; i < required->num && status == ACL_SUCCESS; i++) {
        status = afd__acl_op_view(required->op_name, tensors[i], required->names[i], &views[i]);
    }
    return status;
}

static aclnnStatus check_tensor(const char *op_name, const char *name, const afd__acl_view *view,
                                const afd__acl_wanted *wanted)
{
    if (view->data_type != wanted->data_type) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s has data type %d, must have %d", op_name, name,
                             (int)view->data_type, (int)wanted->data_type);
    }
    if (view->element_num < wanted->element_num) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED,
                             "%s: %s has %" PRIu64 " elements, must have at least %" PRIu64, op_name, name,
                             view->element_num, wanted->element_num);
    }
    if (!view->contiguous) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s is not contiguous", op_name, name);
    }
    return ACL_SUCCESS;
}

aclnnStatus afd__acl_tiling_context(const afd__acl_required *required, const afd__acl_view *context)
{
    static const afd__acl_wanted wanted = { ACL_INT8, AFD_CONTEXT_BYTES };
    if (context->rank != 1) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s has %" PRIu64 " dimensions, must have 1",
                             required->op_name, required->names[0], context->rank);
    }
    return check_tensor(required->op_name, required->names[0], context, &wanted);
}

aclnnStatus afd__acl_tiling_tensors(const afd__acl_required *required, const afd__acl_view *views,
                                    const afd__acl_wanted *wanted)
{
    aclnnStatus status = ACL_SUCCESS;
    for (uint32_t i = 1; i < required->num && status == ACL_SUCCESS; i++) {
        status = check_tensor(required->op_name, required->names[i], &views[i], &wanted[i]);
    }
    return status;
}

/* ---- their memory ---- */

static aclnnStatus check_memory(const char *op_name, const char *name, const afd__acl_view *view, size_t align)
{
    const aclnnStatus status = afd__acl_op_check_data(op_name, view, name);
    if (status != ACL_SUCCESS || (uintptr_t)view->data % align == 0) {
        return status;
    }
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: the data of %s is at %p, must be %zu-byte aligned", op_name,
                         name, view->data, align);
}

aclnnStatus afd__acl_tiling_data(const afd__acl_required *required, const afd__acl_view *views)
{
    aclnnStatus status = ACL_SUCCESS;
    for (uint32_t i = 0; i < required->num && status == ACL_SUCCESS; i++) {
        const size_t align = i == 0 ? alignof(afd_schedule_context) : aclDataTypeSize(views[i].data_type);
        status = check_memory(required->op_name, required->names[i], &views[i], align);
    }
    return status;
}

/* ---- dims ---- */

aclnnStatus afd__acl_tiling_dims(const char *op_name, const char *name, const afd__acl_view *view,
                                 const afd__acl_wanted_dims *wanted)
{
    if (view->data_type != wanted->data_type) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s has data type %d, must have %d", op_name, name,
                             (int)view->data_type, (int)wanted->data_type);
    }
    if (view->rank != wanted->rank) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s has %" PRIu64 " dimensions, must have %" PRIu64 " %s",
                             op_name, name, view->rank, wanted->rank, wanted->layout);
    }
    for (uint64_t i = 0; i < wanted->rank; i++) {
        if (wanted->dims[i] != AFD__ACL_DIM_ANY && view->dims[i] != wanted->dims[i]) {
            return afd__acl_fail(AFD__ACLNN_TILING_FAILED,
                                 "%s: dimension %" PRIu64 " of %s %s is %" PRId64 ", must be %" PRId64, op_name, i,
                                 name, wanted->layout, view->dims[i], wanted->dims[i]);
        }
    }
    return ACL_SUCCESS;
}

aclnnStatus afd__acl_tiling_equal(const char *op_name, const char *name, int64_t value, int64_t expected,
                                  const char *why)
{
    if (value == expected) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s is %" PRId64 ", must be %" PRId64 ", %s", op_name, name,
                         value, expected, why);
}
