/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of aclnnInplaceAttentionWorkerScheduler and of aclnnAttentionWorkerCombine. */
#include <stdint.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "codes.h"
#include "operator_world.h"

#define SCHEDULER "aclnnInplaceAttentionWorkerScheduler: "
#define COMBINE "aclnnAttentionWorkerCombine: "

/* Two micro-batches with two tokens of three slots, one of them shared. */
static const combine_shape small_shape = {
    .micro_batch_num = 2,
    .micro_batch_size = 2,
    .slot_num = 3,
    .top_k = 2,
    .hidden = 16,
    .token_dtype = 1,
    .slot_bytes = 32,
};

static combine_world c;
static uint64_t some_size;
static aclOpExecutor *some_executor;

static void start(void)
{
    must(combine_world_create(&c, &small_shape));
}

static int end_with(int code)
{
    combine_world_destroy(&c);
    return code;
}

static aclTensor *new_tensor(const int64_t *dims, uint64_t rank, aclDataType type, void *data)
{
    return aclCreateTensor(dims, rank, type, NULL, 0, ACL_FORMAT_ND, dims, rank, data);
}

/* ---- the attention scheduler: first phase ---- */

static int plan_scheduler(const aclTensor *tensor)
{
    return aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize((aclTensor *)(uintptr_t)tensor, &some_size,
                                                                &some_executor);
}

static int plan_scheduler_view(uint64_t rank, int64_t dim, aclDataType type, int64_t stride, bool has_data)
{
    const int64_t dims[2] = { dim, 1 };
    const int64_t strides[2] = { stride, 1 };
    start();
    aclTensor *tensor = aclCreateTensor(dims, rank, type, strides, 0, ACL_FORMAT_ND, dims, rank,
                                        has_data ? c.context : NULL);
    const int code = plan_scheduler(tensor);
    must(aclDestroyTensor(tensor));
    return end_with(code);
}

static int scheduler_null_size(code_world *cw)
{
    (void)cw;
    return aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(NULL, NULL, NULL);
}

static int scheduler_null_executor(code_world *cw)
{
    (void)cw;
    return aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(NULL, &some_size, NULL);
}

static int scheduler_null_tensor(code_world *cw)
{
    (void)cw;
    return plan_scheduler(NULL);
}

static int scheduler_no_data(code_world *cw)
{
    (void)cw;
    return plan_scheduler_view(1, 1024, ACL_INT8, 1, false);
}

static int scheduler_dead(code_world *cw)
{
    return plan_scheduler((const aclTensor *)cw->stream);
}

static int scheduler_rank_2(code_world *cw)
{
    (void)cw;
    return plan_scheduler_view(2, 1024, ACL_INT8, 1, true);
}

static int scheduler_empty(code_world *cw)
{
    (void)cw;
    return plan_scheduler_view(1, 0, ACL_INT8, 1, true);
}

static int scheduler_type(code_world *cw)
{
    (void)cw;
    return plan_scheduler_view(1, 1024, ACL_INT32, 1, true);
}

static int scheduler_small(code_world *cw)
{
    (void)cw;
    return plan_scheduler_view(1, 1023, ACL_INT8, 1, true);
}

static int scheduler_strided(code_world *cw)
{
    (void)cw;
    return plan_scheduler_view(1, 1024, ACL_INT8, 2, true);
}

/* ---- the attention scheduler: at the stream ---- */

static int schedule_with(code_world *cw, size_t field, uint32_t value)
{
    start();
    context_set_u32(c.context, field, value);
    must(plan_scheduler(c.context_tensor));
    must(aclnnInplaceAttentionWorkerScheduler(NULL, some_size, some_executor, cw->stream));
    return end_with(aclrtSynchronizeStream(cw->stream));
}

static int scheduler_mode_0(code_world *cw)
{
    return schedule_with(cw, AT_SCHEDULE_MODE, 0);
}

static int scheduler_tokens_0(code_world *cw)
{
    return schedule_with(cw, AT_MICRO_BATCH_SIZE, 0);
}

