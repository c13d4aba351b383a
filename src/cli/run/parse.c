/* SPDX-License-Identifier: Apache-2.0 */
#include "run/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "run/weights/weights.h"

#define SECONDS_MAX UINT64_C(86400)

bool run_parse_number(const char *verb, const char *option, const char *text, uint64_t min, uint64_t max,
                      uint64_t *number)
{
    if (afd_cli_parse_u64(text, min, max, number)) {
        return true;
    }
    (void)afd_cli_usage(verb, "%s is '%s', must be a whole number in [%" PRIu64 ", %" PRIu64 "]", option, text, min,
                        max);
    return false;
}

bool run_parse_u32(const char *verb, const char *option, const char *text, uint32_t min, uint32_t max,
                   uint32_t *number)
{
    uint64_t wide = 0;
    bool good = run_parse_number(verb, option, text, min, max, &wide);
    if (good) {
        *number = (uint32_t)wide;
    }
    return good;
}

/* "yield, spin or backoff" */
static void list_words(const char *const *words, uint32_t word_num, char *list, size_t list_bytes)
{
    size_t length = 0;
    for (uint32_t i = 0; i < word_num && length < list_bytes; i++) {
        const char *before = i == 0 ? "" : i + 1 < word_num ? ", " : " or ";
        length += (size_t)snprintf(list + length, list_bytes - length, "%s%s", before, words[i]);
    }
}

bool run_parse_word(const char *verb, const char *option, const char *text, const char *const *words, uint32_t word_num,
                    uint32_t *index)
{
    char list[64];
    for (uint32_t i = 0; i < word_num; i++) {
        if (strcmp(text, words[i]) == 0) {
            *index = i;
            return true;
        }
    }
    list_words(words, word_num, list, sizeof(list));
    (void)afd_cli_usage(verb, "%s is '%s', must be %s", option, text, list);
    return false;
}

bool run_parse_model(const char *verb, const char *text, const run_model **model)
{
    const run_model *found = run_model_find(text);
    if (found == NULL) {
        (void)afd_cli_usage(verb, "--model is '%s', which is not known; --list-models says which are", text);
        return false;
    }
    *model = found;
    return true;
}

bool run_parse_wait(const char *verb, const char *text, afd_wait_strategy *strategy)
{
    static const char *const words[] = { "yield", "spin", "backoff" };
    static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };
    uint32_t which = 0;
    bool good = run_parse_word(verb, "--wait", text, words, 3, &which);
    if (good) {
        *strategy = strategies[which];
    }
    return good;
}

bool run_parse_verify(const char *verb, const char *text, bool *is_full)
{
    static const char *const words[] = { "sample", "full" };
    uint32_t which = 0;
    bool good = run_parse_word(verb, "--verify", text, words, 2, &which);
    if (good) {
        *is_full = which == 1;
    }
    return good;
}

bool run_parse_seconds(const char *verb, const char *option, const char *text, uint64_t *ns)
{
    uint64_t seconds = 0;
    bool good = run_parse_number(verb, option, text, 1, SECONDS_MAX, &seconds);
    if (good) {
        *ns = seconds * UINT64_C(1000000000);
    }
    return good;
}

bool run_parse_sync_group(const char *verb, const char *text, uint32_t *group_size)
{
    if (strcmp(text, "all") == 0) {
        *group_size = 0;
        return true;
    }
    return run_parse_u32(verb, "--sync-group", text, 1, RUN_SESSIONS_MAX, group_size);
}

bool run_parse_weights(const char *verb, const char *text, uint64_t *bytes)
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
    (void)afd_cli_usage(verb, "--weights is '%s', must be a number with KiB, MiB, GiB or TiB, as 512MiB, or full",
                        text);
    return false;
}

bool run_settle_layers(const char *verb, const run_model *model, uint32_t *layer_num)
{
    if (*layer_num == 0) {
        *layer_num = model->moe_layers;
    }
    if (*layer_num > model->moe_layers) {
        (void)afd_cli_usage(verb, "--layers is %" PRIu32 ", %s has %" PRIu32, *layer_num, model->name,
                            model->moe_layers);
        return false;
    }
    return true;
}

bool run_settle_ffn(const char *verb, const run_model *model, uint32_t ffn_num)
{
    if (ffn_num > model->routed_expert_num) {
        (void)afd_cli_usage(verb, "--ffn is %" PRIu32 ", %s has %" PRIu32 " routed experts to share out", ffn_num,
                            model->name, model->routed_expert_num);
        return false;
    }
    return true;
}

bool run_settle_sync_group(const char *verb, const char *sessions, uint32_t session_num, uint32_t *group_size)
{
    if (*group_size == 0) {
        *group_size = session_num;
    }
    if (session_num % *group_size != 0) {
        (void)afd_cli_usage(verb, "--sync-group is %" PRIu32 ", must divide %s, which is %" PRIu32, *group_size,
                            sessions, session_num);
        return false;
    }
    return true;
}
