/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "afd/status.h"
#include "bench/floor.h"
#include "out.h"
#include "table.h"

enum { COLUMN_NUM = 13, FIGURE_TEXT = 32 };

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* Three digits or more: "7.84", "78.4", "784", "7840". */
static void figure_text(double ns, char text[FIGURE_TEXT])
{
    int digits = ns < 10 ? 2 : ns < 100 ? 1 : 0;
    (void)snprintf(text, FIGURE_TEXT, "%.*f", digits, ns);
}

static void ratio_text(double value, char text[FIGURE_TEXT])
{
    (void)snprintf(text, FIGURE_TEXT, "%.2fx", value);
}

static void add_figures(afd_cli_table *table, const bench_percentiles *percentiles)
{
    char text[FIGURE_TEXT];
    figure_text(percentiles->p50_ns, text);
    afd_cli_table_add(table, text);
    figure_text(percentiles->p99_ns, text);
    afd_cli_table_add(table, text);
}

static void add_ratio(afd_cli_table *table, double a, double b)
{
    char text[FIGURE_TEXT];
    ratio_text(ratio(a, b), text);
    afd_cli_table_add(table, text);
}

static void add_measured(afd_cli_table *table, const bench_result *result)
{
    char samples[FIGURE_TEXT];
    add_figures(table, &result->ours);
    add_figures(table, &result->reference);
    add_figures(table, &result->floor);
    add_ratio(table, result->ours.p50_ns, result->reference.p50_ns);
    add_ratio(table, result->ours.p50_ns, result->floor.p50_ns);
    (void)snprintf(samples, sizeof(samples), "%" PRIu64, result->sample_num);
    afd_cli_table_add(table, samples);
    if (result->witness_ns > 0) {
        figure_text(result->witness_ns, samples);
        afd_cli_table_add(table, samples);
    } else {
        afd_cli_table_add(table, "-");
    }
    afd_cli_table_add(table, result->floor_name);
}

static void add_row(afd_cli_table *table, const bench_result *result)
{
    char text[BENCH_ROW_NAME_MAX];
    bench_row_name(result->row, text);
    afd_cli_table_add(table, text);
    bench_row_shape(result->row, text);
    afd_cli_table_add(table, text);
    if (result->outcome == BENCH_MEASURED) {
        add_measured(table, result);
        return;
    }
    afd_cli_table_add(table, result->outcome == BENCH_WRONG ? "WRONG" : "skipped");
    for (int i = 3; i < COLUMN_NUM; i++) {
        afd_cli_table_add(table, "");
    }
}

static const char *colour(const char *cell)
{
    return cell[0] == 'W' ? "31" : cell[0] == 's' && cell[1] == 'k' ? "33" : NULL;
}

static void print_head(const bench_report *report)
{
    (void)printf("libafd %s, CPU %d", afd_version(), report->cpus.mine);
    if (report->cpus.partner >= 0) {
        (void)printf(" and CPU %d", report->cpus.partner);
    }
    if (report->has_witness) {
        (void)printf(", one cache line there and back: %.0f ns (p99 %.0f)", report->witness.p50_ns,
                     report->witness.p99_ns);
    }
    (void)printf("\nclock: %s, steps of %.1f ns, %.1f ns a reading (subtracted); fused floors: %s\n",
                 report->clock.is_counter ? "the CPU's counter" : "CLOCK_MONOTONIC", report->clock.step_ns,
                 report->clock.cost_ns, bench_floor_vectors());
    (void)printf("figures in ns; of/ref and of/floor: ours against theirs, p50 against p50; "
                 "WITNESS: the line, just before the row\n\n");
}

void bench_report_text(const bench_report *report)
{
    static const char *const titles[COLUMN_NUM] = { "ROW",       "S,M,BS,E",  "OURS p50",  "p99",
                                                    "REF p50",   "p99",       "FLOOR p50", "p99",
                                                    "of/ref",    "of/floor",  "SAMPLES",   "WITNESS",
                                                    "FLOOR" };
    afd_cli_table table;
    print_head(report);
    afd_cli_table_begin(&table, COLUMN_NUM);
    for (size_t i = 0; i < COLUMN_NUM; i++) {
        afd_cli_table_add(&table, titles[i]);
    }
    for (size_t i = 0; i < report->result_num; i++) {
        add_row(&table, &report->results[i]);
    }
    afd_cli_table_print(&table, stdout, afd_cli_has_colour(stdout) ? colour : NULL);
    afd_cli_table_end(&table);
}

