/* SPDX-License-Identifier: Apache-2.0 */
/* What the two communication operators have in common: their group, its windows, and how their tasks fail. */
#ifndef AFD_ASCEND_OPERATOR_COMMUNICATION_H
#define AFD_ASCEND_OPERATOR_COMMUNICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/window.h"
#include "comm/comm.h"
#include "operator/operator.h"
#include "operator/tiling.h"

/* The limits of the original, of both operators. */
enum {
    AFD__ACL_WORLD_SIZE_MIN = 2,
    AFD__ACL_WORLD_SIZE_MAX = 768,
    AFD__ACL_TOKEN_NUM_MAX = 512,
    AFD__ACL_HIDDEN_MIN = 1024,
    AFD__ACL_HIDDEN_MAX = 8192
};

/* What a first phase is handed: tensors, of which the first required->num must be there, shape arrays, and a group. */
typedef struct afd__acl_handed {
    const afd__acl_required *required; /* its names go on for all tensors */
    const aclTensor *const *tensors;
    uint32_t tensor_num;
    const aclIntArray *const *arrays;
    const char *const *array_names;
    uint32_t array_num;
    const char *group;
} afd__acl_handed;

/*
 * AFD__ACLNN_PARAM_NULL for what is null and must not be, and an empty group; then _PARAM_INVALID for a group of
 * COMM_NAME_MAX_LENGTH characters and more, and for what is not alive. Then views[tensor_num] are those of the tensors;
 * an optional one that is not given has a view of zeros.
 */
aclnnStatus afd__acl_communication_handed(const afd__acl_handed *handed, afd__acl_view *views);

/* The rest is AFD__ACLNN_TILING_FAILED. H in its range, and a multiple of 16, which is what libafd moves at a time. */
aclnnStatus afd__acl_communication_hidden(const char *op_name, int64_t hidden);

/* The values of a shape array of `num` values; `layout` names them, "(M, BS, E)". */
typedef struct afd__acl_shape_array {
    const aclIntArray *array;
    const char *name;
    const char *layout;
    uint64_t num;
} afd__acl_shape_array;

aclnnStatus afd__acl_communication_shape(const char *op_name, const afd__acl_shape_array *array, int64_t *values);

/* The communicator of a group as the calling thread sees it; it has world_size ranks. */
aclnnStatus afd__acl_communication_find(const char *op_name, const char *group, int64_t world_size, HcclComm *comm);

/* Windows that the first phase can hold against the shape that they must have. */
typedef struct afd__acl_window_wanted {
    afd_window_kind kind;
    afd_shape shape;
    uint32_t first_rank; /* of the ranks whose windows they are */
    uint32_t rank_num;
    bool one_is_enough;  /* it is not known yet whose window will be written to */
} afd__acl_window_wanted;

/*
 * A window that is too small, with what it needs. One that cannot be known yet, because memory was registered and is
 * not exchanged, is left to the task.
 */
aclnnStatus afd__acl_communication_windows(const char *op_name, HcclComm comm, const afd__acl_window_wanted *wanted);

/* ACL_ERROR_RT_AICORE_EXCEPTION, with the sentence that is pending behind the operator's name. */
aclError afd__acl_communication_fail(const char *op_name);

#endif
