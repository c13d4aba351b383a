/* SPDX-License-Identifier: Apache-2.0 */
/* An FFN worker's making and ending, and who takes part. */
#include "worker/ffn_worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ffn/scheduler.h"
#include "worker/ffn_member.h"

/* ---- checks ---- */

static afd_status check_types(const afd_ffn_worker_options *options, afd_error *error)
{
    uint64_t token_bytes = afd_token_bytes(options->type, options->hidden);
    if (token_bytes == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "options.type", (uint64_t)(int64_t)options->type, AFD_TOKEN_INT8,
                         "options.type is %d, must be in [%d, %d]", (int)options->type, AFD_TOKEN_F16,
                         AFD_TOKEN_INT8);
    }
    afd_status status = afd__check_float_type("options.result_type", options->result_type, error);
    if (status == AFD_OK) {
        status = afd__check_slot_bytes("options.shape.attn_to_ffn_token_size",
                                       options->shape.attn_to_ffn_token_size, token_bytes, error);
    }
    return status;
}

/* Batching counts rows in 32 bits. Looked at before a window of that size is made. */
static afd_status check_row_num(const afd_shape *shape, afd_error *error)
{
    uint64_t id_num = (uint64_t)shape->micro_batch_size * shape->selected_expert_num;
    uint64_t session_max = UINT32_MAX / id_num;
    if (shape->session_num <= session_max) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_OVERFLOW, "options.shape.session_num", shape->session_num, session_max,
                     "options.shape.session_num is %" PRIu32 ", must be at most %" PRIu64 " with %" PRIu64
                     " slots a micro-batch: a batch has at most %" PRIu32 " rows",
                     shape->session_num, session_max, id_num, UINT32_MAX);
}

static afd_status check_options(const afd_ffn_worker_options *options, afd_error *error)
{
    afd_status status = afd__check_not_null("options", options, error);
    if (status == AFD_OK) {
        status = afd__check_options_size(options->size, sizeof(*options), error);
    }
    if (status == AFD_OK) {
        status = afd__check_sessions(&options->shape, options->sync_group_size, error);
    }
    if (status == AFD_OK) {
        status = check_row_num(&options->shape, error);
    }
    if (status == AFD_OK) {
        status = afd__check_hidden("options.hidden", options->hidden, error);
    }
    if (status == AFD_OK) {
        status = check_types(options, error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.expert_num", options->expert_num, 1, AFD_EXPERT_ID_LIMIT - 1, error);
    }
    if (status == AFD_OK && options->experts == NULL) {
        status = afd__fail(error, AFD_ERR_INVALID, "options.experts", 0, 0, "options.experts is null");
    }
    return status;
}

/* ---- making one ---- */

/* NULL without memory. */
static afd_ffn_worker *new_worker(const afd_ffn_worker_options *options, afd_error *error)
{
    afd_ffn_worker *made = afd__worker_new(sizeof(*made), error);
    if (made == NULL) {
        return NULL;
    }
    made->shape = options->shape;
    made->hidden = options->hidden;
    made->result_type = options->result_type;
    made->experts = options->experts;
    made->experts_arg = options->experts_arg;
    made->observer = (afd__observer){ options->observer, options->observer_arg };
    made->schedule = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)options->sync_group_size);
    made->batch = (afd_ffn_batch_args)AFD_FFN_BATCH_ARGS_INIT;
    made->batch.expert_num = options->expert_num;
    made->batch.session_max = options->shape.session_num; /* a call takes at most one micro-batch of a session */
    made->batch.hidden = options->hidden;
    made->batch.type = options->type;
    made->out = (afd_ffn_batch_out)AFD_FFN_BATCH_OUT_INIT;
    return made;
}

static uint64_t scheduler_bytes(const afd_ffn_worker *worker)
{
    return afd_ffn_scheduler_footprint(worker->shape.session_num, worker->shape.micro_batch_num);
}

static afd_status make_window(afd_ffn_worker *worker, const char *name, afd_error *error)
{
    afd_status status = name == NULL ? afd_ffn_window_create_private(&worker->shape, &worker->window, error)
                                     : afd_ffn_window_create_shared(name, &worker->shape, &worker->window, error);
    if (status == AFD_OK) {
        status = afd_ffn_context_create(&worker->shape, &worker->context, error);
    }
    if (status == AFD_OK) {
        status = afd_window_bind(worker->window, worker->context, error);
    }
    return status;
}

/* Says where everything is to be; called twice, see afd__memory. */
static void carve(afd_ffn_worker *worker)
{
    const afd_shape *shape = &worker->shape;
    afd__memory *memory = &worker->memory;
    afd_ffn_batch_out *out = &worker->out;
    uint64_t sessions = shape->session_num;
    /* Neither product overflows: the token info, which is larger than both, was measured to fit. */
    uint64_t desc_num = sessions * shape->micro_batch_num;
    uint64_t row_num = sessions * shape->micro_batch_size * shape->selected_expert_num;
    bool is_int8 = worker->batch.type == AFD_TOKEN_INT8;

    worker->writers = afd__memory_carve(memory, sessions, sizeof(void *));
    worker->round_numbers = afd__memory_carve(memory, desc_num, sizeof(*worker->round_numbers));
    worker->rounds = afd__memory_carve(memory, sessions, sizeof(*worker->rounds));
    worker->scheduler_memory = afd__memory_carve(memory, scheduler_bytes(worker), 1);
    worker->batch.workspace = afd__memory_carve(memory, worker->batch.workspace_bytes, 1);
    out->wild = afd__memory_carve(memory, sessions, sizeof(*out->wild));
    out->group_list = afd__memory_carve(memory, worker->batch.expert_num, 2 * sizeof(*out->group_list));
    out->session_ids = afd__memory_carve(memory, row_num, sizeof(*out->session_ids));
    out->micro_batch_ids = afd__memory_carve(memory, row_num, sizeof(*out->micro_batch_ids));
    out->token_ids = afd__memory_carve(memory, row_num, sizeof(*out->token_ids));
    out->expert_offsets = afd__memory_carve(memory, row_num, sizeof(*out->expert_offsets));
    if (is_int8) {
        out->dynamic_scale = afd__memory_carve(memory, row_num, sizeof(*out->dynamic_scale));
    }
    out->tokens = afd__memory_carve(memory, row_num, is_int8 ? worker->hidden : 2 * (uint64_t)worker->hidden);
    worker->results = afd__memory_carve(memory, row_num, 2 * (uint64_t)worker->hidden);
}