static int scheduler_no_info(code_world *cw)
{
    return schedule_with(cw, AT_ATTENTION_INFO_SIZE, 47);
}

static int scheduler_micro_batch_2(code_world *cw)
{
    return schedule_with(cw, AT_MICRO_BATCH_ID, 2);
}

static int scheduler_timeout(code_world *cw)
{
    must(aclrtSetOpExecuteTimeOut(1));
    return schedule_with(cw, AT_RUN_FLAG, 5); /* anything but 0 runs */
}

/* ---- combine: first phase ---- */

enum { CONTEXT, SCALES, LAYER, Y, NEXT, TENSOR_NUM };

typedef struct arguments {
    const aclTensor *tensors[TENSOR_NUM];
    int64_t hidden_size;
    int64_t token_dtype;
    int64_t need_schedule;
} arguments;

static int plan(const arguments *a)
{
    const aclTensor *const *t = a->tensors;
    uint64_t size = 4711;
    aclOpExecutor *const before = (aclOpExecutor *)(void *)&some_size;
    aclOpExecutor *executor = before;
    const int code = aclnnAttentionWorkerCombineGetWorkspaceSize(t[CONTEXT], t[SCALES], t[LAYER], a->hidden_size,
                                                                 a->token_dtype, a->need_schedule, t[Y], t[NEXT],
                                                                 &size, &executor);
    must(code == 0 || (size == 4711 && executor == before) ? 0 : -1); /* a failed one writes nothing */
    return code;
}

/* Good arguments, but for one tensor, NULL in any case where `is_null`, and the three values. */
static int plan_with(int place, const aclTensor *other, bool is_null, const int64_t values[3])
{
    const int64_t scale_dims[2] = { 2, 2 };
    const int64_t y_dims[2] = { 2, 16 };
    aclTensor *scales = new_tensor(scale_dims, 2, ACL_FLOAT, c.scales);
    aclTensor *y = new_tensor(y_dims, 2, ACL_BF16, c.y);
    arguments a = { { c.context_tensor, scales, c.layer_id_tensor, y, c.next_layer_id_tensor },
                    values[0], values[1], values[2] };
    a.tensors[place] = other != NULL || is_null ? other : a.tensors[place];
    const int code = plan(&a);
    must(aclDestroyTensor(scales));
    must(aclDestroyTensor(y));
    return code;
}

static const int64_t good_values[3] = { 16, 1, 0 };
static const int64_t bad_values[3] = { 0, 9, 9 };

static int plan_values(int64_t hidden_size, int64_t token_dtype, int64_t need_schedule)
{
    const int64_t values[3] = { hidden_size, token_dtype, need_schedule };
    start();
    return end_with(plan_with(CONTEXT, NULL, false, values));
}

static int plan_other(int place, uint64_t rank, int64_t first, int64_t second, aclDataType type, bool has_data)
{
    const int64_t dims[2] = { first, second };
    start();
    aclTensor *other = new_tensor(dims, rank, type, has_data ? c.context : NULL);
    const int code = plan_with(place, other, false, good_values);
    must(aclDestroyTensor(other));
    return end_with(code);
}

static int null_size(code_world *cw)
{
    (void)cw;
    return aclnnAttentionWorkerCombineGetWorkspaceSize(NULL, NULL, NULL, 0, 9, 9, NULL, NULL, NULL, NULL);
}

static int null_executor(code_world *cw)
{
    (void)cw;
    return aclnnAttentionWorkerCombineGetWorkspaceSize(NULL, NULL, NULL, 0, 9, 9, NULL, NULL, &some_size, NULL);
}

static int null_tensor(code_world *cw)
{
    int code = 161001;
    (void)cw;
    start();
    for (int place = 0; place < TENSOR_NUM && code == 161001; place++) {
        (void)aclGetRecentErrMsg();
        code = plan_with(place, NULL, true, bad_values);
    }
    return end_with(code);
}

static int no_data(code_world *cw)
{
    (void)cw;
    return plan_other(SCALES, 2, 2, 2, ACL_FLOAT, false);
}

