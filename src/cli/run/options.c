/* SPDX-License-Identifier: Apache-2.0 */
#include "run/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "run/weights/weights.h"

static const char help_text[] =
    "usage: afd run [OPTION]...\n"
    "\n"
    "Runs the decode of a mixture-of-experts model with attention and experts apart, on this host: attention workers\n"
    "dispatch their tokens to FFN workers, which schedule, batch, compute the experts and reply; the attention\n"
    "workers combine and go on to the next layer. Experts are computed for real, attention is a stand-in. Every\n"
    "expert id and every row is held against what was sent, and the numbers against a reference. Ends with where\n"
    "the time went.\n"
    "\n"
    "  --model NAME         the shape: hidden size, experts, top-k, layers (default deepseek-v2-lite; --list-models)\n"
    "  --attention N        attention workers, a session each (default 2)\n"
    "  --ffn N              FFN workers, which share the experts (default 2)\n"
    "  --micro-batches N    in flight per session (default 3)\n"
    "  --batch N            tokens of a micro-batch (default 32)\n"
    "  --layers N           of the model (default all of them)\n"
    "  --steps N            decode steps, each through all layers (default 4)\n"
    "  --sync-group N|all   sessions that must be ready together (default all); N divides --attention\n"
    "  --fair               in groups, go round the micro-batches instead of lowest first\n"
    "  --quantize           send tokens as int8 with a scale each, instead of bf16\n"
    "  --weights SIZE|full  of the pool of expert weights, as 512MiB or 4GiB (default 1GiB); full: a matrix for each\n"
    "  --trace FILE         replay this routing instead of the router's, see docs/trace-format.md\n"
    "  --verify sample|full compute a seeded sample of rows again (default), or every row, which takes long\n"
    "  --timeline FILE      write what every worker did when, for ui.perfetto.dev\n"
    "  --wait HOW           of the workers: yield (default), spin or backoff\n"
    "  --deadline SECONDS   report who is late after so long (default 10); the run goes on\n"
    "  --threads            workers as threads of this process, in private memory\n"
    "  --name NAME          the windows' names begin with it, for `afd inspect` meanwhile (default run-PID)\n"
    "  --seed N             of weights, gate and tokens (default 1)\n"
    "  --json               the result as one JSON object\n"
    "  --list-models        the shapes that are known\n"
    "  --help\n"
    "\n"
    "Ctrl-C ends the run with the table so far. Exit status: 0 everything was right; 1 something was wrong; 2 usage;\n"
    "3 the system or a window refused; 4 a worker died; 130 interrupted.\n";

enum { MODEL = 1, ATTENTION, FFN, MICRO_BATCHES, BATCH, LAYERS, STEPS, SYNC_GROUP, FAIR, QUANTIZE, WEIGHTS, TRACE,
       VERIFY, TIMELINE, WAIT, DEADLINE, THREADS, NAME, SEED, JSON, LIST_MODELS, HELP };

static const struct option long_options[] = {
    { "model", required_argument, NULL, MODEL },
    { "attention", required_argument, NULL, ATTENTION },
    { "ffn", required_argument, NULL, FFN },
    { "micro-batches", required_argument, NULL, MICRO_BATCHES },
    { "batch", required_argument, NULL, BATCH },
    { "layers", required_argument, NULL, LAYERS },
    { "steps", required_argument, NULL, STEPS },
    { "sync-group", required_argument, NULL, SYNC_GROUP },
    { "fair", no_argument, NULL, FAIR },
    { "quantize", no_argument, NULL, QUANTIZE },
    { "weights", required_argument, NULL, WEIGHTS },
    { "trace", required_argument, NULL, TRACE },
    { "verify", required_argument, NULL, VERIFY },
    { "timeline", required_argument, NULL, TIMELINE },
    { "wait", required_argument, NULL, WAIT },
    { "deadline", required_argument, NULL, DEADLINE },
    { "threads", no_argument, NULL, THREADS },
    { "name", required_argument, NULL, NAME },
    { "seed", required_argument, NULL, SEED },
    { "json", no_argument, NULL, JSON },
    { "list-models", no_argument, NULL, LIST_MODELS },
    { "help", no_argument, NULL, HELP },
    { NULL, 0, NULL, 0 },
};

