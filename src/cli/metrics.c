/* SPDX-License-Identifier: Apache-2.0 */
/* afd metrics: the counters of workers for Prometheus. */
#include "metrics.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "source.h"
#include "verbs.h"

static const char metrics_help[] =
    "usage: afd metrics [NAME...]\n"
    "\n"
    "Prints what the workers of the windows NAME have counted, in the text format of Prometheus;\n"
    "without a NAME, of all windows on this host that a worker has counted in. afd-metrics(1)\n"
    "lists the metrics. For a scrape, let the text collector of a node exporter read it:\n"
    "\n"
    "  afd metrics >afd.prom.new && mv afd.prom.new afd.prom\n"
    "\n"
    "  -h, --help  this text\n"
    "\n"
    "Goes on after a window that cannot be read; the exit code is the first error's.\n";

typedef struct look_array {
    afd_cli_look *looks;
    size_t num;
} look_array;

/* A name that was typed twice is one worker: Prometheus refuses a text that says a thing twice. */
static bool has_look(const look_array *array, const char *name)
{
    for (size_t i = 0; i < array->num; i++) {
        if (strcmp(array->looks[i].info.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int add_look(look_array *array, const char *name)
{
    afd_cli_source source;
    int code = afd_cli_source_open_name("metrics", name, &source);
    if (code != AFD_EXIT_DONE) {
        return code;
    }
    if (afd_cli_look_fits(source.window)) {
        array->looks = afd_cli_realloc(array->looks, array->num + 1, sizeof(*array->looks));
        afd_cli_look_take(source.window, false, &array->looks[array->num++]);
    } else {
        afd_cli_note("metrics", "%s has %" PRIu32 " members, metrics shows at most %d", name,
                     afd_window_member_num(source.window), AFD_CLI_MEMBER_NUM_MAX);
        code = AFD_EXIT_REFUSED;
    }
    afd_cli_source_close(&source);
    return code;
}

static int look_at_names(look_array *array, char **names, int name_num)
{
    int code = AFD_EXIT_DONE;
    for (int i = 0; i < name_num; i++) {
        int result = has_look(array, names[i]) ? AFD_EXIT_DONE : add_look(array, names[i]);
        code = code == AFD_EXIT_DONE ? result : code;
    }
    return code;
}

/* One that was listed and has gone since, or that is too large, is left out, as if it had not been listed. */
static void add_listed(void *arg, const afd_window_info *info)
{
    look_array *array = arg;
    afd_window *window = NULL;
    afd_cli_look look;
    if (!info->valid || afd_window_join(info->name, AFD_WINDOW_READ, &window, NULL) != AFD_OK) {
        return;
    }
    if (afd_cli_look_fits(window)) {
        afd_cli_look_take(window, false, &look);
        if (afd_cli_look_has_worker(&look)) {
            array->looks = afd_cli_realloc(array->looks, array->num + 1, sizeof(*array->looks));
            array->looks[array->num++] = look;
        } else {
            afd_cli_look_drop(&look);
        }
    }
    afd_window_close(window);
}

static int look_at_all(look_array *array)
{
    afd_error error;
    if (afd_window_list(add_listed, array, &error) != AFD_OK) {
        afd_cli_error("metrics", &error);
        return afd_cli_exit_code(error.status);
    }
    return AFD_EXIT_DONE;
}

int afd_cmd_metrics(int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option != 'h') {
            return afd_cli_usage_option("metrics", option, argv);
        }
        (void)fputs(metrics_help, stdout);
        return AFD_EXIT_DONE;
    }
    look_array array = { 0 };
    int code = optind < argc ? look_at_names(&array, argv + optind, argc - optind) : look_at_all(&array);
    afd_cli_metrics_print(array.looks, array.num, stdout);
    for (size_t i = 0; i < array.num; i++) {
        afd_cli_look_drop(&array.looks[i]);
    }
    free(array.looks);
    return code;
}
