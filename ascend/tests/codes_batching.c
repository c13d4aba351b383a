/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of the first phase of aclnnFfnWorkerBatching. */
#include <stdint.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "codes.h"
#include "operator_world.h"

#define BATCHING "aclnnFfnWorkerBatching: "

static batch_world b;
static uint64_t some_size;

static void start(void)
{
    must(batch_world_create(&b, &batch_world_small));
}

static int end_with(int code)
{
    batch_world_destroy(&b);
    return code;
}

/* ---- first phase ---- */

/* All arguments of a first phase that succeeds, to be spoilt one at a time. */
typedef struct arguments {
    const aclTensor *context;
    int64_t expert_num;
    const aclIntArray *shape;
    int64_t token_dtype;
    int64_t need_schedule;
    int64_t layer_num;
    const aclTensor *outputs[BATCH_OUTPUT_NUM];
} arguments;

static arguments good_arguments(void)
{
    arguments a = { b.context_tensor, b.shape.expert_num, b.max_out_shape, b.shape.token_dtype, 0, 0, { NULL } };
    for (int i = 0; i < BATCH_OUTPUT_NUM; i++) {
        a.outputs[i] = b.tensors[i];
    }
    return a;
}

static int plan(const arguments *a)
{
    const aclTensor *const *o = a->outputs;
    uint64_t size = 4711;
    aclOpExecutor *const before = (aclOpExecutor *)(void *)&some_size;
    aclOpExecutor *executor = before;
    const int code = aclnnFfnWorkerBatchingGetWorkspaceSize(a->context, a->expert_num, a->shape, a->token_dtype,
                                                            a->need_schedule, a->layer_num, o[0], o[1], o[2], o[3],
                                                            o[4], o[5], o[6], o[7], &size, &executor);
    must(code == 0 || (size == 4711 && executor == before) ? 0 : -1); /* a failed one writes nothing */
    return code;
}

static int null_size(code_world *cw)
{
    (void)cw;
    return aclnnFfnWorkerBatchingGetWorkspaceSize(NULL, 0, NULL, 9, 9, 9, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                                  NULL, NULL, NULL);
}

static int null_executor(code_world *cw)
{
    (void)cw;
    return aclnnFfnWorkerBatchingGetWorkspaceSize(NULL, 0, NULL, 9, 9, 9, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                                  NULL, &some_size, NULL);
}

/* A null one is found before anything else that is wrong. */
static int null_context(code_world *cw)
{
    (void)cw;
    start();
    arguments a = good_arguments();
    a.context = NULL;
    a.token_dtype = 9;
    return end_with(plan(&a));
}

static int null_shape(code_world *cw)
{
    (void)cw;
    start();
    arguments a = good_arguments();
    a.shape = NULL;
    a.expert_num = 0;
    return end_with(plan(&a));
}

/* One after the other, each with a tensor that is not alive besides; the last says so. */
static int null_output(code_world *cw)
{
    int code = 161001;
    (void)cw;
    start();
    for (int i = 0; i < BATCH_OUTPUT_NUM && code == 161001; i++) {
        arguments a = good_arguments();
        a.context = (const aclTensor *)cw->stream;
        a.outputs[i] = NULL;
        (void)aclGetRecentErrMsg();
        code = plan(&a);
    }
    return end_with(code);
}

static int dead_tensor(code_world *cw)
{
    start();
    arguments a = good_arguments();
    a.outputs[BATCH_TOKEN_IDS] = (const aclTensor *)cw->stream;
    a.expert_num = 0;
    return end_with(plan(&a));
}

static int dead_shape(code_world *cw)
{
    (void)cw;
    start();
    arguments a = good_arguments();
    a.expert_num = 0;
    must(aclDestroyIntArray(b.max_out_shape));
    const int code = plan(&a);
    b.max_out_shape = NULL;
    return end_with(code);
}

/* With another tensor in one place: 0 is the context, 1 + BATCH_* an output. */
static int plan_with(int place, const int64_t *dims, uint64_t rank, int64_t stride, aclDataType type, void *data)
{
    const int64_t strides[2] = { rank == 2 ? dims[1] * stride : stride, stride };
    start();
    arguments a = good_arguments();
    void *memory = data == NULL || place == 0 ? data : b.outputs[place - 1];
    memory = data != NULL && place == 0 ? (char *)b.context + *(char *)data : memory;
    aclTensor *other = aclCreateTensor(dims, rank, type, strides, 0, ACL_FORMAT_ND, dims, rank, memory);
    *(place == 0 ? &a.context : &a.outputs[place - 1]) = other;
    const int code = plan(&a);
    must(aclDestroyTensor(other));
    return end_with(code);
}

