/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of aclnnAttentionToFFN: what is null, dead, or a number out of range. */
#include <stdint.h>
#include <string.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_attention_to_ffn.h"
#include "codes_dispatch.h"

static int null_outputs(uint64_t *size, aclOpExecutor **executor)
{
    return aclnnAttentionToFFNGetWorkspaceSize(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1, NULL, NULL,
                                               NULL, -1, 9, 9, -1, size, executor);
}

static int null_size(code_world *cw)
{
    (void)cw;
    return null_outputs(NULL, NULL);
}

static int null_executor(code_world *cw)
{
    (void)cw;
    return null_outputs(&dispatch_size, NULL);
}

/* One after the other, each with a tensor that is not alive besides; the last says so. */
static int null_tensor(code_world *cw)
{
    int code = 161001;
    dispatch_start();
    dispatch.with_scales = 0;
    for (int i = 0; i <= DISPATCH_TABLE && code == 161001; i++) {
        aclTensor *const kept = dispatch.tensors[i];
        aclTensor *const other = dispatch.tensors[(i + 1) % DISPATCH_SCALES];
        dispatch.tensors[i] = NULL;
        dispatch.tensors[(i + 1) % DISPATCH_SCALES] = cw->stream;
        (void)aclGetRecentErrMsg();
        code = dispatch_plan_it();
        dispatch.tensors[(i + 1) % DISPATCH_SCALES] = other;
        dispatch.tensors[i] = kept;
    }
    return dispatch_end(code);
}

static int null_array(code_world *cw)
{
    int code = 161001;
    (void)cw;
    dispatch_start();
    dispatch.group = NULL;
    for (int i = 0; i < 3 && code == 161001; i++) {
        aclIntArray *const kept = dispatch.shapes[i];
        dispatch.shapes[i] = NULL;
        (void)aclGetRecentErrMsg();
        code = dispatch_plan_it();
        dispatch.shapes[i] = kept;
    }
    return dispatch_end(code);
}

static int with_group(const char *group)
{
    dispatch_start();
    dispatch.group = group;
    dispatch.world_size = 1; /* found later */
    return dispatch_end(dispatch_plan_it());
}

static int null_group(code_world *cw)
{
    (void)cw;
    return with_group(NULL);
}

static int empty_group(code_world *cw)
{
    (void)cw;
    return with_group("");
}

static int long_group(code_world *cw)
{
    char group[129];
    (void)cw;
    memset(group, 'g', sizeof(group) - 1);
    group[128] = '\0';
    return with_group(group);
}

static int dead_tensor(code_world *cw)
{
    dispatch_start();
    aclTensor *const kept = dispatch.tensors[DISPATCH_SCALES];
    dispatch.with_scales = 1; /* with quantMode 0, which is found later */
    dispatch.tensors[DISPATCH_SCALES] = cw->stream;
    const int code = dispatch_plan_it();
    dispatch.tensors[DISPATCH_SCALES] = kept;
    return dispatch_end(code);
}

static int dead_array(code_world *cw)
{
    (void)cw;
    dispatch_start();
    must(aclDestroyIntArray(dispatch.shapes[1]));
    dispatch.world_size = 0;
    const int code = dispatch_plan_it();
    dispatch.shapes[1] = NULL;
    return dispatch_end(code);
}

/* ---- the first phase: values ---- */

static int world_1(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.world_size, 1);
}

static int world_769(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.world_size, 769);
}

static int world_4(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.world_size, 4);
}

static int experts_1025(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.routed_num, 1025);
}

static int quant_1(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.quant_mode, 1);
}

static int sync_2(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.sync_flag, 2);
}

static int first_rank_3(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.first_rank, 3);
}

static int first_rank_negative(code_world *cw)
{
    (void)cw;
    return dispatch_with_number(&dispatch.first_rank, -1);
}

static int scales_without_quant(code_world *cw)
{
    (void)cw;
    dispatch_start();
    dispatch.with_scales = 1;
    return dispatch_end(dispatch_plan_it());
}

static int other_group(code_world *cw)
{
    (void)cw;
    dispatch_start();
    dispatch.group = "nobody";
    return dispatch_end(dispatch_plan_it());
}

const code_case attention_to_ffn_codes[] = {
    { 161001, "attention to FFN: null workspaceSize, whatever else is wrong", A2F "workspaceSize is null", null_size },
    { 161001, "attention to FFN: null executor", A2F "executor is null", null_executor },
    { 161001, "attention to FFN: one of the six tensors is null", A2F "expertRankTable is null", null_tensor },
    { 161001, "attention to FFN: one of the three arrays is null", A2F "attnTokenInfoTableShape is null", null_array },
    { 161001, "attention to FFN: null group", A2F "group is null", null_group },
    { 161001, "attention to FFN: an empty group", A2F "group is empty", empty_group },
    { 161002, "attention to FFN: a group of 128 characters", A2F "group has 128 or more characters", long_group },
    { 161002, "attention to FFN: what is no tensor", "for a tensor is a stream", dead_tensor },
    { 161002, "attention to FFN: an int array that was destroyed", "for an int array was destroyed already",
      dead_array },
    { 561002, "attention to FFN: worldSize 1", A2F "worldSize is 1, must be in [2, 768]", world_1 },
    { 561002, "attention to FFN: worldSize 769", A2F "worldSize is 769, must be in [2, 768]", world_769 },
    { 561002, "attention to FFN: worldSize 4 of 3", A2F "worldSize is 4, must be 3, the ranks of group", world_4 },
    { 561002, "attention to FFN: no such group", A2F "group 'nobody' is no communicator of this process", other_group },
    { 561002, "attention to FFN: moeExpertNum 1025", "moeExpertNum is 1025, must be in [1, 1024]", experts_1025 },
    { 561002, "attention to FFN: quantMode 1", A2F "quantMode is 1, must be 0 or 2", quant_1 },
    { 561002, "attention to FFN: scales with quantMode 0", A2F "scalesOptional is given with quantMode 0",
      scales_without_quant },
    { 561002, "attention to FFN: syncFlag 2", A2F "syncFlag is 2, must be in [0, 1]", sync_2 },
    { 561002, "attention to FFN: ffnStartRankId -1", "ffnStartRankId is -1, must be in [0, 2]", first_rank_negative },
    { 561002, "attention to FFN: FFN ranks past the world", "ffnStartRankId is 3, must be in [0, 2]", first_rank_3 },
    { 0, NULL, NULL, NULL },
};
