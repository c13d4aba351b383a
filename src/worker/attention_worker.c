/* SPDX-License-Identifier: Apache-2.0 */
/* An attention worker's making and ending, and its ways to the FFN workers. */
#include "worker/attention_worker.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "window/window.h"
#include "worker/attention_member.h"

enum { TOP_K_MAX = 64, TABLE_WIDTH_MIN = 3 };

/* ---- checks ---- */

static afd_token_type sent_type(const afd_attention_worker_options *options)
{
    return options->quantize ? AFD_TOKEN_INT8 : options->type;
}

static afd_status check_tokens(const afd_attention_worker_options *options, afd_error *error)
{
    const afd_shape *shape = &options->shape;
    afd_status status = afd__check_hidden("options.hidden", options->hidden, error);
    if (status == AFD_OK) {
        status = afd__check_float_type("options.type", options->type, error);
    }
    if (status == AFD_OK) {
        status = afd__check_slot_bytes("options.shape.attn_to_ffn_token_size", shape->attn_to_ffn_token_size,
                                       afd_token_slot_bytes(sent_type(options), options->hidden), error);
    }
    if (status == AFD_OK) {
        status = afd__check_slot_bytes("options.shape.ffn_to_attn_token_size", shape->ffn_to_attn_token_size,
                                       afd_token_bytes(options->type, options->hidden), error);
    }
    return status;
}

/* One row of the table: n, then n copies, (rank, local expert id) each. */
static afd_status check_placement(const afd_attention_worker_options *options, uint64_t row, afd_error *error)
{
    const afd_expert_table *table = &options->experts;
    const int32_t *placement = table->entries + row * table->width;
    uint64_t layer = row / table->expert_num;
    uint64_t expert = row % table->expert_num;
    int32_t copy_max = (int32_t)((table->width - 1) / 2);
    if (placement[0] < 1 || placement[0] > copy_max) {
        return afd__fail(error, AFD_ERR_INVALID, "options.experts.entries", (uint64_t)(int64_t)placement[0],
                         (uint64_t)copy_max,
                         "expert %" PRIu64 " of layer %" PRIu64 " has %" PRId32 " copies, must have 1 to %" PRId32
                         ", as options.experts.width is %" PRIu32,
                         expert, layer, placement[0], copy_max, table->width);
    }
    for (int32_t copy = 0; copy < placement[0]; copy++) {
        int32_t rank = placement[1 + 2 * copy];
        int32_t local_id = placement[2 + 2 * copy];
        if (rank < 0 || (uint32_t)rank >= options->ffn_num) {
            return afd__fail(error, AFD_ERR_INVALID, "options.experts.entries", (uint64_t)(int64_t)rank,
                             options->ffn_num,
                             "copy %" PRId32 " of expert %" PRIu64 " of layer %" PRIu64 " is at rank %" PRId32
                             ", must be in [0, %" PRIu32 ")",
                             copy, expert, layer, rank, options->ffn_num);
        }
        if (local_id < 0 || local_id >= AFD_EXPERT_ID_LIMIT) {
            return afd__fail(error, AFD_ERR_INVALID, "options.experts.entries", (uint64_t)(int64_t)local_id,
                             AFD_EXPERT_ID_LIMIT,
                             "copy %" PRId32 " of expert %" PRIu64 " of layer %" PRIu64 " has local id %" PRId32
                             ", must be in [0, %d)",
                             copy, expert, layer, local_id, AFD_EXPERT_ID_LIMIT);
        }
    }
    return AFD_OK;
}

