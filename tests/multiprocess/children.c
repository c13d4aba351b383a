/* SPDX-License-Identifier: Apache-2.0 */
#include "children.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/wait.h"

/* fork(); the child dies with its parent, so that a test that is killed leaves nobody. */
static pid_t start_process(void)
{
    (void)fflush(NULL); /* or the child writes what is in the buffers once more */
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) {
        traffic_fail("fork: %s", strerror(errno));
    }
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(EXIT_FAILURE); /* it died before we asked for the signal */
        }
    }
    return child;
}

static afd_window *join_window(const child_plan *plan)
{
    afd_error error;
    afd_window *window = NULL;
    if (afd_window_join(plan->window_name, AFD_WINDOW_WRITE, &window, &error) != AFD_OK) {
        traffic_fail("a child could not join: %s", error.message);
    }
    return window;
}

static void wait_until_free(const afd_ffn_desc *desc)
{
    while (!afd_ffn_desc_is_free(desc)) {
        (void)sched_yield();
    }
}

/* One round of every desc of the plan, micro-batch after micro-batch as an attention worker goes. */
static void produce_round(const child_plan *plan, const afd_window *window, uint32_t round)
{
    const afd_shape *shape = &plan->traffic->shape;
    for (uint32_t m = 0; m < shape->micro_batch_num; m++) {
        for (uint32_t s = plan->first_session; s < shape->session_num; s += plan->session_step) {
            afd_ffn_desc *desc = afd_window_desc(window, s, m);
            wait_until_free(desc);
            if (!traffic_produce(plan->traffic, desc, (traffic_round){ s, m, round })) {
                traffic_fail("session %u micro-batch %u was free and is not any more", s, m);
            }
        }
    }
}

static void check_all_given_back(const child_plan *plan, const afd_window *window)
{
    const afd_shape *shape = &plan->traffic->shape;
    for (uint32_t m = 0; m < shape->micro_batch_num; m++) {
        for (uint32_t s = plan->first_session; s < shape->session_num; s += plan->session_step) {
            afd_ffn_desc *desc = afd_window_desc(window, s, m);
            wait_until_free(desc);
            traffic_check_free(plan->traffic, desc, (traffic_round){ s, m, plan->round_num });
        }
    }
}

pid_t child_start(const child_plan *plan)
{
    pid_t child = start_process();
    if (child != 0) {
        return child;
    }
    afd_window *window = join_window(plan);
    for (uint32_t round = 0; round < plan->round_num; round++) {
        produce_round(plan, window, round);
    }
    check_all_given_back(plan, window);
    afd_window_close(window);
    _exit(EXIT_SUCCESS);
}

pid_t victim_start(const child_plan *plan, int *told)
{
    int ends[2];
    if (pipe(ends) != 0) {
        traffic_fail("pipe: %s", strerror(errno));
    }
    *told = ends[0];
    pid_t victim = start_process();
    if (victim != 0) {
        (void)close(ends[1]);
        return victim;
    }
    afd_window *window = join_window(plan);
    for (uint32_t round = 0; round < plan->round_num; round++) {
        produce_round(plan, window, round);
    }
    traffic_round last = { plan->first_session, 0, plan->round_num };
    afd_ffn_desc *desc = afd_window_desc(window, last.session, last.micro_batch);
    wait_until_free(desc);
    traffic_check_free(plan->traffic, desc, last);
    traffic_write_slots(plan->traffic, desc, last, traffic_id_num(plan->traffic) / 2);
    if (write(ends[1], "!", 1) != 1) {
        traffic_fail("the victim could not tell its parent");
    }
    for (;;) {
        (void)pause();
    }
}

void victim_kill(pid_t victim, int told)
{
    char byte = 0;
    int status = 0;
    ssize_t length = 0;
    do {
        length = read(told, &byte, 1);
    } while (length < 0 && errno == EINTR);
    (void)close(told);
    if (length != 1) {
        traffic_fail("the victim ended before its time");
    }
    if (kill(victim, SIGKILL) != 0 || waitpid(victim, &status, 0) != victim) {
        traffic_fail("the victim could not be killed: %s", strerror(errno));
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        traffic_fail("the victim ended with status 0x%x, not by SIGKILL", (unsigned int)status);
    }
}

pid_t stopper_start(int32_t *stop)
{
    pid_t child = start_process();
    if (child == 0) {
        afd_stop_raise(stop);
        _exit(EXIT_SUCCESS);
    }
    return child;
}

static void check_exit(pid_t child, int status)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
        traffic_fail("child %d ended with status 0x%x", (int)child, (unsigned int)status);
    }
}

void children_watch(void *unused)
{
    (void)unused;
    int status = 0;
    pid_t child = waitpid(-1, &status, WNOHANG);
    if (child > 0) {
        check_exit(child, status);
    }
}

void children_join(void)
{
    int status = 0;
    pid_t child = 0;
    while ((child = waitpid(-1, &status, 0)) > 0 || errno == EINTR) {
        if (child > 0) {
            check_exit(child, status);
        }
    }
    if (errno != ECHILD) {
        traffic_fail("waitpid: %s", strerror(errno));
    }
}
