/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb looks at: a window by its name, a file that `afd dump` wrote, or the bytes of a ScheduleContext. */
#ifndef AFD_CLI_SOURCE_H
#define AFD_CLI_SOURCE_H

#include <jansson.h>

#include "afd/context.h"
#include "afd/window.h"

typedef enum afd_cli_source_kind {
    AFD_CLI_SOURCE_WINDOW,
    AFD_CLI_SOURCE_DUMP,
    AFD_CLI_SOURCE_CONTEXT
} afd_cli_source_kind;

typedef struct afd_cli_source {
    afd_cli_source_kind kind;
    const char *path;             /* of a file, as it was typed; else NULL */
    afd_window *window;           /* of a window or a dump, to look */
    afd_window_info info;         /* of that window */
    afd_schedule_context context; /* of a context */
} afd_cli_source;

/*
 * Opens the window NAME to look; its errors are printed with a hint where one helps. AFD_EXIT_DONE, or the exit code.
 */
int afd_cli_source_open_name(const char *verb, const char *name, afd_cli_source *source);

/*
 * Opens NAME|FILE: a file where the word has a '/' in it, or where a file has it as its path and no window as its name.
 * A file of exactly AFD_CONTEXT_BYTES is a context.
 */
int afd_cli_source_open(const char *verb, const char *word, afd_cli_source *source);

void afd_cli_source_close(afd_cli_source *source);

/* "ffn", "attention". */
const char *afd_cli_window_kind(afd_window_kind kind);

/* "alive", "dead", "unknown". */
const char *afd_cli_owner_state(afd_owner_state state);

/* What a window says of itself, for --json; ls and inspect print the same. */
json_t *afd_cli_info_json(const afd_window_info *info);

#endif
