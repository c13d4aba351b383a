/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/row.h"
#include "out.h"

static const char help_text[] =
    "usage: afd bench [--filter TEXT] [--samples N] [--cpus A,B] [--json] [--plot FILE.svg]\n"
    "       afd bench --list [--filter TEXT]\n"
    "\n"
    "Times the operators of both sides next to the plain algorithm (the reference) and to what the bytes alone cost\n"
    "(the floor), which take turns in one run, and prints p50 and p99 of each and the ratios of the p50s. A whole\n"
    "run takes about a minute and a half. docs/performance.md says what rows and states are and how to read them.\n"
    "\n"
    "  --filter TEXT    rows with TEXT in their name, KIND/MODE/STATE/SHAPE; a whole name is that row alone\n"
    "  --samples N      rounds a row (default: as many as fit in a third of a second, 8 at least)\n"
    "  --cpus A,B       the CPU that is timed and the one of the producer (default: the first two allowed)\n"
    "  --json           one JSON object instead of the table; afd-bench(1) documents the keys\n"
    "  --plot FILE.svg  also draw latency against S, and the percentiles, through gnuplot\n"
    "  --list           the rows' names and what they are, without running them\n"
    "  --help           this text\n"
    "\n"
    "Exit status: 0 done; 1 a result was wrong; 2 usage; 3 the system refused.\n";

enum { FILTER = 0x100, SAMPLES, CPUS, JSON, PLOT, LIST, HELP };

static const struct option long_options[] = {
    { "filter", required_argument, NULL, FILTER },
    { "samples", required_argument, NULL, SAMPLES },
    { "cpus", required_argument, NULL, CPUS },
    { "json", no_argument, NULL, JSON },
    { "plot", required_argument, NULL, PLOT },
    { "list", no_argument, NULL, LIST },
    { "help", no_argument, NULL, HELP },
    { NULL, 0, NULL, 0 },
};

#define SAMPLE_NUM_MAX UINT64_C(10000000)

static bool parse_samples(const char *text, uint64_t *sample_num)
{
    if (afd_cli_parse_u64(text, 1, SAMPLE_NUM_MAX, sample_num)) {
        return true;
    }
    (void)afd_cli_usage("bench", "--samples is '%s', must be a whole number in [1, 10000000]", text);
    return false;
}

/* "A,B", or "A" where the rows that need a second CPU are to be left out. */
static bool parse_cpus(const char *text, bench_cpus *cpus)
{
    int a = -1;
    int b = -1;
    int length = 0;
    bool is_pair = sscanf(text, "%4d,%4d%n", &a, &b, &length) == 2 && text[length] == '\0';
    bool is_one = !is_pair && sscanf(text, "%4d%n", &a, &length) == 1 && text[length] == '\0';
    if ((!is_pair && !is_one) || a < 0 || (is_pair && (b < 0 || a == b))) {
        (void)afd_cli_usage("bench", "--cpus is '%s', must be two different CPU numbers, A,B", text);
        return false;
    }
    if (!bench_cpus_is_allowed(a) || (is_pair && !bench_cpus_is_allowed(b))) {
        (void)afd_cli_usage("bench", "--cpus is '%s', but this process may not run on CPU %d", text,
                            bench_cpus_is_allowed(a) ? b : a);
        return false;
    }
    *cpus = (bench_cpus){ .mine = a, .partner = is_pair ? b : -1 };
    return true;
}

static bool matches_any(const char *filter)
{
    size_t num;
    const bench_row *rows = bench_rows(&num);
    for (size_t i = 0; i < num; i++) {
        if (bench_row_matches(&rows[i], filter)) {
            return true;
        }
    }
    (void)afd_cli_usage("bench", "--filter is '%s', which is in no row's name; --list says which there are", filter);
    return false;
}

static bool parse_option(int option, const char *text, bench_options *options)
{
    switch (option) {
    case FILTER:
        options->filter = text;
        return matches_any(text);
    case SAMPLES:
        return parse_samples(text, &options->sample_num);
    case CPUS:
        return parse_cpus(text, &options->cpus);
    case JSON:
        options->json = true;
        return true;
    case PLOT:
        options->plot_path = text;
        return true;
    case LIST:
        options->list = true;
        return true;
    default:
        return false;
    }
}

bench_parsed bench_options_parse(bench_options *options, int argc, char **argv)
{
    *options = (bench_options){ .cpus = { bench_cpus_allowed(0), bench_cpus_allowed(1) } };
    optind = 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (option == '?' || option == ':') {
            (void)afd_cli_usage_option("bench", option, argv);
            return BENCH_PARSED_USAGE;
        }
        if (option == HELP) {
            (void)fputs(help_text, stdout);
            return BENCH_PARSED_DONE;
        }
        if (!parse_option(option, optarg, options)) {
            return BENCH_PARSED_USAGE;
        }
    }
    if (optind < argc) {
        (void)afd_cli_usage("bench", "'%s' is not expected: every argument of bench is an option", argv[optind]);
        return BENCH_PARSED_USAGE;
    }
    return BENCH_PARSED_GO;
}