/* Bounds that keep a slip of the finger from asking for terabytes; the library itself has no such bounds. */
enum { ATTENTION_MAX = 1024, FFN_MAX = 256, MICRO_BATCHES_MAX = 64, BATCH_MAX = 4096 };
#define STEPS_MAX UINT64_C(1000000000)
#define DEADLINE_SECONDS_MAX UINT64_C(86400)

static bool parse_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    if (afd_cli_parse_u64(text, min, max, number)) {
        return true;
    }
    (void)afd_cli_usage("run", "%s is '%s', must be a whole number in [%" PRIu64 ", %" PRIu64 "]", option, text, min,
                        max);
    return false;
}

static bool parse_u32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *number)
{
    uint64_t wide = 0;
    bool good = parse_number(option, text, min, max, &wide);
    if (good) {
        *number = (uint32_t)wide;
    }
    return good;
}

static bool parse_model(const char *name, run_options *options)
{
    const run_model *model = run_model_find(name);
    if (model == NULL) {
        (void)afd_cli_usage("run", "--model is '%s', which is not known; --list-models says which are", name);
        return false;
    }
    options->model = model;
    return true;
}

static bool parse_strategy(const char *text, afd_wait_strategy *strategy)
{
    static const struct {
        const char *name;
        afd_wait_strategy strategy;
    } known[] = { { "yield", AFD_WAIT_YIELD }, { "spin", AFD_WAIT_SPIN }, { "backoff", AFD_WAIT_BACKOFF } };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(text, known[i].name) == 0) {
            *strategy = known[i].strategy;
            return true;
        }
    }
    (void)afd_cli_usage("run", "--wait is '%s', must be yield, spin or backoff", text);
    return false;
}

/* 0 stands for "all" until the number of sessions is known. */
static bool parse_sync_group(const char *text, uint32_t *group_size)
{
    if (strcmp(text, "all") == 0) {
        *group_size = 0;
        return true;
    }
    return parse_u32("--sync-group", text, 1, ATTENTION_MAX, group_size);
}

/* A whole number and a unit, "512MiB"; or "full". */
static bool parse_weights(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = { { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };
    enum { DIGITS_MAX = 8 };
    if (strcmp(text, "full") == 0) {
        *bytes = RUN_WEIGHTS_FULL;
        return true;
    }
    size_t digit_num = strspn(text, "0123456789");
    char digits[DIGITS_MAX + 1] = "";
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && digit_num <= DIGITS_MAX; i++) {
        uint64_t number = 0;
        memcpy(digits, text, digit_num);
        if (strcmp(text + digit_num, units[i].unit) == 0 && afd_cli_parse_u64(digits, 1, UINT64_MAX, &number)) {
            *bytes = number << units[i].shift;
            return true;
        }
    }
    (void)afd_cli_usage("run", "--weights is '%s', must be a number with KiB, MiB, GiB or TiB, as 512MiB, or full",
                        text);
    return false;
}

static bool parse_verify(const char *text, bool *is_full)
{
    *is_full = strcmp(text, "full") == 0;
    if (*is_full || strcmp(text, "sample") == 0) {
        return true;
    }
    (void)afd_cli_usage("run", "--verify is '%s', must be sample or full", text);
    return false;
}

static bool parse_deadline(const char *text, uint64_t *deadline_ns)
{
    uint64_t seconds = 0;
    bool good = parse_number("--deadline", text, 1, DEADLINE_SECONDS_MAX, &seconds);
    *deadline_ns = seconds * UINT64_C(1000000000);
    return good;
}

