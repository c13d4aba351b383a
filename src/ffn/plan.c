/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn/plan.h"

#include <inttypes.h>
#include <stdalign.h>

#include "base/check.h"
#include "base/error.h"
#include "context/shape.h"

/* A buffer of the context: its address and size as they were read, and what the call needs of it. */
typedef struct buffer_check {
    const char *field;
    const char *size_field;
    uint64_t address;
    uint64_t bytes;
    uint64_t needed;
} buffer_check;

enum { TOKEN_INFO, TOKEN_DATA, LAYER_IDS, SESSION_IDS, MICRO_BATCH_IDS, EXPERT_IDS, BUFFER_NUM };

static void read_buffers(buffer_check buffers[BUFFER_NUM], const afd_schedule_context *context)
{
    const buffer_check read[BUFFER_NUM] = {
        [TOKEN_INFO] = { "ffn.token_info_buf", "ffn.token_info_buf_size", context->ffn.window.token_info_buf,
                         context->ffn.window.token_info_buf_size, 0 },
        /* Official programs leave the size of the token data 0 or too small; the scheduler never looks into it. */
        [TOKEN_DATA] = { "ffn.token_data_buf", "ffn.token_data_buf_size", context->ffn.window.token_data_buf, 0, 0 },
        [LAYER_IDS] = { "ffn.layer_ids_buf", "ffn.layer_ids_buf_size", context->ffn.layer_ids_buf,
                        context->ffn.layer_ids_buf_size, 0 },
        [SESSION_IDS] = { "ffn.session_ids_buf", "ffn.session_ids_buf_size", context->ffn.session_ids_buf,
                          context->ffn.session_ids_buf_size, 0 },
        [MICRO_BATCH_IDS] = { "ffn.micro_batch_ids_buf", "ffn.micro_batch_ids_buf_size",
                              context->ffn.micro_batch_ids_buf, context->ffn.micro_batch_ids_buf_size, 0 },
        [EXPERT_IDS] = { "ffn.expert_ids_buf", "ffn.expert_ids_buf_size", context->ffn.expert_ids_buf,
                         context->ffn.expert_ids_buf_size, 0 },
    };
    for (int i = 0; i < BUFFER_NUM; i++) {
        buffers[i] = read[i];
    }
}

static afd_status check_mode(int32_t mode, afd_error *error)
{
    if (mode == AFD_SCHEDULE_MODE_FFN) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "common.schedule_mode", (uint64_t)(int64_t)mode, AFD_SCHEDULE_MODE_FFN,
                     "common.schedule_mode is %" PRId32 ", must be %d (FFN)", mode, AFD_SCHEDULE_MODE_FFN);
}

static afd_status check_not_null(const buffer_check buffers[BUFFER_NUM], afd_error *error)
{
    for (int i = 0; i < BUFFER_NUM; i++) {
        if (buffers[i].address == 0) {
            return afd__fail(error, AFD_ERR_INVALID, buffers[i].field, 0, 0, "%s is null", buffers[i].field);
        }
    }
    return AFD_OK;
}

static afd_status check_buffer_sizes(const buffer_check buffers[BUFFER_NUM], afd_error *error)
{
    for (int i = 0; i < BUFFER_NUM; i++) {
        if (buffers[i].bytes < buffers[i].needed) {
            return afd__fail(error, AFD_ERR_INVALID, buffers[i].size_field, buffers[i].bytes, buffers[i].needed,
                             "%s is %" PRIu64 ", must be at least %" PRIu64, buffers[i].size_field, buffers[i].bytes,
                             buffers[i].needed);
        }
    }
    return AFD_OK;
}

static afd_status check_alignment(const buffer_check buffers[BUFFER_NUM], afd_error *error)
{
    for (int i = 0; i < BUFFER_NUM; i++) {
        if (i != TOKEN_DATA && buffers[i].address % sizeof(int32_t) != 0) {
            return afd__fail(error, AFD_ERR_INVALID, buffers[i].field, buffers[i].address, sizeof(int32_t),
                             "%s is 0x%" PRIx64 ", must be %zu-byte aligned", buffers[i].field, buffers[i].address,
                             sizeof(int32_t));
        }
    }
    return AFD_OK;
}

static afd_status check_group(int32_t group_size, int32_t execute_mode, uint32_t session_num, afd_error *error)
{
    if (group_size <= 0 || (uint32_t)group_size > session_num) {
        return afd__fail(error, AFD_ERR_INVALID, "sync_group_size", (uint64_t)(int64_t)group_size, session_num,
                         "sync_group_size is %" PRId32 ", must be in [1, %" PRIu32 "]", group_size, session_num);
    }
    if (session_num % (uint32_t)group_size != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "sync_group_size", (uint64_t)group_size, session_num,
                         "sync_group_size is %" PRId32 ", must divide common.session_num, which is %" PRIu32,
                         group_size, session_num);
    }
    if (execute_mode != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "execute_mode", (uint64_t)(int64_t)execute_mode, 0,
                         "execute_mode is %" PRId32 ", must be 0", execute_mode);
    }
    return AFD_OK;
}