static int dead_tensor(code_world *cw)
{
    start();
    return end_with(plan_with(NEXT, (const aclTensor *)cw->stream, false, bad_values));
}

static int context_type(code_world *cw)
{
    (void)cw;
    return plan_other(CONTEXT, 1, 1024, 0, ACL_UINT8, true);
}

static int hidden_0(code_world *cw)
{
    (void)cw;
    return plan_values(0, 1, 0);
}

static int hidden_40(code_world *cw)
{
    (void)cw;
    return plan_values(40, 1, 0);
}

static int dtype_2(code_world *cw)
{
    (void)cw;
    return plan_values(16, 2, 0);
}

static int need_minus_1(code_world *cw)
{
    (void)cw;
    return plan_values(16, 1, -1);
}

static int scales_rank_1(code_world *cw)
{
    (void)cw;
    return plan_other(SCALES, 1, 4, 0, ACL_FLOAT, true);
}

static int top_k_65(code_world *cw)
{
    (void)cw;
    return plan_other(SCALES, 2, 1, 65, ACL_FLOAT, true);
}

static int scales_type(code_world *cw)
{
    (void)cw;
    return plan_other(SCALES, 2, 2, 2, ACL_FLOAT16, true);
}

static int layer_type(code_world *cw)
{
    (void)cw;
    return plan_other(LAYER, 1, 1, 0, ACL_INT64, true);
}

static int y_type(code_world *cw)
{
    (void)cw;
    return plan_other(Y, 2, 2, 16, ACL_FLOAT16, true);
}

static int y_small(code_world *cw)
{
    (void)cw;
    return plan_other(Y, 2, 2, 15, ACL_BF16, true);
}

static int next_empty(code_world *cw)
{
    (void)cw;
    return plan_other(NEXT, 1, 0, 0, ACL_INT32, true);
}

/* ---- combine: at the stream ---- */

static int combine_with(code_world *cw, int64_t need_schedule, size_t field, uint32_t value)
{
    start();
    *c.layer_id = 7;
    context_set_u32(c.context, field, value);
    must(combine_plan(&c, 2, need_schedule, &some_size, &some_executor));
    must(aclnnAttentionWorkerCombine(NULL, some_size, some_executor, cw->stream));
    const int code = aclrtSynchronizeStream(cw->stream);
    must(*c.next_layer_id != 8 ? 0 : -1); /* written on success only */
    return end_with(code);
}

static int tokens_above(code_world *cw)
{
    return combine_with(cw, 0, AT_MICRO_BATCH_SIZE, 1);
}

static int top_k_above(code_world *cw)
{
    return combine_with(cw, 0, AT_SLOT_NUM, 1);
}

static int micro_batch_2(code_world *cw)
{
    return combine_with(cw, 1, AT_MICRO_BATCH_ID, 2);
}

static int data_small(code_world *cw)
{
    return combine_with(cw, 0, AT_ATTENTION_DATA_SIZE, 383);
}

static int timeout(code_world *cw)
{
    must(aclrtSetOpExecuteTimeOut(1));
    return combine_with(cw, 1, AT_RUN_FLAG, 1);
}

