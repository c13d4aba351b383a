/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a shared window in a known state for a test of the program, and holds it.
 *
 *     window_holder [--die] [--token-bytes HS] [--experts N] [--desc S:M:FLAG:LAYER[:ID,ID...]]... NAME S M BS E
 *     window_holder --attention [--slots M:FIRST-LAST:FLAG]... ...
 *
 * --desc sets one desc, whatever its flag may be; S may be a range "3-7". Ids that are not given keep the sentinel.
 * --slots sets the flags of an attention window's slots, counted within their micro-batch.
 * When all is set it prints "ready", then waits for a byte or the end of stdin, and closes the window. With --die it
 * ends there and then, without closing: its window has a dead owner. It does not outlive the shell that started it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "afd/window.h"

enum { DESC_NUM_MAX = 64 };

typedef struct holder_options {
    bool die;
    bool attention;
    uint32_t token_bytes;
    uint32_t expert_num;
    const char *descs[DESC_NUM_MAX];
    int desc_num;
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

static holder_options parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "die", no_argument, NULL, 'x' },
        { "attention", no_argument, NULL, 'a' },
        { "token-bytes", required_argument, NULL, 't' },
        { "experts", required_argument, NULL, 'e' },
        { "desc", required_argument, NULL, 'd' },
        { "slots", required_argument, NULL, 'd' }, /* which of the two it is, the kind of the window says */
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

static void wait_for_word(void)
{
    char byte;
    struct sigaction action = { .sa_handler = end_wait };
    (void)sigaction(SIGTERM, &action, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)puts("ready");
    (void)fflush(stdout);
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
    afd_status status = options.attention ? afd_attention_window_create_shared(words[0], &shape, &window, &error)
                                          : afd_ffn_window_create_shared(words[0], &shape, &window, &error);
    if (status != AFD_OK) {
        give_up(words[0], error.message);
    }
    for (int i = 0; i < options.desc_num; i++) {
        (options.attention ? apply_slots : apply)(window, options.descs[i]);
    }
    if (options.die) {
        _exit(0);
    }
    wait_for_word();
    afd_window_close(window);
    return 0;
}
