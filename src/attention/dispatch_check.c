/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of a dispatch, from the cheap to those that walk over tables. After them nothing that the caller gave can
 * be out of range any more, so that an error leaves no half of a round behind.
 */
#include <inttypes.h>

#include "attention/dispatch.h"
#include "base/check.h"
#include "base/checked.h"
#include "base/error.h"
#include "context/shape.h"

/* ---- counts ---- */

static afd_status check_in(const char *field, uint32_t value, uint32_t least, uint32_t most, afd_error *error)
{
    if (value >= least && value <= most) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, value, most,
                     "%s is %" PRIu32 ", must be in [%" PRIu32 ", %" PRIu32 "]", field, value, least, most);
}

static afd_status check_layer(const afd_dispatch_args *args, afd_error *error)
{
    uint32_t layer_num = args->experts.layer_num;
    if (args->layer_id < 0 || (layer_num > 1 && (uint32_t)args->layer_id >= layer_num)) {
        return afd__fail(error, AFD_ERR_INVALID, "layer_id", (uint64_t)(int64_t)args->layer_id, layer_num,
                         "layer_id is %" PRId32 ", must be at least 0 and, with experts.layer_num %" PRIu32
                         " above 1, below it",
                         args->layer_id, layer_num);
    }
    return AFD_OK;
}

