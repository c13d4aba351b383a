/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnFFNToAttention: what its first phase is asked for, and the plan that its task gets. */
#ifndef AFD_ASCEND_OPERATOR_FFN_TO_ATTENTION_H
#define AFD_ASCEND_OPERATOR_FFN_TO_ATTENTION_H

#include <stdint.h>

#include "afd/context.h"
#include "afd/token.h"
#include "hccl/hccl_types.h"
#include "operator/gather.h"
#include "operator/operator.h"

#define AFD__ACL_FFN_TO_ATTENTION "aclnnFFNToAttention"

/* The tensors, in the order of the arguments; the last is optional. */
enum {
    AFD__ACL_F2A_X,
    AFD__ACL_F2A_SESSION_IDS,
    AFD__ACL_F2A_MICRO_BATCH_IDS,
    AFD__ACL_F2A_TOKEN_IDS,
    AFD__ACL_F2A_EXPERT_OFFSETS,
    AFD__ACL_F2A_ACTUAL_TOKEN_NUM,
    AFD__ACL_F2A_ATTN_RANK_TABLE,
    AFD__ACL_F2A_TENSOR_NUM,
    AFD__ACL_F2A_REQUIRED_NUM = AFD__ACL_F2A_ATTN_RANK_TABLE
};

/* The shape arrays, in the order of the arguments. */
enum { AFD__ACL_F2A_INFO, AFD__ACL_F2A_DATA, AFD__ACL_F2A_ARRAY_NUM };

typedef struct afd__acl_f2a_request {
    const aclTensor *tensors[AFD__ACL_F2A_TENSOR_NUM];
    const aclIntArray *shapes[AFD__ACL_F2A_ARRAY_NUM];
    const char *group;
    int64_t world_size;
} afd__acl_f2a_request;

typedef struct afd__acl_f2a_plan {
    HcclComm comm;
    afd_shape shape;      /* of the attention windows; its session_num is 1 */
    uint32_t world_size;
    uint32_t hidden;      /* H */
    uint32_t session_num; /* of the rank table */
    uint64_t row_num;     /* Y */
    afd_token_type type;
    afd__acl_input inputs[AFD__ACL_F2A_TENSOR_NUM];
    uint64_t workspace_bytes;
} afd__acl_f2a_plan;

/* All checks of the first phase; the plan is good if all pass. */
aclnnStatus afd__acl_f2a_check(const afd__acl_f2a_request *request, afd__acl_f2a_plan *plan);

#endif