static char in_place; /* as data: the memory that belongs there */
static char four_behind = 4; /* the context's, at an offset */

static int plan_line(int place, int64_t dim, int64_t stride, aclDataType type, void *data)
{
    return plan_with(place, &dim, 1, stride, type, data);
}

static int context_rank_2(code_world *cw)
{
    const int64_t dims[2] = { 1, 1024 };
    (void)cw;
    return plan_with(0, dims, 2, 1, ACL_INT8, &in_place);
}

static int context_type(code_world *cw)
{
    (void)cw;
    return plan_line(0, 1024, 1, ACL_UINT8, &in_place);
}

static int context_small(code_world *cw)
{
    (void)cw;
    return plan_line(0, 1023, 1, ACL_INT8, &in_place);
}

static int context_strided(code_world *cw)
{
    (void)cw;
    return plan_line(0, 1024, 2, ACL_INT8, &in_place);
}

static int context_unaligned(code_world *cw)
{
    (void)cw;
    return plan_line(0, 1024, 1, ACL_INT8, &four_behind);
}

static int y_type(code_world *cw)
{
    (void)cw;
    return plan_line(1 + BATCH_TOKENS, 128, 1, ACL_FLOAT16, &in_place);
}

static int y_small(code_world *cw)
{
    (void)cw;
    return plan_line(1 + BATCH_TOKENS, 127, 1, ACL_INT8, &in_place);
}

static int y_strided(code_world *cw)
{
    const int64_t dims[2] = { 8, 16 };
    (void)cw;
    return plan_with(1 + BATCH_TOKENS, dims, 2, 2, ACL_INT8, &in_place);
}

static int y_no_data(code_world *cw)
{
    (void)cw;
    return plan_line(1 + BATCH_TOKENS, 128, 1, ACL_INT8, NULL);
}

static int groups_small(code_world *cw)
{
    (void)cw;
    return plan_line(1 + BATCH_GROUP_LIST, 7, 1, ACL_INT64, &in_place);
}

static int ids_type(code_world *cw)
{
    (void)cw;
    return plan_line(1 + BATCH_SESSION_IDS, 8, 1, ACL_INT64, &in_place);
}

static int scale_small(code_world *cw)
{
    (void)cw;
    return plan_line(1 + BATCH_DYNAMIC_SCALE, 7, 1, ACL_FLOAT, &in_place);
}

static int actual_empty(code_world *cw)
{
    (void)cw;
    return plan_line(1 + BATCH_ACTUAL_TOKEN_NUM, 0, 1, ACL_INT64, &in_place);
}

/* ---- first phase: values ---- */

static int plan_values(int64_t expert_num, int64_t token_dtype, int64_t need_schedule, int64_t layer_num)
{
    start();
    arguments a = good_arguments();
    a.expert_num = expert_num;
    a.token_dtype = token_dtype;
    a.need_schedule = need_schedule;
    a.layer_num = layer_num;
    return end_with(plan(&a));
}

static int experts_0(code_world *cw)
{
    (void)cw;
    return plan_values(0, 2, 0, 0);
}

static int experts_8193(code_world *cw)
{
    (void)cw;
    return plan_values(8193, 2, 0, 0);
}

static int dtype_3(code_world *cw)
{
    (void)cw;
    return plan_values(4, 3, 0, 0);
}

static int need_2(code_world *cw)
{
    (void)cw;
    return plan_values(4, 2, 2, 0);
}

static int layers_5(code_world *cw)
{
    (void)cw;
    return plan_values(4, 2, 0, 5);
}

static int plan_shape(int64_t session_max, int64_t token_num, int64_t slot_num, int64_t hidden, uint64_t value_num)
{
    const int64_t values[4] = { session_max, token_num, slot_num, hidden };
    start();
    arguments a = good_arguments();
    aclIntArray *shape = aclCreateIntArray(values, value_num);
    a.shape = shape;
    const int code = plan(&a);
    must(aclDestroyIntArray(shape));
    return end_with(code);
}

