/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters that a worker with members shows beside its window (afd/stats.h). Each is a relaxed store into lines
 * that nobody else writes; an FFN worker reads four bytes a row for them, of rows that it has moved several times.
 */
#include <string.h>

#include "ffn/scheduler.h"
#include "window/stats.h"
#include "worker/attention_member.h"
#include "worker/ffn_member.h"

/* ---- FFN ---- */

static void count_rows(const afd_ffn_worker *worker, uint64_t *row_nums)
{
    memset(row_nums, 0, worker->shape.session_num * sizeof(*row_nums));
    for (uint64_t row = 0; row < worker->out.row_num; row++) {
        row_nums[worker->out.session_ids[row]]++; /* batching has written them: in range */
    }
}

static void count_round(afd_ffn_worker *worker, const afd_round *round, uint64_t row_num)
{
    afd_member_stats *stats = afd__window_own_member_stats(worker->window, round->session);
    uint64_t row_bytes = 2 * (uint64_t)worker->hidden + sizeof(int32_t);
    afd__stat_set(&stats->state, AFD_MEMBER_LIVE);
    afd__stat_set(&stats->delivered_ns, worker->schedule.scheduler->sessions[round->session].heard_ns);
    afd__stat_add(&stats->micro_batch_num, 1);
    afd__stat_add(&stats->row_num, row_num);
    afd__stat_add(&stats->byte_num, row_num * row_bytes);
    afd__stat_set(&stats->micro_batch, round->micro_batch);
    afd__stat_set(&stats->layer_id, (uint64_t)(int64_t)round->layer_id);
}

void afd__ffn_member_count(afd_ffn_worker *worker, uint32_t round_num)
{
    const afd_worker_counters *counters = &worker->counters;
    afd_worker_stats *stats = worker->member->door.stats;
    count_rows(worker, worker->member->row_nums);
    for (uint32_t i = 0; i < round_num; i++) {
        count_round(worker, &worker->rounds[i], worker->member->row_nums[worker->rounds[i].session]);
    }
    afd__stat_set(&stats->step_num, counters->step_num);
    afd__stat_set(&stats->micro_batch_num, counters->micro_batch_num);
    afd__stat_set(&stats->row_num, counters->row_num);
    afd__stat_set(&stats->byte_num, counters->byte_num);
    afd__stat_set(&stats->wild_num, counters->wild_num);
}

/* ---- attention ---- */

static uint64_t count_open(const afd_attention_worker *worker)
{
    uint64_t open_num = 0;
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        open_num += worker->rounds[m].state != AFD__ROUND_CLOSED ? 1 : 0;
    }
    return open_num;
}

static void show_plane(const afd_attention_worker *worker, afd_worker_stats *stats)
{
    const afd__plane_counters now = afd__plane_count(worker->plane);
    const afd__plane_counters *then = &worker->member->plane_before;
    afd__stat_set(&stats->stale_num, now.stale_num - then->stale_num);
    afd__stat_set(&stats->garbage_num, now.garbage_num - then->garbage_num);
    afd__stat_set(&stats->credit_wait_num, now.credit_wait_num - then->credit_wait_num);
}

/* A counter only grows while a window lives, and a worker outlives its windows: it shows what came since. */
static void show_worker(const afd_attention_worker *worker)
{
    const afd_worker_counters *now = &worker->counters;
    const afd_worker_counters *then = &worker->member->counted_before;
    afd_worker_stats *stats = afd__window_own_worker_stats(worker->window);
    afd__stat_set(&stats->step_num, now->step_num - then->step_num);
    afd__stat_set(&stats->micro_batch_num, now->micro_batch_num - then->micro_batch_num);
    afd__stat_set(&stats->row_num, now->row_num - then->row_num);
    afd__stat_set(&stats->byte_num, now->byte_num - then->byte_num);
    if (worker->plane != NULL) {
        show_plane(worker, stats);
    }
}

void afd__attention_member_count_dispatch(afd_attention_worker *worker, uint32_t micro_batch)
{
    uint64_t open_num = count_open(worker);
    show_worker(worker);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd_member_stats *stats = afd__window_own_member_stats(worker->window, rank);
        afd__stat_add(&stats->micro_batch_num, 1);
        afd__stat_set(&stats->in_flight_num, open_num);
        afd__stat_set(&stats->micro_batch, micro_batch);
        afd__stat_set(&stats->layer_id, (uint64_t)(int64_t)worker->rounds[micro_batch].layer_id);
    }
}

void afd__attention_member_count_collect(afd_attention_worker *worker)
{
    uint64_t open_num = count_open(worker);
    uint64_t now_ns = afd_clock_ns();
    show_worker(worker);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd_member_stats *stats = afd__window_own_member_stats(worker->window, rank);
        afd__stat_set(&stats->in_flight_num, open_num);
        afd__stat_set(&stats->delivered_ns, now_ns);
    }
}
