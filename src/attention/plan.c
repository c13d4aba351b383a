/* SPDX-License-Identifier: Apache-2.0 */
#include "attention/plan.h"

#include <inttypes.h>
#include <stdalign.h>

#include "base/check.h"
#include "base/error.h"
#include "context/shape.h"

static afd_status check_mode(int32_t mode, afd_error *error)
{
    if (mode == AFD_SCHEDULE_MODE_ATTENTION) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "common.schedule_mode", (uint64_t)(int64_t)mode,
                     AFD_SCHEDULE_MODE_ATTENTION, "common.schedule_mode is %" PRId32 ", must be %d (attention)", mode,
                     AFD_SCHEDULE_MODE_ATTENTION);
}

afd_status afd__attention_check_counts(const afd_shape *shape, afd_error *error)
{
    afd_shape counts = *shape;
    counts.session_num = 1; /* not looked at: the window has one session, its own */
    return afd__shape_check_counts(&counts, afd__context_fields, error);
}

afd_status afd__attention_check_address(const char *field, uint64_t address, afd_error *error)
{
    return afd__check_not_null(field, (const void *)(uintptr_t)address, error);
}

afd_status afd__attention_check_micro_batch(const char *field, uint32_t micro_batch, uint32_t micro_batch_num,
                                            afd_error *error)
{
    if (micro_batch < micro_batch_num) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, micro_batch, micro_batch_num,
                     "%s is %" PRIu32 ", must be below %" PRIu32, field, micro_batch, micro_batch_num);
}

static afd_status check_flags(const afd_shape *shape, const afd_window_fields *window, afd__attention_sizes *sizes,
                              afd_error *error)
{
    if (!afd__attention_sizes_of(shape, sizes)) {
        return afd__shape_fail_overflow(shape, "the token info", error);
    }
    if (window->token_info_buf_size < sizes->token_info_bytes) {
        return afd__fail(error, AFD_ERR_INVALID, "attention.token_info_buf_size", window->token_info_buf_size,
                         sizes->token_info_bytes,
                         "attention.token_info_buf_size is %" PRIu64 ", must be at least %" PRIu64,
                         window->token_info_buf_size, sizes->token_info_bytes);
    }
    return AFD_OK;
}

afd_status afd__attention_plan_flags(afd__attention_plan *plan, const afd_shape *shape,
                                     const afd_window_fields *window, uint32_t micro_batch_id, uint32_t micro_batch,
                                     afd_error *error)
{
    afd__attention_sizes sizes;
    uint32_t wanted = micro_batch;
    afd_status status = check_flags(shape, window, &sizes, error);
    if (status == AFD_OK) {
        status = afd__attention_check_micro_batch("attention.micro_batch_id", micro_batch_id, shape->micro_batch_num,
                                                  error);
    }
    if (status == AFD_OK && micro_batch == AFD_MICRO_BATCH_NEXT) {
        wanted = (micro_batch_id + 1) % shape->micro_batch_num; /* no overflow: it is below M */
    }
    if (status == AFD_OK) {
        status = afd__attention_check_micro_batch("micro_batch", wanted, shape->micro_batch_num, error);
    }
    if (status == AFD_OK && window->token_info_buf % alignof(afd__slot_flag) != 0) {
        status = afd__fail(error, AFD_ERR_INVALID, "attention.token_info_buf", window->token_info_buf,
                           alignof(afd__slot_flag),
                           "attention.token_info_buf is 0x%" PRIx64 ", must be %zu-byte aligned",
                           window->token_info_buf, alignof(afd__slot_flag));
    }
    if (status != AFD_OK) {
        return status;
    }
    plan->flags = (afd__slot_flag *)(uintptr_t)(window->token_info_buf + wanted * sizes.flags_bytes);
    plan->slot_num = sizes.slot_num;
    plan->slots_a_token = shape->selected_expert_num;
    plan->micro_batch = wanted;
    return AFD_OK;
}

afd_status afd__attention_plan_make(afd__attention_plan *plan, const afd_schedule_context *context,
                                    uint32_t micro_batch, afd_error *error)
{
    afd_status status = afd__context_check(context, error);
    if (status != AFD_OK) {
        return status;
    }
    const afd_shape shape = afd__context_shape(context);
    const afd_window_fields window = context->attention.window;
    uint32_t micro_batch_id = context->attention.micro_batch_id;
    status = check_mode(context->common.schedule_mode, error);
    if (status == AFD_OK) {
        status = afd__attention_check_counts(&shape, error);
    }
    if (status == AFD_OK) {
        status = afd__attention_check_address("attention.token_info_buf", window.token_info_buf, error);
    }
    if (status == AFD_OK) {
        status = afd__attention_check_address("attention.token_data_buf", window.token_data_buf, error);
    }
    if (status == AFD_OK) {
        status = afd__attention_plan_flags(plan, &shape, &window, micro_batch_id, micro_batch, error);
    }
    if (status == AFD_OK) {
        plan->run_flag = &context->control.run_flag;
    }
    return status;
}

afd_status afd_attention_schedule_check(const afd_schedule_context *context, uint32_t micro_batch, afd_error *error)
{
    afd__attention_plan plan;
    return afd__attention_plan_make(&plan, context, micro_batch, error);
}
