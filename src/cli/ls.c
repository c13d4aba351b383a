/* SPDX-License-Identifier: Apache-2.0 */
/* afd ls: the windows on this host. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "source.h"
#include "table.h"
#include "verbs.h"

static const char ls_help[] =
    "usage: afd ls [--json]\n"
    "\n"
    "Lists the windows in this host's shared memory that you may read: whose they are (ffn or\n"
    "attention), the shape as SxMxBSxE (sessions, micro-batches, tokens, slots a token), the\n"
    "bytes of the file, the owner's process and whether it lives, and the generation. A file\n"
    "that has a window's name and is none is listed as invalid, with the reason.\n"
    "\n"
    "  -j, --json  for programs: afd-ls(1) documents the keys\n"
    "  -h, --help  this text\n";

enum { COLUMN_NUM = 9 };

typedef struct listing {
    bool json;
    size_t window_num;
    int64_t now_unix_ns;
    json_t *windows;     /* with json */
    afd_cli_table table; /* else */
} listing;

static const char *state_colour(const char *cell)
{
    if (strcmp(cell, "alive") == 0) {
        return "32";
    }
    return strcmp(cell, "dead") == 0 || strcmp(cell, "invalid") == 0 ? "31" : NULL;
}

static void add_row(afd_cli_table *table, const char *const cells[COLUMN_NUM])
{
    for (size_t i = 0; i < COLUMN_NUM; i++) {
        afd_cli_table_add(table, cells[i]);
    }
}

static void add_invalid(listing *list, const afd_window_info *info)
{
    char bytes[AFD_CLI_BYTES_TEXT] = "-";
    if (info->file_bytes > 0) {
        afd_cli_human_bytes(info->file_bytes, bytes, sizeof(bytes));
    }
    add_row(&list->table,
            (const char *const[COLUMN_NUM]){ info->name, "-", "-", bytes, "-", "invalid", "-", "-", info->problem });
}

static void add_valid(listing *list, const afd_window_info *info)
{
    char shape[64];
    char bytes[AFD_CLI_BYTES_TEXT];
    char pid[16];
    char age[AFD_CLI_AGE_TEXT];
    char generation[24];
    char note[64] = "";
    (void)snprintf(shape, sizeof(shape), "%" PRIu32 "x%" PRIu32 "x%" PRIu32 "x%" PRIu32, info->shape.session_num,
                   info->shape.micro_batch_num, info->shape.micro_batch_size, info->shape.selected_expert_num);
    afd_cli_human_bytes(info->file_bytes, bytes, sizeof(bytes));
    (void)snprintf(pid, sizeof(pid), "%" PRIu32, info->owner_pid);
    afd_cli_human_age(afd_cli_age_ns(list->now_unix_ns, info->created_unix_ns), age, sizeof(age));
    (void)snprintf(generation, sizeof(generation), "%" PRIu64, info->generation);
    if (info->replaced_pid != 0) {
        (void)snprintf(note, sizeof(note), "replaced that of dead process %" PRIu32, info->replaced_pid);
    }
    add_row(&list->table,
            (const char *const[COLUMN_NUM]){ info->name, afd_cli_window_kind(info->kind), shape, bytes, pid,
                                             afd_cli_owner_state(info->owner), age, generation, note });
}

static void add_window(void *arg, const afd_window_info *info)
{
    listing *list = arg;
    list->window_num++;
    if (list->json) {
        afd_cli_json_append(list->windows, afd_cli_info_json(info));
    } else if (info->valid) {
        add_valid(list, info);
    } else {
        add_invalid(list, info);
    }
}

static int list_windows(bool json)
{
    afd_error error;
    listing list = { .json = json, .now_unix_ns = afd_cli_unix_ns() };
    json_t *root = json_object();
    list.windows = json_array();
    afd_cli_json_set(root, "windows", list.windows);
    afd_cli_table_begin(&list.table, COLUMN_NUM);
    add_row(&list.table,
            (const char *const[COLUMN_NUM]){ "NAME", "KIND", "SHAPE", "BYTES", "OWNER", "STATE", "AGE", "GENERATION",
                                             "NOTE" });

    int code = AFD_EXIT_DONE;
    if (afd_window_list(add_window, &list, &error) != AFD_OK) {
        afd_cli_error("ls", &error);
        code = afd_cli_exit_code(error.status);
        json_decref(root);
    } else if (json) {
        code = afd_cli_print_json(root);
    } else {
        afd_cli_table_print(&list.table, stdout, afd_cli_has_colour(stdout) ? state_colour : NULL);
        json_decref(root);
        if (list.window_num == 0) {
            afd_cli_note("ls", "there are no windows on this host");
        }
    }
    afd_cli_table_end(&list.table);
    return code;
}

int afd_cmd_ls(int argc, char **argv)
{
    bool json = false;
    int code = afd_cli_parse_json_option("ls", ls_help, argc, argv, &json);
    if (code != AFD_CLI_GO_ON) {
        return code;
    }
    if (optind < argc) {
        return afd_cli_usage("ls", "takes no names, got '%s'; `afd inspect %s` shows one window", argv[optind],
                             argv[optind]);
    }
    return list_windows(json);
}
