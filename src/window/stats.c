/* SPDX-License-Identifier: Apache-2.0 */
/* The counters beside a window: where they are, and a look at them. */
#include "window/stats.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

#include "base/error.h"
#include "window/window.h"

enum { PAGE_BYTES = 4096 };

#define AFD_STAT_AT(type, field, offset) \
    static_assert(offsetof(type, field) == (offset), #type "." #field " has moved: that is a new version")

/* Members begin on lines of their own, and pairs of lines, which the hardware fetches together, have one writer. */
static_assert(sizeof(afd_worker_stats) == 256, "the worker has four cache lines");
static_assert(sizeof(afd_member_stats) == 128, "a member has two cache lines");
AFD_STAT_AT(afd_worker_stats, started_ns, 0);
AFD_STAT_AT(afd_worker_stats, beat_ns, 8);
AFD_STAT_AT(afd_worker_stats, step_num, 16);
AFD_STAT_AT(afd_worker_stats, micro_batch_num, 24);
AFD_STAT_AT(afd_worker_stats, row_num, 32);
AFD_STAT_AT(afd_worker_stats, byte_num, 40);
AFD_STAT_AT(afd_worker_stats, wild_num, 48);
AFD_STAT_AT(afd_worker_stats, join_num, 56);
AFD_STAT_AT(afd_worker_stats, leave_num, 64);
AFD_STAT_AT(afd_worker_stats, drop_num, 72);
AFD_STAT_AT(afd_worker_stats, refuse_num, 80);
AFD_STAT_AT(afd_worker_stats, late_num, 88);
AFD_STAT_AT(afd_worker_stats, lost_round_num, 96);
AFD_STAT_AT(afd_worker_stats, draining, 104);
AFD_STAT_AT(afd_worker_stats, stale_num, 112);
AFD_STAT_AT(afd_worker_stats, garbage_num, 120);
AFD_STAT_AT(afd_worker_stats, credit_wait_num, 128);
AFD_STAT_AT(afd_worker_stats, reserved, 136);
AFD_STAT_AT(afd_member_stats, state, 0);
AFD_STAT_AT(afd_member_stats, pid, 8);
AFD_STAT_AT(afd_member_stats, epoch, 16);
AFD_STAT_AT(afd_member_stats, joined_ns, 24);
AFD_STAT_AT(afd_member_stats, heard_ns, 32);
AFD_STAT_AT(afd_member_stats, delivered_ns, 40);
AFD_STAT_AT(afd_member_stats, micro_batch_num, 48);
AFD_STAT_AT(afd_member_stats, row_num, 56);
AFD_STAT_AT(afd_member_stats, byte_num, 64);
AFD_STAT_AT(afd_member_stats, in_flight_num, 72);
AFD_STAT_AT(afd_member_stats, late_num, 80);
AFD_STAT_AT(afd_member_stats, drop_num, 88);
AFD_STAT_AT(afd_member_stats, wild_num, 96);
AFD_STAT_AT(afd_member_stats, join_num, 104);
AFD_STAT_AT(afd_member_stats, micro_batch, 112);
AFD_STAT_AT(afd_member_stats, layer_id, 120);

uint64_t afd__stats_bytes(uint32_t member_num)
{
    uint64_t bytes = sizeof(afd_worker_stats) + (uint64_t)member_num * sizeof(afd_member_stats);
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static afd_member_stats *member_of(const afd_window *window, uint32_t member)
{
    return (afd_member_stats *)(void *)(window->stats + 1) + member;
}

afd_worker_stats *afd__window_own_worker_stats(afd_window *window)
{
    return window->stats;
}

afd_member_stats *afd__window_own_member_stats(afd_window *window, uint32_t member)
{
    return member_of(window, member);
}

uint32_t afd_window_member_num(const afd_window *window)
{
    return afd__window_has_header(window) ? window->member_num : 0;
}

/* Word by word, so that no figure is torn, whoever writes it meanwhile. */
static void look(void *seen, const void *stats, size_t bytes)
{
    uint64_t *to = seen;
    const uint64_t *from = stats;
    for (size_t i = 0; i < bytes / sizeof(*from); i++) {
        to[i] = afd__load_relaxed_u64(&from[i]);
    }
}

/* Only memory that others can join has anything for them to look at. */
static afd_status check_shared(const afd_window *window, afd_error *error)
{
    if (!afd__window_has_header(window)) {
        return afd__fail(error, AFD_ERR_INVALID, "window", 0, 1,
                         "a window in private memory has no counters for others to look at");
    }
    return AFD_OK;
}

afd_status afd_window_worker_stats(const afd_window *window, afd_worker_stats *stats, afd_error *error)
{
    afd_status status = check_shared(window, error);
    if (status == AFD_OK) {
        look(stats, window->stats, sizeof(*stats));
    }
    return status;
}

afd_status afd_window_member_stats(const afd_window *window, uint32_t member, afd_member_stats *stats, afd_error *error)
{
    afd_status status = check_shared(window, error);
    if (status != AFD_OK) {
        return status;
    }
    if (member >= window->member_num) {
        return afd__fail(error, AFD_ERR_INVALID, "member", member, window->member_num,
                         "member is %" PRIu32 ", the window has %" PRIu32 " members", member, window->member_num);
    }
    look(stats, member_of(window, member), sizeof(*stats));
    return AFD_OK;
}
