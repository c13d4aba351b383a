/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "attention/schedule.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/half.h"
#include "context/shape.h"

enum { TOP_K_MAX = 64 };

/* What is added up: everything was checked, and all reads are inside the token data. */
typedef struct combine_work {
    const char *slots;   /* [token_num][slot_num] rows, slot_bytes apart */
    size_t slot_bytes;
    uint32_t token_num;
    uint32_t slot_num;   /* E */
    uint32_t top_k;      /* K */
    uint32_t hidden;
    const float *scales; /* [token_num][top_k] */
    char *output;        /* [token_num][hidden] of 16 bits */
} combine_work;

/* ---- adding up ---- */

/*
 * Sixteen values at a time, over all slots of the token: the sums stay in registers, each slot is read once, in order,
 * and nothing but the result is written. The loops have a constant length, and both types their own copy of the code,
 * so that compilers make vector instructions of them. Slots are read and results written as bytes, because a slot need
 * not be aligned.
 *
 * The file is compiled with -ffp-contract=off: a fused product and sum would be rounded once instead of twice.
 */
enum { CHUNK = AFD_HIDDEN_MULTIPLE };

#define AFD_ALWAYS_INLINE static inline __attribute__((always_inline))

AFD_ALWAYS_INLINE void widen(float *restrict values, const char *restrict row, afd_token_type type)
{
    uint16_t halves[CHUNK];
    memcpy(halves, row, sizeof(halves));
    for (int i = 0; i < CHUNK; i++) {
        values[i] = type == AFD_TOKEN_BF16 ? afd__bf16_to_f32(halves[i]) : afd__f16_to_f32(halves[i]);
    }
}

AFD_ALWAYS_INLINE void narrow(char *restrict row, const float *restrict values, afd_token_type type)
{
    uint16_t halves[CHUNK];
    for (int i = 0; i < CHUNK; i++) {
        halves[i] = type == AFD_TOKEN_BF16 ? afd__f32_to_bf16(values[i]) : afd__f32_to_f16(values[i]);
    }
    memcpy(row, halves, sizeof(halves));
}

AFD_ALWAYS_INLINE void combine_chunk(const combine_work *work, const char *slots, const float *scales,
                                     char *restrict output, afd_token_type type)
{
    float sums[CHUNK] = { 0 };
    float values[CHUNK];
    for (uint32_t k = 0; k < work->top_k; k++) {
        widen(values, slots + k * work->slot_bytes, type);
        for (int i = 0; i < CHUNK; i++) {
            sums[i] += scales[k] * values[i];
        }
    }
    for (uint32_t k = work->top_k; k < work->slot_num; k++) {
        widen(values, slots + k * work->slot_bytes, type);
        for (int i = 0; i < CHUNK; i++) {
            sums[i] += values[i];
        }
    }
    narrow(output, sums, type);
}

AFD_ALWAYS_INLINE void combine_tokens(const combine_work *work, afd_token_type type)
{
    size_t row_bytes = (size_t)work->hidden * sizeof(uint16_t);
    for (size_t t = 0; t < work->token_num; t++) {
        const char *slots = work->slots + t * work->slot_num * work->slot_bytes;
        for (size_t at = 0; at < row_bytes; at += CHUNK * sizeof(uint16_t)) {
            combine_chunk(work, slots + at, work->scales + t * work->top_k, work->output + t * row_bytes + at, type);
        }
    }
}

static void combine_f16(const combine_work *work)
{
    combine_tokens(work, AFD_TOKEN_F16);
}

static void combine_bf16(const combine_work *work)
{
    combine_tokens(work, AFD_TOKEN_BF16);
}

/* ---- checks ---- */

static afd_status fail_range(const char *field, uint64_t value, uint64_t least, uint64_t most, afd_error *error)
{
    return afd__fail(error, AFD_ERR_INVALID, field, value, value < least ? least : most,
                     "%s is %" PRIu64 ", must be in [%" PRIu64 ", %" PRIu64 "]", field, value, least, most);
}

