/* SPDX-License-Identifier: Apache-2.0 */
#include "run/stages/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "out.h"

static uint64_t waiting_ns(const run_stage_row *row)
{
    return row->wall_ns > row->cpu_ns ? row->wall_ns - row->cpu_ns : 0;
}

void run_stages_print(const run_stage_table *table, uint32_t stages)
{
    (void)printf("%-16s %9s %12s %12s %11s %11s\n", "stage", "times", "CPU s", "waiting s", "p50 us", "p99 us");
    for (uint32_t stage = 0; stage < AFD_STAGE_NUM; stage++) {
        const run_stage_row *row = &table->rows[stage];
        if ((stages >> stage & 1U) == 0) {
            continue;
        }
        (void)printf("  %-14s %9" PRIu64 " %12.3f %12.3f %11.1f %11.1f\n", run_stage_name(stage), row->num,
                     (double)row->cpu_ns / 1e9, (double)waiting_ns(row) / 1e9,
                     (double)run_histogram_percentile(&row->wall, 50.0) / 1e3,
                     (double)run_histogram_percentile(&row->wall, 99.0) / 1e3);
    }
}

static json_t *json_of(const run_stage_row *row)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "times", afd_cli_json_u64(row->num));
    afd_cli_json_set(object, "cpu_ns", afd_cli_json_u64(row->cpu_ns));
    afd_cli_json_set(object, "waiting_ns", afd_cli_json_u64(waiting_ns(row)));
    afd_cli_json_set(object, "p50_ns", afd_cli_json_u64(run_histogram_percentile(&row->wall, 50.0)));
    afd_cli_json_set(object, "p99_ns", afd_cli_json_u64(run_histogram_percentile(&row->wall, 99.0)));
    return object;
}

json_t *run_stages_json(const run_stage_table *table, uint32_t stages)
{
    json_t *object = json_object();
    for (uint32_t stage = 0; stage < AFD_STAGE_NUM; stage++) {
        if ((stages >> stage & 1U) != 0) {
            afd_cli_json_set(object, run_stage_name(stage), json_of(&table->rows[stage]));
        }
    }
    return object;
}