static afd_status check_type(const afd_dispatch_args *args, afd_error *error)
{
    afd_status status = afd__check_float_type("type", args->type, error);
    if (status == AFD_OK) {
        status = afd__check_hidden("hidden", args->hidden, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    if (args->smooth_scales != NULL && !args->quantize) {
        return afd__fail(error, AFD_ERR_INVALID, "smooth_scales", 0, 0,
                         "smooth_scales is given without quantize, and would not be applied");
    }
    return AFD_OK;
}

/* A table of 4-byte entries[layer_num][expert_num][entry_num], so that an index into it cannot wrap. */
static afd_status check_table_size(const char *field, const afd_expert_table *experts, uint32_t entry_num,
                                   afd_error *error)
{
    uint64_t rows = (uint64_t)experts->layer_num * experts->expert_num;
    uint64_t bytes = 0;
    if (!afd__mul_u64(rows, (uint64_t)entry_num * sizeof(int32_t), &bytes)) {
        return afd__fail(error, AFD_ERR_OVERFLOW, field, rows, UINT64_MAX,
                         "%s does not fit 64 bits with %" PRIu32 " layers of %" PRIu32 " experts and %" PRIu32
                         " entries each",
                         field, experts->layer_num, experts->expert_num, entry_num);
    }
    return AFD_OK;
}

static afd_status check_experts(const afd_dispatch_args *args, uint32_t shared_num, afd_error *error)
{
    const afd_expert_table *experts = &args->experts;
    afd_status status = check_in("experts.layer_num", experts->layer_num, 1, UINT32_MAX, error);
    if (status == AFD_OK) {
        status = check_layer(args, error);
    }
    if (status == AFD_OK && experts->expert_num <= shared_num) {
        status = afd__fail(error, AFD_ERR_INVALID, "experts.expert_num", experts->expert_num, shared_num,
                           "experts.expert_num is %" PRIu32 ", must be above E - top_k, which is %" PRIu32,
                           experts->expert_num, shared_num);
    }
    if (status == AFD_OK) {
        status = check_in("experts.width", experts->width, 3, UINT32_MAX, error);
    }
    if (status == AFD_OK) {
        status = check_table_size("experts.entries", experts, experts->width, error);
    }
    if (status == AFD_OK && args->smooth_scales != NULL) {
        status = check_table_size("smooth_scales", experts, args->hidden, error);
    }
    return status;
}

static afd_status check_counts(const afd_dispatch_args *args, const afd_shape *shape, afd_error *error)
{
    afd_status status = afd__shape_check_counts(shape, afd__context_fields, error);
    if (status == AFD_OK) {
        status = check_in("micro_batch", args->micro_batch, 0, shape->micro_batch_num - 1, error);
    }
    if (status == AFD_OK) {
        status = check_in("token_num", args->token_num, 0, shape->micro_batch_size, error);
    }
    if (status == AFD_OK) {
        status = check_in("top_k", args->top_k, 1, shape->selected_expert_num, error);
    }
    if (status == AFD_OK) {
        status = check_type(args, error);
    }
    return status == AFD_OK ? check_experts(args, shape->selected_expert_num - args->top_k, error) : status;
}

/* ---- memory ---- */

static afd_status check_address(const char *field, const void *address, uint64_t alignment, afd_error *error)
{
    if (address == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, field, 0, 0, "%s is null", field);
    }
    if ((uintptr_t)address % alignment != 0) {
        return afd__fail(error, AFD_ERR_INVALID, field, (uint64_t)(uintptr_t)address, alignment,
                         "%s is %p, must be %" PRIu64 "-byte aligned", field, address, alignment);
    }
    return AFD_OK;
}

static afd_status check_pointers(const afd_dispatch_args *args, afd_error *error)
{
    afd_status status = check_address("experts.entries", args->experts.entries, sizeof(int32_t), error);
    if (status == AFD_OK && args->token_num > 0) {
        status = check_address("tokens", args->tokens, sizeof(uint16_t), error);
    }
    if (status == AFD_OK && args->token_num > 0) {
        status = check_address("expert_ids", args->expert_ids, sizeof(int32_t), error);
    }
    if (status == AFD_OK && args->smooth_scales != NULL) {
        status = check_address("smooth_scales", args->smooth_scales, sizeof(float), error);
    }
    return status;
}

/* The own window, of which only the flags are used. */
static afd_status check_own_window(const afd_window_fields *window, const afd_shape *shape, afd_error *error)
{
    afd__attention_sizes sizes;
    if (!afd__attention_sizes_of(shape, &sizes)) {
        return afd__shape_fail_overflow(shape, "the token info", error);
    }
    afd_status status = check_address("attention.token_info_buf", (const void *)(uintptr_t)window->token_info_buf,
                                      sizeof(int32_t), error);
    if (status == AFD_OK && window->token_info_buf_size < sizes.token_info_bytes) {
        status = afd__fail(error, AFD_ERR_INVALID, "attention.token_info_buf_size", window->token_info_buf_size,
                           sizes.token_info_bytes,
                           "attention.token_info_buf_size is %" PRIu64 ", must be at least %" PRIu64,
                           window->token_info_buf_size, sizes.token_info_bytes);
    }
    return status;
}

/* ---- writers ---- */

static afd_status check_writer(const afd_writer *writer, uint32_t number, const afd_dispatch_args *args,
                               const afd_shape *shape, afd_error *error)
{
    uint64_t needed = afd_token_slot_bytes(args->quantize ? AFD_TOKEN_INT8 : args->type, args->hidden);
    if (writer == NULL || writer->ops == NULL || writer->ops->size < sizeof(afd_writer_ops)) {
        return afd__fail(error, AFD_ERR_INVALID, "writers", number, 0,
                         "writer %" PRIu32 " is null or has not the functions of this version", number);
    }
    const afd_shape *theirs = &writer->shape;
    if (writer->kind != AFD_WINDOW_FFN || theirs->micro_batch_num != shape->micro_batch_num ||
        theirs->micro_batch_size != shape->micro_batch_size ||
        theirs->selected_expert_num != shape->selected_expert_num) {
        return afd__fail(error, AFD_ERR_INVALID, "writers", number, 0,
                         "writer %" PRIu32 " is not into an FFN window of M=%" PRIu32 " BS=%" PRIu32 " E=%" PRIu32
                         " as the context has",
                         number, shape->micro_batch_num, shape->micro_batch_size, shape->selected_expert_num);
    }
    if (args->session >= theirs->session_num) {
        return afd__fail(error, AFD_ERR_INVALID, "session", args->session, theirs->session_num,
                         "session is %" PRIu32 ", must be below %" PRIu32 ", the sessions of writer %" PRIu32,
                         args->session, theirs->session_num, number);
    }
    if (writer->slot_bytes < needed) {
        return afd__fail(error, AFD_ERR_INVALID, "writers", number, needed,
                         "writer %" PRIu32 " has slots of %" PRIu64 " bytes, a token needs %" PRIu64, number,
                         writer->slot_bytes, needed);
    }
    return AFD_OK;
}

static afd_status check_writers(const afd_dispatch_args *args, const afd_shape *shape, afd_error *error)
{
    if (args->writers == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "writers", 0, 0, "writers is null");
    }
    if (args->first_rank < 0) {
        return afd__fail(error, AFD_ERR_INVALID, "first_rank", (uint64_t)(int64_t)args->first_rank, 0,
                         "first_rank is %" PRId32 ", must be at least 0", args->first_rank);
    }
    /* The last rank is a number of the table, too. */
    uint32_t most = (uint32_t)(INT32_MAX - args->first_rank);
    afd_status status = check_in("writer_num", args->writer_num, 1, most, error);
    for (uint32_t number = 0; status == AFD_OK && number < args->writer_num; number++) {
        status = check_writer(args->writers[number], number, args, shape, error);
    }
    return status;
}

