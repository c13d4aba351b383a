/* SPDX-License-Identifier: Apache-2.0 */
/* afd inspect: what a window holds, and whom it waits for. */
#include "inspect.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "out.h"
#include "verbs.h"

static const char inspect_help[] =
    "usage: afd inspect [--json] [--session N] NAME|FILE\n"
    "\n"
    "Shows a window's configuration. Of an FFN window then a grid with a row a session and a\n"
    "column a micro-batch: `.` free, `R5` ready with layer 5, `!` a flag that is neither; and\n"
    "for every micro-batch how many sessions are ready and which ones all-sync waits for. Of an\n"
    "attention window, for every micro-batch how many slots are ready, free, or corrupt.\n"
    "\n"
    "NAME is a window on this host; FILE is a file that `afd dump` wrote, or the 1024 bytes of\n"
    "a ScheduleContext. A word with a '/' is a file, and so is one that only a file answers to.\n"
    "\n"
    "  -j, --json       for programs: afd-inspect(1) documents the keys\n"
    "  -s, --session N  also the expert ids of session N's micro-batches\n"
    "  -h, --help       this text\n"
    "\n"
    "Ends with 1 when a flag is neither free nor ready, or when the scheduler would refuse the\n"
    "context.\n";

typedef struct inspect_request {
    const char *word;
    const char *session; /* as it was typed; NULL when not asked for */
    bool json;
} inspect_request;

static afd_cli_ids *take_session_ids(const afd_cli_source *source, uint32_t session)
{
    const afd_shape *shape = &source->info.shape;
    afd_cli_ids *ids = afd_cli_alloc(shape->micro_batch_num, sizeof(*ids));
    for (uint32_t m = 0; m < shape->micro_batch_num; m++) {
        afd_cli_ids_take(source->window, shape, session, m, &ids[m]);
    }
    return ids;
}

static void drop_session_ids(afd_cli_ids *ids, uint32_t micro_batch_num)
{
    for (uint32_t m = 0; ids != NULL && m < micro_batch_num; m++) {
        afd_cli_ids_drop(&ids[m]);
    }
    free(ids);
}

static int refuse_size(const inspect_request *request, const afd_shape *shape)
{
    if (afd_cli_sample_desc_num(shape) > AFD_CLI_DESC_NUM_MAX) {
        afd_cli_note("inspect",
                     "%s has %" PRIu32 " sessions x %" PRIu32 " micro-batches, inspect shows at most %d descs",
                     request->word, shape->session_num, shape->micro_batch_num, AFD_CLI_DESC_NUM_MAX);
        return AFD_EXIT_REFUSED;
    }
    if (request->session != NULL && afd_cli_sample_id_num(shape) > AFD_CLI_ID_NUM_MAX) {
        afd_cli_note("inspect",
                     "a session of %s has %" PRIu32 " micro-batches x %" PRIu32 " tokens x %" PRIu32
                     " slots, inspect shows at most %d expert ids",
                     request->word, shape->micro_batch_num, shape->micro_batch_size, shape->selected_expert_num,
                     AFD_CLI_ID_NUM_MAX);
        return AFD_EXIT_REFUSED;
    }
    return AFD_EXIT_DONE;
}

static int inspect_descs(const inspect_request *request, const afd_cli_source *source, const afd_cli_look *look)
{
    const afd_shape *shape = &source->info.shape;
    uint64_t session = 0;
    if (request->session != NULL && !afd_cli_parse_u64(request->session, 0, shape->session_num - 1, &session)) {
        return afd_cli_usage("inspect", "--session is '%s', must be a number from 0 to %" PRIu32, request->session,
                             shape->session_num - 1);
    }
    int code = refuse_size(request, shape);
    if (code != AFD_EXIT_DONE) {
        return code;
    }
    afd_cli_sample sample;
    afd_cli_ids *ids = NULL;
    afd_cli_sample_take(source->window, shape, &sample);
    if (request->session != NULL) {
        ids = take_session_ids(source, (uint32_t)session);
    }
    const afd_cli_view view = {
        .source = source,
        .sample = &sample,
        .session = request->session != NULL ? (int64_t)session : AFD_CLI_NO_SESSION,
        .ids = ids,
        .look = look,
    };
    if (request->json) {
        code = afd_cli_view_print_json(&view);
    } else {
        afd_cli_view_print(&view);
    }
    if (code == AFD_EXIT_DONE && sample.corrupt_num > 0) {
        code = AFD_EXIT_NO;
    }
    drop_session_ids(ids, shape->micro_batch_num);
    afd_cli_sample_drop(&sample);
    return code;
}

static int inspect_slots(const inspect_request *request, const afd_cli_source *source, const afd_cli_look *look)
{
    if (request->session != NULL) {
        return afd_cli_usage("inspect", "%s is an attention window, which has no sessions to show", request->word);
    }
    return afd_cli_slots_inspect(source, look, request->json);
}

static int inspect_window(const inspect_request *request, const afd_cli_source *source)
{
    afd_cli_look look;
    if (!afd_cli_look_fits(source->window)) {
        return refuse_size(request, &source->info.shape); /* as it has as many sessions */
    }
    afd_cli_look_take(source->window, source->kind == AFD_CLI_SOURCE_DUMP, &look);
    int code = source->info.kind == AFD_WINDOW_ATTENTION ? inspect_slots(request, source, &look)
                                                         : inspect_descs(request, source, &look);
    afd_cli_look_drop(&look);
    return code;
}

static int inspect(const inspect_request *request)
{
    afd_cli_source source;
    int code = afd_cli_source_open("inspect", request->word, &source);
    if (code != AFD_EXIT_DONE) {
        return code;
    }
    if (source.kind != AFD_CLI_SOURCE_CONTEXT) {
        code = inspect_window(request, &source);
    } else if (request->session != NULL) {
        code = afd_cli_usage("inspect", "%s is a context, which has no sessions to show", request->word);
    } else {
        code = afd_cli_context_inspect(&source, request->json);
    }
    afd_cli_source_close(&source);
    return code;
}

int afd_cmd_inspect(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "session", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    inspect_request request = { 0 };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":js:h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            request.json = true;
            break;
        case 's':
            request.session = optarg;
            break;
        case 'h':
            (void)fputs(inspect_help, stdout);
            return AFD_EXIT_DONE;
        default:
            return afd_cli_usage_option("inspect", option, argv);
        }
    }
    if (argc - optind != 1) {
        return afd_cli_usage("inspect", "takes one window's name or one file, got %d words", argc - optind);
    }
    request.word = argv[optind];
    return inspect(&request);
}