static afd_status make_memory(afd_ffn_worker *worker, afd_error *error)
{
    worker->batch.workspace_bytes = afd_ffn_batch_workspace_bytes(worker->context, &worker->batch);
    carve(worker);
    afd_status status = afd__memory_reserve(&worker->memory, "the buffers of batches", error);
    if (status == AFD_OK) {
        carve(worker);
        worker->out.wild_capacity = worker->shape.session_num;
    }
    return status;
}

static afd_status make_scheduler(afd_ffn_worker *worker, bool fair, afd_error *error)
{
    afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    options.fair = fair;
    options.start_empty = true;
    afd_status status = afd_ffn_scheduler_new(worker->shape.session_num, worker->shape.micro_batch_num, &options,
                                              worker->scheduler_memory, scheduler_bytes(worker),
                                              &worker->schedule.scheduler, error);
    if (status == AFD_OK) {
        status = afd_ffn_schedule_check(worker->context, &worker->schedule, error);
    }
    return status;
}

afd_status afd_ffn_worker_create(const afd_ffn_worker_options *options, afd_ffn_worker **worker, afd_error *error)
{
    afd_status status = check_options(options, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_ffn_worker *made = new_worker(options, error);
    if (made == NULL) {
        return AFD_ERR_NO_MEMORY;
    }
    status = make_window(made, options->window_name, error);
    if (status == AFD_OK) {
        status = make_memory(made, error);
    }
    if (status == AFD_OK) {
        status = make_scheduler(made, options->fair, error);
    }
    if (status != AFD_OK) {
        afd_ffn_worker_close(made);
        return status;
    }
    *worker = made;
    return AFD_OK;
}

afd_window *afd_ffn_worker_window(afd_ffn_worker *worker)
{
    return worker->window;
}

afd_schedule_context *afd_ffn_worker_context(afd_ffn_worker *worker)
{
    return worker->context;
}

/* ---- who takes part ---- */

afd_status afd_ffn_worker_accept(afd_ffn_worker *worker, uint32_t session, afd_writer *writer, afd_error *error)
{
    uint32_t micro_batch_num = worker->shape.micro_batch_num;
    afd_status status = afd__check_range("session", session, 0, worker->shape.session_num - 1, error);
    if (status == AFD_OK && worker->member != NULL) {
        status = afd__fail(error, AFD_ERR_INVALID, "session", session, 0,
                           "the worker listens: sessions join it, and are not accepted by hand");
    }
    if (status == AFD_OK && worker->writers[session] != NULL) {
        status = afd__fail(error, AFD_ERR_INVALID, "session", session, 0,
                           "session %" PRIu32 " has a writer already; it must be dropped first", session);
    }
    if (status == AFD_OK) {
        status = afd__check_writer(writer, AFD_WINDOW_ATTENTION, &worker->shape, 2 * (uint64_t)worker->hidden, error);
    }
    if (status == AFD_OK) {
        status = afd_ffn_scheduler_admit(worker->schedule.scheduler, session, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    if (!worker->has_taken) {
        /* Awaited from the start, as by every other FFN worker that has it before its first take. Where one of them
         * begins without a session and another one with it, the two pair its rounds with different rounds of the
         * others, and two such sessions can wait for each other for ever. */
        afd__scheduler_note_taken(worker->schedule.scheduler, session, afd_clock_ns());
    }
    memset(&worker->round_numbers[(size_t)session * micro_batch_num], 0, micro_batch_num * sizeof(uint64_t));
    worker->writers[session] = writer;
    return AFD_OK;
}

afd_status afd_ffn_worker_drop(afd_ffn_worker *worker, uint32_t session, afd_error *error)
{
    afd_status status = afd__check_range("session", session, 0, worker->shape.session_num - 1, error);
    if (status == AFD_OK && worker->member != NULL) {
        afd__ffn_member_drop(worker, session, AFD_DROP_ASKED,
                             afd__ffn_member_event(worker, AFD_EVENT_DROPPED, session));
        return AFD_OK;
    }
    if (status == AFD_OK) {
        status = afd_ffn_scheduler_drop(worker->schedule.scheduler, session, error);
    }
    if (status == AFD_OK) {
        afd_writer_close(worker->writers[session]);
        worker->writers[session] = NULL;
    }
    return status;
}

void afd_ffn_worker_count(const afd_ffn_worker *worker, afd_worker_counters *counters)
{
    *counters = worker->counters;
}

void afd_ffn_worker_close(afd_ffn_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    afd__ffn_member_close(worker);
    for (uint32_t s = 0; worker->writers != NULL && s < worker->shape.session_num; s++) {
        afd_writer_close(worker->writers[s]);
    }
    afd__memory_release(&worker->memory);
    afd_context_destroy(worker->context);
    afd_window_close(worker->window);
    free(worker);
}
