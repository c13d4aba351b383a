/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members that are struck, each a process of its own: who is killed, stopped or drained costs the others nothing but
 * time, and every row that anybody collects is right.
 *
 *     member_faults NAME [ucx]     one of the sentences below, or `all`; between hosts
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "member_cast.h"

static void start_all(cast *all)
{
    for (uint32_t session = 0; session < all->c.attention_num; session++) {
        cast_start_attention(all, session);
    }
    for (uint32_t rank = 0; rank < all->c.ffn_num; rank++) {
        cast_start_ffn(all, rank);
    }
}

/* Until everybody is in the middle of it. */
static void await_all(const cast *all)
{
    for (uint32_t session = 0; session < all->c.attention_num; session++) {
        cast_await_steps(all, session, 5);
    }
}

static void join_sessions(cast *all)
{
    for (uint32_t session = 0; session < all->c.attention_num; session++) {
        if (all->attention[session] != 0) {
            cast_join(&all->attention[session]);
        }
    }
}

static void expect(bool holds, const char *what)
{
    if (!holds) {
        cast_fail("not so: %s", what);
    }
}

/* What a kill looks like from elsewhere: another host has no process to watch, and its connection ends. */
static afd_drop_reason end_of(const cast *all)
{
    return all->is_between_hosts ? AFD_DROP_CLOSED : AFD_DROP_EXITED;
}

static void expect_reason(const cast_event *event, afd_drop_reason reason, pid_t pid)
{
    if (event->event.reason != reason || event->event.pid != (uint32_t)pid) {
        cast_fail("the event is \"%s\", reason %d, process %" PRIu32 "; must be reason %d, process %d", event->text,
                  (int)event->event.reason, event->event.pid, (int)reason, (int)pid);
    }
}

static void everybody_comes_and_goes(uint32_t group_size)
{
    cast all;
    cast_make(&all, 3, 2, group_size, 1);
    all.options.dead_ns = UINT64_C(30000000000); /* nobody is to be lost, however busy the machine is */
    start_all(&all);
    join_sessions(&all);
    expect(cast_count_events(&all, true, AFD_EVENT_DROPPED) == 0, "nobody was dropped");
    expect(cast_count_events(&all, true, AFD_EVENT_LEFT) == 6, "everybody has left everybody");
    cast_end(&all);
}

static void a_killed_session(uint32_t group_size)
{
    cast all;
    cast_make(&all, 3, 2, group_size, 1);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    pid_t victim = all.attention[1];
    cast_kill(&all.attention[1]);
    expect_reason(cast_await_event(&all, true, 0, AFD_EVENT_DROPPED, 1), end_of(&all), victim);
    expect_reason(cast_await_event(&all, true, 1, AFD_EVENT_DROPPED, 1), end_of(&all), victim);
    cast_start_attention(&all, 1); /* the place is free, and the window's name */
    cast_enough(&all);
    join_sessions(&all);
    expect(all.board->peers_lost[0] == 0 && all.board->peers_lost[2] == 0, "the others lost no peer");
    expect(cast_count_events(&all, true, AFD_EVENT_DROPPED) == 2, "nobody else was dropped");
    cast_end(&all);
}

static void a_killed_session_costs_nobody_anything(void)
{
    a_killed_session(3);
    a_killed_session(1);
}

static void a_stopped_session(uint32_t group_size)
{
    cast all;
    cast_make(&all, 3, 2, group_size, 1);
    cast_be_quick(&all);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    pid_t victim = all.attention[2];
    (void)kill(victim, SIGSTOP);
    expect_reason(cast_await_event(&all, true, 0, AFD_EVENT_DROPPED, 2), AFD_DROP_SILENT, victim);
    expect_reason(cast_await_event(&all, true, 1, AFD_EVENT_DROPPED, 2), AFD_DROP_SILENT, victim);
    cast_await_steps(&all, 0, cast_steps(&all, 0) + 50); /* the others go on */
    cast_await_steps(&all, 1, cast_steps(&all, 1) + 50);
    (void)kill(victim, SIGCONT);
    (void)cast_await_event(&all, true, 0, AFD_EVENT_REJOINED, 2);
    cast_enough(&all);
    join_sessions(&all);
    expect(all.board->rejoins[2] == 1, "it found itself dropped, and rejoined");
    expect(all.board->peers_lost[0] == 0 && all.board->peers_lost[1] == 0, "the others lost no peer");
    cast_end(&all);
}

static void a_stopped_session_is_dropped_and_rejoins(void)
{
    a_stopped_session(3);
    a_stopped_session(1);
}

