/* SPDX-License-Identifier: Apache-2.0 */
/* afd rm: removes windows. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/window.h"
#include "out.h"
#include "verbs.h"

static const char rm_help[] =
    "usage: afd rm [--force] NAME...\n"
    "       afd rm --dead\n"
    "\n"
    "Removes windows whose owner is dead, and prints the names that it removed. Processes that\n"
    "have a window open keep what they see of it.\n"
    "\n"
    "  -d, --dead   all windows on this host whose owner is dead\n"
    "  -f, --force  also a window whose owner lives or cannot be seen, and a file that is no\n"
    "               valid window\n"
    "  -h, --help   this text\n";

/* Removes a name; the error is printed. */
static int remove_name(const char *name, bool force)
{
    afd_error error;
    if (afd_window_remove(name, force, &error) == AFD_OK) {
        (void)printf("%s\n", name);
        return AFD_EXIT_DONE;
    }
    if (error.status == AFD_ERR_NOT_FOUND) {
        afd_cli_note("rm", "there is no window %s on this host; `afd ls` shows those that there are", name);
    } else {
        afd_cli_error_about("rm", name, &error);
    }
    return afd_cli_exit_code(error.status);
}

/* Goes on after an error; the first one is the exit code. */
static int remove_names(char **names, int name_num, bool force)
{
    int code = AFD_EXIT_DONE;
    for (int i = 0; i < name_num; i++) {
        int result = remove_name(names[i], force);
        code = code == AFD_EXIT_DONE ? result : code;
    }
    return code;
}

typedef struct name_list {
    char **names;
    size_t num;
} name_list;

static void add_dead(void *arg, const afd_window_info *info)
{
    name_list *list = arg;
    if (info->valid && info->owner == AFD_OWNER_DEAD) {
        list->names = afd_cli_realloc(list->names, list->num + 1, sizeof(*list->names));
        list->names[list->num] = afd_cli_alloc(1, sizeof(info->name));
        memcpy(list->names[list->num], info->name, sizeof(info->name));
        list->num++;
    }
}

/* Not by force: a name that a living process has taken since it was listed stays, and one that has gone is gone. */
static int remove_dead(void)
{
    afd_error error;
    name_list dead = { 0 };
    if (afd_window_list(add_dead, &dead, &error) != AFD_OK) {
        afd_cli_error("rm", &error);
        return afd_cli_exit_code(error.status);
    }
    if (dead.num == 0) {
        afd_cli_note("rm", "there is no window of a dead owner on this host");
    }
    int code = AFD_EXIT_DONE;
    for (size_t i = 0; i < dead.num; i++) {
        afd_status status = afd_window_remove(dead.names[i], false, &error);
        if (status == AFD_OK) {
            (void)printf("%s\n", dead.names[i]);
        } else if (status != AFD_ERR_EXISTS && status != AFD_ERR_NOT_FOUND) {
            afd_cli_error_about("rm", dead.names[i], &error);
            code = afd_cli_exit_code(status);
        }
        free(dead.names[i]);
    }
    free(dead.names);
    return code;
}

int afd_cmd_rm(int argc, char **argv)
{
    static const struct option options[] = {
        { "dead", no_argument, NULL, 'd' },
        { "force", no_argument, NULL, 'f' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool dead = false;
    bool force = false;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":dfh", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            dead = true;
            break;
        case 'f':
            force = true;
            break;
        case 'h':
            (void)fputs(rm_help, stdout);
            return AFD_EXIT_DONE;
        default:
            return afd_cli_usage_option("rm", option, argv);
        }
    }
    if (dead && (force || optind < argc)) {
        return afd_cli_usage("rm", "--dead finds its windows by itself: it takes neither --force nor names");
    }
    if (!dead && optind == argc) {
        return afd_cli_usage("rm", "takes at least one window's name, or --dead");
    }
    return dead ? remove_dead() : remove_names(argv + optind, argc - optind, force);
}
