/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of aclnnAttentionToFFN: its second phase, and what only its task can see. */
#include <stdint.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_attention_to_ffn.h"
#include "codes_dispatch.h"
#include "faults.h"

static int launch_null(code_world *cw)
{
    return aclnnAttentionToFFN(NULL, 0, NULL, cw->stream);
}

static int launch_small(code_world *cw)
{
    (void)cw;
    dispatch_start();
    must(dispatch_plan_it());
    const int code = aclnnAttentionToFFN(cw->w.context, dispatch_size - 1, dispatch_executor,
                                         dispatch_ranks.streams[0]);
    must(aclDestroyAclOpExecutor(dispatch_executor));
    return dispatch_end(code);
}

static int run(void)
{
    must(dispatch_plan_it());
    return run_phase(aclnnAttentionToFFN, dispatch_size, dispatch_executor, dispatch_ranks.streams[0]);
}

static int run_with(int tensor, size_t index, int32_t value)
{
    dispatch_start();
    ((int32_t *)dispatch.data[tensor])[index] = value;
    return dispatch_end(run());
}

static int session_negative(code_world *cw)
{
    (void)cw;
    return run_with(DISPATCH_SESSION_ID, 0, -1);
}

static int micro_batch_2(code_world *cw)
{
    (void)cw;
    return run_with(DISPATCH_MICRO_BATCH_ID, 0, 2);
}

static int layer_2(code_world *cw)
{
    (void)cw;
    return run_with(DISPATCH_LAYER_ID, 0, 2);
}

static int expert_3(code_world *cw)
{
    (void)cw;
    return run_with(DISPATCH_EXPERT_IDS, 2, 3);
}

static int copies_3(code_world *cw)
{
    (void)cw;
    return run_with(DISPATCH_TABLE, 0, 3);
}

static int table_rank_0(code_world *cw)
{
    (void)cw;
    return run_with(DISPATCH_TABLE, 1, 0);
}

static int table_id(code_world *cw)
{
    (void)cw;
    return run_with(DISPATCH_TABLE, 2, 1000000);
}

static int mask_not_first(code_world *cw)
{
    (void)cw;
    dispatch_start();
    dispatch.with_mask = 1;
    ((uint8_t *)dispatch.data[DISPATCH_MASK])[1] = 1;
    return dispatch_end(run());
}

static int comm_gone(code_world *cw)
{
    (void)cw;
    dispatch_start();
    must(dispatch_plan_it());
    must(HcclCommDestroy(dispatch_ranks.comms[0]));
    dispatch_ranks.comms[0] = NULL;
    return dispatch_end(run_phase(aclnnAttentionToFFN, dispatch_size, dispatch_executor, dispatch_ranks.streams[0]));
}

/* Planned while the window was the buffer, and then the FFN rank registered other memory. */
static int window_shrunk(code_world *cw)
{
    void *handles[2] = { NULL };
    void *own_window = NULL;
    uint32_t peer = 2;
    dispatch_start();
    must(dispatch_plan_it());
    must(HcclCommRegister(dispatch_ranks.comms[2], cw->w.context, 1024, &handles[1], 0));
    must(aclrtMalloc(&own_window, 4096, ACL_MEM_MALLOC_NORMAL_ONLY));
    must(HcclCommRegister(dispatch_ranks.comms[0], own_window, 4096, &handles[0], 0));
    must(HcclCommExchangeMem(dispatch_ranks.comms[0], handles[0], &peer, 1));
    const int code = run_phase(aclnnAttentionToFFN, dispatch_size, dispatch_executor, dispatch_ranks.streams[0]);
    must(aclrtFree(own_window));
    return dispatch_end(code);
}

static int own_window_shrunk(code_world *cw)
{
    void *handle = NULL;
    dispatch_start();
    must(dispatch_plan_it());
    must(HcclCommRegister(dispatch_ranks.comms[0], cw->w.context, 92, &handle, 0));
    return dispatch_end(run_phase(aclnnAttentionToFFN, dispatch_size, dispatch_executor, dispatch_ranks.streams[0]));
}

static int own_window_small(code_world *cw)
{
    void *handle = NULL;
    dispatch_start();
    must(HcclCommRegister(dispatch_ranks.comms[0], cw->w.context, 92, &handle, 0));
    return dispatch_end(dispatch_plan_it());
}

/* Twice the same micro-batch, and nobody takes the first. */
static int desc_not_free(code_world *cw)
{
    (void)cw;
    dispatch_start();
    must(run());
    must(aclrtSetOpExecuteTimeOut(1));
    return dispatch_end(run());
}

static int no_memory(code_world *cw)
{
    (void)cw;
    dispatch_start();
    faults_fail_calloc_after(0);
    return dispatch_end(dispatch_plan_it());
}

const code_case attention_to_ffn_task_codes[] = {
    { 161001, "attention to FFN, second phase: null executor", A2F "executor is null", launch_null },
    { 161002, "attention to FFN: a workspace smaller than planned", A2F "workspaceSize is 95, must be at least 96",
      launch_small },
    { 561002, "attention to FFN: an own window too small for its flags",
      A2F "the own window has 92 bytes, the flags of this shape need 96", own_window_small },
    { 561101, "attention to FFN: no memory for the executor", "no memory for an executor of aclnnAttentionToFFN",
      no_memory },
    { 507014, "attention to FFN at the stream: `aclrtSetOpExecuteTimeOut`",
      A2F "no free desc within 1 s|1 late: rank 2 micro-batch 0 has flag 1", desc_not_free },
    { 507015, "attention to FFN at the stream: sessionId out of range", A2F "sessionId is -1, must be in [0, 2)",
      session_negative },
    { 507015, "attention to FFN at the stream: microBatchId out of range", A2F "microBatchId is 2, must be in [0, 2)",
      micro_batch_2 },
    { 507015, "attention to FFN at the stream: layerId out of range", A2F "layer_id is 2", layer_2 },
    { 507015, "attention to FFN at the stream: an expert id out of range",
      A2F "expert_ids of token 1 slot 0 is 3, must be in [0, 3)", expert_3 },
    { 507015, "attention to FFN at the stream: more copies than Mx has",
      A2F "expert 0 of layer 0 has 3 copies in the table, must be in [1, 2]", copies_3 },
    { 507015, "attention to FFN at the stream: a rank that is no FFN rank",
      A2F "expert 0 of layer 0 is at rank 0, must be in [2, 3)", table_rank_0 },
    { 507015, "attention to FFN at the stream: a local id out of range",
      "has the local id 1000000, must be in [0, 1000000)", table_id },
    { 507015, "attention to FFN at the stream: a mask with a true behind a false",
      A2F "active_mask is 1 at token 1; it must be 1s, then 0s", mask_not_first },
    { 507015, "attention to FFN at the stream: a communicator that was destroyed",
      A2F "|for a communicator was destroyed already", comm_gone },
    { 507015, "attention to FFN at the stream: a window that became too small",
      A2F "rank 2's window has 1024 bytes, which it registered; an FFN window of this shape needs", window_shrunk },
    { 507015, "attention to FFN at the stream: an own window that became too small",
      A2F "the own window has 92 bytes, the flags of this shape need 96", own_window_shrunk },
    { 0, NULL, NULL, NULL },
};