/* A newcomer for a place, in a process of its own; 0 if it was refused for the process that has it. */
static int be_newcomer(const cast *all, uint32_t session, pid_t holder)
{
    afd_attention_worker *worker = NULL;
    afd_attention_worker_options options = layer_case_attention_options(&all->c, session);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_error error;
    char pid[48];
    options.window_name = "cast-newcomer";
    if (afd_attention_worker_create(&options, &worker, &error) != AFD_OK) {
        return 2;
    }
    afd_status status = afd_attention_worker_join(worker, all->name_list, &all->options, &wait, &error);
    (void)snprintf(pid, sizeof(pid), "process %d%s,", (int)holder, all->is_between_hosts ? " of 127.0.0.1" : "");
    bool names_holder = status == AFD_ERR_EXISTS && strstr(error.message, pid) != NULL;
    afd_attention_worker_close(worker);
    return names_holder ? 0 : 1;
}

static void expect_refused(const cast *all, uint32_t session, pid_t holder)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(be_newcomer(all, session, holder));
    }
    cast_join(&child);
}

static void a_place_is_kept_until_its_process_has_ended(void)
{
    cast all;
    cast_make(&all, 2, 1, 2, 1);
    cast_be_quick(&all);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    pid_t victim = all.attention[0];
    expect_refused(&all, 0, victim); /* it lives */
    (void)kill(victim, SIGSTOP);
    (void)cast_await_event(&all, true, 0, AFD_EVENT_DROPPED, 0);
    expect_refused(&all, 0, victim); /* it was dropped, and might wake up */
    cast_kill(&all.attention[0]);
    cast_start_attention(&all, 0);
    cast_enough(&all);
    join_sessions(&all);
    cast_end(&all);
}

/* Takes a place that is free, and leaves again; 0 if it had it. */
static int be_guest(const cast *all, uint32_t session)
{
    afd_attention_worker *worker = NULL;
    afd_attention_worker_options options = layer_case_attention_options(&all->c, session);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_error error;
    if (afd_attention_worker_create(&options, &worker, &error) != AFD_OK ||
        afd_attention_worker_join(worker, all->name_list, &all->options, &wait, &error) != AFD_OK ||
        afd_attention_worker_leave(worker, &wait, &error) != AFD_OK) {
        fprintf(stderr, "the guest: %s\n", error.message);
        return 1;
    }
    afd_attention_worker_close(worker);
    return 0;
}

/* What a session of another host still sends when it wakes up goes nowhere, so nobody waits for its end. */
static void a_place_between_hosts_is_free_when_it_is_lost(void)
{
    cast all;
    cast_make(&all, 2, 1, 1, 1);
    cast_be_quick(&all);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    pid_t victim = all.attention[0];
    expect_refused(&all, 0, victim); /* it lives */
    (void)kill(victim, SIGSTOP);
    (void)cast_await_event(&all, true, 0, AFD_EVENT_DROPPED, 0);
    (void)fflush(NULL);
    pid_t guest = fork();
    if (guest == 0) {
        _exit(be_guest(&all, 0));
    }
    cast_join(&guest);
    (void)kill(victim, SIGCONT);
    (void)cast_await_event(&all, true, 0, AFD_EVENT_REJOINED, 0);
    cast_enough(&all);
    join_sessions(&all);
    expect(all.board->peers_lost[1] == 0, "the other one lost no peer");
    cast_end(&all);
}

static void a_killed_ffn_worker_is_waited_for(void)
{
    cast all;
    cast_make(&all, 3, 2, 3, 1);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    pid_t victim = all.ffn[1];
    cast_kill(&all.ffn[1]);
    for (uint32_t session = 0; session < 3; session++) {
        expect_reason(cast_await_event(&all, false, session, AFD_EVENT_LOST, 1), end_of(&all), victim);
    }
    cast_start_ffn(&all, 1);
    cast_enough(&all);
    join_sessions(&all);
    for (uint32_t session = 0; session < 3; session++) {
        const char *why = all.board->peer_errors[session];
        expect(strstr(why, "FFN worker 1") != NULL && strstr(why, "micro-batch") != NULL &&
                   strstr(why, "layer") != NULL,
               "the error names worker, micro-batch and layer");
        expect(all.board->rejoins[session] >= 1, "everybody has rejoined");
    }
    cast_end(&all);
}

static void a_killed_ffn_worker_is_gone_without_where_copies_live(void)
{
    cast all;
    cast_make(&all, 2, 2, 2, 2);
    all.step_num = UINT32_MAX; /* until it has come back */
    start_all(&all);
    await_all(&all);
    cast_kill(&all.ffn[0]);
    (void)cast_await_event(&all, false, 0, AFD_EVENT_LOST, 0);
    (void)cast_await_event(&all, false, 1, AFD_EVENT_LOST, 0);
    cast_await_steps(&all, 0, cast_steps(&all, 0) + 20); /* without it */
    cast_start_ffn(&all, 0);
    (void)cast_await_event(&all, false, 0, AFD_EVENT_RETURNED, 0);
    (void)cast_await_event(&all, true, 0, AFD_EVENT_REJOINED, 0);
    cast_enough(&all);
    join_sessions(&all);
    cast_end(&all);
}

