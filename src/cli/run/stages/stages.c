/* SPDX-License-Identifier: Apache-2.0 */
#include "run/stages/stages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

bool run_stages_create(run_stage_table **tables, uint32_t worker_num, run_failure *failure)
{
    size_t bytes = (size_t)worker_num * sizeof(run_stage_table);
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        return run_fail(failure, "cannot map %zu bytes for the stages of %" PRIu32 " workers: %s", bytes, worker_num,
                        strerror(errno));
    }
    *tables = mapping;
    return true;
}

void run_stages_destroy(run_stage_table *tables, uint32_t worker_num)
{
    if (tables != NULL) {
        (void)munmap(tables, (size_t)worker_num * sizeof(run_stage_table));
    }
}

void run_stages_add(run_stage_table *table, afd_stage stage, uint64_t wall_ns, uint64_t cpu_ns)
{
    run_stage_row *row = &table->rows[stage];
    row->num++;
    row->wall_ns += wall_ns;
    row->cpu_ns += cpu_ns;
    run_histogram_add(&row->wall, wall_ns);
    run_histogram_add(&row->cpu, cpu_ns);
}

void run_stages_merge(run_stage_table *table, const run_stage_table *other)
{
    for (int stage = 0; stage < AFD_STAGE_NUM; stage++) {
        run_stage_row *row = &table->rows[stage];
        const run_stage_row *added = &other->rows[stage];
        row->num += added->num;
        row->wall_ns += added->wall_ns;
        row->cpu_ns += added->cpu_ns;
        run_histogram_merge(&row->wall, &added->wall);
        run_histogram_merge(&row->cpu, &added->cpu);
    }
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void run_stages_observe(void *argument, afd_stage stage, bool begins, uint32_t micro_batch, int32_t layer_id)
{
    run_stage_watch *watch = argument;
    if (begins) {
        watch->begin_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
        watch->begin_wall_ns = now_ns(CLOCK_MONOTONIC);
        return;
    }
    /* In the reverse order, so that neither clock's reading is in the wall time. */
    uint64_t end_wall_ns = now_ns(CLOCK_MONOTONIC);
    uint64_t end_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    run_stages_add(watch->table, stage, end_wall_ns - watch->begin_wall_ns, end_cpu_ns - watch->begin_cpu_ns);
    if (watch->timeline != NULL) {
        const run_event event = {
            .begin_ns = watch->begin_wall_ns,
            .end_ns = end_wall_ns,
            .stage = (uint32_t)stage,
            .micro_batch = micro_batch,
            .layer = layer_id,
        };
        run_timeline_add(watch->timeline, watch->worker, &event);
    }
}
