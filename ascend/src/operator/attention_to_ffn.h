/* SPDX-License-Identifier: Apache-2.0 */
/* aclnnAttentionToFFN: what its first phase is asked for, and the plan that its task gets. */
#ifndef AFD_ASCEND_OPERATOR_ATTENTION_TO_FFN_H
#define AFD_ASCEND_OPERATOR_ATTENTION_TO_FFN_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/token.h"
#include "hccl/hccl_types.h"
#include "operator/gather.h"
#include "operator/operator.h"

#define AFD__ACL_ATTENTION_TO_FFN "aclnnAttentionToFFN"

/* The tensors, in the order of the arguments; those from the scales on are optional. */
enum {
    AFD__ACL_A2F_X,
    AFD__ACL_A2F_SESSION_ID,
    AFD__ACL_A2F_MICRO_BATCH_ID,
    AFD__ACL_A2F_LAYER_ID,
    AFD__ACL_A2F_EXPERT_IDS,
    AFD__ACL_A2F_EXPERT_RANK_TABLE,
    AFD__ACL_A2F_SCALES,
    AFD__ACL_A2F_ACTIVE_MASK,
    AFD__ACL_A2F_TENSOR_NUM,
    AFD__ACL_A2F_REQUIRED_NUM = AFD__ACL_A2F_SCALES
};

/* The shape arrays, in the order of the arguments. */
enum { AFD__ACL_A2F_FFN_INFO, AFD__ACL_A2F_FFN_DATA, AFD__ACL_A2F_ATTENTION_INFO, AFD__ACL_A2F_ARRAY_NUM };

typedef struct afd__acl_a2f_request {
    const aclTensor *tensors[AFD__ACL_A2F_TENSOR_NUM];
    const aclIntArray *shapes[AFD__ACL_A2F_ARRAY_NUM];
    const char *group;
    int64_t world_size;
    int64_t moe_expert_num;
    int64_t quant_mode;
    int64_t sync_flag;
    int64_t ffn_start_rank;
} afd__acl_a2f_request;

typedef struct afd__acl_a2f_plan {
    HcclComm comm;
    afd_shape shape;            /* of the FFN windows */
    uint32_t first_rank;        /* of the FFN ranks */
    uint32_t rank_num;
    uint32_t token_num;         /* Bs */
    uint32_t hidden;            /* H */
    uint32_t top_k;             /* K */
    uint32_t layer_num;         /* L; of the table, as the next two */
    uint32_t expert_num;
    uint32_t table_width;
    afd_token_type type;
    bool quantize;
    bool only_ranks_with_tokens;
    afd__acl_input inputs[AFD__ACL_A2F_TENSOR_NUM];
    uint64_t flags_offset;      /* in the workspace: i32[M][BS][E], the flags that the dispatch sets */
    uint64_t workspace_bytes;
} afd__acl_a2f_plan;

/* Bytes of the flags of an attention window of that shape. */
static inline uint64_t afd__acl_a2f_flag_bytes(const afd_shape *shape)
{
    return (uint64_t)shape->micro_batch_num * shape->micro_batch_size * shape->selected_expert_num * sizeof(int32_t);
}

/* All checks of the first phase; the plan is good if all pass. */
aclnnStatus afd__acl_a2f_check(const afd__acl_a2f_request *request, afd__acl_a2f_plan *plan);

#endif
