/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a guest is what the FFN worker expects, and on one host the way into its window. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "transport/mapped.h"
#include "window/registry.h"
#include "worker/member/door.h"
#include "worker/worker.h"

/* Both sides must have the same: the sentence says what each has. */
static afd_status check_same(const char *field, uint64_t theirs, uint64_t ours, afd_error *error)
{
    if (theirs == ours) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, theirs, ours,
                     "%s is %" PRIu64 " in the attention worker and %" PRIu64 " in the FFN worker", field, theirs,
                     ours);
}

static afd_status check_terms(const afd__door_terms *terms, const afd__message *hello, afd_error *error)
{
    const afd_shape *theirs = &hello->shape;
    const afd_shape *ours = &terms->shape;
    const struct {
        const char *field;
        uint64_t theirs;
        uint64_t ours;
    } pairs[] = {
        { "shape.session_num", theirs->session_num, ours->session_num },
        { "shape.micro_batch_num", theirs->micro_batch_num, ours->micro_batch_num },
        { "shape.micro_batch_size", theirs->micro_batch_size, ours->micro_batch_size },
        { "shape.selected_expert_num", theirs->selected_expert_num, ours->selected_expert_num },
        { "shape.expert_num", theirs->expert_num, ours->expert_num },
        { "shape.attn_to_ffn_token_size", theirs->attn_to_ffn_token_size, ours->attn_to_ffn_token_size },
        { "shape.ffn_to_attn_token_size", theirs->ffn_to_attn_token_size, ours->ffn_to_attn_token_size },
        { "hidden", hello->hidden, terms->hidden },
        { "type of tokens sent", hello->sent_type, (uint32_t)terms->sent_type },
        { "type of results", hello->result_type, (uint32_t)terms->result_type },
        { "sync_group_size", hello->sync_group_size, terms->sync_group_size },
    };
    afd_status status = AFD_OK;
    for (size_t i = 0; status == AFD_OK && i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        status = check_same(pairs[i].field, pairs[i].theirs, pairs[i].ours, error);
    }
    return status;
}

static afd_status check_session(const afd__door_terms *terms, const afd__message *hello, afd_error *error)
{
    uint32_t session_num = terms->shape.session_num;
    if (hello->session == AFD_SESSION_ANY || hello->session < session_num) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "session", hello->session, session_num,
                     "session is %" PRIu32 ", must be below %" PRIu32, hello->session, session_num);
}

/* The window of a thread of this process. */
static afd_status borrow_window(const afd__guest *guest, uint64_t key, afd_window **window, afd_error *error)
{
    afd_window_info self;
    *window = NULL;
    if (key != 0) {
        *window = afd__window_borrow(key);
    }
    if (*window != NULL) {
        afd_window_describe(*window, &self);
        if (self.owner_pid == guest->pid) {
            return AFD_OK;
        }
        afd_window_close(*window);
    }
    return afd__fail(error, AFD_ERR_INVALID, "window_name", guest->pid, 0,
                     "the attention window of process %" PRIu32 " is in private memory, which only threads of the "
                     "FFN worker's process can share; give it a name",
                     guest->pid);
}

static afd_status join_window(const afd__guest *guest, const afd__message *hello, afd_window **window,
                              afd_error *error)
{
    afd_window_info info;
    afd_status status = afd_window_join(hello->window_name, AFD_WINDOW_WRITE, window, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_window_describe(*window, &info);
    if (info.owner_pid != guest->pid || info.generation != hello->generation) {
        afd_window_close(*window);
        return afd__fail(error, AFD_ERR_INVALID, "window_name", info.owner_pid, guest->pid,
                         "window %s is of process %" PRIu32 ", generation %" PRIu64 ", and not of process %" PRIu32
                         ", generation %" PRIu64,
                         hello->window_name, info.owner_pid, info.generation, guest->pid, hello->generation);
    }
    return AFD_OK;
}

static afd_status open_writer(const afd__door *door, afd__guest *guest, const afd__message *hello, afd_error *error)
{
    afd_window *window = NULL;
    afd_writer *writer = NULL;
    bool is_private = hello->window_name[0] == '\0';
    afd_status status = is_private ? borrow_window(guest, hello->window_key, &window, error)
                                   : join_window(guest, hello, &window, error);
    if (status != AFD_OK) {
        return status;
    }
    status = is_private ? afd__writer_local_adopt(window, &writer, error)
                        : afd__writer_shm_adopt(window, &writer, error);
    if (status != AFD_OK) {
        afd_window_close(window);
        return status;
    }
    status = afd__check_writer(writer, AFD_WINDOW_ATTENTION, &door->terms.shape, door->terms.result_bytes, error);
    if (status != AFD_OK) {
        afd_writer_close(writer);
        return status;
    }
    guest->writer = writer;
    return AFD_OK;
}

afd_status afd__door_hear_hello(const afd__door *door, afd__guest *guest, const afd__message *hello, afd_error *error)
{
    afd_status status = check_terms(&door->terms, hello, error);
    if (status == AFD_OK) {
        status = check_session(&door->terms, hello, error);
    }
    if (status == AFD_OK && !guest->is_remote) {
        status = open_writer(door, guest, hello, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    if (guest->is_remote) {
        guest->pid = hello->pid; /* as it says */
    }
    guest->epoch = hello->epoch;
    guest->previous_epoch = hello->previous_epoch;
    guest->has_joined_before = hello->anchored != 0;
    guest->session = hello->session;
    guest->first_session = hello->first_session;
    (void)snprintf(guest->window_name, sizeof(guest->window_name), "%s", hello->window_name);
    return AFD_OK;
}
