/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "run/parse.h"
#include "serve/help.h"

enum { MINUTES_MAX = 100000 };

enum { NAME = 1, RANK, FFN, FAIR, LISTEN, TOKEN_FILE, ALLOW, CONNECT, SESSION, STEPS, MINUTES, VERIFY, MODEL, LAYERS,
       SESSIONS, MICRO_BATCHES, BATCH, SYNC_GROUP, COPIES, QUANTIZE, EXPERTS, WEIGHTS, SEED, DEAD, DEADLINE,
       ON_DEADLINE, WAIT, JSON, LIST_MODELS, HELP };

static const struct {
    struct option option;
    unsigned sides;
    bool is_common; /* both sides must say the same */
} known[] = {
    { { "name", required_argument, NULL, NAME }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "rank", required_argument, NULL, RANK }, SERVE_FFN, false },
    { { "ffn", required_argument, NULL, FFN }, SERVE_FFN, false },
    { { "fair", no_argument, NULL, FAIR }, SERVE_FFN, false },
    { { "listen", required_argument, NULL, LISTEN }, SERVE_FFN, false },
    { { "token-file", required_argument, NULL, TOKEN_FILE }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "allow", required_argument, NULL, ALLOW }, SERVE_FFN, false },
    { { "connect", required_argument, NULL, CONNECT }, SERVE_ATTENTION, false },
    { { "session", required_argument, NULL, SESSION }, SERVE_ATTENTION, false },
    { { "steps", required_argument, NULL, STEPS }, SERVE_ATTENTION, false },
    { { "minutes", required_argument, NULL, MINUTES }, SERVE_ATTENTION, false },
    { { "verify", required_argument, NULL, VERIFY }, SERVE_ATTENTION, false },
    { { "model", required_argument, NULL, MODEL }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "layers", required_argument, NULL, LAYERS }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "sessions", required_argument, NULL, SESSIONS }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "micro-batches", required_argument, NULL, MICRO_BATCHES }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "batch", required_argument, NULL, BATCH }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "sync-group", required_argument, NULL, SYNC_GROUP }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "copies", required_argument, NULL, COPIES }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "quantize", no_argument, NULL, QUANTIZE }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "experts", required_argument, NULL, EXPERTS }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "weights", required_argument, NULL, WEIGHTS }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "seed", required_argument, NULL, SEED }, SERVE_FFN | SERVE_ATTENTION, true },
    { { "dead", required_argument, NULL, DEAD }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "deadline", required_argument, NULL, DEADLINE }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "on-deadline", required_argument, NULL, ON_DEADLINE }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "wait", required_argument, NULL, WAIT }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "json", no_argument, NULL, JSON }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "list-models", no_argument, NULL, LIST_MODELS }, SERVE_FFN | SERVE_ATTENTION, false },
    { { "help", no_argument, NULL, HELP }, SERVE_FFN | SERVE_ATTENTION, false },
};

enum { KNOWN_NUM = sizeof(known) / sizeof(known[0]) };

const char *serve_verb(serve_side side)
{
    return side == SERVE_FFN ? "ffn" : "attention";
}

/* "ffn-0,ffn-1" becomes an array of the names, with the words behind it in the same memory. */
static bool parse_connect(const char *verb, const char *text, serve_options *options)
{
    uint32_t num = 1;
    for (const char *at = text; *at != '\0'; at++) {
        num += *at == ',' ? 1 : 0;
    }
    if (num > RUN_FFN_MAX) {
        (void)afd_cli_usage(verb, "--connect has %" PRIu32 " names, at most %d can be", num, RUN_FFN_MAX);
        return false;
    }
    size_t bytes = strlen(text) + 1;
    free((void *)options->connect);
    options->connect = afd_cli_alloc(1, num * sizeof(char *) + bytes);
    options->ffn_num = num;
    char *words = memcpy(&options->connect[num], text, bytes);
    for (uint32_t i = 0; i < num; i++) {
        options->connect[i] = words;
        words += strcspn(words, ",");
        *words++ = '\0';
    }
    return true;
}

static bool parse_session(const char *verb, const char *text, uint32_t *session)
{
    if (strcmp(text, "any") == 0) {
        *session = AFD_SESSION_ANY;
        return true;
    }
    return run_parse_u32(verb, "--session", text, 0, RUN_SESSIONS_MAX - 1, session);
}

