/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the original finds in tiling: shapes and values out of range. Each check returns AFD__ACLNN_TILING_FAILED with
 * the name, the value and the bound.
 */
#ifndef AFD_ASCEND_OPERATOR_TILING_H
#define AFD_ASCEND_OPERATOR_TILING_H

#include <stdint.h>

#include "operator/operator.h"

/* value in [low, high]. */
aclnnStatus afd__acl_tiling_range(const char *op_name, const char *name, int64_t value, int64_t low, int64_t high);

/* A hidden size: in [16, UINT32_MAX], and a multiple of 16, which is what libafd moves at a time. */
aclnnStatus afd__acl_tiling_hidden(const char *op_name, const char *name, int64_t value);

/* What is wanted of a tensor: elements of a type, one behind the other. Dims are not compared: what counts is that all
 * that is read or written is there. */
typedef struct afd__acl_wanted {
    aclDataType data_type;
    uint64_t element_num; /* at least */
} afd__acl_wanted;

/* The required tensors of an operator; the first is its scheduleContext. */
typedef struct afd__acl_required {
    const char *op_name;
    const char *const *names;
    uint32_t num;
} afd__acl_required;

/* AFD__ACLNN_PARAM_NULL for the first that is null. */
aclnnStatus afd__acl_tiling_given(const afd__acl_required *required, const aclTensor *const *tensors);

/* The views of all; AFD__ACLNN_PARAM_INVALID for the first that is not alive. */
aclnnStatus afd__acl_tiling_views(const afd__acl_required *required, const aclTensor *const *tensors,
                                  afd__acl_view *views);

/* The context has one dimension, and at least 1024 contiguous INT8. */
aclnnStatus afd__acl_tiling_context(const afd__acl_required *required, const afd__acl_view *context);

/* What is wanted of the others, in their order; wanted[0] is not looked at. */
aclnnStatus afd__acl_tiling_tensors(const afd__acl_required *required, const afd__acl_view *views,
                                    const afd__acl_wanted *wanted);

/* Last: AFD__ACLNN_PARAM_NULL for elements without memory; else the memory is aligned as its type needs. */
aclnnStatus afd__acl_tiling_data(const afd__acl_required *required, const afd__acl_view *views);

/* In a wanted shape: a dim that the operator looks at itself. */
enum { AFD__ACL_DIM_ANY = -1 };

/* What is wanted of a tensor whose dims matter: at most 3 of them, in the order that `layout` names, "(1, Bs, K)". */
typedef struct afd__acl_wanted_dims {
    aclDataType data_type;
    const char *layout;
    uint64_t rank;
    int64_t dims[3];
} afd__acl_wanted_dims;

aclnnStatus afd__acl_tiling_dims(const char *op_name, const char *name, const afd__acl_view *view,
                                 const afd__acl_wanted_dims *wanted);

/* value = expected; `why` says where that comes from, "as in attnTokenInfoTableShape". */
aclnnStatus afd__acl_tiling_equal(const char *op_name, const char *name, int64_t value, int64_t expected,
                                  const char *why);

#endif
