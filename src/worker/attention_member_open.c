/* SPDX-License-Identifier: Apache-2.0 */
/* The way into an FFN worker's window, and saying that it is open. */
#include <inttypes.h>

#include "base/error.h"
#include "transport/mapped.h"
#include "window/registry.h"
#include "window/stats.h"
#include "worker/attention_member.h"
#include "worker/member/event.h"

static afd__tie *tie_of(const afd_attention_worker *worker, uint32_t rank)
{
    return &worker->member->ties.ties[rank];
}

static const char *name_of(const afd_attention_worker *worker, uint32_t rank)
{
    return worker->member->ties.names[rank];
}

static afd_status open_window(const afd_attention_worker *worker, uint32_t rank, afd_window **window,
                              afd_error *error)
{
    const afd__tie *tie = tie_of(worker, rank);
    afd_window_info info;
    if (tie->window_key == 0) {
        afd_status status = afd_window_join(name_of(worker, rank), AFD_WINDOW_WRITE, window, error);
        if (status != AFD_OK) {
            return status;
        }
    } else {
        *window = afd__window_borrow(tie->window_key);
    }
    if (*window == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "names", rank, 0,
                         "the window of FFN worker %" PRIu32 " (%s) is in private memory of process %" PRIu32
                         ", which only its own threads can join",
                         rank, name_of(worker, rank), tie->pid);
    }
    afd_window_describe(*window, &info);
    if (info.owner_pid == tie->pid && info.generation == tie->generation) {
        return AFD_OK;
    }
    afd_window_close(*window);
    return afd__fail(error, AFD_ERR_OWNER_DEAD, "names", info.owner_pid, tie->pid,
                     "window %s is another one than that of FFN worker %" PRIu32, name_of(worker, rank), rank);
}

afd_status afd__attention_member_open(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    afd_window *window = NULL;
    afd_writer *writer = NULL;
    afd_status status = open_window(worker, rank, &window, error);
    if (status != AFD_OK) {
        return status;
    }
    status = tie_of(worker, rank)->window_key != 0 ? afd__writer_local_adopt(window, &writer, error)
                                                   : afd__writer_shm_adopt(window, &writer, error);
    if (status != AFD_OK) {
        afd_window_close(window);
        return status;
    }
    status = afd__check_writer(writer, AFD_WINDOW_FFN, &worker->shape, worker->sent_slot_bytes, error);
    if (status != AFD_OK) {
        afd_writer_close(writer);
        return status;
    }
    worker->writers[rank] = writer;
    return AFD_OK;
}

static void show_joined(afd_attention_worker *worker, uint32_t rank)
{
    const afd__tie *tie = tie_of(worker, rank);
    afd_member_stats *stats = afd__window_own_member_stats(worker->window, rank);
    afd__stat_set(&stats->state, tie->is_missing ? AFD_MEMBER_AWAY : AFD_MEMBER_LIVE);
    afd__stat_set(&stats->pid, tie->pid);
    afd__stat_set(&stats->epoch, tie->epoch);
    afd__stat_set(&stats->joined_ns, afd_clock_ns());
    afd__stat_add(&stats->join_num, tie->is_missing ? 0 : 1);
    afd__stat_add(&afd__window_own_worker_stats(worker->window)->join_num, tie->is_missing ? 0 : 1);
}

void afd__attention_member_tell_joined(afd_attention_worker *worker, uint32_t rank)
{
    show_joined(worker, rank);
    const struct afd__attention_member *member = worker->member;
    const afd__tie *tie = tie_of(worker, rank);
    if (tie->is_missing) {
        return;
    }
    afd_event event = afd__event_make(member->has_joined_before ? AFD_EVENT_REJOINED : AFD_EVENT_JOINED, rank);
    event.pid = tie->pid;
    event.epoch = tie->epoch;
    afd__event_tell(&member->options, event, "FFN worker %" PRIu32 " (%s, process %" PRIu32 ") has admitted session %"
                    PRIu32, rank, name_of(worker, rank), tie->pid, worker->session);
}
