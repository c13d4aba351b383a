/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `afd inspect`. */
#ifndef AFD_CLI_INSPECT_H
#define AFD_CLI_INSPECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "look.h"
#include "sample.h"
#include "source.h"

enum { AFD_CLI_NO_SESSION = -1 };

/* What one look at a window or a dump has to say. */
typedef struct afd_cli_view {
    const afd_cli_source *source;
    const afd_cli_sample *sample;
    int64_t session;        /* whose ids are wanted, or AFD_CLI_NO_SESSION */
    const afd_cli_ids *ids; /* [M], of that session */
    const afd_cli_look *look;
} afd_cli_view;

void afd_cli_view_print(const afd_cli_view *view);
int afd_cli_view_print_json(const afd_cli_view *view);

/* What both kinds of window begin with: what the window says of itself, and its worker, if one has counted in it. */
void afd_cli_configuration_print(const afd_cli_source *source, const afd_cli_look *look, int64_t taken_unix_ns);
json_t *afd_cli_view_json(const afd_cli_source *source, const afd_cli_look *look, int64_t taken_unix_ns);

/* An attention window: its slots, counted by their flags. */
int afd_cli_slots_inspect(const afd_cli_source *source, const afd_cli_look *look, bool json);

/* A ScheduleContext from a file: its fields, and whether afd_ffn_schedule() would take it. */
int afd_cli_context_inspect(const afd_cli_source *source, bool json);

#endif