static bool parse_option(int option, const char *text, run_options *options)
{
    switch (option) {
    case MODEL:
        return parse_model(text, options);
    case ATTENTION:
        return parse_u32("--attention", text, 1, ATTENTION_MAX, &options->attention_num);
    case FFN:
        return parse_u32("--ffn", text, 1, FFN_MAX, &options->ffn_num);
    case WEIGHTS:
        return parse_weights(text, &options->weights_bytes);
    case VERIFY:
        return parse_verify(text, &options->verify_full);
    case TRACE:
        options->trace_path = text;
        return true;
    case TIMELINE:
        options->timeline_path = text;
        return true;
    case QUANTIZE:
        options->quantize = true;
        return true;
    case MICRO_BATCHES:
        return parse_u32("--micro-batches", text, 1, MICRO_BATCHES_MAX, &options->micro_batch_num);
    case BATCH:
        return parse_u32("--batch", text, 1, BATCH_MAX, &options->batch_size);
    case LAYERS:
        return parse_u32("--layers", text, 1, UINT32_MAX, &options->layer_num);
    case STEPS:
        return parse_number("--steps", text, 1, STEPS_MAX, &options->step_num);
    case SYNC_GROUP:
        return parse_sync_group(text, &options->sync_group_size);
    case WAIT:
        return parse_strategy(text, &options->strategy);
    case DEADLINE:
        return parse_deadline(text, &options->deadline_ns);
    case SEED:
        return parse_number("--seed", text, 0, UINT64_MAX, &options->seed);
    case FAIR:
        options->fair = true;
        return true;
    case THREADS:
        options->threads = true;
        return true;
    case JSON:
        options->json = true;
        return true;
    case NAME:
        options->name = text;
        options->is_named = true;
        return true;
    default:
        return false;
    }
}

/* What depends on more than one option. */
static bool settle(run_options *options)
{
    if (options->layer_num == 0) {
        options->layer_num = options->model->moe_layers;
    }
    if (options->layer_num > options->model->moe_layers) {
        (void)afd_cli_usage("run", "--layers is %" PRIu32 ", %s has %" PRIu32, options->layer_num,
                            options->model->name, options->model->moe_layers);
        return false;
    }
    if (options->ffn_num > options->model->routed_expert_num) {
        (void)afd_cli_usage("run", "--ffn is %" PRIu32 ", %s has %" PRIu32 " routed experts to share out",
                            options->ffn_num, options->model->name, options->model->routed_expert_num);
        return false;
    }
    if (options->sync_group_size == 0) {
        options->sync_group_size = options->attention_num;
    }
    if (options->attention_num % options->sync_group_size != 0) {
        (void)afd_cli_usage("run", "--sync-group is %" PRIu32 ", must divide --attention, which is %" PRIu32,
                            options->sync_group_size, options->attention_num);
        return false;
    }
    if (options->threads && options->is_named) {
        (void)afd_cli_usage("run", "--name is for shared memory, --threads uses private memory");
        return false;
    }
    return true;
}

run_parsed run_options_parse(run_options *options, int argc, char **argv)
{
    *options = (run_options){
        .model = run_model_find("deepseek-v2-lite"),
        .attention_num = 2,
        .ffn_num = 2,
        .micro_batch_num = 3,
        .batch_size = 32,
        .step_num = 4,
        .weights_bytes = UINT64_C(1) << 30,
        .strategy = AFD_WAIT_YIELD,
        .deadline_ns = 10 * UINT64_C(1000000000),
        .seed = 1,
    };
    optind = 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (option == '?' || option == ':') {
            (void)afd_cli_usage_option("run", option, argv);
            return RUN_PARSED_USAGE;
        }
        if (option == HELP) {
            (void)fputs(help_text, stdout);
            return RUN_PARSED_DONE;
        }
        if (option == LIST_MODELS) {
            run_model_list(stdout);
            return RUN_PARSED_DONE;
        }
        if (!parse_option(option, optarg, options)) {
            return RUN_PARSED_USAGE;
        }
    }
    if (optind < argc) {
        (void)afd_cli_usage("run", "'%s' is not expected: every argument of run is an option", argv[optind]);
        return RUN_PARSED_USAGE;
    }
    return settle(options) ? RUN_PARSED_GO : RUN_PARSED_USAGE;
}
