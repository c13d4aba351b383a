/* SPDX-License-Identifier: Apache-2.0 */
/* afd top: what a worker does, look after look. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "look.h"
#include "out.h"
#include "screen.h"
#include "source.h"
#include "top.h"
#include "verbs.h"

static const char top_help[] =
    "usage: afd top [--interval S] [--once] [--json] NAME\n"
    "\n"
    "Shows what the worker of window NAME says of itself: what it has done and does a second,\n"
    "its heartbeat, and every session, or of an attention worker every FFN worker, that ever\n"
    "came: its state, what it has in flight, how often it was late or was dropped, and when it\n"
    "was last heard. On a terminal again and again, until q or Ctrl-C; a worker that dies or\n"
    "leaves is waited for. Else once, after two looks an interval apart.\n"
    "\n"
    "  -i, --interval S  seconds between looks, in [0.1, 3600]; 1 if not given\n"
    "  -1, --once        once, on a terminal too\n"
    "  -j, --json        once, for programs: afd-top(1) documents the keys\n"
    "  -h, --help        this text\n"
    "\n"
    "Ends with 4 if the worker, at the last look, was dead.\n";

typedef struct top_request {
    const char *name;
    uint64_t interval_ns;
    bool once;
    bool json;
} top_request;

/* Seconds, as digits with a point or without, in [0.1, 3600]; false if it is none. */
static bool parse_seconds(const char *text, uint64_t *ns)
{
    char *end = NULL;
    size_t length = strlen(text);
    if (length == 0 || strspn(text, "0123456789.") != length) { /* strtod would take signs, spaces and words */
        return false;
    }
    double seconds = strtod(text, &end);
    if (*end != '\0' || seconds < 0.1 || seconds > 3600) {
        return false;
    }
    *ns = (uint64_t)(seconds * 1e9);
    return true;
}

/* Every look joins anew: so it is always at who has the name now, and holds nothing of one that has gone. */
static afd_status take_look(const char *name, afd_cli_look *look, afd_error *error)
{
    afd_window *window = NULL;
    afd_status status = afd_window_join(name, AFD_WINDOW_READ, &window, error);
    if (status != AFD_OK) {
        return status;
    }
    if (afd_cli_look_fits(window)) {
        afd_cli_look_take(window, false, look);
    } else {
        status = AFD_ERR_OVERFLOW;
        *error = (afd_error){ .status = status };
        (void)snprintf(error->message, sizeof(error->message),
                       "the window has %" PRIu32 " members, top shows at most %d", afd_window_member_num(window),
                       AFD_CLI_MEMBER_NUM_MAX);
    }
    afd_window_close(window);
    return status;
}

static int exit_code_of(const afd_cli_look *look)
{
    return look->info.owner == AFD_OWNER_DEAD ? AFD_EXIT_DIED : AFD_EXIT_DONE;
}

/* ---- once ---- */

static int fail_look(const top_request *request, const afd_error *error)
{
    if (error->status == AFD_ERR_NOT_FOUND) {
        afd_cli_note("top", "there is no window %s on this host; `afd ls` shows those that there are", request->name);
    } else {
        afd_cli_error_about("top", request->name, error);
    }
    return error->status == AFD_ERR_INVALID ? AFD_EXIT_USAGE : AFD_EXIT_REFUSED;
}

static int print_look(const top_request *request, const afd_cli_look *before, const afd_cli_look *look)
{
    if (request->json) {
        return afd_cli_top_print_json(before, look);
    }
    afd_cli_top_print(before, look, UINT32_MAX, afd_cli_has_colour(stdout), stdout);
    return AFD_EXIT_DONE;
}

static int show_once(const top_request *request)
{
    const struct timespec pause = { .tv_sec = (time_t)(request->interval_ns / 1000000000),
                                    .tv_nsec = (long)(request->interval_ns % 1000000000) };
    afd_cli_look looks[2] = { 0 };
    afd_error error;
    afd_status status = take_look(request->name, &looks[0], &error);
    if (status == AFD_OK && looks[0].info.owner != AFD_OWNER_DEAD) { /* of a dead one nothing changes any more */
        (void)nanosleep(&pause, NULL);
    }
    if (status == AFD_OK) {
        status = take_look(request->name, &looks[1], &error);
    }
    int code = status == AFD_OK ? print_look(request, &looks[0], &looks[1]) : fail_look(request, &error);
    if (code == AFD_EXIT_DONE) {
        code = exit_code_of(&looks[1]);
    }
    if (code == AFD_EXIT_DIED) {
        afd_cli_note("top", "the owner of window %s, process %" PRIu32 ", is dead", request->name,
                     looks[1].info.owner_pid);
    }
    afd_cli_look_drop(&looks[0]);
    afd_cli_look_drop(&looks[1]);
    return code;
}

