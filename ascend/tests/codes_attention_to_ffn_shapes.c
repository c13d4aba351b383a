/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of aclnnAttentionToFFN: shapes, types and windows. */
#include <stdint.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_attention_to_ffn.h"
#include "codes_dispatch.h"

static int with_shape(const dispatch_shape *shape)
{
    dispatch_start_with(shape, "4");
    return dispatch_end(dispatch_plan_it());
}

static int hidden_1008(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.hidden = 1008;
    return with_shape(&shape);
}

static int hidden_1032(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.hidden = 1032;
    return with_shape(&shape);
}

static int tokens_0(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.token_num = 0;
    return with_shape(&shape);
}

static int tokens_5(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.token_num = 5;
    return with_shape(&shape);
}

static int tokens_513(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.micro_batch_size = 513;
    return with_shape(&shape);
}

static int top_k_17(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.routed_num = 20;
    shape.top_k = 17;
    return with_shape(&shape);
}

static int top_k_4_of_3(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.top_k = 4;
    return with_shape(&shape);
}

static int shared_5(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.shared_num = 5;
    return with_shape(&shape);
}

static int shared_differs(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.routed_num, 2);
}

static int table_width_2(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    dispatch_start();
    shape.table_width = 2;
    const tensor_dims dims = dispatch_dims(&shape, DISPATCH_TABLE);
    must(aclDestroyTensor(dispatch.tensors[DISPATCH_TABLE]));
    dispatch.tensors[DISPATCH_TABLE] = aclCreateTensor(dims.dims, dims.rank, dims.type, NULL, 0, ACL_FORMAT_ND,
                                                       dims.dims, dims.rank, dispatch.data[DISPATCH_TABLE]);
    return dispatch_end(dispatch_plan_it());
}

static int sessions_3(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.session_num = 3;
    return with_shape(&shape);
}

static int slot_small(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.slot_elements = 1023;
    return with_shape(&shape);
}

static int slot_small_int8(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.slot_elements = 1151;
    dispatch_start_with(&shape, "4");
    dispatch.quant_mode = 2;
    return dispatch_end(dispatch_plan_it());
}

static int window_small(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.slot_elements = 20000;
    dispatch_start_with(&shape, "1");
    return dispatch_end(dispatch_plan_it());
}

static int sizes_overflow(code_world *cw)
{
    dispatch_shape shape = dispatch_small;
    (void)cw;
    shape.micro_batch_num = UINT32_MAX;
    shape.micro_batch_size = 512;
    shape.slot_elements = INT32_MAX;
    return with_shape(&shape);
}

/* With another shape array. */
static int with_array(int array, const int64_t *values, uint64_t num)
{
    dispatch_start();
    must(aclDestroyIntArray(dispatch.shapes[array]));
    dispatch.shapes[array] = aclCreateIntArray(values, num);
    return dispatch_end(dispatch_plan_it());
}

static int info_of_2(code_world *cw)
{
    const int64_t values[2] = { 2, 2 };
    (void)cw;
    return with_array(0, values, 2);
}

static int info_words(code_world *cw)
{
    const int64_t values[3] = { 2, 2, 13 };
    (void)cw;
    return with_array(0, values, 3);
}

static int data_differs(code_world *cw)
{
    const int64_t values[5] = { 2, 1, 4, 3, 1152 };
    (void)cw;
    return with_array(1, values, 5);
}

static int micro_batches_0(code_world *cw)
{
    const int64_t values[3] = { 0, 4, 3 };
    (void)cw;
    return with_array(2, values, 3);
}

/* With another tensor on the same memory. */
static int with_tensor(int tensor, const tensor_dims *dims, void *data)
{
    dispatch_start();
    must(aclDestroyTensor(dispatch.tensors[tensor]));
    dispatch.tensors[tensor] = aclCreateTensor(dims->dims, dims->rank, dims->type, NULL, 0, ACL_FORMAT_ND, dims->dims,
                                               dims->rank, data);
    dispatch.with_mask = tensor == DISPATCH_MASK;
    dispatch.with_scales = tensor == DISPATCH_SCALES;
    dispatch.quant_mode = tensor == DISPATCH_SCALES ? 2 : 0;
    return dispatch_end(dispatch_plan_it());
}

static int x_type(code_world *cw)
{
    const tensor_dims dims = { ACL_FLOAT, 3, { 1, 2, 1024 } };
    (void)cw;
    return with_tensor(DISPATCH_X, &dims, cw);
}

static int x_rank(code_world *cw)
{
    const tensor_dims dims = { ACL_BF16, 2, { 2, 1024 } };
    return with_tensor(DISPATCH_X, &dims, cw);
}

static int x_2(code_world *cw)
{
    const tensor_dims dims = { ACL_BF16, 3, { 2, 2, 1024 } };
    return with_tensor(DISPATCH_X, &dims, cw);
}

