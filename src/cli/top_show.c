/* SPDX-License-Identifier: Apache-2.0 */
#include "top.h"

#include <inttypes.h>
#include <stdio.h>

#include "out.h"
#include "source.h"
#include "table.h"

enum { NUMBER_TEXT = 40, TOTAL_COLUMN_NUM = 3 };

static void add_rate(afd_cli_table *table, double rate, bool is_bytes)
{
    char text[NUMBER_TEXT];
    if (is_bytes) {
        afd_cli_human_bytes(rate < 0x1p63 ? (uint64_t)rate : UINT64_MAX, text, sizeof(text));
    } else {
        (void)snprintf(text, sizeof(text), "%.1f", rate);
    }
    afd_cli_table_add(table, text);
}

static void add_total(afd_cli_table *table, const char *label, uint64_t total, bool is_bytes)
{
    char text[NUMBER_TEXT];
    if (is_bytes) {
        afd_cli_human_bytes(total, text, sizeof(text));
    } else {
        (void)snprintf(text, sizeof(text), "%" PRIu64, total);
    }
    afd_cli_table_add(table, label);
    afd_cli_table_add(table, text);
}

static void print_totals(const afd_cli_look *before, const afd_cli_look *look, FILE *stream)
{
    const afd_worker_stats *old = &before->worker;
    const afd_worker_stats *now = &look->worker;
    const struct {
        const char *label;
        uint64_t before;
        uint64_t now;
        bool is_bytes;
    } rows[] = {
        { look->info.kind == AFD_WINDOW_ATTENTION ? "collected" : "steps", old->step_num, now->step_num, false },
        { look->info.kind == AFD_WINDOW_ATTENTION ? "dispatched" : "micro-batches", old->micro_batch_num,
          now->micro_batch_num, false },
        { "rows", old->row_num, now->row_num, false },
        { "bytes", old->byte_num, now->byte_num, true },
    };
    bool has_rates = afd_cli_look_has_rates(before, look);
    afd_cli_table table;
    afd_cli_table_begin(&table, TOTAL_COLUMN_NUM);
    afd_cli_table_add(&table, "");
    afd_cli_table_add(&table, "TOTAL");
    afd_cli_table_add(&table, "A SECOND");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        add_total(&table, rows[i].label, rows[i].now, rows[i].is_bytes);
        if (has_rates) {
            add_rate(&table, afd_cli_look_rate(before, look, rows[i].before, rows[i].now), rows[i].is_bytes);
        } else {
            afd_cli_table_add(&table, "-");
        }
    }
    afd_cli_table_print(&table, stream, NULL);
    afd_cli_table_end(&table);
}

static void print_events(const afd_cli_look *look, FILE *stream)
{
    const afd_worker_stats *now = &look->worker;
    (void)fprintf(stream,
                  "%-13s%" PRIu64 " joined, %" PRIu64 " left, %" PRIu64 " dropped, %" PRIu64 " refused, %" PRIu64
                  " late, %" PRIu64 " wild ids",
                  "events", now->join_num, now->leave_num, now->drop_num, now->refuse_num, now->late_num,
                  now->wild_num);
    if (look->info.kind == AFD_WINDOW_ATTENTION) {
        (void)fprintf(stream, ", %" PRIu64 " rounds lost", now->lost_round_num);
    }
    (void)fputc('\n', stream);
}

/* Of a worker that has met others of other hosts, and to which something has happened there. */
static void print_between_hosts(const afd_cli_look *look, FILE *stream)
{
    const afd_worker_stats *now = &look->worker;
    if (now->stale_num != 0 || now->garbage_num != 0 || now->credit_wait_num != 0) {
        (void)fprintf(stream, "%-13s%" PRIu64 " stale messages, %" PRIu64 " that break the rules, %" PRIu64
                      " waits for credit\n", "other hosts", now->stale_num, now->garbage_num, now->credit_wait_num);
    }
}

void afd_cli_top_print(const afd_cli_look *before, const afd_cli_look *look, uint32_t row_max, bool colour,
                       FILE *stream)
{
    const afd_window_info *info = &look->info;
    (void)fprintf(stream, "%-13s%s, %s, generation %" PRIu64 "\n", "window", info->name,
                  afd_cli_window_kind(info->kind), info->generation);
    (void)fprintf(stream, "%-13sprocess %" PRIu32 ", %s\n", "owner", info->owner_pid,
                  afd_cli_owner_state(info->owner));
    afd_cli_look_print_worker(look, stream);
    if (afd_cli_look_has_worker(look)) {
        print_events(look, stream);
        print_between_hosts(look, stream);
        (void)fputc('\n', stream);
        print_totals(before, look, stream);
    }
    if (look->member_num > 0) {
        (void)fputc('\n', stream);
        afd_cli_look_print_members(before, look, row_max, colour, stream);
    }
}

int afd_cli_top_print_json(const afd_cli_look *before, const afd_cli_look *look)
{
    json_t *root = json_object();
    json_t *interval = json_null();
    if (afd_cli_look_has_rates(before, look)) {
        interval = afd_cli_json_u64(look->taken_ns - before->taken_ns);
    }
    afd_cli_json_set(root, "window", afd_cli_info_json(&look->info));
    afd_cli_json_set(root, "interval_ns", interval);
    afd_cli_json_set(root, "worker", afd_cli_look_worker_json(before, look, true));
    afd_cli_json_set(root, "members", afd_cli_look_members_json(before, look, true));
    return afd_cli_print_json(root);
}