/* ---- tokens and where they go ---- */

/* The tokens that are sent: the 1s of the mask, all of which must come first. */
static afd_status count_active(const afd_dispatch_args *args, uint32_t *active_num, afd_error *error)
{
    uint32_t active = args->token_num;
    for (uint32_t token = 0; args->active_mask != NULL && token < args->token_num; token++) {
        uint8_t mask = args->active_mask[token];
        if (mask > 1 || (mask == 1 && token > active)) {
            return afd__fail(error, AFD_ERR_INVALID, "active_mask", token, active,
                             "active_mask is %u at token %" PRIu32 "; it must be 1s, then 0s", mask, token);
        }
        if (mask == 0 && token < active) {
            active = token;
        }
    }
    *active_num = active;
    return AFD_OK;
}

/* The row of one expert, as far as this session uses it. */
static afd_status check_row(const afd__dispatch_plan *plan, uint32_t expert, afd_error *error)
{
    const int32_t *row = afd__dispatch_row(plan, expert);
    uint32_t copies_max = (plan->table_width - 1) / 2;
    if (row[0] < 1 || (uint32_t)row[0] > copies_max) {
        return afd__fail(error, AFD_ERR_INVALID, "experts.entries", (uint64_t)(int64_t)row[0], copies_max,
                         "expert %" PRIu32 " of layer %" PRId32 " has %" PRId32
                         " copies in the table, must be in [1, %" PRIu32 "]",
                         expert, plan->round.layer_id, row[0], copies_max);
    }
    afd__expert_home home = afd__dispatch_home(row, plan->round.session);
    int64_t rank = (int64_t)home.rank - plan->first_rank;
    if (rank < 0 || rank >= plan->writer_num) {
        return afd__fail(error, AFD_ERR_INVALID, "experts.entries", (uint64_t)(int64_t)home.rank, plan->writer_num,
                         "expert %" PRIu32 " of layer %" PRId32 " is at rank %" PRId32 ", must be in [%" PRId32
                         ", %" PRId64 ")",
                         expert, plan->round.layer_id, home.rank, plan->first_rank,
                         (int64_t)plan->first_rank + plan->writer_num);
    }
    if (home.expert_id < 0 || home.expert_id >= AFD_EXPERT_ID_LIMIT) {
        return afd__fail(error, AFD_ERR_INVALID, "experts.entries", (uint64_t)(int64_t)home.expert_id,
                         AFD_EXPERT_ID_LIMIT,
                         "expert %" PRIu32 " of layer %" PRId32 " has the local id %" PRId32 ", must be in [0, %d)",
                         expert, plan->round.layer_id, home.expert_id, AFD_EXPERT_ID_LIMIT);
    }
    return AFD_OK;
}

static afd_status check_routed(const afd__dispatch_plan *plan, uint32_t token, uint32_t slot, afd_error *error)
{
    int32_t id = plan->expert_ids[(size_t)token * plan->top_k + slot];
    if (id < 0 || (uint32_t)id >= plan->first_shared_expert) {
        return afd__fail(error, AFD_ERR_INVALID, "expert_ids", (uint64_t)(int64_t)id, plan->first_shared_expert,
                         "expert_ids of token %" PRIu32 " slot %" PRIu32 " is %" PRId32 ", must be in [0, %" PRIu32 ")",
                         token, slot, id, plan->first_shared_expert);
    }
    return check_row(plan, (uint32_t)id, error);
}