static int session_type(code_world *cw)
{
    const tensor_dims dims = { ACL_INT16, 1, { 1 } };
    return with_tensor(DISPATCH_SESSION_ID, &dims, cw);
}

static int ids_differ(code_world *cw)
{
    const tensor_dims dims = { ACL_INT32, 3, { 1, 3, 2 } };
    return with_tensor(DISPATCH_EXPERT_IDS, &dims, cw);
}

static int scales_differ(code_world *cw)
{
    const tensor_dims dims = { ACL_FLOAT, 3, { 1, 4, 1024 } };
    return with_tensor(DISPATCH_SCALES, &dims, cw);
}

static int mask_type(code_world *cw)
{
    const tensor_dims dims = { ACL_INT8, 2, { 1, 2 } };
    return with_tensor(DISPATCH_MASK, &dims, cw);
}

static int no_data(code_world *cw)
{
    const tensor_dims dims = { ACL_FLOAT16, 3, { 1, 2, 1024 } };
    (void)cw;
    return with_tensor(DISPATCH_X, &dims, NULL);
}

const code_case attention_to_ffn_shape_codes[] = {
    { 161001, "attention to FFN: x without data", A2F "the data of x is null", no_data },
    { 561002, "attention to FFN: x that is neither FLOAT16 nor BF16", A2F "x has data type 0, must have 1", x_type },
    { 561002, "attention to FFN: x of rank 2", A2F "x has 2 dimensions, must have 3 (1, Bs, H)", x_rank },
    { 561002, "attention to FFN: X 2", A2F "dimension 0 of x (1, Bs, H) is 2, must be 1", x_2 },
    { 561002, "attention to FFN: H 1008", "H of x is 1008, must be in [1024, 8192]", hidden_1008 },
    { 561002, "attention to FFN: H 1032", "H of x is 1032, must be a multiple of 16", hidden_1032 },
    { 561002, "attention to FFN: Bs 0", "Bs of x is 0, must be in [1, 4]", tokens_0 },
    { 561002, "attention to FFN: Bs above BS", "Bs of x is 5, must be in [1, 4]", tokens_5 },
    { 561002, "attention to FFN: BS 513", "BS of attnTokenInfoTableShape is 513, must be in [1, 512]", tokens_513 },
    { 561002, "attention to FFN: K 17", "K of expertIds is 17, must be in [1, 16]", top_k_17 },
    { 561002, "attention to FFN: K above moeExpertNum", "K of expertIds is 4, must be in [1, 3]", top_k_4_of_3 },
    { 561002, "attention to FFN: 5 shared experts", "experts of expertRankTable is 8, must be in [3, 7]", shared_5 },
    { 561002, "attention to FFN: shared experts that are not E - K",
      "experts of expertRankTable is 4, must be 3, moeExpertNum and the E - K shared ones", shared_differs },
    { 561002, "attention to FFN: Mx 2", "Mx of expertRankTable is 2, must be in [3, 4294967295]", table_width_2 },
    { 561002, "attention to FFN: S is the world", "S of ffnTokenInfoTableShape is 3, must be in [1, 2]", sessions_3 },
    { 561002, "attention to FFN: M 0", "M of attnTokenInfoTableShape is 0, must be in [1, 4294967295]",
      micro_batches_0 },
    { 561002, "attention to FFN: a shape of 2 values",
      "ffnTokenInfoTableShape has 2 values, must have 3 (S, M, 2 + BS*E)", info_of_2 },
    { 561002, "attention to FFN: a desc that is not 2 + BS*E",
      "the last value of ffnTokenInfoTableShape is 13, must be 14, 2 + BS*E", info_words },
    { 561002, "attention to FFN: shapes that differ",
      "M of ffnTokenDataShape is 1, must be 2, as in attnTokenInfoTableShape", data_differs },
    { 561002, "attention to FFN: HS below H", "HS of ffnTokenDataShape is 1023, must be in [1024", slot_small },
    { 561002, "attention to FFN: int8 and HS below H + 128", "HS of ffnTokenDataShape is 1151, must be in [1152",
      slot_small_int8 },
    { 561002, "attention to FFN: sessionId that is not INT32", "sessionId has data type 6, must have 3", session_type },
    { 561002, "attention to FFN: expertIds of another Bs", "dimension 1 of expertIds (1, Bs, K) is 3, must be 2",
      ids_differ },
    { 561002, "attention to FFN: scales of another L", "dimension 0 of scalesOptional (L, experts, H) is 1, must be 2",
      scales_differ },
    { 561002, "attention to FFN: a mask that is not BOOL", "activeMaskOptional has data type 2, must have 12",
      mask_type },
    { 561002, "attention to FFN: a window too small",
      A2F "the window of rank 2 has 1048576 bytes, this shape needs 1920512: HCCL_BUFFSIZE=2 would do", window_small },
    { 561002, "attention to FFN: sizes past 64 bits", A2F "the window does not fit 64 bits", sizes_overflow },
    { 0, NULL, NULL, NULL },
};
