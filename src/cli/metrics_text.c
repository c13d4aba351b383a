/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <inttypes.h>
#include <string.h>

#include "source.h"

/* ---- the parts of a line ---- */

void afd_cli_metrics_print_value(const char *value, FILE *stream)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            (void)fputs("\\n", stream);
            continue;
        }
        if (*value == '\\' || *value == '"') {
            (void)fputc('\\', stream);
        }
        (void)fputc(*value, stream);
    }
}

static void print_label(const char *name, const char *value, FILE *stream)
{
    (void)fprintf(stream, ",%s=\"", name);
    afd_cli_metrics_print_value(value, stream);
    (void)fputc('"', stream);
}

/* "name{worker=...,kind=..." of a worker; the labels are left open. */
static void print_name(const char *name, const afd_cli_look *look, FILE *stream)
{
    (void)fprintf(stream, "%s{worker=\"", name);
    afd_cli_metrics_print_value(look->info.name, stream);
    (void)fputc('"', stream);
    print_label("kind", afd_cli_window_kind(look->info.kind), stream);
}

static void print_member_name(const char *name, const afd_cli_look *look, const afd_cli_member *member, FILE *stream)
{
    print_name(name, look, stream);
    (void)fprintf(stream, ",member=\"%" PRIu32 "\"", member->number);
}

static void end_with_number(uint64_t value, FILE *stream)
{
    (void)fprintf(stream, "} %" PRIu64 "\n", value);
}

