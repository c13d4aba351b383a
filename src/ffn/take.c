/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn/take.h"

#include "base/fault.h"

enum {
    AHEAD_DESC_MAX = 8, /* the distance matters less where descs are short: the hardware fetches past their ends */
    PARTS_BYTES_MIN = 128 * 1024 /* less is moved before another thread has noticed that it is asked to */
};

/* Which desc is about AFD__MOVE_AHEAD_BYTES further on, counted in descs; 0, no other, where all of them are less. */
static uint32_t descs_ahead(size_t desc_bytes, uint32_t desc_num)
{
    uint32_t ahead = 1;
    if (desc_num * desc_bytes < AFD__MOVE_AHEAD_BYTES) {
        return 0;
    }
    while (ahead < AHEAD_DESC_MAX && ahead * desc_bytes < AFD__MOVE_AHEAD_BYTES) {
        ahead++;
    }
    return ahead;
}

/* The found ones [first, end). */
static void take_range(const afd__ffn_plan *plan, const afd__ffn_taken *taken, uint32_t first, uint32_t end)
{
    const uint32_t ahead = descs_ahead(plan->desc_bytes, end - first);
    const size_t id_num = plan->id_num;
    const size_t row = (size_t)taken->taken_num + first;
    int32_t *layer_id = plan->layer_ids + row;
    int32_t *ids = plan->expert_ids + row * id_num;
    for (uint32_t i = first; i < end; i++, layer_id++, ids += id_num) {
        uint32_t next = i + ahead < end ? i + ahead : i;
        afd__fault_at(AFD__FAULT_TAKE, taken->found[i].desc);
        afd__desc_take(taken->found[i].desc, id_num, layer_id, ids, taken->found[next].desc);
    }
}

/* What the threads of a caller need to take their part each. */
typedef struct parts_work {
    const afd__ffn_plan *plan;
    const afd__ffn_taken *taken;
    uint32_t part_num;
} parts_work;

static void take_part(void *arg, uint32_t part)
{
    const parts_work *work = arg;
    uint64_t found_num = work->taken->found_num;
    take_range(work->plan, work->taken, (uint32_t)(found_num * part / work->part_num),
               (uint32_t)(found_num * (part + 1) / work->part_num));
}

static void take_all(const afd__ffn_plan *plan, const afd__ffn_taken *taken)
{
    const afd_part_runner *parts = plan->parts;
    if (parts == NULL || taken->found_num * plan->desc_bytes < PARTS_BYTES_MIN) {
        take_range(plan, taken, 0, taken->found_num);
        return;
    }
    parts_work work = { .plan = plan, .taken = taken, .part_num = parts->part_num };
    parts->run(parts->run_arg, take_part, &work, parts->part_num);
}

static void note_in_scheduler(const afd__ffn_plan *plan, afd__ffn_taken *taken)
{
    if (taken->now_ns == 0) {
        taken->now_ns = afd_clock_ns();
    }
    for (uint32_t i = 0; i < taken->found_num; i++) {
        afd__scheduler_note_taken(plan->scheduler, taken->found[i].session, taken->now_ns);
    }
}

/* Sessions and micro-batches come from our own list: what stands in an output buffer is never an index, for the caller
 * may have laid its buffers over each other. */
void afd__ffn_note_found(const afd__ffn_plan *plan, afd__ffn_taken *taken)
{
    int32_t *session_ids = plan->session_ids + taken->taken_num;
    int32_t *micro_batch_ids = plan->micro_batch_ids + taken->taken_num;
    for (uint32_t i = 0; i < taken->found_num; i++) {
        session_ids[i] = (int32_t)taken->found[i].session;
        micro_batch_ids[i] = (int32_t)taken->found[i].micro_batch;
    }
    if (plan->scheduler != NULL) {
        note_in_scheduler(plan, taken);
    }
    taken->taken_num += taken->found_num;
    taken->found_num = 0;
}

void afd__ffn_take_found(const afd__ffn_plan *plan, afd__ffn_taken *taken)
{
    take_all(plan, taken);
    afd__ffn_note_found(plan, taken);
}
