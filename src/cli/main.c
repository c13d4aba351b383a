/* SPDX-License-Identifier: Apache-2.0 */
/* The afd program: finds the verb and calls it. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "afd/status.h"
#include "out.h"
#include "verbs.h"

typedef struct cli_verb {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} cli_verb;

static int cmd_help(int argc, char **argv);

static const cli_verb verbs[] = {
#ifdef AFD_HAVE_RUN
    { "run", "run AFD on this host: attention and FFN workers, real experts, everything checked", afd_cmd_run },
    { "ffn", "an FFN worker in this terminal, for attention workers that come and go", afd_cmd_ffn },
    { "attention", "an attention worker in this terminal, of the FFN workers with these names", afd_cmd_attention },
#endif
    { "ls", "list the windows on this host, their owners and what is wrong with them", afd_cmd_ls },
    { "inspect", "show a window: its configuration, who is ready, who is late", afd_cmd_inspect },
    { "top", "watch a worker: its sessions, what is in flight, late and dropped, and rates", afd_cmd_top },
    { "metrics", "print what workers have counted, for Prometheus", afd_cmd_metrics },
    { "dump", "copy a window, as it is at this moment, into a file for `afd inspect`", afd_cmd_dump },
    { "rm", "remove windows: by name, or all whose owner is dead", afd_cmd_rm },
    { "bench", "time the operators next to the plain algorithm and to the floor", afd_cmd_bench },
    { "doctor", "say what this machine and the links to others offer, and every setting", afd_cmd_doctor },
    { "help", "this text, or how a verb is used", cmd_help },
};

enum {
    VERB_NUM = sizeof(verbs) / sizeof(verbs[0]),
    VERB_LENGTH_MAX = 32, /* of what is typed, to be worth comparing */
    TYPO_MAX = 3          /* edits between what was typed and the verb that is offered for it */
};

static const cli_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_NUM; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* How many characters must be put in, taken out or changed to make one word of the other; `to` is a verb. */
static size_t edit_distance(const char *from, const char *to)
{
    size_t row[VERB_LENGTH_MAX + 1]; /* row[j]: from the characters of `from` so far to the first j of `to` */
    size_t to_length = strlen(to);
    for (size_t j = 0; j <= to_length; j++) {
        row[j] = j;
    }
    for (size_t i = 0; from[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < to_length; j++) {
            size_t above = row[j + 1];
            row[j + 1] = min3(above + 1, row[j] + 1, diagonal + (from[i] != to[j]));
            diagonal = above;
        }
    }
    return row[to_length];
}

/* The verb that was most likely meant; NULL if none is near. */
static const cli_verb *nearest_verb(const char *name)
{
    const cli_verb *nearest = NULL;
    size_t nearest_distance = TYPO_MAX + 1;
    if (strlen(name) > VERB_LENGTH_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < VERB_NUM; i++) {
        size_t distance = edit_distance(name, verbs[i].name);
        /* A word with nothing in common with a short verb is not a typo of it. */
        if (distance < nearest_distance && distance < strlen(verbs[i].name)) {
            nearest = &verbs[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

static int fail_unknown_verb(const char *name)
{
    const cli_verb *nearest = nearest_verb(name);
    if (nearest == NULL) {
        return afd_cli_usage(NULL, "there is no verb '%s'", name);
    }
    return afd_cli_usage(NULL, "there is no verb '%s'; did you mean '%s'?", name, nearest->name);
}

static void print_help(FILE *stream)
{
    (void)fprintf(stream, "usage: afd VERB [ARGUMENTS]\n\n");
    for (size_t i = 0; i < VERB_NUM; i++) {
        (void)fprintf(stream, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
    }
    (void)fprintf(stream, "\n`afd help VERB` says how a verb is used, `afd --version` which version this is.\n");
}

static int cmd_help(int argc, char **argv)
{
    if (argc > 2) {
        return afd_cli_usage("help", "takes one verb, got %d words", argc - 1);
    }
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return AFD_EXIT_DONE;
    }
    const cli_verb *verb = find_verb(argv[1]);
    if (verb == NULL) {
        return fail_unknown_verb(argv[1]);
    }
    char option[] = "--help";
    char *arguments[] = { argv[1], option, NULL };
    return verb->run(2, arguments);
}

static int run_verb(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return AFD_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help(stdout);
        return AFD_EXIT_DONE;
    }
    if (strcmp(word, "--version") == 0) {
        (void)printf("afd %s\n", afd_version());
        return AFD_EXIT_DONE;
    }
    if (word[0] == '-') {
        return afd_cli_usage(NULL, "there is no option %s before the verb", word);
    }
    const cli_verb *verb = find_verb(word);
    return verb != NULL ? verb->run(argc - 1, argv + 1) : fail_unknown_verb(word);
}

int main(int argc, char **argv)
{
    return afd_cli_finish(run_verb(argc, argv));
}
