/* SPDX-License-Identifier: Apache-2.0 */
#include "afd/context.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/checked.h"
#include "base/error.h"
#include "context/shape.h"

/* Outputs start on cache lines of their own, so that filling one in does not disturb a reader of another. */
enum { OUTPUT_ALIGN_BYTES = 64 };

/* Where everything lies in the one block of memory, as byte offsets from its start. */
typedef struct context_plan {
    afd__ffn_sizes sizes;
    uint64_t layer_ids;
    uint64_t session_ids;
    uint64_t micro_batch_ids;
    uint64_t expert_ids;
    uint64_t bytes;
} context_plan;

static afd_status check_shape(const afd_shape *shape, afd_error *error)
{
    if (shape == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "shape", 0, 0, "shape is null");
    }
    return afd__shape_check_counts(shape, afd__shape_fields, error);
}

static afd_status plan_context(const afd_shape *shape, context_plan *plan, afd_error *error)
{
    afd_status status = check_shape(shape, error);
    if (status != AFD_OK) {
        return status;
    }
    uint64_t row_bytes = 0;
    uint64_t expert_bytes = 0;
    if (!afd__ffn_sizes_of(shape, &plan->sizes) ||
        !afd__round_up_u64(plan->sizes.row_ids_bytes, OUTPUT_ALIGN_BYTES, &row_bytes) ||
        !afd__round_up_u64(plan->sizes.expert_ids_bytes, OUTPUT_ALIGN_BYTES, &expert_bytes)) {
        return afd__shape_fail_overflow(shape, "context footprint", error);
    }
    plan->layer_ids = AFD_CONTEXT_BYTES;
    plan->session_ids = plan->layer_ids + row_bytes;
    plan->micro_batch_ids = plan->session_ids + row_bytes;
    plan->expert_ids = plan->micro_batch_ids + row_bytes;
    if (!afd__add_u64(plan->expert_ids, expert_bytes, &plan->bytes)) {
        return afd__shape_fail_overflow(shape, "context footprint", error);
    }
    return AFD_OK;
}

afd_status afd_ffn_context_footprint(const afd_shape *shape, uint64_t *bytes, afd_error *error)
{
    context_plan plan;
    afd_status status = plan_context(shape, &plan, error);
    if (status == AFD_OK) {
        *bytes = plan.bytes;
    }
    return status;
}

/* What every context begins with: the counts, running, no window, no output buffers. */
static void fill_in_counts(afd_schedule_context *context, const afd_shape *shape, int32_t schedule_mode)
{
    memset(context, 0, sizeof(*context));
    context->common.session_num = shape->session_num;
    context->common.micro_batch_num = shape->micro_batch_num;
    context->common.micro_batch_size = shape->micro_batch_size;
    context->common.selected_expert_num = shape->selected_expert_num;
    context->common.expert_num = shape->expert_num;
    context->common.attn_to_ffn_token_size = shape->attn_to_ffn_token_size;
    context->common.ffn_to_attn_token_size = shape->ffn_to_attn_token_size;
    context->common.schedule_mode = schedule_mode;
    context->attention.micro_batch_id = shape->micro_batch_num - 1;
    afd_context_start(context);
}

static void fill_in_outputs(afd_schedule_context *context, const context_plan *plan)
{
    uint64_t base = (uint64_t)(uintptr_t)context;
    context->ffn.layer_ids_buf = base + plan->layer_ids;
    context->ffn.layer_ids_buf_size = plan->sizes.row_ids_bytes;
    context->ffn.session_ids_buf = base + plan->session_ids;
    context->ffn.session_ids_buf_size = plan->sizes.row_ids_bytes;
    context->ffn.micro_batch_ids_buf = base + plan->micro_batch_ids;
    context->ffn.micro_batch_ids_buf_size = plan->sizes.row_ids_bytes;
    context->ffn.expert_ids_buf = base + plan->expert_ids;
    context->ffn.expert_ids_buf_size = plan->sizes.expert_ids_bytes;
}

