/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of the task of aclnnFfnWorkerBatching, and those of workspaces. */
#include <stdint.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "codes.h"
#include "operator_world.h"

#define BATCHING "aclnnFfnWorkerBatching: "

static batch_world b;
static uint64_t some_size;
static aclOpExecutor *some_executor;

static void start(void)
{
    must(batch_world_create(&b, &batch_world_small));
}

static int end_with(int code)
{
    batch_world_destroy(&b);
    return code;
}

/* ---- second phase ---- */

static int launch_with(code_world *cw, uint64_t missing, size_t offset)
{
    static uint64_t memory[64];
    start();
    must(batch_plan(&b, 0, &some_size, &some_executor));
    must(some_size > 0 && some_size <= sizeof(memory) - 8 ? 0 : -1);
    const int code = aclnnFfnWorkerBatching((char *)memory + offset, some_size - missing, some_executor, cw->stream);
    must(aclDestroyAclOpExecutor(some_executor)); /* it was not spent */
    return end_with(code);
}

static int workspace_small(code_world *cw)
{
    return launch_with(cw, 1, 0);
}

static int workspace_unaligned(code_world *cw)
{
    return launch_with(cw, 0, 4);
}

static int other_operator(code_world *cw)
{
    start();
    must(batch_plan(&b, 0, &some_size, &some_executor));
    const int code = aclnnAttentionWorkerCombine(NULL, 0, some_executor, cw->stream);
    must(aclDestroyAclOpExecutor(some_executor));
    return end_with(code);
}

/* ---- at the stream ---- */

/* Everybody's micro-batch 0 is there, in the window and in the output area, with all ids 1. */
static void fill(void)
{
    for (uint32_t s = 0; s < batch_world_small.session_num; s++) {
        int32_t *desc = batch_desc(&b, s, 0);
        for (int i = 0; i < 4; i++) {
            desc[2 + i] = 1;
            b.expert_ids[4 * s + (uint32_t)i] = 1;
        }
        desc[0] = 1;
        b.session_ids[s] = (int32_t)s;
        b.micro_batch_ids[s] = 0;
    }
    context_set_u32(b.context, AT_OUT_NUM, batch_world_small.session_num);
}

static int run(code_world *cw, int64_t need_schedule)
{
    static uint64_t memory[64];
    must(batch_plan(&b, need_schedule, &some_size, &some_executor));
    must(aclnnFfnWorkerBatching(memory, some_size, some_executor, cw->stream));
    return end_with(aclrtSynchronizeStream(cw->stream));
}

static int run_with(code_world *cw, int64_t need_schedule, size_t field, uint32_t value)
{
    start();
    fill();
    context_set_u32(b.context, field, value);
    return run(cw, need_schedule);
}

static int tokens_differ(code_world *cw)
{
    return run_with(cw, 0, AT_MICRO_BATCH_SIZE, 3);
}

static int slots_differ(code_world *cw)
{
    return run_with(cw, 1, AT_SLOT_NUM, 1);
}

static int micro_batches_65(code_world *cw)
{
    return run_with(cw, 0, AT_MICRO_BATCH_NUM, 65);
}

static int sessions_3(code_world *cw)
{
    return run_with(cw, 1, AT_SESSION_NUM, 3);
}

static int no_sessions(code_world *cw)
{
    return run_with(cw, 1, AT_SESSION_NUM, 0);
}

static int out_num_3(code_world *cw)
{
    return run_with(cw, 0, AT_OUT_NUM, 3);
}

static int polling_2(code_world *cw)
{
    return run_with(cw, 1, AT_POLLING_INDEX, 2);
}

static int data_small(code_world *cw)
{
    return run_with(cw, 0, AT_FFN_DATA_SIZE, 64 * 11 + 35); /* the last slot of session 1, micro-batch 0 is the 12th */
}

static int session_2(code_world *cw)
{
    start();
    fill();
    b.session_ids[1] = 2;
    return run(cw, 0);
}

static int wild_id(code_world *cw)
{
    start();
    fill();
    batch_desc(&b, 1, 0)[2 + 3] = 4;
    return run(cw, 1);
}

static int timeout(code_world *cw)
{
    start();
    fill();
    batch_desc(&b, 1, 0)[0] = 2;
    must(aclrtSetOpExecuteTimeOut(1));
    return run(cw, 1);
}

const code_case batching_task_codes[] = {
    { 161002, "batching: a workspace smaller than planned", BATCHING "workspaceSize is|as planned", workspace_small },
    { 161002, "batching: a workspace that is not aligned", BATCHING "workspace is 0x|8-byte aligned",
      workspace_unaligned },
    { 161002, "second phase: the executor of another operator", "the executor was planned for aclnnFfnWorkerBatching",
      other_operator },
    { 507014, "batching at the stream: `aclrtSetOpExecuteTimeOut`",
      BATCHING "no tokens within 1 s|1 late: session 1 micro-batch 0 has flag 2", timeout },
    { 507015, "batching at the stream: another BS", "micro_batch_size is 3, must be BS of maxOutShape, which is 2",
      tokens_differ },
    { 507015, "batching at the stream: another E", "selected_expert_num is 1, must be E of maxOutShape, which is 2",
      slots_differ },
    { 507015, "batching at the stream: 65 micro-batches", "micro_batch_num is 65, must be at most|which is 64",
      micro_batches_65 },
    { 507015, "batching at the stream: out_num above A", "out_num is 3, must be at most A of maxOutShape, which is 2",
      out_num_3 },
    { 507015, "batching at the stream: needSchedule, more sessions than A",
      "session_num is 3, must be at most A of maxOutShape|which is 2", sessions_3 },
    { 507015, "batching at the stream: no sessions", BATCHING "common.session_num is 0", no_sessions },
    { 507015, "batching at the stream: polling_index out of range", "ffn.polling_index is 2, must be below 2",
      polling_2 },
    { 507015, "batching at the stream: a session id out of range", "ffn.session_ids[1] is 2, must be in [0, 2)",
      session_2 },
    { 507015, "batching at the stream: a token outside of the token data",
      "token_data_buf_size is 739, must be at least 740|slot 3 of session 1, micro-batch 0", data_small },
    { 507015, "batching at the stream: a wild expert id",
      BATCHING "the expert id of session 1, micro-batch 0, token 1, slot 1 is 4, must be in [0, 4)", wild_id },
    { 0, NULL, NULL, NULL },
};