static void end_with_ns(uint64_t ns, FILE *stream)
{
    (void)fprintf(stream, "} %" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

static void print_head(const char *name, const char *type, const char *help, FILE *stream)
{
    (void)fprintf(stream, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- of a worker ---- */

static void print_info(const char *name, const afd_cli_look *look, FILE *stream)
{
    print_name(name, look, stream);
    (void)fprintf(stream, ",pid=\"%" PRIu32 "\",generation=\"%" PRIu64 "\"", look->info.owner_pid,
                  look->info.generation);
    end_with_number(1, stream);
}

/* Of an owner that cannot be seen nothing is said, rather than something that may be wrong. */
static void print_up(const char *name, const afd_cli_look *look, FILE *stream)
{
    if (look->info.owner != AFD_OWNER_UNKNOWN) {
        print_name(name, look, stream);
        end_with_number(look->info.owner == AFD_OWNER_ALIVE, stream);
    }
}

static void print_age(const char *name, const afd_cli_look *look, uint64_t then_ns, FILE *stream)
{
    uint64_t age_ns = 0;
    if (afd_cli_look_age(look, then_ns, &age_ns)) {
        print_name(name, look, stream);
        end_with_ns(age_ns, stream);
    }
}

static void print_created(const char *name, const afd_cli_look *look, FILE *stream)
{
    print_name(name, look, stream);
    end_with_ns((uint64_t)look->info.created_unix_ns, stream); /* checked to be after 1970 */
}

static void print_uptime(const char *name, const afd_cli_look *look, FILE *stream)
{
    print_age(name, look, look->worker.started_ns, stream);
}

static void print_heartbeat_age(const char *name, const afd_cli_look *look, FILE *stream)
{
    print_age(name, look, look->worker.beat_ns, stream);
}

static void print_draining(const char *name, const afd_cli_look *look, FILE *stream)
{
    print_name(name, look, stream);
    end_with_number(look->worker.draining != 0, stream);
}

static void print_states(const char *name, const afd_cli_look *look, FILE *stream)
{
    for (size_t state = 0; state < AFD_CLI_STATE_NUM; state++) {
        print_name(name, look, stream);
        print_label("state", afd_cli_member_state(state), stream);
        end_with_number(look->state_nums[state], stream);
    }
}

static const struct {
    const char *name;
    const char *help;
    void (*print)(const char *name, const afd_cli_look *look, FILE *stream);
} worker_gauges[] = {
    { "afd_worker_info", "Whose window it is; always 1.", print_info },
    { "afd_worker_up", "Whether the worker's process lives.", print_up },
    { "afd_worker_created_timestamp_seconds", "When the window was made, since 1970.", print_created },
    { "afd_worker_uptime_seconds", "Since the worker began.", print_uptime },
    { "afd_worker_heartbeat_age_seconds", "Since the worker's latest heartbeat.", print_heartbeat_age },
    { "afd_worker_draining", "Whether the worker wants to end.", print_draining },
    { "afd_worker_members", "Sessions of an FFN worker, FFN workers of an attention worker, by state.", print_states },
};

static const struct {
    const char *name;
    const char *help;
    size_t offset;
} worker_counters[] = {
    { "afd_worker_steps_total", "FFN: steps that answered; attention: micro-batches collected.",
      offsetof(afd_worker_stats, step_num) },
    { "afd_worker_micro_batches_total", "FFN: micro-batches answered; attention: dispatched.",
      offsetof(afd_worker_stats, micro_batch_num) },
    { "afd_worker_rows_total", "Rows that were moved.", offsetof(afd_worker_stats, row_num) },
    { "afd_worker_bytes_total", "Bytes that were moved.", offsetof(afd_worker_stats, byte_num) },
    { "afd_worker_wild_ids_total", "Expert ids that were none.", offsetof(afd_worker_stats, wild_num) },
    { "afd_worker_joins_total", "Members that came, those that came back included.",
      offsetof(afd_worker_stats, join_num) },
    { "afd_worker_leaves_total", "Members that said goodbye.", offsetof(afd_worker_stats, leave_num) },
    { "afd_worker_drops_total", "Members that were dropped or lost.", offsetof(afd_worker_stats, drop_num) },
    { "afd_worker_refusals_total", "Members that were not admitted.", offsetof(afd_worker_stats, refuse_num) },
    { "afd_worker_deadlines_total", "Deadlines that passed.", offsetof(afd_worker_stats, late_num) },
    { "afd_worker_lost_rounds_total", "Attention: rounds that ended without a result.",
      offsetof(afd_worker_stats, lost_round_num) },
    { "afd_worker_stale_messages_total", "Between hosts: messages of an epoch or a round that was over.",
      offsetof(afd_worker_stats, stale_num) },
    { "afd_worker_garbage_messages_total", "Between hosts: messages that break the rules.",
      offsetof(afd_worker_stats, garbage_num) },
    { "afd_worker_credit_waits_total", "Between hosts, attention: dispatches whose micro-batch was not given back yet.",
      offsetof(afd_worker_stats, credit_wait_num) },
};

/* ---- of its members ---- */

static const struct {
    const char *name;
    const char *help;
    size_t offset;
} member_counters[] = {
    { "afd_member_micro_batches_total", "FFN: micro-batches answered; attention: dispatched to it.",
      offsetof(afd_member_stats, micro_batch_num) },
    { "afd_member_rows_total", "Rows that were moved.", offsetof(afd_member_stats, row_num) },
    { "afd_member_bytes_total", "Bytes that were moved.", offsetof(afd_member_stats, byte_num) },
    { "afd_member_deadlines_total", "Deadlines that the member let pass.", offsetof(afd_member_stats, late_num) },
    { "afd_member_drops_total", "How often the member was dropped or lost.", offsetof(afd_member_stats, drop_num) },
    { "afd_member_wild_ids_total", "Expert ids that were none.", offsetof(afd_member_stats, wild_num) },
    { "afd_member_joins_total", "How often the member came.", offsetof(afd_member_stats, join_num) },
};

static const struct {
    const char *name;
    const char *help;
    size_t offset;
} member_ages[] = {
    { "afd_member_heartbeat_age_seconds", "Since the member was last heard.", offsetof(afd_member_stats, heard_ns) },
    { "afd_member_delivery_age_seconds", "Since the member last delivered a micro-batch.",
      offsetof(afd_member_stats, delivered_ns) },
};

static uint64_t field_at(const void *stats, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)stats + offset, sizeof(value));
    return value;
}

/* What is said of one member under one name. `offset`: of the figure, where it is a figure. */
typedef void member_printer(const char *name, const afd_cli_look *look, const afd_cli_member *member, size_t offset,
                            FILE *stream);

static void print_member_number(const char *name, const afd_cli_look *look, const afd_cli_member *member,
                                size_t offset, FILE *stream)
{
    print_member_name(name, look, member, stream);
    end_with_number(field_at(&member->stats, offset), stream);
}

static void print_member_age(const char *name, const afd_cli_look *look, const afd_cli_member *member, size_t offset,
                             FILE *stream)
{
    uint64_t age_ns = 0;
    if (afd_cli_look_age(look, field_at(&member->stats, offset), &age_ns)) {
        print_member_name(name, look, member, stream);
        end_with_ns(age_ns, stream);
    }
}

/* One gauge a state, of which one is 1: so a state can be summed up, and waited for. */
static void print_member_states(const char *name, const afd_cli_look *look, const afd_cli_member *member,
                                size_t offset, FILE *stream)
{
    uint64_t state = field_at(&member->stats, offset);
    for (size_t i = 0; i < AFD_CLI_STATE_NUM; i++) {
        print_member_name(name, look, member, stream);
        print_label("state", afd_cli_member_state(i), stream);
        end_with_number(state == i, stream);
    }
}

/* ---- all of it ---- */

typedef struct look_list {
    const afd_cli_look *looks;
    size_t num;
    FILE *stream;
} look_list;

static void print_of_members(const look_list *list, const char *name, size_t offset, member_printer *print)
{
    for (size_t i = 0; i < list->num; i++) {
        for (uint32_t k = 0; k < list->looks[i].member_num; k++) {
            print(name, &list->looks[i], &list->looks[i].members[k], offset, list->stream);
        }
    }
}

static void print_workers(const look_list *list)
{
    for (size_t m = 0; m < sizeof(worker_gauges) / sizeof(worker_gauges[0]); m++) {
        print_head(worker_gauges[m].name, "gauge", worker_gauges[m].help, list->stream);
        for (size_t i = 0; i < list->num; i++) {
            worker_gauges[m].print(worker_gauges[m].name, &list->looks[i], list->stream);
        }
    }
    for (size_t m = 0; m < sizeof(worker_counters) / sizeof(worker_counters[0]); m++) {
        print_head(worker_counters[m].name, "counter", worker_counters[m].help, list->stream);
        for (size_t i = 0; i < list->num; i++) {
            print_name(worker_counters[m].name, &list->looks[i], list->stream);
            end_with_number(field_at(&list->looks[i].worker, worker_counters[m].offset), list->stream);
        }
    }
}

static void print_members(const look_list *list)
{
    print_head("afd_member_state", "gauge", "1 for the state that the member is in, 0 for the others.", list->stream);
    print_of_members(list, "afd_member_state", offsetof(afd_member_stats, state), print_member_states);
    print_head("afd_member_micro_batches_in_flight", "gauge", "Micro-batches of the member that are under way.",
               list->stream);
    print_of_members(list, "afd_member_micro_batches_in_flight", offsetof(afd_member_stats, in_flight_num),
                     print_member_number);
    for (size_t m = 0; m < sizeof(member_ages) / sizeof(member_ages[0]); m++) {
        print_head(member_ages[m].name, "gauge", member_ages[m].help, list->stream);
        print_of_members(list, member_ages[m].name, member_ages[m].offset, print_member_age);
    }
    for (size_t m = 0; m < sizeof(member_counters) / sizeof(member_counters[0]); m++) {
        print_head(member_counters[m].name, "counter", member_counters[m].help, list->stream);
        print_of_members(list, member_counters[m].name, member_counters[m].offset, print_member_number);
    }
}

void afd_cli_metrics_print(const afd_cli_look *looks, size_t look_num, FILE *stream)
{
    const look_list list = { looks, look_num, stream };
    if (look_num > 0) {
        print_workers(&list);
        print_members(&list);
    }
}