const code_case attention_codes[] = {
    { 161001, "attention scheduler: null workspaceSize", SCHEDULER "workspaceSize is null", scheduler_null_size },
    { 161001, "attention scheduler: null executor", SCHEDULER "executor is null", scheduler_null_executor },
    { 161001, "attention scheduler: null tensor", SCHEDULER "scheduleContextRef is null", scheduler_null_tensor },
    { 161001, "attention scheduler: a tensor without data", "of scheduleContextRef is null", scheduler_no_data },
    { 161001, "combine: null workspaceSize, whatever else is wrong", COMBINE "workspaceSize is null", null_size },
    { 161001, "combine: null executor", COMBINE "executor is null", null_executor },
    { 161001, "combine: one of the five tensors is null", COMBINE "nextLayerId is null", null_tensor },
    { 161001, "combine: expertScales without data", COMBINE "the data of expertScales is null", no_data },
    { 161002, "attention scheduler: what is no tensor", "for a tensor is a stream", scheduler_dead },
    { 161002, "attention scheduler: rank 2", SCHEDULER "scheduleContextRef has 2 dimensions", scheduler_rank_2 },
    { 161002, "attention scheduler: an empty tensor", SCHEDULER "scheduleContextRef is empty", scheduler_empty },
    { 161002, "attention scheduler: not INT8", SCHEDULER "scheduleContextRef has data type 3", scheduler_type },
    { 161002, "attention scheduler: fewer than 1024 elements", SCHEDULER "|1023 elements", scheduler_small },
    { 161002, "attention scheduler: not contiguous", SCHEDULER "|not contiguous", scheduler_strided },
    { 161002, "combine: what is no tensor", "for a tensor is a stream", dead_tensor },
    { 561002, "combine: a context that is not INT8", COMBINE "scheduleContext has data type 4", context_type },
    { 561002, "combine: hiddenSize 0", COMBINE "hiddenSize is 0, must be in [16, 4294967295]", hidden_0 },
    { 561002, "combine: hiddenSize 40", COMBINE "hiddenSize is 40, must be a multiple of 16", hidden_40 },
    { 561002, "combine: tokenDtype 2", COMBINE "tokenDtype is 2, must be in [0, 1]", dtype_2 },
    { 561002, "combine: needSchedule -1", COMBINE "needSchedule is -1, must be in [0, 1]", need_minus_1 },
    { 561002, "combine: expertScales of rank 1", "expertScales has 1 dimensions, must have 2", scales_rank_1 },
    { 561002, "combine: K 65", COMBINE "K of expertScales is 65, must be in [1, 64]", top_k_65 },
    { 561002, "combine: expertScales that are not FLOAT", "expertScales has data type 1, must have 0", scales_type },
    { 561002, "combine: layerId that is not INT32", "layerId has data type 9, must have 3", layer_type },
    { 561002, "combine: y of another type", COMBINE "y has data type 1, must have 27", y_type },
    { 561002, "combine: y too small", COMBINE "y has 30 elements, must have at least 32", y_small },
    { 561002, "combine: nextLayerId empty", "nextLayerId has 0 elements, must have at least 1", next_empty },
    { 507014, "combine at the stream: `aclrtSetOpExecuteTimeOut`",
      COMBINE "no results within 1 s|6 late: micro-batch 0 token 0 slot 0 has flag 0, micro-batch 0 token 0 slot 1",
      timeout },
    { 507015, "combine at the stream: Bs above BS", "Bs of expertScales is 2, must be at most common.micro_batch_size",
      tokens_above },
    { 507015, "combine at the stream: K above E", "K of expertScales is 2, must be at most common.selected_expert_num",
      top_k_above },
    { 507015, "combine at the stream: micro_batch_id out of range", COMBINE "attention.micro_batch_id is 2",
      micro_batch_2 },
    { 507015, "combine at the stream: slots outside of the token data",
      "token_data_buf_size is 383, must be at least 384 for micro-batch 1", data_small },
    { 507017, "attention scheduler at the stream: `aclrtSetOpExecuteTimeOut`",
      SCHEDULER "no results within 1 s|6 late: micro-batch 0 token 0 slot 0 has flag 0", scheduler_timeout },
    { 507018, "attention scheduler at the stream: schedule_mode 0",
      SCHEDULER "common.schedule_mode is 0, must be 1", scheduler_mode_0 },
    { 507018, "attention scheduler at the stream: BS 0", SCHEDULER "common.micro_batch_size is 0", scheduler_tokens_0 },
    { 507018, "attention scheduler at the stream: token info too small",
      "attention.token_info_buf_size is 47, must be at least 48", scheduler_no_info },
    { 507018, "attention scheduler at the stream: micro_batch_id out of range",
      SCHEDULER "attention.micro_batch_id is 2", scheduler_micro_batch_2 },
    { 0, NULL, NULL, NULL },
};
