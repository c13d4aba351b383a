/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of aclnnFFNToAttention. Two ranks, each of which may be an attention rank. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_ffn_to_attention.h"
#include "codes.h"
#include "communication_world.h"

#define F2A "aclnnFFNToAttention: "
static rank_world ranks;
static reply_call call;
static uint64_t some_size;
static aclOpExecutor *some_executor;

/* In the order of its fields: Y, H, M, BS, E, HS, the sessions, the type. */
static const reply_shape small = { 2, 1024, 2, 2, 3, 1040, 2, ACL_BF16 };

static void start_with(const reply_shape *shape)
{
    must(setenv("HCCL_BUFFSIZE", "1", 1));
    must(rank_world_create(&ranks, 2));
    must(unsetenv("HCCL_BUFFSIZE"));
    must(reply_call_create(&call, shape, &ranks));
    *(int64_t *)call.data[REPLY_ACTUAL_TOKEN_NUM] = 2;
}

static void start(void)
{
    start_with(&small);
}

static int end_with(int code)
{
    reply_call_destroy(&call);
    rank_world_destroy(&ranks);
    return code;
}

/* A failed first phase writes nothing. */
static int plan(void)
{
    uint64_t size = 4711;
    aclOpExecutor *const before = (aclOpExecutor *)(void *)&some_size;
    some_executor = before;
    const int code = reply_plan(&call, &size, &some_executor);
    must(code == 0 || (size == 4711 && some_executor == before) ? 0 : -1);
    some_size = size;
    return code;
}

/* ---- the first phase: what is null or dead ---- */

static int null_outputs(uint64_t *size, aclOpExecutor **executor)
{
    return aclnnFFNToAttentionGetWorkspaceSize(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1, NULL, NULL, size,
                                               executor);
}

static int null_size(code_world *cw)
{
    (void)cw;
    return null_outputs(NULL, NULL);
}

static int null_executor(code_world *cw)
{
    (void)cw;
    return null_outputs(&some_size, NULL);
}

/* One after the other, each with a tensor that is not alive besides; the last says so. */
static int null_tensor(code_world *cw)
{
    int code = 161001;
    start();
    for (int i = 0; i <= REPLY_ACTUAL_TOKEN_NUM && code == 161001; i++) {
        const int beside = (i + 1) % REPLY_RANK_TABLE;
        aclTensor *const kept = call.tensors[i];
        aclTensor *const other = call.tensors[beside];
        call.tensors[i] = NULL;
        call.tensors[beside] = cw->stream;
        (void)aclGetRecentErrMsg();
        code = plan();
        call.tensors[beside] = other;
        call.tensors[i] = kept;
    }
    return end_with(code);
}

static int null_array(code_world *cw)
{
    int code = 161001;
    (void)cw;
    start();
    call.group = NULL;
    for (int i = 0; i < 2 && code == 161001; i++) {
        aclIntArray *const kept = call.shapes[i];
        call.shapes[i] = NULL;
        (void)aclGetRecentErrMsg();
        code = plan();
        call.shapes[i] = kept;
    }
    return end_with(code);
}