static afd_status check_polling_index(uint64_t polling_index, uint32_t micro_batch_num, afd_error *error)
{
    if (polling_index < micro_batch_num) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "ffn.polling_index", polling_index, micro_batch_num,
                     "ffn.polling_index is %" PRIu64 ", must be below %" PRIu32, polling_index, micro_batch_num);
}

static afd_status check_given(const afd_schedule_context *context, const afd_ffn_schedule_args *args, afd_error *error)
{
    afd_status status = afd__context_check(context, error);
    if (status != AFD_OK) {
        return status;
    }
    status = afd__check_not_null("args", args, error);
    if (status != AFD_OK) {
        return status;
    }
    return afd__check_size("args.size", args->size, sizeof(*args), "AFD_FFN_SCHEDULE_ARGS_INIT", error);
}

static afd_status check_parts(const afd_part_runner *parts, afd_error *error)
{
    if (parts->size != sizeof(*parts)) {
        return afd__fail(error, AFD_ERR_INVALID, "args.parts.size", parts->size, sizeof(*parts),
                         "args.parts.size is %zu, must be %zu", parts->size, sizeof(*parts));
    }
    if (parts->part_num == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "args.parts.part_num", 0, 1,
                         "args.parts.part_num is 0, must be at least 1");
    }
    if (parts->run == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "args.parts.run", 0, 0, "args.parts.run is null");
    }
    return AFD_OK;
}

/* Null buffers, sizes that do not fit, buffers that are too small. */
static afd_status check_buffers(buffer_check buffers[BUFFER_NUM], const afd_shape *shape, afd__ffn_sizes *sizes,
                                afd_error *error)
{
    afd_status status = check_not_null(buffers, error);
    if (status != AFD_OK) {
        return status;
    }
    if (!afd__ffn_sizes_of(shape, sizes)) {
        return afd__shape_fail_overflow(shape, "the token info", error);
    }
    buffers[TOKEN_INFO].needed = sizes->token_info_bytes;
    buffers[LAYER_IDS].needed = sizes->row_ids_bytes;
    buffers[SESSION_IDS].needed = sizes->row_ids_bytes;
    buffers[MICRO_BATCH_IDS].needed = sizes->row_ids_bytes;
    buffers[EXPERT_IDS].needed = sizes->expert_ids_bytes;
    return check_buffer_sizes(buffers, error);
}

static void fill_in(afd__ffn_plan *plan, const buffer_check buffers[BUFFER_NUM], const afd_shape *shape,
                    const afd__ffn_sizes *sizes)
{
    plan->token_info = (char *)(uintptr_t)buffers[TOKEN_INFO].address;
    plan->desc_bytes = sizes->desc_bytes;
    plan->id_num = sizes->id_num;
    plan->session_num = shape->session_num;
    plan->micro_batch_num = shape->micro_batch_num;
    plan->layer_ids = (int32_t *)(uintptr_t)buffers[LAYER_IDS].address;
    plan->session_ids = (int32_t *)(uintptr_t)buffers[SESSION_IDS].address;
    plan->micro_batch_ids = (int32_t *)(uintptr_t)buffers[MICRO_BATCH_IDS].address;
    plan->expert_ids = (int32_t *)(uintptr_t)buffers[EXPERT_IDS].address;
}