static bool parse_on_deadline(const char *verb, const char *text, serve_options *options)
{
    static const char *const ffn_words[] = { "drop", "wait", "stop" };
    static const afd_on_deadline ffn_choices[] = { AFD_ON_DEADLINE_DROP, AFD_ON_DEADLINE_WAIT, AFD_ON_DEADLINE_STOP };
    static const char *const words[] = { "wait", "rejoin", "stop" };
    static const serve_on_deadline choices[] = { SERVE_ON_DEADLINE_WAIT, SERVE_ON_DEADLINE_REJOIN,
                                                 SERVE_ON_DEADLINE_STOP };
    uint32_t which = 0;
    bool is_ffn = options->side == SERVE_FFN;
    bool good = run_parse_word(verb, "--on-deadline", text, is_ffn ? ffn_words : words, 3, &which);
    if (good) {
        options->ffn_on_deadline = ffn_choices[which];
        options->on_deadline = choices[which];
    }
    return good;
}

static bool parse_experts(const char *verb, const char *text, bool *checks_experts)
{
    static const char *const words[] = { "real", "check" };
    uint32_t which = 0;
    bool good = run_parse_word(verb, "--experts", text, words, 2, &which);
    if (good) {
        *checks_experts = which == 1;
    }
    return good;
}

static bool parse_option(const char *verb, int option, const char *text, serve_options *options)
{
    switch (option) {
    case NAME:
        options->name = text;
        return true;
    case RANK:
        return run_parse_u32(verb, "--rank", text, 0, RUN_FFN_MAX - 1, &options->rank);
    case FFN:
        return run_parse_u32(verb, "--ffn", text, 1, RUN_FFN_MAX, &options->ffn_num);
    case FAIR:
        options->fair = true;
        return true;
    case LISTEN:
        options->listen = text;
        return true;
    case TOKEN_FILE:
        options->token_file = text;
        return true;
    case ALLOW:
        options->allow = text;
        return true;
    case CONNECT:
        return parse_connect(verb, text, options);
    case SESSION:
        return parse_session(verb, text, &options->session);
    case STEPS:
        return run_parse_number(verb, "--steps", text, 1, RUN_STEPS_MAX, &options->step_num);
    case MINUTES:
        return run_parse_number(verb, "--minutes", text, 1, MINUTES_MAX, &options->minute_num);
    case VERIFY:
        return run_parse_verify(verb, text, &options->verify_full);
    case MODEL:
        return run_parse_model(verb, text, &options->model);
    case LAYERS:
        return run_parse_u32(verb, "--layers", text, 1, UINT32_MAX, &options->layer_num);
    case SESSIONS:
        return run_parse_u32(verb, "--sessions", text, 1, RUN_SESSIONS_MAX, &options->session_num);
    case MICRO_BATCHES:
        return run_parse_u32(verb, "--micro-batches", text, 1, RUN_MICRO_BATCHES_MAX, &options->micro_batch_num);
    case BATCH:
        return run_parse_u32(verb, "--batch", text, 1, RUN_BATCH_MAX, &options->batch_size);
    case SYNC_GROUP:
        return run_parse_sync_group(verb, text, &options->sync_group_size);
    case COPIES:
        return run_parse_u32(verb, "--copies", text, 1, RUN_FFN_MAX, &options->copy_num);
    case QUANTIZE:
        options->quantize = true;
        return true;
    case EXPERTS:
        return parse_experts(verb, text, &options->checks_experts);
    case WEIGHTS:
        return run_parse_weights(verb, text, &options->weights_bytes);
    case SEED:
        return run_parse_number(verb, "--seed", text, 0, UINT64_MAX, &options->seed);
    case DEAD:
        return run_parse_seconds(verb, "--dead", text, &options->dead_ns);
    case DEADLINE:
        return run_parse_seconds(verb, "--deadline", text, &options->deadline_ns);
    case ON_DEADLINE:
        return parse_on_deadline(verb, text, options);
    case WAIT:
        return run_parse_wait(verb, text, &options->strategy);
    case JSON:
        options->json = true;
        return true;
    default:
        return false;
    }
}

static bool settle_ffn(const serve_options *options)
{
    if (options->name == NULL) {
        (void)afd_cli_usage("ffn", "--name is missing, by which attention workers find it: afd ffn --name ffn-0");
        return false;
    }
    if (options->rank >= options->ffn_num) {
        (void)afd_cli_usage("ffn", "--rank is %" PRIu32 ", must be below --ffn, which is %" PRIu32, options->rank,
                            options->ffn_num);
        return false;
    }
    if (options->token_file != NULL && options->listen == NULL) {
        (void)afd_cli_usage("ffn", "--token-file is for sessions of other hosts, and without --listen none can join");
        return false;
    }
    if (options->allow != NULL && options->listen == NULL) {
        (void)afd_cli_usage("ffn", "--allow is for sessions of other hosts, and without --listen none can join");
        return false;
    }
    return true;
}

static bool has_address(const serve_options *options)
{
    for (uint32_t i = 0; i < options->ffn_num; i++) {
        if (strchr(options->connect[i], ':') != NULL) {
            return true;
        }
    }
    return false;
}