static int with_group(const char *group)
{
    start();
    call.group = group;
    return end_with(plan());
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

static int other_group(code_world *cw)
{
    (void)cw;
    return with_group("nobody");
}

static int long_group(code_world *cw)
{
    char group[129] = { 0 };
    (void)cw;
    memset(group, 'g', sizeof(group) - 1);
    return with_group(group);
}

static int dead_table(code_world *cw)
{
    start();
    aclTensor *const kept = call.tensors[REPLY_RANK_TABLE];
    call.with_rank_table = 1;
    call.world_size = 1; /* found later */
    call.tensors[REPLY_RANK_TABLE] = cw->stream;
    const int code = plan();
    call.tensors[REPLY_RANK_TABLE] = kept;
    return end_with(code);
}

static int dead_array(code_world *cw)
{
    (void)cw;
    start();
    must(aclDestroyIntArray(call.shapes[1]));
    const int code = plan();
    call.shapes[1] = NULL;
    return end_with(code);
}

/* ---- the first phase: values and shapes ---- */

static int with_world_size(int64_t world_size)
{
    start();
    call.world_size = world_size;
    return end_with(plan());
}

static int world_769(code_world *cw)
{
    (void)cw;
    return with_world_size(769);
}

static int world_3(code_world *cw)
{
    (void)cw;
    return with_world_size(3);
}

static int with_shape(const reply_shape *shape)
{
    start_with(shape);
    return end_with(plan());
}

static int hidden_8208(code_world *cw)
{
    reply_shape shape = small;
    (void)cw;
    shape.hidden = 8208;
    return with_shape(&shape);
}

static int tokens_513(code_world *cw)
{
    reply_shape shape = small;
    (void)cw;
    shape.micro_batch_size = 513;
    return with_shape(&shape);
}

static int slot_1023(code_world *cw)
{
    reply_shape shape = small;
    (void)cw;
    shape.slot_elements = 1023;
    return with_shape(&shape);
}

static int slot_8321(code_world *cw)
{
    reply_shape shape = small;
    (void)cw;
    shape.slot_elements = 8321;
    return with_shape(&shape);
}

static int sessions_3(code_world *cw)
{
    reply_shape shape = small;
    (void)cw;
    shape.session_num = 3;
    start_with(&shape);
    call.with_rank_table = 1;
    return end_with(plan());
}

static int window_small(code_world *cw)
{
    reply_shape shape = small;
    (void)cw;
    shape.micro_batch_size = 200;
    return with_shape(&shape);
}

/* With another shape array. */
static int with_array(int array, const int64_t *values, uint64_t num)
{
    start();
    must(aclDestroyIntArray(call.shapes[array]));
    call.shapes[array] = aclCreateIntArray(values, num);
    return end_with(plan());
}

static int data_of_3(code_world *cw)
{
    const int64_t values[3] = { 2, 2, 3 };
    (void)cw;
    return with_array(1, values, 3);
}

static int data_differs(code_world *cw)
{
    const int64_t values[4] = { 2, 2, 2, 1024 };
    (void)cw;
    return with_array(1, values, 4);
}

static int micro_batches_0(code_world *cw)
{
    const int64_t values[3] = { 0, 2, 3 };
    (void)cw;
    return with_array(0, values, 3);
}

static int with_tensor(int tensor, const tensor_dims *dims, void *data)
{
    start();
    must(aclDestroyTensor(call.tensors[tensor]));
    call.tensors[tensor] = aclCreateTensor(dims->dims, dims->rank, dims->type, NULL, 0, ACL_FORMAT_ND, dims->dims,
                                           dims->rank, data);
    return end_with(plan());
}

static int x_type(code_world *cw)
{
    const tensor_dims dims = { ACL_INT8, 2, { 2, 1024 } };
    return with_tensor(REPLY_X, &dims, cw);
}

static int x_rank(code_world *cw)
{
    const tensor_dims dims = { ACL_FLOAT16, 1, { 1024 } };
    return with_tensor(REPLY_X, &dims, cw);
}

static int ids_differ(code_world *cw)
{
    const tensor_dims dims = { ACL_INT32, 1, { 3 } };
    return with_tensor(REPLY_TOKEN_IDS, &dims, cw);
}

static int count_type(code_world *cw)
{
    const tensor_dims dims = { ACL_INT32, 1, { 1 } };
    return with_tensor(REPLY_ACTUAL_TOKEN_NUM, &dims, cw);
}

static int no_data(code_world *cw)
{
    const tensor_dims dims = { ACL_INT32, 1, { 2 } };
    (void)cw;
    return with_tensor(REPLY_EXPERT_OFFSETS, &dims, NULL);
}

/* ---- at the stream ---- */

static int run(void)
{
    must(plan());
    return run_phase(aclnnFFNToAttention, some_size, some_executor, ranks.streams[0]);
}

static int run_with(int tensor, int32_t value)
{
    start();
    ((int32_t *)call.data[tensor])[1] = value;
    return end_with(run());
}

static int session_2(code_world *cw)
{
    (void)cw;
    return run_with(REPLY_SESSION_IDS, 2);
}

static int micro_batch_2(code_world *cw)
{
    (void)cw;
    return run_with(REPLY_MICRO_BATCH_IDS, 2);
}

static int token_negative(code_world *cw)
{
    (void)cw;
    return run_with(REPLY_TOKEN_IDS, -1);
}

static int slot_3(code_world *cw)
{
    (void)cw;
    return run_with(REPLY_EXPERT_OFFSETS, 3);
}

static int rank_2(code_world *cw)
{
    (void)cw;
    start();
    call.with_rank_table = 1;
    ((int32_t *)call.data[REPLY_RANK_TABLE])[0] = 2;
    return end_with(run());
}

static int with_count(int64_t count)
{
    start();
    *(int64_t *)call.data[REPLY_ACTUAL_TOKEN_NUM] = count;
    return end_with(run());
}

static int count_3(code_world *cw)
{
    (void)cw;
    return with_count(3);
}

static int count_negative(code_world *cw)
{
    (void)cw;
    return with_count(-1);
}

static int comm_gone(code_world *cw)
{
    (void)cw;
    start();
    must(plan());
    must(HcclCommDestroy(ranks.comms[0]));
    ranks.comms[0] = NULL;
    return end_with(run_phase(aclnnFFNToAttention, some_size, some_executor, ranks.streams[0]));
}

static int no_writers(code_world *cw)
{
    void *handle = NULL;
    start();
    ((int32_t *)call.data[REPLY_SESSION_IDS])[1] = 1; /* a window that nothing goes to does not matter */
    must(plan());
    must(HcclCommRegister(ranks.comms[1], cw->w.context, 1024, &handle, 0));
    return end_with(run_phase(aclnnFFNToAttention, some_size, some_executor, ranks.streams[0]));
}

const code_case ffn_to_attention_codes[] = {
    { 161001, "FFN to attention: null workspaceSize, whatever else is wrong", F2A "workspaceSize is null", null_size },
    { 161001, "FFN to attention: null executor", F2A "executor is null", null_executor },
    { 161001, "FFN to attention: one of the six tensors is null", F2A "actualTokenNum is null", null_tensor },
    { 161001, "FFN to attention: one of the two arrays is null", F2A "tokenDataShape is null", null_array },
    { 161001, "FFN to attention: null group", F2A "group is null", null_group },
    { 161001, "FFN to attention: an empty group", F2A "group is empty", empty_group },
    { 161001, "FFN to attention: expertOffsets without data", F2A "the data of expertOffsets is null", no_data },
    { 161002, "FFN to attention: a group of 128 characters", F2A "group has 128 or more characters", long_group },
    { 161002, "FFN to attention: what is no tensor", "for a tensor is a stream", dead_table },
    { 161002, "FFN to attention: an int array that was destroyed", "for an int array was destroyed already",
      dead_array },
    { 561002, "FFN to attention: worldSize 769", F2A "worldSize is 769, must be in [2, 768]", world_769 },
    { 561002, "FFN to attention: worldSize 3 of 2", F2A "worldSize is 3, must be 2, the ranks of group", world_3 },
    { 561002, "FFN to attention: no such group", F2A "group 'nobody' is no communicator of this process", other_group },
    { 561002, "FFN to attention: x that is neither FLOAT16 nor BF16", F2A "x has data type 2, must have 1", x_type },
    { 561002, "FFN to attention: x of rank 1", F2A "x has 1 dimensions, must have 2 (Y, H)", x_rank },
    { 561002, "FFN to attention: H 8208", "H of x is 8208, must be in [1024, 8192]", hidden_8208 },
    { 561002, "FFN to attention: tokenIds of another Y", "dimension 0 of tokenIds (Y) is 3, must be 2", ids_differ },
    { 561002, "FFN to attention: actualTokenNum that is not INT64", "actualTokenNum has data type 3, must have 9",
      count_type },
    { 561002, "FFN to attention: more sessions than ranks",
      "sessions of attnRankTableOptional is 3, must be in [1, 2]", sessions_3 },
    { 561002, "FFN to attention: M 0", "M of tokenInfoTableShape is 0, must be in [1, 4294967295]", micro_batches_0 },
    { 561002, "FFN to attention: BS 513", "BS of tokenInfoTableShape is 513, must be in [1, 512]", tokens_513 },
    { 561002, "FFN to attention: a shape of 3 values", "tokenDataShape has 3 values, must have 4 (M, BS, E, HS)",
      data_of_3 },
    { 561002, "FFN to attention: shapes that differ", "E of tokenDataShape is 2, must be 3, as in tokenInfoTableShape",
      data_differs },
    { 561002, "FFN to attention: HS below H", "HS of tokenDataShape is 1023, must be in [1024, 8320]", slot_1023 },
    { 561002, "FFN to attention: HS 8321", "HS of tokenDataShape is 8321, must be in [1024, 8320]", slot_8321 },
    { 561002, "FFN to attention: a window too small",
      F2A "the window of rank 0 has 1048576 bytes, this shape needs 2501120: HCCL_BUFFSIZE=3 would do", window_small },
    { 507015, "FFN to attention at the stream: actualTokenNum -1", F2A "actualTokenNum is -1, must be in [0, 2]",
      count_negative },
    { 507015, "FFN to attention at the stream: actualTokenNum above Y", F2A "actualTokenNum is 3, must be in [0, 2]",
      count_3 },
    { 507015, "FFN to attention at the stream: a session out of range",
      F2A "session of row 1 is 2, must be in [0, 2)", session_2 },
    { 507015, "FFN to attention at the stream: a rank out of range",
      F2A "the session's writer of row 0 is 2, must be in [0, 2)", rank_2 },
    { 507015, "FFN to attention at the stream: a micro-batch out of range",
      F2A "micro_batch of row 1 is 2, must be in [0, 2)", micro_batch_2 },
    { 507015, "FFN to attention at the stream: a token out of range", F2A "token of row 1 is -1, must be in [0, 2)",
      token_negative },
    { 507015, "FFN to attention at the stream: a slot out of range", F2A "slot of row 1 is 3, must be in [0, 3)",
      slot_3 },
    { 507015, "FFN to attention at the stream: a communicator that was destroyed",
      F2A "|for a communicator was destroyed already", comm_gone },
    { 507015, "FFN to attention at the stream: a window that was registered and not exchanged",
      F2A "rank 1 has registered memory, which rank 0 has not exchanged", no_writers },
    { 0, NULL, NULL, NULL },
};
