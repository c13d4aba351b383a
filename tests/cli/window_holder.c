/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a shared window in a known state for a test of the program, and holds it.
 *
 *     window_holder [--die] [--token-bytes HS] [--experts N] [--desc S:M:FLAG:LAYER[:ID,ID...]]... NAME S M BS E
 *     window_holder --attention [--slots M:FIRST-LAST:FLAG]... [--ffn-num N] ...
 *     window_holder [--worker KEY=VALUE,...] [--member I:KEY=VALUE,...]... [--grow] ...
 *
 * --desc sets one desc, whatever its flag may be; S may be a range "3-7". Ids that are not given keep the sentinel.
 * --slots sets the flags of an attention window's slots, counted within their micro-batch.
 * --worker and --member set counters by the names of their fields (afd/stats.h); "42s" is 42 seconds ago. With --grow
 * the rows and bytes of the worker and of its first member grow while the window is held.
 * When all is set it prints "ready", then waits for a byte or the end of stdin, and closes the window. With --die it
 * ends there and then, without closing: its window has a dead owner. It does not outlive the shell that started it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "afd/wait.h"
#include "window/stats.h"
#include "window/window.h"

enum { DESC_NUM_MAX = 64, MEMBER_NUM_MAX = 64 };

typedef struct holder_options {
    bool die;
    bool attention;
    uint32_t token_bytes;
    uint32_t expert_num;
    const char *descs[DESC_NUM_MAX];
    int desc_num;
    uint32_t ffn_num;
    const char *worker;
    const char *members[MEMBER_NUM_MAX];
    int member_num;
    bool grow;
} holder_options;

__attribute__((noreturn)) static void give_up(const char *what, const char *about)
{
    (void)fprintf(stderr, "window_holder: %s: %s\n", what, about);
    exit(1);
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 0);
}

static void set_desc(const afd_window *window, uint32_t session, uint32_t micro_batch, int32_t flag, int32_t layer_id,
                     const char *ids)
{
    afd_ffn_desc *desc = afd_window_desc(window, session, micro_batch);
    if (desc == NULL) {
        give_up("no such desc", ids);
    }
    int32_t *slot = afd_ffn_desc_expert_ids(desc);
    while (*ids == ':' || *ids == ',') {
        char *end = NULL;
        *slot++ = (int32_t)strtol(ids + 1, &end, 0);
        ids = end;
    }
    desc->layer_id = layer_id;
    if (flag == AFD_FLAG_READY) {
        afd_ffn_desc_publish(desc);
    } else {
        __atomic_store_n(&desc->flag, flag, __ATOMIC_RELEASE);
    }
}

static void apply(const afd_window *window, const char *text)
{
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t micro_batch = 0;
    int32_t flag = 0;
    int32_t layer_id = 0;
    int length = 0;
    if (sscanf(text, "%" SCNu32 "-%" SCNu32 ":%" SCNu32 ":%" SCNi32 ":%" SCNd32 "%n", &first, &last, &micro_batch,
               &flag, &layer_id, &length) != 5) {
        if (sscanf(text, "%" SCNu32 ":%" SCNu32 ":%" SCNi32 ":%" SCNd32 "%n", &first, &micro_batch, &flag, &layer_id,
                   &length) != 4) {
            give_up("not S:M:FLAG:LAYER", text);
        }
        last = first;
    }
    for (uint32_t s = first; s <= last; s++) {
        set_desc(window, s, micro_batch, flag, layer_id, text + length);
    }
}

static void apply_slots(const afd_window *window, const char *text)
{
    uint32_t micro_batch = 0;
    uint32_t first = 0;
    uint32_t last = 0;
    int32_t flag = 0;
    if (sscanf(text, "%" SCNu32 ":%" SCNu32 "-%" SCNu32 ":%" SCNi32, &micro_batch, &first, &last, &flag) != 4) {
        give_up("not M:FIRST-LAST:FLAG", text);
    }
    int32_t *flags = afd_window_slot_flags(window, micro_batch);
    if (flags == NULL) {
        give_up("no such micro-batch", text);
    }
    for (uint32_t i = first; i <= last; i++) {
        __atomic_store_n(&flags[i], flag, __ATOMIC_RELEASE);
    }
}

/* ---- counters ---- */

/* The fields of the two structures, in their order. */
static const char *const worker_fields[] = { "started_ns", "beat_ns", "step_num", "micro_batch_num", "row_num",
                                             "byte_num", "wild_num", "join_num", "leave_num", "drop_num",
                                             "refuse_num", "late_num", "lost_round_num", "draining", "stale_num",
                                             "garbage_num", "credit_wait_num", NULL };
static const char *const member_fields[] = { "state", "pid", "epoch", "joined_ns", "heard_ns", "delivered_ns",
                                             "micro_batch_num", "row_num", "byte_num", "in_flight_num", "late_num",
                                             "drop_num", "wild_num", "join_num", "micro_batch", "layer_id", NULL };

static uint64_t stat_value(const char *text)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 0);
    return *end == 's' ? afd_clock_ns() - value * 1000000000 : value;
}