static afd_status check_given(const afd_schedule_context *context, const afd_combine_args *args, afd_error *error)
{
    afd_status status = afd__context_check(context, error);
    if (status != AFD_OK) {
        return status;
    }
    if (args == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "args", 0, 0, "args is null");
    }
    if (args->size != sizeof(*args)) {
        return afd__fail(error, AFD_ERR_INVALID, "args.size", args->size, sizeof(*args),
                         "args.size is %zu, must be %zu: initialise it with AFD_COMBINE_ARGS_INIT", args->size,
                         sizeof(*args));
    }
    return AFD_OK;
}

static afd_status check_args(const afd_combine_args *args, const afd_shape *shape, afd_error *error)
{
    uint32_t slot_num = shape->selected_expert_num;
    if (args->token_num > shape->micro_batch_size) {
        return fail_range("args.token_num", args->token_num, 0, shape->micro_batch_size, error);
    }
    if (args->top_k < 1 || args->top_k > slot_num || args->top_k > TOP_K_MAX) {
        return fail_range("args.top_k", args->top_k, 1, slot_num < TOP_K_MAX ? slot_num : TOP_K_MAX, error);
    }
    if (args->hidden == 0 || args->hidden % AFD_HIDDEN_MULTIPLE != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "args.hidden", args->hidden, AFD_HIDDEN_MULTIPLE,
                         "args.hidden is %" PRIu32 ", must be a multiple of %d and not 0", args->hidden,
                         AFD_HIDDEN_MULTIPLE);
    }
    if (args->type != AFD_TOKEN_F16 && args->type != AFD_TOKEN_BF16) {
        return afd__fail(error, AFD_ERR_INVALID, "args.type", (uint64_t)(int64_t)args->type, AFD_TOKEN_BF16,
                         "args.type is %d, must be %d (f16) or %d (bf16)", (int)args->type, AFD_TOKEN_F16,
                         AFD_TOKEN_BF16);
    }
    if (args->token_num > 0 && args->expert_scales == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "args.expert_scales", 0, 0, "args.expert_scales is null");
    }
    if (args->token_num > 0 && args->output == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "args.output", 0, 0, "args.output is null");
    }
    return AFD_OK;
}

/* Where the slots of a micro-batch begin in the token data, and where the last one that is read ends. */
static bool measure_slots(const afd_shape *shape, uint32_t micro_batch, const combine_work *work, uint64_t *begin,
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

static afd_status plan_work(combine_work *work, const afd_combine_args *args, const afd_shape *shape,
                            const afd_window_fields *window, uint32_t micro_batch, afd_error *error)
{
    uint64_t row_bytes = (uint64_t)args->hidden * sizeof(uint16_t);
    uint64_t begin = 0;
    uint64_t end = 0;
    *work = (combine_work){
        .slot_bytes = shape->ffn_to_attn_token_size >= row_bytes ? shape->ffn_to_attn_token_size : row_bytes,
        .token_num = args->token_num,
        .slot_num = shape->selected_expert_num,
        .top_k = args->top_k,
        .hidden = args->hidden,
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
static afd_status plan_combine(combine_work *work, afd__attention_plan *plan, const afd_schedule_context *context,
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

afd_status afd_attention_combine(afd_schedule_context *context, const afd_combine_args *args, afd_wait *wait,
                                 afd_error *error)
{
    combine_work work;
    afd__attention_plan plan;
    afd_status status = plan_combine(&work, &plan, context, args, error);
    if (status == AFD_OK && args->need_schedule) {
        status = afd__attention_await(&plan, wait, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    (args->type == AFD_TOKEN_BF16 ? combine_bf16 : combine_f16)(&work);
    if (args->need_schedule) {
        afd__attention_clear(&plan);
        context->attention.micro_batch_id = plan.micro_batch;
    }
    return AFD_OK;
}