/* To a tenth of a ns, which is finer than any clock here. */
static json_t *json_ns(double ns)
{
    return json_real((double)(int64_t)(ns * 10 + (ns < 0 ? -0.5 : 0.5)) / 10);
}

static json_t *json_ratio(double a, double b)
{
    return b > 0 ? json_real((double)(int64_t)(ratio(a, b) * 1000 + 0.5) / 1000) : json_null();
}

static json_t *json_percentiles(const bench_percentiles *percentiles)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "p50", json_ns(percentiles->p50_ns));
    (void)json_object_set_new(object, "p90", json_ns(percentiles->p90_ns));
    (void)json_object_set_new(object, "p99", json_ns(percentiles->p99_ns));
    (void)json_object_set_new(object, "max", json_ns(percentiles->max_ns));
    return object;
}

static json_t *json_shape(const afd_shape *shape)
{
    json_t *array = json_array();
    (void)json_array_append_new(array, json_integer(shape->session_num));
    (void)json_array_append_new(array, json_integer(shape->micro_batch_num));
    (void)json_array_append_new(array, json_integer(shape->micro_batch_size));
    (void)json_array_append_new(array, json_integer(shape->selected_expert_num));
    return array;
}

static void json_add_measured(json_t *object, const bench_result *result)
{
    (void)json_object_set_new(object, "ours_ns", json_percentiles(&result->ours));
    (void)json_object_set_new(object, "reference_ns", json_percentiles(&result->reference));
    (void)json_object_set_new(object, "floor_ns", json_percentiles(&result->floor));
    (void)json_object_set_new(object, "ours_to_reference", json_ratio(result->ours.p50_ns, result->reference.p50_ns));
    (void)json_object_set_new(object, "ours_to_floor", json_ratio(result->ours.p50_ns, result->floor.p50_ns));
    (void)json_object_set_new(object, "floor", afd_cli_json_text(result->floor_name));
    (void)json_object_set_new(object, "witness_ns",
                              result->witness_ns > 0 ? json_ns(result->witness_ns) : json_null());
    (void)json_object_set_new(object, "overhead_ns", json_ns(result->overhead_ns));
    (void)json_object_set_new(object, "samples", afd_cli_json_u64(result->sample_num));
    (void)json_object_set_new(object, "calls_per_sample", json_integer(result->batch_num));
}

static json_t *json_row(const bench_result *result)
{
    json_t *object = json_object();
    char name[BENCH_ROW_NAME_MAX];
    bench_row_name(result->row, name);
    (void)json_object_set_new(object, "name", afd_cli_json_text(name));
    (void)json_object_set_new(object, "shape", json_shape(&result->row->shape));
    if (bench_row_is_companion(result->row)) {
        (void)json_object_set_new(object, "hidden", json_integer(result->row->hidden));
    }
    (void)json_object_set_new(object, "state", afd_cli_json_text(bench_row_state(result->row)));
    if (result->outcome == BENCH_MEASURED) {
        json_add_measured(object, result);
    } else {
        const char *key = result->outcome == BENCH_WRONG ? "wrong" : "skipped";
        (void)json_object_set_new(object, key, afd_cli_json_text(result->note));
    }
    return object;
}

static json_t *json_clock(const bench_clock *clock)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "source", json_string(clock->is_counter ? "counter" : "CLOCK_MONOTONIC"));
    (void)json_object_set_new(object, "step_ns", json_ns(clock->step_ns));
    (void)json_object_set_new(object, "reading_ns", json_ns(clock->cost_ns));
    return object;
}

static json_t *json_cpus(const bench_cpus *cpus)
{
    json_t *array = json_array();
    (void)json_array_append_new(array, json_integer(cpus->mine));
    if (cpus->partner >= 0) {
        (void)json_array_append_new(array, json_integer(cpus->partner));
    }
    return array;
}

int bench_report_json(const bench_report *report)
{
    json_t *object = json_object();
    json_t *rows = json_array();
    (void)json_object_set_new(object, "version", afd_cli_json_text(afd_version()));
    (void)json_object_set_new(object, "cpus", json_cpus(&report->cpus));
    (void)json_object_set_new(object, "witness_ns",
                              report->has_witness ? json_percentiles(&report->witness) : json_null());
    (void)json_object_set_new(object, "clock", json_clock(&report->clock));
    (void)json_object_set_new(object, "vectors", afd_cli_json_text(bench_floor_vectors()));
    for (size_t i = 0; i < report->result_num; i++) {
        (void)json_array_append_new(rows, json_row(&report->results[i]));
    }
    (void)json_object_set_new(object, "rows", rows);
    return afd_cli_print_json(object);
}