static bool settle_attention(serve_options *options)
{
    if (options->connect == NULL) {
        (void)afd_cli_usage("attention", "--connect is missing, the FFN workers' names: "
                                         "afd attention --connect ffn-0");
        return false;
    }
    if (options->token_file != NULL && !has_address(options)) {
        (void)afd_cli_usage("attention", "--token-file is for FFN workers of other hosts, and --connect has no "
                                         "address, HOST:PORT");
        return false;
    }
    if (options->session != AFD_SESSION_ANY && options->session >= options->session_num) {
        (void)afd_cli_usage("attention", "--session is %" PRIu32 ", must be below --sessions, which is %" PRIu32,
                            options->session, options->session_num);
        return false;
    }
    if (options->step_num > 0 && options->minute_num > 0) {
        (void)afd_cli_usage("attention", "--steps and --minutes both say when to end");
        return false;
    }
    if (options->step_num == 0 && options->minute_num == 0) {
        options->step_num = 4;
    }
    return true;
}

/* What depends on more than one option. */
static bool settle(serve_options *options)
{
    const char *verb = serve_verb(options->side);
    if (options->copy_num > options->ffn_num) {
        (void)afd_cli_usage(verb, "--copies is %" PRIu32 ", must be at most the number of FFN workers, which is "
                            "%" PRIu32, options->copy_num, options->ffn_num);
        return false;
    }
    return run_settle_layers(verb, options->model, &options->layer_num) &&
           run_settle_ffn(verb, options->model, options->ffn_num) &&
           run_settle_sync_group(verb, "--sessions", options->session_num, &options->sync_group_size) &&
           (options->side == SERVE_FFN ? settle_ffn(options) : settle_attention(options));
}

/* Keeps an option that the other side must be given, too, for whoever types that; one that does not fit is left out. */
static void keep_common(serve_options *options, int option, const char *text)
{
    size_t length = strlen(options->common);
    for (size_t i = 0; i < KNOWN_NUM; i++) {
        if (known[i].option.val == option && known[i].is_common) {
            int added = snprintf(options->common + length, sizeof(options->common) - length, " --%s%s%s",
                                 known[i].option.name, text != NULL ? " " : "", text != NULL ? text : "");
            if (added < 0 || (size_t)added >= sizeof(options->common) - length) {
                options->common[length] = '\0';
            }
        }
    }
}

static void pick_options(serve_side side, struct option *picked)
{
    for (size_t i = 0; i < KNOWN_NUM; i++) {
        if ((known[i].sides & (unsigned)side) != 0) {
            *picked++ = known[i].option;
        }
    }
    *picked = (struct option){ 0 };
}

/* AFD_CLI_GO_ON, or the exit code. */
static int parse_words(serve_options *options, int argc, char **argv)
{
    const char *verb = serve_verb(options->side);
    struct option picked[KNOWN_NUM + 1];
    int option;
    pick_options(options->side, picked);
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", picked, NULL)) != -1) {
        if (option == '?' || option == ':') {
            return afd_cli_usage_option(verb, option, argv);
        }
        if (option == HELP) {
            (void)fputs(options->side == SERVE_FFN ? serve_help_ffn : serve_help_attention, stdout);
            return AFD_EXIT_DONE;
        }
        if (option == LIST_MODELS) {
            run_model_list(stdout);
            return AFD_EXIT_DONE;
        }
        if (!parse_option(verb, option, optarg, options)) {
            return AFD_EXIT_USAGE;
        }
        keep_common(options, option, optarg);
    }
    if (optind < argc) {
        return afd_cli_usage(verb, "'%s' is not expected: every argument of %s is an option", argv[optind], verb);
    }
    return AFD_CLI_GO_ON;
}

int serve_options_parse(serve_options *options, serve_side side, int argc, char **argv)
{
    *options = (serve_options){
        .side = side,
        .model = run_model_find("deepseek-v2-lite"),
        .session_num = 4,
        .micro_batch_num = 3,
        .batch_size = 32,
        .ffn_num = 1,
        .copy_num = 1,
        .weights_bytes = UINT64_C(256) << 20,
        .seed = 1,
        .session = AFD_SESSION_ANY,
        .ffn_on_deadline = AFD_ON_DEADLINE_DROP,
        .on_deadline = SERVE_ON_DEADLINE_WAIT,
        .strategy = AFD_WAIT_BACKOFF,
        .dead_ns = 2 * UINT64_C(1000000000),
        .deadline_ns = 10 * UINT64_C(1000000000),
    };
    int code = parse_words(options, argc, argv);
    if (code != AFD_CLI_GO_ON) {
        return code;
    }
    return settle(options) ? AFD_CLI_GO_ON : AFD_EXIT_USAGE;
}

void serve_options_free(serve_options *options)
{
    free((void *)options->connect);
    options->connect = NULL;
}
