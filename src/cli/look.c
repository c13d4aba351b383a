/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "afd/wait.h"
#include "out.h"

static const char *const state_names[AFD_CLI_STATE_NUM] = { "away", "joining", "live", "left", "dropped" };

const char *afd_cli_member_state(uint64_t state)
{
    return state < AFD_CLI_STATE_NUM ? state_names[state] : "unknown";
}

bool afd_cli_look_fits(const afd_window *window)
{
    return afd_window_member_num(window) <= AFD_CLI_MEMBER_NUM_MAX;
}

/* Of a deployment's sessions most may never come; they are counted, and that is all that there is to say of them. */
static void take_member(const afd_window *window, uint32_t number, afd_cli_look *look, uint32_t *capacity)
{
    afd_member_stats stats;
    if (afd_window_member_stats(window, number, &stats, NULL) != AFD_OK) {
        return;
    }
    look->state_nums[stats.state < AFD_CLI_STATE_NUM ? stats.state : AFD_CLI_STATE_NUM]++;
    if (stats.state == AFD_MEMBER_AWAY && stats.join_num == 0) {
        return;
    }
    if (look->member_num == *capacity) {
        *capacity = *capacity * 2 + 16;
        look->members = afd_cli_realloc(look->members, *capacity, sizeof(*look->members));
    }
    look->members[look->member_num++] = (afd_cli_member){ number, stats };
}

void afd_cli_look_take(const afd_window *window, bool is_dump, afd_cli_look *look)
{
    uint32_t capacity = 0;
    *look = (afd_cli_look){ 0 };
    afd_window_describe(window, &look->info);
    /* Cannot fail: what was joined or opened has counters. Zeros would say that there is no worker. */
    (void)afd_window_worker_stats(window, &look->worker, NULL);
    for (uint32_t i = 0; i < afd_window_member_num(window); i++) {
        take_member(window, i, look, &capacity);
    }
    /* Last, so that nothing that was read is of a later time. */
    look->taken_ns = is_dump ? 0 : afd_clock_ns();
}

void afd_cli_look_drop(afd_cli_look *look)
{
    free(look->members);
    *look = (afd_cli_look){ 0 };
}

bool afd_cli_look_has_worker(const afd_cli_look *look)
{
    return look->worker.started_ns != 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = ((const afd_cli_member *)a)->number;
    uint32_t right = ((const afd_cli_member *)b)->number;
    return (left > right) - (left < right);
}

afd_member_stats afd_cli_look_member(const afd_cli_look *look, uint32_t number)
{
    const afd_cli_member wanted = { .number = number };
    const afd_cli_member *found = NULL;
    if (look->member_num > 0) {
        found = bsearch(&wanted, look->members, look->member_num, sizeof(wanted), by_number);
    }
    return found != NULL ? found->stats : (afd_member_stats){ 0 };
}

bool afd_cli_look_age(const afd_cli_look *look, uint64_t then_ns, uint64_t *age_ns)
{
    if (then_ns == 0 || look->taken_ns == 0) {
        return false;
    }
    *age_ns = then_ns < look->taken_ns ? look->taken_ns - then_ns : 0;
    return true;
}

void afd_cli_look_age_text(const afd_cli_look *look, uint64_t then_ns, char text[AFD_CLI_LOOK_AGE_TEXT])
{
    enum { TENTH_NS = 100000000, TENTH_NUM = 100 }; /* tenths up to ten seconds: a heartbeat is a fraction of one */
    uint64_t age_ns = 0;
    if (!afd_cli_look_age(look, then_ns, &age_ns)) {
        (void)snprintf(text, AFD_CLI_LOOK_AGE_TEXT, "-");
    } else if (age_ns / TENTH_NS < TENTH_NUM) {
        (void)snprintf(text, AFD_CLI_LOOK_AGE_TEXT, "%" PRIu64 ".%" PRIu64 " s", age_ns / TENTH_NS / 10,
                       age_ns / TENTH_NS % 10);
    } else {
        afd_cli_human_age(age_ns <= INT64_MAX ? (int64_t)age_ns : INT64_MAX, text, AFD_CLI_LOOK_AGE_TEXT);
    }
}

bool afd_cli_look_has_rates(const afd_cli_look *before, const afd_cli_look *now)
{
    return before != NULL && before->info.generation == now->info.generation && before->taken_ns != 0 &&
           before->taken_ns < now->taken_ns;
}

double afd_cli_look_rate(const afd_cli_look *before, const afd_cli_look *now, uint64_t before_value, uint64_t now_value)
{
    return (double)(now_value - before_value) * 1e9 / (double)(now->taken_ns - before->taken_ns);
}
