/* SPDX-License-Identifier: Apache-2.0 */
/* `afd bench`: the operators next to the plain algorithm and to the floor, in one run. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/options.h"
#include "bench/pingpong.h"
#include "bench/plot.h"
#include "bench/report.h"
#include "out.h"
#include "table.h"
#include "verbs.h"

/* Longer than a CPU takes to come up to speed. */
#define SPEED_UP_NS UINT64_C(200000000)

/* Siblings and CPUs that are apart differ by 3; what varies by itself, by much less than this. */
#define WITNESS_RATIO_MAX 1.6

static int list_rows(const char *filter)
{
    size_t num;
    const bench_row *rows = bench_rows(&num);
    afd_cli_table table;
    afd_cli_table_begin(&table, 3);
    for (size_t i = 0; i < num; i++) {
        char text[BENCH_ROW_NAME_MAX];
        if (bench_row_matches(&rows[i], filter)) {
            bench_row_name(&rows[i], text);
            afd_cli_table_add(&table, text);
            bench_row_shape(&rows[i], text);
            afd_cli_table_add(&table, text);
            afd_cli_table_add(&table, bench_row_summary(&rows[i]));
        }
    }
    afd_cli_table_print(&table, stdout, NULL);
    afd_cli_table_end(&table);
    return AFD_EXIT_DONE;
}

static void speed_up(void)
{
    uint64_t end_ns = afd_clock_ns() + SPEED_UP_NS;
    while (afd_clock_ns() < end_ns) {
    }
}

/* Ties this thread to its CPU and finds clock and witness out; says what could not be done. */
static void settle_in(bench_report *report)
{
    if (!bench_cpus_pin(report->cpus.mine)) {
        afd_cli_note("bench", "cannot stay on CPU %d: %s; figures will vary more", report->cpus.mine, strerror(errno));
    }
    if (report->cpus.partner < 0) {
        afd_cli_note("bench", "there is one CPU: no witness, and rows that need a producer on another are skipped");
    }
    speed_up();
    report->clock = bench_clock_start();
    if (!report->clock.is_counter) {
        afd_cli_note("bench", "the CPU's counter is not invariant here: CLOCK_MONOTONIC is used instead");
    }
    if (report->cpus.partner >= 0) {
        report->has_witness = bench_pingpong(&report->cpus, &report->clock, BENCH_PINGPONG_LONG,
                                             &report->witness);
        if (!report->has_witness) {
            afd_cli_note("bench", "cannot use CPU %d: %s", report->cpus.partner, strerror(errno));
        }
    }
}

static void show_progress(const bench_row *row, size_t done_num, size_t row_num)
{
    char name[BENCH_ROW_NAME_MAX];
    if (isatty(STDERR_FILENO) == 1) {
        bench_row_name(row, name);
        (void)fprintf(stderr, "\r\033[K%zu of %zu  %s", done_num + 1, row_num, name);
    }
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO) == 1) {
        (void)fputs("\r\033[K", stderr);
    }
}

static void measure_rows(const bench_options *options, bench_report *report)
{
    size_t num;
    const bench_row *rows = bench_rows(&num);
    size_t chosen_num = 0;
    for (size_t i = 0; i < num; i++) {
        chosen_num += bench_row_matches(&rows[i], options->filter);
    }
    const bench_plan plan = { report->cpus, report->clock, options->sample_num };
    report->results = afd_cli_alloc(chosen_num, sizeof(*report->results));
    for (size_t i = 0; i < num; i++) {
        if (bench_row_matches(&rows[i], options->filter)) {
            show_progress(&rows[i], report->result_num, chosen_num);
            report->results[report->result_num++] = bench_measure(&plan, &rows[i]);
        }
    }
    end_progress();
}

/* The host may move its virtual CPUs while the run goes on: rows before and after that do not compare. */
static void warn_if_moved(const bench_report *report)
{
    double least = report->witness.p50_ns;
    double most = report->witness.p50_ns;
    for (size_t i = 0; i < report->result_num; i++) {
        double witness_ns = report->results[i].witness_ns;
        least = witness_ns > 0 && witness_ns < least ? witness_ns : least;
        most = witness_ns > most ? witness_ns : most;
    }
    if (most > least * WITNESS_RATIO_MAX) {
        afd_cli_note("bench", "the witness went from %.0f to %.0f ns during the run: the CPUs were moved or busy; "
                              "compare rows of one witness only",
                     least, most);
    }
}

/* Says what has no figures, and why; whether every result was right. */
static bool explain(const bench_report *report)
{
    bool right = true;
    for (size_t i = 0; i < report->result_num; i++) {
        const bench_result *result = &report->results[i];
        char name[BENCH_ROW_NAME_MAX];
        bench_row_name(result->row, name);
        if (result->outcome != BENCH_MEASURED) {
            afd_cli_note("bench", "%s %s: %s", name, result->outcome == BENCH_WRONG ? "is WRONG" : "is skipped",
                         result->note);
        }
        right = right && result->outcome != BENCH_WRONG;
    }
    return right;
}

static int run_bench(const bench_options *options)
{
    bench_report report = { .cpus = options->cpus };
    int code = AFD_EXIT_DONE;
    if (options->plot_path != NULL && !bench_plot_is_possible()) {
        return AFD_EXIT_REFUSED;
    }
    settle_in(&report);
    measure_rows(options, &report);
    if (options->json) {
        code = bench_report_json(&report);
    } else {
        bench_report_text(&report);
    }
    warn_if_moved(&report);
    bool right = explain(&report);
    if (options->plot_path != NULL && !bench_plot(&report, options->plot_path)) {
        code = AFD_EXIT_REFUSED;
    }
    free(report.results);
    return right ? code : AFD_EXIT_NO;
}

int afd_cmd_bench(int argc, char **argv)
{
    bench_options options;
    switch (bench_options_parse(&options, argc, argv)) {
    case BENCH_PARSED_DONE:
        return AFD_EXIT_DONE;
    case BENCH_PARSED_USAGE:
        return AFD_EXIT_USAGE;
    case BENCH_PARSED_GO:
        break;
    }
    return options.list ? list_rows(options.filter) : run_bench(&options);
}
