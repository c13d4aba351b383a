/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's counters for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "look.h"
#include "out.h"
#include "table.h"

enum { RATE_COLUMN_NUM = 2, COLUMN_NUM = 16, CELL_TEXT = 40 };

/* ---- the lines ---- */

static void print_states(const afd_cli_look *look, FILE *stream)
{
    /* Those that matter first; who never came, last. */
    static const size_t order[] = { AFD_MEMBER_LIVE, AFD_MEMBER_JOINING, AFD_MEMBER_DROPPED, AFD_MEMBER_LEFT,
                                    AFD_CLI_STATE_NUM, AFD_MEMBER_AWAY };
    const char *comma = "";
    (void)fprintf(stream, "%-13s", look->info.kind == AFD_WINDOW_ATTENTION ? "FFN workers" : "sessions");
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (look->state_nums[order[i]] > 0) {
            (void)fprintf(stream, "%s%" PRIu32 " %s", comma, look->state_nums[order[i]],
                          afd_cli_member_state(order[i]));
            comma = ", ";
        }
    }
    (void)fprintf(stream, "%s\n", comma[0] == '\0' ? "none" : "");
}

void afd_cli_look_print_worker(const afd_cli_look *look, FILE *stream)
{
    char age[AFD_CLI_LOOK_AGE_TEXT];
    if (!afd_cli_look_has_worker(look)) {
        (void)fprintf(stream, "%-13snone has counted here\n", "worker");
        return;
    }
    (void)fprintf(stream, "%-13s", "worker");
    afd_cli_look_age_text(look, look->worker.started_ns, age);
    if (look->taken_ns != 0) {
        (void)fprintf(stream, "up %s, ", age);
    }
    if (look->worker.beat_ns == 0) {
        (void)fprintf(stream, "no heartbeat");
    } else if (look->taken_ns == 0) {
        (void)fprintf(stream, "with a heartbeat");
    } else {
        afd_cli_look_age_text(look, look->worker.beat_ns, age);
        (void)fprintf(stream, "heartbeat %s ago", age);
    }
    (void)fprintf(stream, "%s\n", look->worker.draining != 0 ? ", draining" : "");
    print_states(look, stream);
}

/* ---- the table of members ---- */

static const char *state_colour(const char *cell)
{
    if (strcmp(cell, "live") == 0) {
        return "32";
    }
    if (strcmp(cell, "joining") == 0) {
        return "33";
    }
    return strcmp(cell, "dropped") == 0 || strcmp(cell, "unknown") == 0 ? "31" : NULL;
}

static void add_number(afd_cli_table *table, uint64_t number)
{
    char text[CELL_TEXT];
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    afd_cli_table_add(table, text);
}

static void add_bytes(afd_cli_table *table, uint64_t bytes)
{
    char text[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes(bytes, text, sizeof(text));
    afd_cli_table_add(table, text);
}

static void add_age(afd_cli_table *table, const afd_cli_look *look, uint64_t then_ns)
{
    char text[AFD_CLI_LOOK_AGE_TEXT];
    afd_cli_look_age_text(look, then_ns, text);
    afd_cli_table_add(table, text);
}

/* What an epoch ends with is enough to see that it has changed. */
static void add_epoch(afd_cli_table *table, uint64_t epoch)
{
    char text[CELL_TEXT] = "-";
    if (epoch != 0) {
        (void)snprintf(text, sizeof(text), "%08" PRIx32, (uint32_t)epoch);
    }
    afd_cli_table_add(table, text);
}

static void add_latest(afd_cli_table *table, const afd_member_stats *stats)
{
    char text[CELL_TEXT] = "-";
    if (stats->micro_batch_num > 0) {
        (void)snprintf(text, sizeof(text), "%" PRIu64 " of layer %" PRId64, stats->micro_batch,
                       (int64_t)stats->layer_id);
    }
    afd_cli_table_add(table, text);
}

static void add_rates(afd_cli_table *table, const afd_cli_look *before, const afd_cli_look *look,
                      const afd_cli_member *member)
{
    char text[CELL_TEXT];
    const afd_member_stats old = afd_cli_look_member(before, member->number);
    double bytes = afd_cli_look_rate(before, look, old.byte_num, member->stats.byte_num);
    (void)snprintf(text, sizeof(text), "%.1f", afd_cli_look_rate(before, look, old.row_num, member->stats.row_num));
    afd_cli_table_add(table, text);
    add_bytes(table, bytes < 0x1p63 ? (uint64_t)bytes : UINT64_MAX);
}

static void add_member(afd_cli_table *table, const afd_cli_look *before, const afd_cli_look *look,
                       const afd_cli_member *member)
{
    const afd_member_stats *stats = &member->stats;
    add_number(table, member->number);
    afd_cli_table_add(table, afd_cli_member_state(stats->state));
    if (stats->pid != 0) {
        add_number(table, stats->pid);
    } else {
        afd_cli_table_add(table, "-");
    }
    add_epoch(table, stats->epoch);
    add_number(table, stats->in_flight_num);
    add_number(table, stats->late_num);
    add_number(table, stats->drop_num);
    add_number(table, stats->wild_num);
    add_number(table, stats->micro_batch_num);
    add_number(table, stats->row_num);
    add_bytes(table, stats->byte_num);
    if (before != NULL) {
        add_rates(table, before, look, member);
    }
    add_age(table, look, stats->heard_ns);
    add_age(table, look, stats->delivered_ns);
    add_latest(table, stats);
}

static void add_head(afd_cli_table *table, bool is_attention, bool with_rates)
{
    static const char *const titles[COLUMN_NUM] = { "SESSION", "STATE", "PID", "EPOCH", "FLIGHT", "LATE", "DROPS",
                                                    "WILD", "BATCHES", "ROWS", "BYTES", "ROWS/S", "BYTES/S", "HEARD",
                                                    "DELIVERED", "LATEST" };
    enum { RATES_AT = 11 };
    for (size_t i = 0; i < COLUMN_NUM; i++) {
        bool is_rate = i >= RATES_AT && i < RATES_AT + RATE_COLUMN_NUM;
        if (!is_rate || with_rates) {
            afd_cli_table_add(table, i == 0 && is_attention ? "RANK" : titles[i]);
        }
    }
}

void afd_cli_look_print_members(const afd_cli_look *before, const afd_cli_look *look, uint32_t row_max, bool colour,
                                FILE *stream)
{
    afd_cli_table table;
    bool with_rates = afd_cli_look_has_rates(before, look);
    uint32_t row_num = look->member_num < row_max ? look->member_num : row_max;
    if (row_num > 0) {
        afd_cli_table_begin(&table, COLUMN_NUM - (with_rates ? 0 : RATE_COLUMN_NUM));
        add_head(&table, look->info.kind == AFD_WINDOW_ATTENTION, with_rates);
        for (uint32_t i = 0; i < row_num; i++) {
            add_member(&table, with_rates ? before : NULL, look, &look->members[i]);
        }
        afd_cli_table_print(&table, stream, colour ? state_colour : NULL);
        afd_cli_table_end(&table);
    }
    if (row_num < look->member_num) {
        (void)fprintf(stream, "and %" PRIu32 " more\n", look->member_num - row_num);
    }
}
