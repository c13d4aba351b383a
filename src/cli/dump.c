/* SPDX-License-Identifier: Apache-2.0 */
/* afd dump: a window into a file. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "out.h"
#include "source.h"
#include "verbs.h"

static const char dump_help[] =
    "usage: afd dump NAME FILE\n"
    "\n"
    "Copies the window NAME, its header included, into a new file that `afd inspect FILE`\n"
    "shows. FILE must not exist. Whoever uses the window goes on using it meanwhile, so the\n"
    "copy is exact only of a window that rests.\n"
    "\n"
    "  -h, --help  this text\n";

static int dump(const char *name, const char *path)
{
    afd_error error;
    afd_cli_source source;
    int code = afd_cli_source_open_name("dump", name, &source);
    if (code != AFD_EXIT_DONE) {
        return code;
    }
    if (afd_window_dump(source.window, path, &error) == AFD_OK) {
        afd_cli_note("dump", "wrote %" PRIu64 " bytes of an %s window to %s", source.info.file_bytes,
                     afd_cli_window_kind(source.info.kind), path);
    } else {
        afd_cli_error("dump", &error);
        code = afd_cli_exit_code(error.status);
    }
    afd_cli_source_close(&source);
    return code;
}

int afd_cmd_dump(int argc, char **argv)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option != 'h') {
            return afd_cli_usage_option("dump", option, argv);
        }
        (void)fputs(dump_help, stdout);
        return AFD_EXIT_DONE;
    }
    if (argc - optind != 2) {
        return afd_cli_usage("dump", "takes a window's name and a file, got %d %s", argc - optind,
                             argc - optind == 1 ? "word" : "words");
    }
    return dump(argv[optind], argv[optind + 1]);
}
