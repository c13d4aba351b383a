/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "attention/combine.h"
#include "attention/schedule.h"
#include "base/check.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/error.h"
#include "context/shape.h"

enum { TOP_K_MAX = 64 };

/* ---- checks ---- */

static afd_status check_given(const afd_schedule_context *context, const afd_combine_args *args, afd_error *error)
{
    afd_status status = afd__context_check(context, error);
    if (status != AFD_OK) {
        return status;
    }
    status = afd__check_not_null("args", args, error);
    if (status != AFD_OK) {
        return status;
    }
    return afd__check_size("args.size", args->size, sizeof(*args), "AFD_COMBINE_ARGS_INIT", error);
}

static afd_status check_args(const afd_combine_args *args, const afd_shape *shape, afd_error *error)
{
    uint32_t slot_num = shape->selected_expert_num;
    uint32_t top_k_max = slot_num < TOP_K_MAX ? slot_num : TOP_K_MAX;
    afd_status status = afd__check_range("args.token_num", args->token_num, 0, shape->micro_batch_size, error);
    if (status == AFD_OK) {
        status = afd__check_range("args.top_k", args->top_k, 1, top_k_max, error);
    }
    if (status == AFD_OK) {
        status = afd__check_hidden("args.hidden", args->hidden, error);
    }
    if (status == AFD_OK) {
        status = afd__check_float_type("args.type", args->type, error);
    }
    if (status == AFD_OK && args->token_num > 0) {
        status = afd__check_not_null("args.expert_scales", args->expert_scales, error);
    }
    if (status == AFD_OK && args->token_num > 0) {
        status = afd__check_not_null("args.output", args->output, error);
    }
    return status;
}

/* Where the slots of a micro-batch begin in the token data, and where the last one that is read ends. */
static bool measure_slots(const afd_shape *shape, uint32_t micro_batch, const afd__combine_work *work, uint64_t *begin,
                          uint64_t *end)
{
    uint64_t slots_before = 0;
    uint64_t last = 0;
    /* Two products of 32 by 32 bits, which fit. */
    uint64_t tokens_before = (uint64_t)micro_batch * shape->micro_batch_size;
    uint64_t slots_read = (uint64_t)work->token_num * work->slot_num;
    *begin = 0;
    *end = 0;
    if (slots_read == 0) {
        return true;
    }
    return afd__mul_u64(tokens_before, work->slot_num, &slots_before) &&
           afd__mul_u64(slots_before, work->slot_bytes, begin) &&
           afd__mul_u64(slots_read - 1, work->slot_bytes, &last) &&
           afd__add_u64(last, (uint64_t)work->hidden * sizeof(uint16_t), &last) && afd__add_u64(*begin, last, end);
}

static afd_status plan_work(afd__combine_work *work, const afd_combine_args *args, const afd_shape *shape,
                            const afd_window_fields *window, uint32_t micro_batch, afd_error *error)
{
    uint64_t row_bytes = (uint64_t)args->hidden * sizeof(uint16_t);
    uint64_t begin = 0;
    uint64_t end = 0;
    *work = (afd__combine_work){
        .slot_bytes = shape->ffn_to_attn_token_size >= row_bytes ? shape->ffn_to_attn_token_size : row_bytes,
        .token_num = args->token_num,
        .slot_num = shape->selected_expert_num,
        .top_k = args->top_k,
        .hidden = args->hidden,
        .type = args->type,
        .scales = args->expert_scales,
        .output = args->output,
    };
    if (!measure_slots(shape, micro_batch, work, &begin, &end)) {
        return afd__shape_fail_overflow(shape, "the token data", error);
    }
    if (window->token_data_buf_size < end) {
        return afd__fail(error, AFD_ERR_INVALID, "attention.token_data_buf_size", window->token_data_buf_size, end,
                         "attention.token_data_buf_size is %" PRIu64 ", must be at least %" PRIu64
                         " for micro-batch %" PRIu32,
                         window->token_data_buf_size, end, micro_batch);
    }
    work->slots = (const char *)(uintptr_t)(window->token_data_buf + begin);
    return AFD_OK;
}

/* Which micro-batch: without waiting its flags are not touched, so that the token info need not be there. */
static afd_status plan_micro_batch(afd__attention_plan *plan, const afd_schedule_context *context,
                                   const afd_shape *shape, const afd_window_fields *window, bool need_schedule,
                                   afd_error *error)
{
    uint32_t micro_batch_id = context->attention.micro_batch_id;
    *plan = (afd__attention_plan){ .micro_batch = micro_batch_id, .run_flag = &context->control.run_flag };
    if (!need_schedule) {
        return afd__attention_check_micro_batch("attention.micro_batch_id", micro_batch_id, shape->micro_batch_num,
                                                error);
    }
    afd_status status = afd__attention_check_address("attention.token_info_buf", window->token_info_buf, error);
    if (status == AFD_OK) {
        status = afd__attention_plan_flags(plan, shape, window, micro_batch_id, AFD_MICRO_BATCH_NEXT, error);
    }
    return status;
}

/* All checks; then what is to be added up, and whose flags it belongs to. */
static afd_status plan_combine(afd__combine_work *work, afd__attention_plan *plan, const afd_schedule_context *context,
                               const afd_combine_args *args, afd_error *error)
{
    afd_status status = check_given(context, args, error);
    if (status != AFD_OK) {
        return status;
    }
    const afd_shape shape = afd__context_shape(context);
    const afd_window_fields window = context->attention.window;
    status = afd__attention_check_counts(&shape, error);
    if (status == AFD_OK) {
        status = check_args(args, &shape, error);
    }
    if (status == AFD_OK) {
        status = afd__attention_check_address("attention.token_data_buf", window.token_data_buf, error);
    }
    if (status == AFD_OK) {
        status = plan_micro_batch(plan, context, &shape, &window, args->need_schedule, error);
    }
    return status == AFD_OK ? plan_work(work, args, &shape, &window, plan->micro_batch, error) : status;
}

static void add_up(const afd__combine_work *work)
{
#if defined(__x86_64__)
    if (afd__cpu_has_avx2()) {
        afd__combine_rows_avx2(work);
        return;
    }
#endif
    afd__combine_rows(work);
}

afd_status afd_attention_combine(afd_schedule_context *context, const afd_combine_args *args, afd_wait *wait,
                                 afd_error *error)
{
    afd__combine_work work;
    afd__attention_plan plan;
    afd_status status = plan_combine(&work, &plan, context, args, error);
    if (status == AFD_OK && args->need_schedule) {
        status = afd__attention_await(&plan, wait, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    add_up(&work);
    if (args->need_schedule) {
        afd__attention_clear(&plan);
        context->attention.micro_batch_id = plan.micro_batch;
    }
    return AFD_OK;
}