static afd_status check_experts(const afd_attention_worker_options *options, afd_error *error)
{
    const afd_expert_table *table = &options->experts;
    uint32_t slots = options->shape.selected_expert_num;
    afd_status status = afd__check_range("options.top_k", options->top_k, 1, slots < TOP_K_MAX ? slots : TOP_K_MAX,
                                         error);
    if (status == AFD_OK) {
        status = afd__check_range("options.ffn_num", options->ffn_num, 1, INT32_MAX, error);
    }
    if (status == AFD_OK) {
        status = afd__check_not_null("options.experts.entries", table->entries, error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.experts.layer_num", table->layer_num, 1, INT32_MAX, error);
    }
    if (status == AFD_OK) { /* at least one that is routed, then the shared ones */
        status = afd__check_range("options.experts.expert_num", table->expert_num,
                                  (uint64_t)slots - options->top_k + 1, INT32_MAX, error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.experts.width", table->width, TABLE_WIDTH_MIN, INT32_MAX, error);
    }
    for (uint64_t row = 0; status == AFD_OK && row < (uint64_t)table->layer_num * table->expert_num; row++) {
        status = check_placement(options, row, error);
    }
    return status;
}

static afd_status check_options(const afd_attention_worker_options *options, afd_error *error)
{
    afd_status status = afd__check_not_null("options", options, error);
    if (status == AFD_OK) {
        status = afd__check_options_size(options->size, sizeof(*options), error);
    }
    if (status == AFD_OK) {
        status = afd__check_sessions(&options->shape, options->sync_group_size, error);
    }
    if (status == AFD_OK && options->session != AFD_SESSION_ANY) {
        status = afd__check_range("options.session", options->session, 0, options->shape.session_num - 1, error);
    }
    if (status == AFD_OK) {
        status = check_tokens(options, error);
    }
    if (status == AFD_OK) {
        status = check_experts(options, error);
    }
    return status;
}

/* ---- making one ---- */

static afd_dispatch_args dispatch_of(const afd_attention_worker_options *options)
{
    afd_dispatch_args dispatch = AFD_DISPATCH_ARGS_INIT;
    dispatch.session = options->session;
    dispatch.hidden = options->hidden;
    dispatch.type = options->type;
    dispatch.quantize = options->quantize;
    dispatch.top_k = options->top_k;
    dispatch.experts = options->experts;
    dispatch.smooth_scales = options->smooth_scales;
    /* A group of one goes on without those that are not there. Where all sessions are one group, a single session
     * too, the FFN workers wait for every micro-batch in turn and must be told of an empty one. */
    dispatch.only_ranks_with_tokens = options->sync_group_size == 1 && options->shape.session_num > 1;
    dispatch.writer_num = options->ffn_num;
    return dispatch;
}

/* NULL without memory. */
static afd_attention_worker *new_worker(const afd_attention_worker_options *options, afd_error *error)
{
    afd_attention_worker *made = afd__worker_new(sizeof(*made), error);
    if (made == NULL) {
        return NULL;
    }
    made->shape = options->shape;
    made->session = options->session;
    made->hidden = options->hidden;
    made->type = options->type;
    made->top_k = options->top_k;
    made->experts = options->experts;
    made->ffn_num = options->ffn_num;
    made->sync_group_size = options->sync_group_size;
    made->takes_turns = options->sync_group_size == options->shape.session_num;
    made->sent_bytes = afd_token_bytes(sent_type(options), options->hidden);
    made->sent_slot_bytes = afd_token_slot_bytes(sent_type(options), options->hidden);
    made->observer = (afd__observer){ options->observer, options->observer_arg };
    made->dispatch = dispatch_of(options);
    return made;
}

static afd_status make_window(afd_attention_worker *worker, const char *name, afd_error *error)
{
    afd_status status = afd__attention_window_create(name, &worker->shape, worker->ffn_num, &worker->window, error);
    if (status == AFD_OK) {
        status = afd_attention_context_create(&worker->shape, &worker->context, error);
    }
    if (status == AFD_OK) {
        status = afd_window_bind(worker->window, worker->context, error);
    }
    return status;
}

/* Says where everything is to be; called twice, see afd__memory. */
static void carve(afd_attention_worker *worker)
{
    /* Does not overflow: the window has as many flags, and more of them a token. */
    uint64_t id_num = (uint64_t)worker->shape.micro_batch_num * worker->shape.micro_batch_size * worker->top_k;
    worker->writers = afd__memory_carve(&worker->memory, worker->ffn_num, sizeof(void *));
    worker->rounds = afd__memory_carve(&worker->memory, worker->shape.micro_batch_num, sizeof(*worker->rounds));
    worker->expert_ids = afd__memory_carve(&worker->memory, id_num, sizeof(*worker->expert_ids));
}

static afd_status make_memory(afd_attention_worker *worker, afd_error *error)
{
    uint64_t round_ids = (uint64_t)worker->shape.micro_batch_size * worker->top_k;
    carve(worker);
    afd_status status = afd__memory_reserve(&worker->memory, "the rounds of a worker", error);
    if (status != AFD_OK) {
        return status;
    }
    carve(worker);
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        worker->rounds[m].expert_ids = worker->expert_ids + m * round_ids;
    }
    worker->dispatch.writers = worker->writers;
    return AFD_OK;
}

afd_status afd_attention_worker_create(const afd_attention_worker_options *options, afd_attention_worker **worker,
                                       afd_error *error)
{
    afd_status status = check_options(options, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_attention_worker *made = new_worker(options, error);
    if (made == NULL) {
        return AFD_ERR_NO_MEMORY;
    }
    status = make_window(made, options->window_name, error);
    if (status == AFD_OK) {
        status = make_memory(made, error);
    }
    if (status != AFD_OK) {
        afd_attention_worker_close(made);
        return status;
    }
    *worker = made;
    return AFD_OK;
}

afd_window *afd_attention_worker_window(afd_attention_worker *worker)
{
    return worker->window;
}

afd_schedule_context *afd_attention_worker_context(afd_attention_worker *worker)
{
    return worker->context;
}

afd_status afd_attention_worker_connect(afd_attention_worker *worker, uint32_t rank, afd_writer *writer,
                                        afd_error *error)
{
    afd_status status = afd__check_range("rank", rank, 0, worker->ffn_num - 1, error);
    if (status == AFD_OK && (worker->member != NULL || worker->session == AFD_SESSION_ANY)) {
        status = afd__fail(error, AFD_ERR_INVALID, "worker", worker->session, 0,
                           "the worker joins FFN workers by their names, and is not connected by hand");
    }
    if (status == AFD_OK && worker->writers[rank] != NULL) {
        status = afd__fail(error, AFD_ERR_INVALID, "rank", rank, 0, "rank %" PRIu32 " has a writer already", rank);
    }
    if (status == AFD_OK) {
        status = afd__check_writer(writer, AFD_WINDOW_FFN, &worker->shape, worker->sent_slot_bytes, error);
    }
    if (status == AFD_OK) {
        worker->writers[rank] = writer;
        worker->connected_num++;
    }
    return status;
}

void afd_attention_worker_count(const afd_attention_worker *worker, afd_worker_counters *counters)
{
    *counters = worker->counters;
}

void afd_attention_worker_close(afd_attention_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    afd__attention_member_close(worker);
    for (uint32_t rank = 0; worker->writers != NULL && rank < worker->ffn_num; rank++) {
        afd_writer_close(worker->writers[rank]);
    }
    afd__memory_release(&worker->memory);
    afd_context_destroy(worker->context);
    afd_window_close(worker->window);
    free(worker);
}
