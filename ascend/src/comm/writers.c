/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers into the windows of all ranks, made once and kept. A task has them for as long as it runs: a writer belongs
 * to one thread at a time.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "afd/transport.h"
#include "comm/fail.h"
#include "comm/object.h"
#include "comm/settings.h"

void afd__acl_comm_close_writers(const afd__acl_comm *comm, afd__acl_comm_writers *writers)
{
    if (writers->windows == NULL) {
        return;
    }
    for (uint32_t rank = 0; rank < comm->world->size; rank++) {
        afd_writer_close(writers->writers[rank]);
    }
    free(writers->writers);
    free(writers->windows);
    *writers = (afd__acl_comm_writers){ 0 };
}

static bool allocate(const afd__acl_comm *comm, afd__acl_comm_writers *writers)
{
    const uint32_t size = comm->world->size;
    writers->windows = calloc(size, sizeof(*writers->windows));
    writers->writers = calloc(size, sizeof(void *));
    if (writers->windows != NULL && writers->writers != NULL) {
        return true;
    }
    afd__acl_say("no memory for the writers to %" PRIu32 " ranks", size);
    free(writers->windows);
    free(writers->writers);
    *writers = (afd__acl_comm_writers){ 0 };
    return false;
}

/* What would do: HCCL_BUFFSIZE where the window is of the communicator's buffer, else more memory. */
static void say_too_small(const afd__acl_comm *comm, uint32_t rank, const afd__acl_comm_window *window,
                          afd_window_kind kind, uint64_t needed)
{
    const char *name = kind == AFD_WINDOW_FFN ? "FFN" : "attention";
    if (window->memory != comm->world->buffers[rank].memory) {
        afd__acl_say("rank %" PRIu32 "'s window has %" PRIu64 " bytes, which it registered; an %s window of this shape "
                     "needs %" PRIu64, rank, window->bytes, name, needed);
        return;
    }
    const uint64_t unit = UINT64_C(1) << AFD__ACL_COMM_BUFFSIZE_SHIFT;
    afd__acl_say("rank %" PRIu32 "'s window has %" PRIu64 " bytes (%s is %" PRIu64
                 "); an %s window of this shape needs %" PRIu64 ": %s=%" PRIu64 " would do",
                 rank, window->bytes, AFD__ACL_COMM_BUFFSIZE_VARIABLE, window->bytes / unit, name, needed,
                 AFD__ACL_COMM_BUFFSIZE_VARIABLE, needed / unit + (needed % unit != 0));
}

static bool make_writer(const afd__acl_comm *comm, uint32_t rank, afd_window_kind kind, const afd_shape *shape,
                        const afd_window_sizes *sizes, afd__acl_comm_writers *writers)
{
    afd_error error;
    const afd__acl_comm_window *window = &writers->windows[rank];
    if (window->bytes < sizes->window_bytes) {
        say_too_small(comm, rank, window, kind, sizes->window_bytes);
        return false;
    }
    const uint64_t start = (uint64_t)(uintptr_t)window->memory;
    const afd_window_fields fields = {
        .token_info_buf = start,
        .token_info_buf_size = sizes->token_info_bytes,
        .token_data_buf = start + sizes->token_data_offset,
        .token_data_buf_size = sizes->token_data_bytes,
    };
    if (afd_writer_memory_create(kind, shape, &fields, &writers->writers[rank], &error) != AFD_OK) {
        afd__acl_say("the writer to rank %" PRIu32 ": %s", rank, error.message);
        return false;
    }
    return true;
}

static bool is_same_shape(const afd_shape *a, const afd_shape *b)
{
    return a->session_num == b->session_num && a->micro_batch_num == b->micro_batch_num &&
           a->micro_batch_size == b->micro_batch_size && a->selected_expert_num == b->selected_expert_num &&
           a->expert_num == b->expert_num && a->attn_to_ffn_token_size == b->attn_to_ffn_token_size &&
           a->ffn_to_attn_token_size == b->ffn_to_attn_token_size;
}

/* An array for writers of this shape: the one that there is, or an empty one. */
static bool prepare(const afd__acl_comm *comm, const afd_shape *shape, afd__acl_comm_writers *writers)
{
    if (writers->windows != NULL && is_same_shape(&writers->shape, shape)) {
        return true;
    }
    afd__acl_comm_close_writers(comm, writers);
    writers->shape = *shape;
    return allocate(comm, writers);
}

/* The writer to one rank: the one that there is, where its window is what it was. */
static bool make_fit(afd__acl_comm *comm, uint32_t rank, afd_window_kind kind, const afd_window_sizes *sizes,
                     afd__acl_comm_writers *writers)
{
    afd__acl_comm_window now;
    afd__acl_comm_window *window = &writers->windows[rank];
    if (!afd__acl_comm_window_of(comm, rank, &now)) {
        return false;
    }
    if (writers->writers[rank] != NULL && now.memory == window->memory && now.bytes == window->bytes) {
        return true;
    }
    afd_writer_close(writers->writers[rank]);
    writers->writers[rank] = NULL;
    *window = now;
    return make_writer(comm, rank, kind, &writers->shape, sizes, writers);
}

static bool measure(afd_window_kind kind, const afd_shape *shape, afd_window_sizes *sizes)
{
    afd_error error;
    const afd_status status = kind == AFD_WINDOW_FFN ? afd_ffn_window_measure(shape, sizes, &error)
                                                     : afd_attention_window_measure(shape, sizes, &error);
    if (status != AFD_OK) {
        afd__acl_say("the window of a rank: %s", error.message);
    }
    return status == AFD_OK;
}

afd_writer *const *afd__acl_comm_lock_writers(afd__acl_comm *comm, afd_window_kind kind, const afd_shape *shape,
                                              const uint8_t *wanted)
{
    afd__acl_comm_writers *writers = &comm->writers[kind == AFD_WINDOW_FFN ? 0 : 1];
    afd_window_sizes sizes;
    if (!measure(kind, shape, &sizes)) {
        return NULL;
    }
    (void)pthread_mutex_lock(&comm->use_lock);
    bool are_made = prepare(comm, shape, writers);
    for (uint32_t rank = 0; are_made && rank < comm->world->size; rank++) {
        are_made = (wanted != NULL && wanted[rank] == 0) || make_fit(comm, rank, kind, &sizes, writers);
    }
    if (!are_made) {
        (void)pthread_mutex_unlock(&comm->use_lock);
        return NULL;
    }
    return writers->writers;
}

void afd__acl_comm_unlock_writers(afd__acl_comm *comm)
{
    (void)pthread_mutex_unlock(&comm->use_lock);
}