/* ---- again and again ---- */

/* What is on the screen: the two latest looks, and what has become of the worker since. */
typedef struct top_view {
    afd_cli_look before;
    afd_cli_look look;
    uint32_t restart_num;
    char problem[AFD_ERROR_MESSAGE_BYTES + 32]; /* why there is no newer look; "" if there is one */
} top_view;

static void note_death(top_view *view)
{
    view->problem[0] = '\0';
    if (view->look.info.owner == AFD_OWNER_DEAD) {
        (void)snprintf(view->problem, sizeof(view->problem), "process %" PRIu32 " has died; waiting for another",
                       view->look.info.owner_pid);
    }
}

static void advance(top_view *view, const char *name)
{
    afd_error error;
    afd_cli_look next;
    if (take_look(name, &next, &error) != AFD_OK) {
        (void)snprintf(view->problem, sizeof(view->problem), "%s; waiting",
                       error.status == AFD_ERR_NOT_FOUND ? "the worker has closed its window" : error.message);
        return;
    }
    view->restart_num += next.info.generation != view->look.info.generation;
    afd_cli_look_drop(&view->before);
    view->before = view->look;
    view->look = next;
    note_death(view);
}

static void draw(const top_view *view)
{
    enum { OTHER_LINE_NUM = 16 }; /* around the members' table, its head included */
    char *text = NULL;
    size_t length = 0;
    uint32_t line_num = afd_cli_screen_line_num();
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL) {
        return; /* the screen stays as it is until there is memory */
    }
    if (view->problem[0] != '\0') {
        (void)fprintf(stream, "%s\n", view->problem);
    } else if (view->restart_num > 0) {
        (void)fprintf(stream, "the name has passed to another window %" PRIu32 " times since this began\n",
                      view->restart_num);
    } else {
        (void)fprintf(stream, "q ends\n");
    }
    afd_cli_top_print(&view->before, &view->look, line_num > OTHER_LINE_NUM ? line_num - OTHER_LINE_NUM : 1,
                      afd_cli_has_colour(stdout), stream);
    if (fclose(stream) == 0) {
        afd_cli_screen_draw(text, length);
    }
    free(text);
}

static int show_again_and_again(const top_request *request)
{
    top_view view = { 0 };
    afd_error error;
    if (take_look(request->name, &view.look, &error) != AFD_OK) {
        return fail_look(request, &error);
    }
    note_death(&view);
    afd_cli_screen_event event = AFD_CLI_SCREEN_TIME;
    afd_cli_screen_begin();
    while (event == AFD_CLI_SCREEN_TIME || event == AFD_CLI_SCREEN_REDRAW) {
        draw(&view);
        event = afd_cli_screen_wait(request->interval_ns);
        if (event == AFD_CLI_SCREEN_TIME) {
            advance(&view, request->name);
        }
    }
    afd_cli_screen_end();
    int code = event == AFD_CLI_SCREEN_INTERRUPT ? AFD_EXIT_INTERRUPTED : exit_code_of(&view.look);
    afd_cli_look_drop(&view.before);
    afd_cli_look_drop(&view.look);
    return code;
}

/* AFD_CLI_GO_ON, or the exit code. */
static int parse(int argc, char **argv, top_request *request)
{
    static const struct option options[] = {
        { "interval", required_argument, NULL, 'i' },
        { "once", no_argument, NULL, '1' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":i:1jh", options, NULL)) != -1) {
        switch (option) {
        case 'i':
            if (!parse_seconds(optarg, &request->interval_ns)) {
                return afd_cli_usage("top", "--interval is '%s', must be seconds in [0.1, 3600]", optarg);
            }
            break;
        case '1':
            request->once = true;
            break;
        case 'j':
            request->json = true;
            break;
        case 'h':
            (void)fputs(top_help, stdout);
            return AFD_EXIT_DONE;
        default:
            return afd_cli_usage_option("top", option, argv);
        }
    }
    if (argc - optind != 1) {
        return afd_cli_usage("top", "takes one window's name, got %d words", argc - optind);
    }
    request->name = argv[optind];
    return AFD_CLI_GO_ON;
}

int afd_cmd_top(int argc, char **argv)
{
    top_request request = { .interval_ns = 1000000000 };
    int code = parse(argc, argv, &request);
    if (code != AFD_CLI_GO_ON) {
        return code;
    }
    if (request.once || request.json || !afd_cli_screen_is_possible()) {
        return show_once(&request);
    }
    return show_again_and_again(&request);
}
