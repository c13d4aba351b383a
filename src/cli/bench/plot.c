/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of a run, drawn by gnuplot, which gets everything through a pipe: above, p50 against S, a line for each
 * kind of row with those of the reference and the floor, for the rows that have an S to draw them against; below, p50,
 * p90 and p99 of every row.
 */
#include "bench/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "out.h"

extern char **environ;

enum { ROW_PIXELS = 14, WIDTH_PIXELS_MIN = 900, HEIGHT_PIXELS = 1100 };

/* Starts gnuplot with these as stdin and stdout; the errno of what went wrong, 0 if nothing did. */
static int spawn_gnuplot(char *const arguments[], int input, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0) {
        return result;
    }
    result = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (result == 0) {
        result = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    }
    if (result == 0) {
        result = posix_spawnp(pid, "gnuplot", &actions, NULL, arguments, environ);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return result;
}

static bool ended_well(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool bench_plot_is_possible(void)
{
    char name[] = "gnuplot";
    char version[] = "--version";
    char *arguments[] = { name, version, NULL };
    pid_t pid;
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool possible = nowhere >= 0 && spawn_gnuplot(arguments, nowhere, nowhere, &pid) == 0 && ended_well(pid);
    if (nowhere >= 0) {
        (void)close(nowhere);
    }
    if (!possible) {
        afd_cli_note("bench", "--plot needs gnuplot, which is not here; on Debian and Ubuntu: "
                              "apt-get install gnuplot-nox");
    }
    return possible;
}

/* ---- what is drawn ---- */

/* The row's name without its S: what one line of the upper picture stands for. */
static void series_of(const bench_row *row, char name[BENCH_ROW_NAME_MAX])
{
    bench_row_name(row, name);
    *strrchr(name, '/') = '\0';
}

/* Results of one series follow each other. Whether the result with this index is the first of one. */
static bool begins_series(const bench_report *report, size_t index)
{
    char name[BENCH_ROW_NAME_MAX];
    char before[BENCH_ROW_NAME_MAX];
    if (index == 0) {
        return true;
    }
    series_of(report->results[index].row, name);
    series_of(report->results[index - 1].row, before);
    return strcmp(name, before) != 0;
}

/* "$data0 << EOD ... EOD": S and the p50s, a block a series. */
static size_t send_series(FILE *gnuplot, const bench_report *report)
{
    size_t series_num = 0;
    for (size_t i = 0; i < report->result_num; i++) {
        const bench_result *result = &report->results[i];
        if (bench_row_is_companion(result->row)) {
            continue;
        }
        if (begins_series(report, i)) {
            (void)fprintf(gnuplot, "%s$series%zu << EOD\n", series_num > 0 ? "EOD\n" : "", series_num);
            series_num++;
        }
        (void)fprintf(gnuplot, "%u %.1f %.1f %.1f\n", result->row->shape.session_num, result->ours.p50_ns,
                      result->reference.p50_ns, result->floor.p50_ns);
    }
    if (series_num > 0) {
        (void)fprintf(gnuplot, "EOD\n");
    }
    return series_num;
}

static void send_percentiles(FILE *gnuplot, const bench_report *report)
{
    (void)fprintf(gnuplot, "$rows << EOD\n");
    for (size_t i = 0; i < report->result_num; i++) {
        const bench_result *result = &report->results[i];
        char name[BENCH_ROW_NAME_MAX];
        bench_row_name(result->row, name);
        (void)fprintf(gnuplot, "\"%s\" %.1f %.1f %.1f %.1f %.1f %.1f %.1f\n", name, result->ours.p50_ns,
                      result->ours.p90_ns, result->ours.p99_ns, result->reference.p50_ns, result->reference.p99_ns,
                      result->floor.p50_ns, result->floor.p99_ns);
    }
    (void)fprintf(gnuplot, "EOD\n");
}

static void draw_series(FILE *gnuplot, const bench_report *report, size_t series_num)
{
    (void)fprintf(gnuplot, "set logscale xy\nset xlabel 'S, sessions'\nset ylabel 'ns, p50'\n"
                           "set title 'Latency against S: ours solid, reference dashed, floor dotted'\n"
                           "set key outside right\nset grid\nplot ");
    size_t series = 0;
    for (size_t i = 0; i < report->result_num; i++) {
        char name[BENCH_ROW_NAME_MAX];
        if (bench_row_is_companion(report->results[i].row) || !begins_series(report, i)) {
            continue;
        }
        series_of(report->results[i].row, name);
        (void)fprintf(gnuplot,
                      "$series%zu using 1:2 with linespoints lc %zu title '%s' noenhanced, "
                      "$series%zu using 1:3 with lines lc %zu dt 2 notitle, "
                      "$series%zu using 1:4 with lines lc %zu dt 3 notitle%s",
                      series, series + 1, name, series, series + 1, series, series + 1,
                      series + 1 < series_num ? ", " : "\n");
        series++;
    }
}

static void draw_percentiles(FILE *gnuplot)
{
    (void)fprintf(gnuplot,
                  "unset logscale x\nset logscale y\nset xlabel ''\nset ylabel 'ns: point p50, bar to p99, tick p90'\n"
                  "set title 'Percentiles of every row'\nset xtics rotate by 90 right noenhanced\n"
                  "set key outside top right horizontal\n"
                  "plot $rows using 0:5:5:6:xtic(1) with yerrorbars lc rgb '#999999' pt 5 ps 0.5 title 'reference', "
                  "'' using ($0+0.25):7:7:8 with yerrorbars lc rgb '#2ca02c' pt 7 ps 0.5 title 'floor', "
                  "'' using ($0-0.25):2:2:4 with yerrorbars lc rgb '#1f77b4' pt 9 ps 0.6 title 'ours', "
                  "'' using ($0-0.25):3 with points lc rgb '#1f77b4' pt 1 ps 0.4 notitle\n");
}

static void send_all(FILE *gnuplot, const bench_report *report)
{
    size_t width = report->result_num * ROW_PIXELS;
    (void)fprintf(gnuplot, "set terminal svg size %zu,%d background rgb 'white'\n",
                  width > WIDTH_PIXELS_MIN ? width : WIDTH_PIXELS_MIN, HEIGHT_PIXELS);
    size_t series_num = send_series(gnuplot, report);
    send_percentiles(gnuplot, report);
    if (series_num > 0) {
        (void)fprintf(gnuplot, "set multiplot layout 2,1\n");
        draw_series(gnuplot, report, series_num);
    }
    draw_percentiles(gnuplot);
    if (series_num > 0) {
        (void)fprintf(gnuplot, "unset multiplot\n");
    }
}

/* ---- drawing it ---- */

/* Both axes are logarithmic, which a figure of 0 cannot be drawn on. */
static bool is_drawn(const bench_result *result)
{
    return result->outcome == BENCH_MEASURED && result->ours.p50_ns > 0 && result->reference.p50_ns > 0 &&
           result->floor.p50_ns > 0;
}

/* Runs gnuplot on what is drawn of the report, with its picture going to `output`. */
static bool draw(const bench_report *report, int output)
{
    char name[] = "gnuplot";
    char *arguments[] = { name, NULL };
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    int result = spawn_gnuplot(arguments, ends[0], output, &pid);
    (void)close(ends[0]);
    FILE *gnuplot = fdopen(ends[1], "w");
    if (result != 0 || gnuplot == NULL) {
        (void)(gnuplot != NULL ? fclose(gnuplot) : close(ends[1]));
        return false;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a gnuplot that dies is seen in how it ended */
    send_all(gnuplot, report);
    (void)fclose(gnuplot);
    return ended_well(pid);
}

bool bench_plot(const bench_report *report, const char *path)
{
    bench_report drawn = *report;
    drawn.results = afd_cli_alloc(report->result_num, sizeof(*drawn.results));
    drawn.result_num = 0;
    for (size_t i = 0; i < report->result_num; i++) {
        if (is_drawn(&report->results[i])) {
            drawn.results[drawn.result_num++] = report->results[i];
        }
    }
    int output = drawn.result_num > 0 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    bool good = output >= 0 && draw(&drawn, output);
    if (drawn.result_num == 0) {
        afd_cli_note("bench", "no row was measured, so there is nothing to draw into %s", path);
    } else if (output < 0) {
        afd_cli_note("bench", "cannot write %s: %s", path, strerror(errno));
    } else if (!good) {
        afd_cli_note("bench", "gnuplot could not draw %s", path);
    }
    if (output >= 0) {
        (void)close(output);
    }
    free(drawn.results);
    return good;
}