static void set_stat(uint64_t *stats, const char *const *fields, const char *text)
{
    for (size_t i = 0; fields[i] != NULL; i++) {
        size_t length = strlen(fields[i]);
        if (strncmp(text, fields[i], length) == 0 && text[length] == '=') {
            afd__stat_set(&stats[i], stat_value(text + length + 1));
            return;
        }
    }
    give_up("no such counter", text);
}

static void set_stats(void *stats, const char *const *fields, const char *text)
{
    while (text != NULL) {
        set_stat(stats, fields, text);
        text = strchr(text, ',');
        text = text != NULL ? text + 1 : NULL;
    }
}

static void apply_stats(afd_window *window, const holder_options *options)
{
    set_stats(afd__window_own_worker_stats(window), worker_fields, options->worker);
    for (int i = 0; i < options->member_num; i++) {
        const char *colon = strchr(options->members[i], ':');
        uint32_t member = number(options->members[i]);
        if (colon == NULL || member >= afd_window_member_num(window)) {
            give_up("not I:KEY=VALUE,...", options->members[i]);
        }
        set_stats(afd__window_own_member_stats(window, member), member_fields, colon + 1);
    }
}

static holder_options parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "die", no_argument, NULL, 'x' },
        { "attention", no_argument, NULL, 'a' },
        { "token-bytes", required_argument, NULL, 't' },
        { "experts", required_argument, NULL, 'e' },
        { "desc", required_argument, NULL, 'd' },
        { "slots", required_argument, NULL, 'd' }, /* which of the two it is, the kind of the window says */
        { "ffn-num", required_argument, NULL, 'f' },
        { "worker", required_argument, NULL, 'w' },
        { "member", required_argument, NULL, 'm' },
        { "grow", no_argument, NULL, 'g' },
        { NULL, 0, NULL, 0 },
    };
    holder_options parsed = { .expert_num = 8 };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'x':
            parsed.die = true;
            break;
        case 'a':
            parsed.attention = true;
            break;
        case 't':
            parsed.token_bytes = number(optarg);
            break;
        case 'e':
            parsed.expert_num = number(optarg);
            break;
        case 'd':
            if (parsed.desc_num == DESC_NUM_MAX) {
                give_up("too many --desc or --slots", optarg);
            }
            parsed.descs[parsed.desc_num++] = optarg;
            break;
        case 'f':
            parsed.ffn_num = number(optarg);
            break;
        case 'w':
            parsed.worker = optarg;
            break;
        case 'm':
            if (parsed.member_num == MEMBER_NUM_MAX) {
                give_up("too many --member", optarg);
            }
            parsed.members[parsed.member_num++] = optarg;
            break;
        case 'g':
            parsed.grow = true;
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 5) {
        give_up("wants NAME S M BS E", "got something else");
    }
    return parsed;
}

static void end_wait(int signal_number)
{
    (void)signal_number; /* it has ended read(), which is all that it is for */
}

/* Until there is something to read. */
static void grow(afd_window *window)
{
    struct pollfd word = { .fd = STDIN_FILENO, .events = POLLIN };
    afd_worker_stats *worker = afd__window_own_worker_stats(window);
    afd_member_stats *member = afd__window_own_member_stats(window, 0);
    while (poll(&word, 1, 1) == 0) {
        afd__stat_add(&worker->row_num, 5);
        afd__stat_add(&worker->byte_num, 500);
        afd__stat_add(&member->row_num, 5);
        afd__stat_add(&member->byte_num, 500);
    }
}

static void wait_for_word(afd_window *window, bool does_grow)
{
    char byte;
    struct sigaction action = { .sa_handler = end_wait };
    (void)sigaction(SIGTERM, &action, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)puts("ready");
    (void)fflush(stdout);
    if (does_grow) {
        grow(window);
    }
    (void)!read(STDIN_FILENO, &byte, 1);
}

int main(int argc, char **argv)
{
    holder_options options = parse(argc, argv);
    char **words = argv + optind;
    const afd_shape shape = {
        .session_num = number(words[1]),
        .micro_batch_num = number(words[2]),
        .micro_batch_size = number(words[3]),
        .selected_expert_num = number(words[4]),
        .expert_num = options.expert_num,
        .attn_to_ffn_token_size = options.token_bytes,
        .ffn_to_attn_token_size = options.token_bytes,
    };
    afd_error error;
    afd_window *window = NULL;
    afd_status status = options.attention
                            ? afd__attention_window_create(words[0], &shape, options.ffn_num, &window, &error)
                            : afd_ffn_window_create_shared(words[0], &shape, &window, &error);
    if (status != AFD_OK) {
        give_up(words[0], error.message);
    }
    for (int i = 0; i < options.desc_num; i++) {
        (options.attention ? apply_slots : apply)(window, options.descs[i]);
    }
    apply_stats(window, &options);
    if (options.die) {
        _exit(0);
    }
    wait_for_word(window, options.grow);
    afd_window_close(window);
    return 0;
}