static void a_stopped_ffn_worker_is_lost_and_found(void)
{
    cast all;
    cast_make(&all, 2, 2, 2, 1);
    cast_be_quick(&all);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    pid_t victim = all.ffn[1];
    (void)kill(victim, SIGSTOP);
    expect_reason(cast_await_event(&all, false, 0, AFD_EVENT_LOST, 1), AFD_DROP_SILENT, victim);
    expect_reason(cast_await_event(&all, false, 1, AFD_EVENT_LOST, 1), AFD_DROP_SILENT, victim);
    (void)kill(victim, SIGCONT);
    cast_enough(&all);
    join_sessions(&all);
    expect(all.board->rejoins[0] >= 1 && all.board->rejoins[1] >= 1, "both have rejoined");
    cast_end(&all);
}

static void signal_all(const cast *all, int number)
{
    for (uint32_t session = 0; session < all->c.attention_num; session++) {
        (void)kill(all->attention[session], number);
    }
    for (uint32_t rank = 0; rank < all->c.ffn_num; rank++) {
        (void)kill(all->ffn[rank], number);
    }
}

/* As when a host sleeps: whoever wakes up first must not take the others' silence for death. */
static void a_host_that_slept_drops_nobody(void)
{
    const struct timespec longer_than_dead = { .tv_sec = 3 };
    cast all;
    cast_make(&all, 2, 2, 2, 1);
    cast_be_quick(&all);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    signal_all(&all, SIGSTOP);
    (void)nanosleep(&longer_than_dead, NULL);
    signal_all(&all, SIGCONT);
    cast_await_steps(&all, 0, cast_steps(&all, 0) + 50);
    cast_enough(&all);
    join_sessions(&all);
    expect(cast_count_events(&all, true, AFD_EVENT_DROPPED) == 0, "nobody was dropped");
    expect(cast_count_events(&all, false, AFD_EVENT_LOST) == 0, "nobody was lost");
    cast_end(&all);
}

static void a_drained_ffn_worker_answers_its_rounds_and_ends(void)
{
    cast all;
    cast_make(&all, 2, 2, 2, 2);
    all.step_num = UINT32_MAX;
    start_all(&all);
    await_all(&all);
    afd_stop_raise(&all.board->drain[0]);
    cast_join(&all.ffn[0]);
    cast_enough(&all);
    join_sessions(&all);
    (void)cast_await_event(&all, false, 0, AFD_EVENT_DRAINING, 0);
    expect(cast_count_events(&all, true, AFD_EVENT_DROPPED) == 0, "nobody was dropped");
    expect(cast_count_events(&all, false, AFD_EVENT_LOST) == 0, "nobody was lost");
    cast_end(&all);
}

static void everybody_comes_and_goes_in_every_grouping(void)
{
    everybody_comes_and_goes(3);
    everybody_comes_and_goes(1);
}

enum { BY_NAME = 1, BY_ADDRESS = 2, BOTH = 3, SKIPPED = 77 };

#define SCENARIO(name, where) { #name, name, where }

static const struct scenario {
    const char *name;
    void (*run)(void);
    int where; /* it makes sense */
} scenarios[] = {
    SCENARIO(everybody_comes_and_goes_in_every_grouping, BOTH),
    SCENARIO(a_killed_session_costs_nobody_anything, BOTH),
    SCENARIO(a_stopped_session_is_dropped_and_rejoins, BOTH),
    SCENARIO(a_place_is_kept_until_its_process_has_ended, BY_NAME),
    SCENARIO(a_place_between_hosts_is_free_when_it_is_lost, BY_ADDRESS),
    SCENARIO(a_killed_ffn_worker_is_waited_for, BOTH),
    SCENARIO(a_killed_ffn_worker_is_gone_without_where_copies_live, BOTH),
    SCENARIO(a_stopped_ffn_worker_is_lost_and_found, BOTH),
    SCENARIO(a_host_that_slept_drops_nobody, BOTH),
    SCENARIO(a_drained_ffn_worker_answers_its_rounds_and_ends, BOTH),
};

int main(int argc, char **argv)
{
    const char *wanted = argc >= 2 ? argv[1] : "";
    int where = argc == 3 && strcmp(argv[2], "ucx") == 0 ? BY_ADDRESS : BY_NAME;
    uint32_t run_num = 0;
    if (where == BY_ADDRESS && !cast_go_between_hosts()) {
        return SKIPPED;
    }
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        bool is_wanted = strcmp(wanted, "all") == 0 || strcmp(wanted, scenarios[i].name) == 0;
        if (is_wanted && (scenarios[i].where & where) != 0) {
            printf("%s\n", scenarios[i].name);
            (void)fflush(stdout);
            scenarios[i].run();
            run_num++;
        }
    }
    if (run_num == 0) {
        fprintf(stderr, "usage: member_faults all|NAME [ucx]\n");
        return 2;
    }
    return 0;
}
