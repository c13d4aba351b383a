/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators take: tensors, arrays, scalars, executors. Descriptions only; the memory that a tensor speaks of
 * belongs to the caller and must stay while an operator uses it. The descriptions themselves may be destroyed after the
 * first phase.
 */
#ifndef AFD_ASCEND_ACLNN_ACL_META_H
#define AFD_ASCEND_ACLNN_ACL_META_H

#include "acl/acl_base.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct aclOpExecutor aclOpExecutor;
typedef struct aclTensor aclTensor;
typedef struct aclScalar aclScalar;
typedef struct aclIntArray aclIntArray;

typedef int32_t aclnnStatus;

/*
 * NULL, with a sentence in aclGetRecentErrMsg(), for null or negative dims, more than 64 of them, an element count that
 * does not fit 63 bits, a negative offset, or no memory. Null strides stand for a contiguous tensor; `offset` counts
 * elements. The storage dims are not looked at.
 */
aclTensor *aclCreateTensor(const int64_t *viewDims, uint64_t viewDimsNum, aclDataType dataType, const int64_t *stride,
                           int64_t offset, aclFormat format, const int64_t *storageDims, uint64_t storageDimsNum,
                           void *tensorData);
aclIntArray *aclCreateIntArray(const int64_t *value, uint64_t size);
aclScalar *aclCreateScalar(void *value, aclDataType dataType);

/* NULL is allowed. One that was destroyed already is an error and nothing else. */
aclnnStatus aclDestroyTensor(const aclTensor *tensor);
aclnnStatus aclDestroyIntArray(const aclIntArray *array);
aclnnStatus aclDestroyScalar(const aclScalar *scalar);

/*
 * An executor is made by a first phase and spent by the second, unless it was made repeatable; then it lives until it
 * is destroyed. One that is never run may be destroyed too.
 */
aclnnStatus aclSetAclOpExecutorRepeatable(aclOpExecutor *executor);
aclnnStatus aclDestroyAclOpExecutor(aclOpExecutor *executor);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
