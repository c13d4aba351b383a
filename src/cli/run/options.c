/* SPDX-License-Identifier: Apache-2.0 */
#include "run/options.h"

#include <getopt.h>
#include <stdio.h>

#include "out.h"
#include "run/parse.h"

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
    "  --transport shm|ucx  through memory that workers share (default), or as between hosts, over the loopback\n"
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
       VERIFY, TIMELINE, WAIT, DEADLINE, TRANSPORT, THREADS, NAME, SEED, JSON, LIST_MODELS, HELP };

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
    { "transport", required_argument, NULL, TRANSPORT },
    { "threads", no_argument, NULL, THREADS },
    { "name", required_argument, NULL, NAME },
    { "seed", required_argument, NULL, SEED },
    { "json", no_argument, NULL, JSON },
    { "list-models", no_argument, NULL, LIST_MODELS },
    { "help", no_argument, NULL, HELP },
    { NULL, 0, NULL, 0 },
};

static bool parse_transport(const char *text, bool *ucx)
{
    static const char *const words[] = { "shm", "ucx" };
    uint32_t which = 0;
    bool good = run_parse_word("run", "--transport", text, words, 2, &which);
    if (good) {
        *ucx = which == 1;
    }
    return good;
}

static bool parse_option(int option, const char *text, run_options *options)
{
    switch (option) {
    case MODEL:
        return run_parse_model("run", text, &options->model);
    case ATTENTION:
        return run_parse_u32("run", "--attention", text, 1, RUN_SESSIONS_MAX, &options->attention_num);
    case FFN:
        return run_parse_u32("run", "--ffn", text, 1, RUN_FFN_MAX, &options->ffn_num);
    case WEIGHTS:
        return run_parse_weights("run", text, &options->weights_bytes);
    case VERIFY:
        return run_parse_verify("run", text, &options->verify_full);
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
        return run_parse_u32("run", "--micro-batches", text, 1, RUN_MICRO_BATCHES_MAX, &options->micro_batch_num);
    case BATCH:
        return run_parse_u32("run", "--batch", text, 1, RUN_BATCH_MAX, &options->batch_size);
    case LAYERS:
        return run_parse_u32("run", "--layers", text, 1, UINT32_MAX, &options->layer_num);
    case STEPS:
        return run_parse_number("run", "--steps", text, 1, RUN_STEPS_MAX, &options->step_num);
    case SYNC_GROUP:
        return run_parse_sync_group("run", text, &options->sync_group_size);
    case WAIT:
        return run_parse_wait("run", text, &options->strategy);
    case DEADLINE:
        return run_parse_seconds("run", "--deadline", text, &options->deadline_ns);
    case SEED:
        return run_parse_number("run", "--seed", text, 0, UINT64_MAX, &options->seed);
    case FAIR:
        options->fair = true;
        return true;
    case TRANSPORT:
        return parse_transport(text, &options->ucx);
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
    if (!run_settle_layers("run", options->model, &options->layer_num) ||
        !run_settle_ffn("run", options->model, options->ffn_num) ||
        !run_settle_sync_group("run", "--attention", options->attention_num, &options->sync_group_size)) {
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
