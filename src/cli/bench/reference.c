/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference of the benchmark: the FFN worker scheduler as its contract reads, in plain C. It looks for a group
 * that is ready, then looks again and takes, with a memcpy and a memset a desc.
 *
 * This file is never tuned. It is what every figure is held against, in every version of libafd and on every machine,
 * so it changes only if it is found to be wrong. It shares no code with src/ffn.
 */
#include "bench/reference.h"

#include <stddef.h>
#include <string.h>

typedef struct desc {
    int32_t flag;
    int32_t layer_id;
    int32_t expert_ids[];
} desc;

typedef struct world {
    uint64_t session_num;
    uint64_t micro_batch_num;
    uint64_t id_num;
    uint64_t desc_bytes;
    char *token_info;
    int32_t *layer_ids;
    int32_t *session_ids;
    int32_t *micro_batch_ids;
    int32_t *expert_ids;
} world;

static bool buffers_are_there(const afd_schedule_context *context)
{
    return context->ffn.window.token_info_buf != 0 && context->ffn.window.token_data_buf != 0 &&
           context->ffn.layer_ids_buf != 0 && context->ffn.session_ids_buf != 0 &&
           context->ffn.micro_batch_ids_buf != 0 && context->ffn.expert_ids_buf != 0;
}

static bool buffers_are_large_enough(const afd_schedule_context *context, uint64_t S, uint64_t M, uint64_t id_bytes)
{
    uint64_t info_bytes;
    uint64_t all_id_bytes;
    return !__builtin_mul_overflow(S * M, id_bytes + 8, &info_bytes) &&
           !__builtin_mul_overflow(S, id_bytes, &all_id_bytes) &&
           context->ffn.window.token_info_buf_size >= info_bytes && context->ffn.layer_ids_buf_size >= 4 * S &&
           context->ffn.session_ids_buf_size >= 4 * S && context->ffn.micro_batch_ids_buf_size >= 4 * S &&
           context->ffn.expert_ids_buf_size >= all_id_bytes;
}

static bool is_valid(const afd_schedule_context *context, uint32_t group_size)
{
    uint64_t S = context->common.session_num;
    uint64_t M = context->common.micro_batch_num;
    uint64_t BS = context->common.micro_batch_size;
    uint64_t E = context->common.selected_expert_num;
    uint64_t id_bytes;
    return context->common.schedule_mode == 0 && S > 0 && M > 0 && BS > 0 && E > 0 && buffers_are_there(context) &&
           !__builtin_mul_overflow(BS * E, 4, &id_bytes) && buffers_are_large_enough(context, S, M, id_bytes) &&
           context->ffn.polling_index < M && group_size > 0 && group_size <= S && S % group_size == 0;
}

static world world_of(const afd_schedule_context *context)
{
    uint64_t id_num = (uint64_t)context->common.micro_batch_size * context->common.selected_expert_num;
    return (world){
        .session_num = context->common.session_num,
        .micro_batch_num = context->common.micro_batch_num,
        .id_num = id_num,
        .desc_bytes = 8 + 4 * id_num,
        .token_info = (char *)(uintptr_t)context->ffn.window.token_info_buf,
        .layer_ids = (int32_t *)(uintptr_t)context->ffn.layer_ids_buf,
        .session_ids = (int32_t *)(uintptr_t)context->ffn.session_ids_buf,
        .micro_batch_ids = (int32_t *)(uintptr_t)context->ffn.micro_batch_ids_buf,
        .expert_ids = (int32_t *)(uintptr_t)context->ffn.expert_ids_buf,
    };
}

static desc *desc_of(const world *w, uint64_t session, uint64_t micro_batch)
{
    return (desc *)(void *)(w->token_info + (session * w->micro_batch_num + micro_batch) * w->desc_bytes);
}

static bool group_is_ready(const world *w, uint64_t first, uint64_t group_size, uint64_t micro_batch)
{
    for (uint64_t s = first; s < first + group_size; s++) {
        /* Meets the producer's release: the ids are complete. */
        if (__atomic_load_n(&desc_of(w, s, micro_batch)->flag, __ATOMIC_ACQUIRE) != 1) {
            return false;
        }
    }
    return true;
}

/* The lowest micro-batch that the whole group has ready; micro_batch_num if there is none. */
static uint64_t ready_micro_batch(const world *w, uint64_t first, uint64_t group_size)
{
    uint64_t m = 0;
    while (m < w->micro_batch_num && !group_is_ready(w, first, group_size, m)) {
        m++;
    }
    return m;
}

static void take_group(const world *w, uint64_t first, uint64_t group_size, uint64_t micro_batch, uint32_t *out_num)
{
    for (uint64_t s = first; s < first + group_size; s++) {
        desc *d = desc_of(w, s, micro_batch);
        uint64_t k = (*out_num)++;
        w->layer_ids[k] = d->layer_id;
        w->session_ids[k] = (int32_t)s;
        w->micro_batch_ids[k] = (int32_t)micro_batch;
        memcpy(&w->expert_ids[k * w->id_num], d->expert_ids, 4 * w->id_num);
        memset(d->expert_ids, 0x7F, 4 * w->id_num);
        /* Meets the producer's acquire: what we read and refilled comes before what it writes next. */
        __atomic_store_n(&d->flag, 0, __ATOMIC_RELEASE);
    }
}

static bool pass_all(afd_schedule_context *context, const world *w)
{
    uint64_t m = context->ffn.polling_index;
    if (!group_is_ready(w, 0, w->session_num, m)) {
        return false;
    }
    take_group(w, 0, w->session_num, m, &context->ffn.out_num);
    context->ffn.polling_index = (m + 1) % w->micro_batch_num;
    return true;
}

static bool pass_groups(afd_schedule_context *context, const world *w, uint64_t group_size)
{
    bool found = false;
    for (uint64_t first = 0; first < w->session_num && !found; first += group_size) {
        found = ready_micro_batch(w, first, group_size) < w->micro_batch_num;
    }
    if (!found) {
        return false;
    }
    for (uint64_t first = 0; first < w->session_num; first += group_size) {
        uint64_t m = ready_micro_batch(w, first, group_size);
        if (m < w->micro_batch_num) {
            take_group(w, first, group_size, m, &context->ffn.out_num);
        }
    }
    return true;
}

static bool is_running(const afd_schedule_context *context)
{
    return __atomic_load_n(&context->control.run_flag, __ATOMIC_ACQUIRE) != 0;
}

static bool pass(afd_schedule_context *context, const world *w, uint64_t group_size)
{
    return group_size == w->session_num ? pass_all(context, w) : pass_groups(context, w, group_size);
}

bool bench_reference_poll(afd_schedule_context *context, uint32_t group_size)
{
    if (!is_valid(context, group_size)) {
        return false;
    }
    world w = world_of(context);
    context->ffn.out_num = 0;
    return is_running(context) && pass(context, &w, group_size);
}

bool bench_reference_schedule(afd_schedule_context *context, uint32_t group_size)
{
    if (!is_valid(context, group_size)) {
        return false;
    }
    world w = world_of(context);
    context->ffn.out_num = 0;
    while (is_running(context)) {
        if (pass(context, &w, group_size)) {
            return true;
        }
    }
    return false;
}
