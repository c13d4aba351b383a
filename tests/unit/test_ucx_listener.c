/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners that are ended, and turn callers away, while other processes knock without end: UCX's faults in that are
 * described in still.h. Without what is done there this ended in a fault in six of six runs. */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/wait.h"
#include "cmocka_headers.h"
#include "transport/ucx/plane.h"
#include "ucx_helpers.h"

enum { CALLER_NUM = 3, ROUND_NUM = 120 };

#define MS UINT64_C(1000000)

/* ---- the callers ---- */

/* A line that is made, used for up to 7 ms, and closed. */
static void knock_once(afd__post *post, const afd__address *address, uint64_t life_ns)
{
    char packet[AFD__POST_PACKET_BYTES];
    size_t packet_bytes = 0;
    afd__line *line;
    const uint64_t began_ns = afd_clock_ns();
    if (afd__line_connect(post, address, &line, NULL) != AFD_OK) {
        return;
    }
    (void)afd__line_send(line, "hello", 5);
    while (afd_clock_ns() - began_ns < life_ns &&
           afd__line_receive(line, packet, sizeof(packet), &packet_bytes, NULL) != AFD_ERR_PEER) {
        struct pollfd readable = { .fd = afd__post_fd(post), .events = POLLIN };
        (void)poll(&readable, 1, 1);
        afd__post_progress(post);
    }
    afd__line_close(line);
    afd__post_progress(post);
}

static int knock_without_end(const char *address_text)
{
    afd__address address;
    afd__post *post;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (afd__address_parse(address_text, false, &address, NULL) != AFD_OK) {
        return 1;
    }
    const afd__post_options options = { .connect = &address };
    if (afd__post_open(&options, &post, NULL) != AFD_OK) {
        return 1;
    }
    for (uint64_t i = 0;; i++) {
        knock_once(post, &address, i * 5 % 8 * MS);
    }
}

/* Those who knock at one port, whoever listens there. */
typedef struct crowd {
    afd__address address;
    pid_t pids[CALLER_NUM];
} crowd;

static int start_crowd(void **state)
{
    static crowd the_crowd;
    post_world world = { .post_num = 0 };
    the_crowd.address = *afd__post_address(open_listening(&world, 1));
    close_world(&world);
    *state = &the_crowd;
    for (int i = 0; i < CALLER_NUM; i++) {
        the_crowd.pids[i] = start_other_process(&the_crowd.address);
        if (the_crowd.pids[i] < 0) {
            return -1;
        }
    }
    return 0;
}

/* All of them have knocked until now. Runs after a start that failed, too. */
static int end_crowd(void **state)
{
    const crowd *the_crowd = *state;
    bool all_lived = true;
    for (int i = 0; i < CALLER_NUM; i++) {
        int status = 0;
        if (the_crowd->pids[i] <= 0) {
            return -1; /* to kill() these are more than one process */
        }
        (void)kill(the_crowd->pids[i], SIGKILL);
        (void)waitpid(the_crowd->pids[i], &status, 0);
        all_lived = all_lived && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }
    return all_lived ? 0 : -1;
}

/* ---- who listens ---- */

static uint32_t serve_lines(afd__post *post, uint64_t life_ns)
{
    uint32_t taken_num = 0;
    for (const uint64_t began_ns = afd_clock_ns(); afd_clock_ns() - began_ns < life_ns;) {
        struct pollfd readable = { .fd = afd__post_fd(post), .events = POLLIN };
        (void)poll(&readable, 1, 1);
        afd__post_progress(post);
        taken_num += afd__line_accept(post) != NULL;
    }
    return taken_num;
}

static afd__post *listen_again(const crowd *the_crowd, uint32_t line_max)
{
    afd__post *post = NULL;
    const afd__post_options options = { .listen = &the_crowd->address, .line_max = line_max };
    assert_int_equal(afd__post_open(&options, &post, NULL), AFD_OK);
    return post;
}

static void await_somebody(const crowd *the_crowd)
{
    afd__post *post = listen_again(the_crowd, 16);
    while (serve_lines(post, MS) == 0) {
    }
    afd__post_close(post);
}

static void posts_end_while_others_knock(void **state)
{
    await_somebody(*state);
    const size_t descriptor_num = count_descriptors();
    for (uint64_t round = 0; round < ROUND_NUM; round++) {
        afd__post *post = listen_again(*state, 16);
        (void)serve_lines(post, round * 7 % 12 * MS);
        afd__post_close(post);
    }
    assert_int_equal(count_descriptors(), descriptor_num);
}

static void a_post_turns_many_away(void **state)
{
    afd__post *post = listen_again(*state, 0);
    assert_int_equal(serve_lines(post, 500 * MS), 0);
    afd__post_close(post);
    await_somebody(*state);
}

static void planes_end_while_others_knock(void **state)
{
    const crowd *the_crowd = *state;
    const afd__plane_options options = { .listen = &the_crowd->address, .half_open_max = 2, .patience_ns = 5 * MS };
    await_somebody(*state);
    const size_t descriptor_num = count_descriptors();
    for (uint64_t round = 0; round < ROUND_NUM; round++) {
        afd__plane *plane = NULL;
        assert_int_equal(afd__plane_open(&options, &plane, NULL), AFD_OK);
        for (const uint64_t began_ns = afd_clock_ns(); afd_clock_ns() - began_ns < round * 7 % 12 * MS;) {
            afd__plane_progress(plane);
        }
        afd__plane_close(plane);
    }
    assert_int_equal(count_descriptors(), descriptor_num);
}

int main(int argument_num, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_end_while_others_knock),
        cmocka_unit_test(a_post_turns_many_away),
        cmocka_unit_test(planes_end_while_others_knock),
    };
    if (argument_num == 2) {
        return knock_without_end(arguments[1]);
    }
    return has_ucx() ? cmocka_run_group_tests_name("ucx_listener", tests, start_crowd, end_crowd) : NO_UCX;
}