static afd_status check_routes(const afd__dispatch_plan *plan, afd_error *error)
{
    afd_status status = AFD_OK;
    for (uint32_t token = 0; token < plan->active_num && status == AFD_OK; token++) {
        for (uint32_t slot = 0; slot < plan->top_k && status == AFD_OK; slot++) {
            status = check_routed(plan, token, slot, error);
        }
    }
    for (uint32_t slot = plan->top_k; plan->active_num > 0 && slot < plan->slot_num && status == AFD_OK; slot++) {
        status = check_row(plan, plan->first_shared_expert + (slot - plan->top_k), error);
    }
    return status;
}

static afd_status check_round_is_over(const afd__dispatch_plan *plan, afd_error *error)
{
    for (size_t i = 0; i < plan->own_flag_num; i++) {
        if (afd__slot_peek_flag(&plan->own_flags[i]) == AFD_FLAG_READY) {
            return afd__fail(error, AFD_ERR_INVALID, "micro_batch", plan->round.micro_batch, i,
                             "the round of micro-batch %" PRIu32
                             " is still open: the result of token %zu slot %zu was not taken",
                             plan->round.micro_batch, i / plan->slot_num, i % plan->slot_num);
        }
    }
    return AFD_OK;
}

static void fill_in(afd__dispatch_plan *plan, const afd_schedule_context *context, const afd_dispatch_args *args,
                    const afd_shape *shape, uint64_t flags_address)
{
    size_t layer = args->experts.layer_num == 1 ? 0 : (size_t)args->layer_id;
    size_t first_row = layer * args->experts.expert_num;
    size_t flag_num = (size_t)shape->micro_batch_size * shape->selected_expert_num;
    *plan = (afd__dispatch_plan){
        .writers = args->writers,
        .writer_num = args->writer_num,
        .first_rank = args->first_rank,
        .only_ranks_with_tokens = args->only_ranks_with_tokens,
        .round = { args->session, args->micro_batch, args->layer_id, args->round },
        .slot_num = shape->selected_expert_num,
        .top_k = args->top_k,
        .first_shared_expert = args->experts.expert_num - (shape->selected_expert_num - args->top_k),
        .expert_ids = args->expert_ids,
        .table = args->experts.entries + first_row * args->experts.width,
        .table_width = args->experts.width,
        .tokens = args->tokens,
        .hidden = args->hidden,
        .type = args->type,
        .quantize = args->quantize,
        .smooth_scales = args->smooth_scales == NULL ? NULL : args->smooth_scales + first_row * args->hidden,
        .own_flags = (afd__slot_flag *)(uintptr_t)flags_address + args->micro_batch * flag_num,
        .own_flag_num = flag_num,
        .run_flag = &context->control.run_flag,
    };
}

static afd_status check_given(const afd_schedule_context *context, const afd_dispatch_args *args, afd_error *error)
{
    afd_status status = afd__context_check(context, error);
    if (status == AFD_OK) {
        status = check_address("args", args, _Alignof(afd_dispatch_args), error);
    }
    if (status == AFD_OK) {
        status = afd__check_size("args.size", args->size, sizeof(*args), "AFD_DISPATCH_ARGS_INIT", error);
    }
    return status;
}

/* All that can be said without a look at tokens and tables. */
static afd_status check_args(const afd_dispatch_args *args, const afd_shape *shape, const afd_window_fields *own_window,
                             afd_error *error)
{
    afd_status status = check_counts(args, shape, error);
    if (status == AFD_OK) {
        status = check_pointers(args, error);
    }
    if (status == AFD_OK) {
        status = check_own_window(own_window, shape, error);
    }
    return status == AFD_OK ? check_writers(args, shape, error) : status;
}

afd_status afd__dispatch_plan_make(afd__dispatch_plan *plan, const afd_schedule_context *context,
                                   const afd_dispatch_args *args, afd_error *error)
{
    afd_status status = check_given(context, args, error);
    if (status != AFD_OK) {
        return status;
    }
    const afd_shape shape = afd__context_shape(context);
    const afd_window_fields own_window = context->attention.window;
    status = check_args(args, &shape, &own_window, error);
    if (status != AFD_OK) {
        return status;
    }
    fill_in(plan, context, args, &shape, own_window.token_info_buf);
    status = count_active(args, &plan->active_num, error);
    if (status == AFD_OK) {
        status = check_routes(plan, error);
    }
    return status == AFD_OK ? check_round_is_over(plan, error) : status;
}