/* The whole plan with every check in its order, and a sentence for the first that fails. */
static afd_status make_or_explain(afd__ffn_plan *plan, const afd_schedule_context *context,
                                  const afd_ffn_schedule_args *args, afd_error *error)
{
    afd_status status = check_given(context, args, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_shape shape = afd__context_shape(context);
    uint64_t polling_index = context->ffn.polling_index;
    buffer_check buffers[BUFFER_NUM];
    afd__ffn_sizes sizes;
    read_buffers(buffers, context);

    status = check_mode(context->common.schedule_mode, error);
    if (status == AFD_OK) {
        status = afd__shape_check_counts(&shape, afd__context_fields, error);
    }
    if (status == AFD_OK) {
        status = check_buffers(buffers, &shape, &sizes, error);
    }
    if (status == AFD_OK) {
        status = check_polling_index(polling_index, shape.micro_batch_num, error);
    }
    if (status == AFD_OK) {
        status = check_group(args->sync_group_size, args->execute_mode, shape.session_num, error);
    }
    if (status == AFD_OK) {
        status = check_alignment(buffers, error);
    }
    if (status == AFD_OK && args->scheduler != NULL) {
        status = afd__scheduler_check(args->scheduler, shape.session_num, shape.micro_batch_num, error);
    }
    if (status == AFD_OK && args->parts != NULL) {
        status = check_parts(args->parts, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    fill_in(plan, buffers, &shape, &sizes);
    plan->group_size = (uint32_t)args->sync_group_size;
    plan->polling_index = (uint32_t)polling_index;
    plan->run_flag = &context->control.run_flag;
    plan->scheduler = args->scheduler;
    plan->parts = args->parts;
    return AFD_OK;
}

/* Of a call that is as nearly all are: no more than 2^30 ids a desc and 2^30 descs, so that no product overflows. */
static bool has_plain_sizes(uint64_t id_num, uint64_t desc_num)
{
    const uint64_t most = UINT64_C(1) << 30;
    return id_num - 1 < most && desc_num - 1 < most;
}

static bool group_divides(uint32_t group_size, uint32_t session_num)
{
    return group_size == 1 || group_size == session_num ||
           (group_size != 0 && group_size < session_num && session_num % group_size == 0);
}

/*
 * The same plan by the same checks, without the sentences: a call on two sessions is over in 30 ns, and working out
 * what to say would be most of them. False if anything is not as it should be, or only unusual; make_or_explain(),
 * which reads the context for itself, then has the last word.
 */
static bool make_plain(afd__ffn_plan *plan, const afd_schedule_context *context, const afd_ffn_schedule_args *args)
{
    const uint32_t session_num = context->common.session_num;
    const uint32_t micro_batch_num = context->common.micro_batch_num;
    const uint64_t id_num = (uint64_t)context->common.micro_batch_size * context->common.selected_expert_num;
    const uint64_t desc_num = (uint64_t)session_num * micro_batch_num;
    const uint64_t polling_index = context->ffn.polling_index;
    const uint64_t row_ids_bytes = (uint64_t)session_num * sizeof(int32_t);
    const uint64_t token_info = context->ffn.window.token_info_buf;
    const uint64_t layer_ids = context->ffn.layer_ids_buf;
    const uint64_t session_ids = context->ffn.session_ids_buf;
    const uint64_t micro_batch_ids = context->ffn.micro_batch_ids_buf;
    const uint64_t expert_ids = context->ffn.expert_ids_buf;
    const uint32_t group_size = (uint32_t)args->sync_group_size;
    const uint64_t desc_bytes = sizeof(afd_ffn_desc) + id_num * sizeof(int32_t);

    if (args->scheduler != NULL || args->parts != NULL || args->size != sizeof(*args) || args->execute_mode != 0 ||
        context->common.schedule_mode != AFD_SCHEDULE_MODE_FFN || !has_plain_sizes(id_num, desc_num) ||
        !group_divides(group_size, session_num) || polling_index >= micro_batch_num ||
        token_info == 0 || context->ffn.window.token_data_buf == 0 || layer_ids == 0 || session_ids == 0 ||
        micro_batch_ids == 0 || expert_ids == 0 ||
        (token_info | layer_ids | session_ids | micro_batch_ids | expert_ids) % sizeof(int32_t) != 0 ||
        context->ffn.window.token_info_buf_size < desc_num * desc_bytes ||
        context->ffn.layer_ids_buf_size < row_ids_bytes || context->ffn.session_ids_buf_size < row_ids_bytes ||
        context->ffn.micro_batch_ids_buf_size < row_ids_bytes ||
        context->ffn.expert_ids_buf_size < row_ids_bytes * id_num) {
        return false;
    }
    *plan = (afd__ffn_plan){
        .token_info = (char *)(uintptr_t)token_info,
        .desc_bytes = desc_bytes,
        .id_num = id_num,
        .session_num = session_num,
        .micro_batch_num = micro_batch_num,
        .group_size = group_size,
        .polling_index = (uint32_t)polling_index,
        .layer_ids = (int32_t *)(uintptr_t)layer_ids,
        .session_ids = (int32_t *)(uintptr_t)session_ids,
        .micro_batch_ids = (int32_t *)(uintptr_t)micro_batch_ids,
        .expert_ids = (int32_t *)(uintptr_t)expert_ids,
        .run_flag = &context->control.run_flag,
    };
    return true;
}

/* What check_given() asks for before anything can be read. */
static bool is_given(const afd_schedule_context *context, const afd_ffn_schedule_args *args)
{
    return context != NULL && (uintptr_t)context % alignof(afd_schedule_context) == 0 && args != NULL;
}

afd_status afd__ffn_plan_make(afd__ffn_plan *plan, const afd_schedule_context *context,
                              const afd_ffn_schedule_args *args, afd_error *error)
{
    if (!is_given(context, args)) {
        return check_given(context, args, error);
    }
    return make_plain(plan, context, args) ? AFD_OK : make_or_explain(plan, context, args, error);
}

afd_status afd_ffn_schedule_check(const afd_schedule_context *context, const afd_ffn_schedule_args *args,
                                  afd_error *error)
{
    afd__ffn_plan plan;
    return afd__ffn_plan_make(&plan, context, args, error);
}
