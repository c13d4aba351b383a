/* SPDX-License-Identifier: Apache-2.0 */
/* `afd doctor`: what this machine offers, and every setting with its meaning. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "afd/status.h"
#include "doctor/facts.h"
#include "doctor/link.h"
#include "out.h"
#include "verbs.h"

static const char help_text[] =
    "usage: afd doctor [--json]\n"
    "       afd doctor --listen HOST:PORT [--token-file FILE]\n"
    "       afd doctor --connect HOST:PORT [--token-file FILE] [--json]\n"
    "\n"
    "Says what this machine offers to AFD: CPUs, their features, caches and how far they are apart, memory, clocks;\n"
    "and every setting of libafd with its meaning. Where something is unfavourable it says, after \"->\", what to do.\n"
    "\n"
    "Between two hosts: --listen on the one, which sends back what comes until it is asked to end, and --connect on\n"
    "the other, which measures the link with messages as workers send them, and says what it means for a layer.\n"
    "\n"
    "      --listen HOST:PORT   :PORT is the loopback, *:PORT every interface; port 0 is any that is free\n"
    "      --connect HOST:PORT  where the other one listens\n"
    "      --token-file FILE    what both must know; without it only the loopback can be listened at\n"
    "  -j, --json               for programs: afd-doctor(1) documents the keys\n"
    "  -h, --help               this text\n";

enum { LISTEN = 0x100, CONNECT, TOKEN_FILE };

static const struct option long_options[] = {
    { "listen", required_argument, NULL, LISTEN },
    { "connect", required_argument, NULL, CONNECT },
    { "token-file", required_argument, NULL, TOKEN_FILE },
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

enum { NAME_COLUMNS = 28 };

static void print_text(const doctor_facts *facts)
{
    const char *colour = afd_cli_has_colour(stdout) ? "\033[33m" : "";
    const char *plain = afd_cli_has_colour(stdout) ? "\033[0m" : "";
    const char *section = "";
    size_t advice_num = 0;
    for (size_t i = 0; i < facts->num; i++) {
        const doctor_fact *fact = &facts->facts[i];
        if (strcmp(fact->section, section) != 0) {
            (void)printf("%s%s\n", i > 0 ? "\n" : "", fact->section);
        }
        (void)printf("  %-*s%s\n", NAME_COLUMNS, fact->name, fact->value);
        /* Facts of one name, as the witnesses of all pairs, share their sentence. */
        bool is_last = i + 1 == facts->num || strcmp(facts->facts[i + 1].name, fact->name) != 0;
        if (is_last) {
            (void)printf("      %s\n", fact->note);
        }
        if (fact->advice != NULL) {
            (void)printf("      %s-> %s%s\n", colour, fact->advice, plain);
            advice_num++;
        }
        section = fact->section;
    }
    (void)printf("\n%zu %s\n", advice_num, advice_num == 1 ? "thing could be better" : "things could be better");
}

static int print_json(const doctor_facts *facts)
{
    json_t *object = json_object();
    json_t *array = json_array();
    (void)json_object_set_new(object, "version", afd_cli_json_text(afd_version()));
    for (size_t i = 0; i < facts->num; i++) {
        const doctor_fact *fact = &facts->facts[i];
        json_t *entry = json_object();
        (void)json_object_set_new(entry, "section", afd_cli_json_text(fact->section));
        (void)json_object_set_new(entry, "name", afd_cli_json_text(fact->name));
        (void)json_object_set_new(entry, "value", afd_cli_json_text(fact->value));
        (void)json_object_set_new(entry, "meaning", afd_cli_json_text(fact->note));
        (void)json_object_set_new(entry, "advice",
                                  fact->advice != NULL ? afd_cli_json_text(fact->advice) : json_null());
        (void)json_array_append_new(array, entry);
    }
    (void)json_object_set_new(object, "facts", array);
    return afd_cli_print_json(object);
}

static int examine(bool json)
{
    doctor_facts facts = { 0 };
    int code = AFD_EXIT_DONE;
    doctor_probe_cpu(&facts);
    doctor_probe_memory(&facts);
    doctor_probe_time(&facts);
    doctor_probe_settings(&facts);
    if (json) {
        code = print_json(&facts);
    } else {
        print_text(&facts);
    }
    doctor_facts_free(&facts);
    return code;
}

/* AFD_CLI_GO_ON, or the exit code. */
static int parse(int argc, char **argv, doctor_link_options *options)
{
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":jh", long_options, NULL)) != -1) {
        switch (option) {
        case LISTEN:
            options->listen = optarg;
            break;
        case CONNECT:
            options->connect = optarg;
            break;
        case TOKEN_FILE:
            options->token_file = optarg;
            break;
        case 'j':
            options->json = true;
            break;
        case 'h':
            (void)fputs(help_text, stdout);
            return AFD_EXIT_DONE;
        default:
            return afd_cli_usage_option("doctor", option, argv);
        }
    }
    return optind < argc ? afd_cli_usage("doctor", "takes no names, got '%s'", argv[optind]) : AFD_CLI_GO_ON;
}

static int check(const doctor_link_options *options)
{
    if (options->listen != NULL && options->connect != NULL) {
        return afd_cli_usage("doctor", "--listen is for the one host, and --connect for the other");
    }
    if (options->token_file != NULL && options->listen == NULL && options->connect == NULL) {
        return afd_cli_usage("doctor", "--token-file is for --listen and --connect");
    }
    return AFD_CLI_GO_ON;
}

int afd_cmd_doctor(int argc, char **argv)
{
    doctor_link_options options = { .json = false };
    int code = parse(argc, argv, &options);
    if (code == AFD_CLI_GO_ON) {
        code = check(&options);
    }
    if (code != AFD_CLI_GO_ON) {
        return code;
    }
    return options.listen != NULL || options.connect != NULL ? doctor_link_examine(&options) : examine(options.json);
}