static afd_status check_memory(const void *memory, uint64_t bytes, uint64_t needed, afd_error *error)
{
    if (memory == NULL || (uintptr_t)memory % OUTPUT_ALIGN_BYTES != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "memory", (uint64_t)(uintptr_t)memory, OUTPUT_ALIGN_BYTES,
                         "memory is %p, must be %d-byte aligned and not null", memory, OUTPUT_ALIGN_BYTES);
    }
    if (bytes < needed) {
        return afd__fail(error, AFD_ERR_INVALID, "bytes", bytes, needed,
                         "the memory for the context has %" PRIu64 " bytes, needs %" PRIu64, bytes, needed);
    }
    return AFD_OK;
}

/* A multiple of the alignment, as every part of a context is. */
static afd_status allocate(uint64_t bytes, void **memory, afd_error *error)
{
    *memory = aligned_alloc(OUTPUT_ALIGN_BYTES, bytes);
    if (*memory == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "context footprint", bytes, 0,
                         "no memory for a context of %" PRIu64 " bytes", bytes);
    }
    return AFD_OK;
}

afd_status afd_ffn_context_layout(const afd_shape *shape, void *memory, uint64_t bytes, afd_schedule_context **context,
                                  afd_error *error)
{
    context_plan plan;
    afd_status status = plan_context(shape, &plan, error);
    if (status == AFD_OK) {
        status = check_memory(memory, bytes, plan.bytes, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    afd_schedule_context *laid_out = memory;
    fill_in_counts(laid_out, shape, AFD_SCHEDULE_MODE_FFN);
    fill_in_outputs(laid_out, &plan);
    *context = laid_out;
    return AFD_OK;
}

afd_status afd_ffn_context_create(const afd_shape *shape, afd_schedule_context **context, afd_error *error)
{
    context_plan plan;
    void *memory = NULL;
    afd_status status = plan_context(shape, &plan, error);
    if (status == AFD_OK) {
        status = allocate(plan.bytes, &memory, error);
    }
    if (status == AFD_OK) {
        status = afd_ffn_context_layout(shape, memory, plan.bytes, context, error);
    }
    if (status != AFD_OK) {
        free(memory);
    }
    return status;
}

afd_status afd_attention_context_layout(const afd_shape *shape, void *memory, uint64_t bytes,
                                        afd_schedule_context **context, afd_error *error)
{
    afd_status status = check_shape(shape, error);
    if (status == AFD_OK) {
        status = check_memory(memory, bytes, AFD_CONTEXT_BYTES, error);
    }
    if (status == AFD_OK) {
        fill_in_counts(memory, shape, AFD_SCHEDULE_MODE_ATTENTION);
        *context = memory;
    }
    return status;
}

afd_status afd_attention_context_create(const afd_shape *shape, afd_schedule_context **context, afd_error *error)
{
    void *memory = NULL;
    afd_status status = check_shape(shape, error);
    if (status == AFD_OK) {
        status = allocate(AFD_CONTEXT_BYTES, &memory, error);
    }
    if (status == AFD_OK) {
        status = afd_attention_context_layout(shape, memory, AFD_CONTEXT_BYTES, context, error);
    }
    if (status != AFD_OK) {
        free(memory);
    }
    return status;
}

void afd_context_destroy(afd_schedule_context *context)
{
    free(context);
}

void afd_context_stop(afd_schedule_context *context)
{
    /* R4, meets A3 in afd__stop_requested(): what was written before the stop is visible to whoever it ends. */
    afd__store_release_i32(&context->control.run_flag, 0);
}

void afd_context_start(afd_schedule_context *context)
{
    /* Release for symmetry only: nothing is read on the strength of a run flag that is set. */
    afd__store_release_i32(&context->control.run_flag, 1);
}

static const int32_t *ids_at(uint64_t address)
{
    return (const int32_t *)(uintptr_t)address;
}

const int32_t *afd_context_layer_ids(const afd_schedule_context *context)
{
    return ids_at(context->ffn.layer_ids_buf);
}

const int32_t *afd_context_session_ids(const afd_schedule_context *context)
{
    return ids_at(context->ffn.session_ids_buf);
}

const int32_t *afd_context_micro_batch_ids(const afd_schedule_context *context)
{
    return ids_at(context->ffn.micro_batch_ids_buf);
}

const int32_t *afd_context_expert_ids(const afd_schedule_context *context)
{
    return ids_at(context->ffn.expert_ids_buf);
}