static int shape_of_3(code_world *cw)
{
    (void)cw;
    return plan_shape(2, 2, 2, 16, 3);
}

static int sessions_1025(code_world *cw)
{
    (void)cw;
    return plan_shape(1025, 2, 2, 16, 4);
}

static int tokens_0(code_world *cw)
{
    (void)cw;
    return plan_shape(2, 0, 2, 16, 4);
}

static int slots_65(code_world *cw)
{
    (void)cw;
    return plan_shape(2, 2, 65, 16, 4);
}

static int hidden_24(code_world *cw)
{
    (void)cw;
    return plan_shape(2, 2, 2, 24, 4);
}

static int rows_overflow(code_world *cw)
{
    (void)cw;
    return plan_shape(1024, 65536, 64, 16, 4);
}

const code_case batching_codes[] = {
    { 161001, "batching: null workspaceSize, whatever else is wrong", BATCHING "workspaceSize is null", null_size },
    { 161001, "batching: null executor", BATCHING "executor is null", null_executor },
    { 161001, "batching: null scheduleContext", BATCHING "scheduleContext is null", null_context },
    { 161001, "batching: null maxOutShape", BATCHING "maxOutShape is null", null_shape },
    { 161001, "batching: one of the eight outputs is null", BATCHING "actualTokenNum is null", null_output },
    { 161001, "batching: y without data", BATCHING "the data of y is null", y_no_data },
    { 161002, "batching: what is no tensor", "for a tensor is a stream", dead_tensor },
    { 161002, "batching: an int array that was destroyed", "for an int array was destroyed already", dead_shape },
    { 561002, "batching: a context of rank 2", "scheduleContext has 2 dimensions, must have 1", context_rank_2 },
    { 561002, "batching: a context that is not INT8", "scheduleContext has data type 4, must have 2", context_type },
    { 561002, "batching: a context of fewer than 1024", "1023 elements, must have at least 1024", context_small },
    { 561002, "batching: a context that is not contiguous", "scheduleContext is not contiguous", context_strided },
    { 561002, "batching: a context that is not aligned", "of scheduleContext is at|8-byte aligned", context_unaligned },
    { 561002, "batching: expertNum 0", BATCHING "expertNum is 0, must be in [1, 8192]", experts_0 },
    { 561002, "batching: expertNum 8193", BATCHING "expertNum is 8193, must be in [1, 8192]", experts_8193 },
    { 561002, "batching: tokenDtype 3", "tokenDtype is 3, must be in [0, 2]", dtype_3 },
    { 561002, "batching: needSchedule 2", "needSchedule is 2, must be in [0, 1]", need_2 },
    { 561002, "batching: layerNum above expertNum", "layerNum is 5, must be in [0, 4]", layers_5 },
    { 561002, "batching: maxOutShape of 3 values", "maxOutShape has 3 values, must have 4 (A, BS, E, H)", shape_of_3 },
    { 561002, "batching: A 1025", "A of maxOutShape is 1025, must be in [1, 1024]", sessions_1025 },
    { 561002, "batching: BS 0", "BS of maxOutShape is 0, must be in [1, 1073741823]", tokens_0 },
    { 561002, "batching: E 65", "E of maxOutShape is 65, must be in [1, 64]", slots_65 },
    { 561002, "batching: H 24", "H of maxOutShape is 24, must be a multiple of 16", hidden_24 },
    { 561002, "batching: 2^32 rows", "BS of maxOutShape is 65536, must be in [1, 65535]", rows_overflow },
    { 561002, "batching: y of another type", BATCHING "y has data type 1, must have 2", y_type },
    { 561002, "batching: y too small", BATCHING "y has 127 elements, must have at least 128", y_small },
    { 561002, "batching: y not contiguous", BATCHING "y is not contiguous", y_strided },
    { 561002, "batching: groupList too small", "groupList has 7 elements, must have at least 8", groups_small },
    { 561002, "batching: sessionIds that are not INT32", "sessionIds has data type 9, must have 3", ids_type },
    { 561002, "batching: dynamicScale too small for int8", "dynamicScale has 7 elements|at least 8", scale_small },
    { 561002, "batching: actualTokenNum empty", "actualTokenNum has 0 elements|at least 1", actual_empty },
    { 0, NULL, NULL, NULL },
};
