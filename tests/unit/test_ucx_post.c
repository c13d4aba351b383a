/* SPDX-License-Identifier: Apache-2.0 */
/* Posts and their lines, at the loopback. The ends of a line are in one process, but for the one that is killed. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/wait.h"
#include "cmocka_headers.h"
#include "ucx_helpers.h"

static void both_ends_of_a_line_send_and_receive(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    char packet[AFD__POST_PACKET_BYTES];
    afd__post *called = open_listening(&world, 4);
    line_pair pair = make_pair(&world, open_calling(&world, called), called);
    size_t packet_bytes = 0;
    assert_int_equal(afd__line_receive(pair.caller, packet, sizeof(packet), &packet_bytes, NULL), AFD_NOT_YET);
    assert_int_equal(afd__line_receive(pair.called, packet, sizeof(packet), &packet_bytes, NULL), AFD_NOT_YET);
    assert_null(afd__line_accept(called));
    close_world(&world);
}

static void the_called_end_may_speak_first(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    char packet[AFD__POST_PACKET_BYTES];
    afd__post *called = open_listening(&world, 4);
    afd__line *caller;
    assert_int_equal(afd__line_connect(open_calling(&world, called), afd__post_address(called), &caller, NULL), AFD_OK);
    afd__line *line = await_caller(&world, called);
    send_all(&world, line, "welcome", 7);
    assert_int_equal(await_packet(&world, caller, packet, sizeof(packet)), 7);
    close_world(&world);
}

/* Sizes of all kinds, more of them than may be under way. */
static void packets_arrive_whole_and_in_order(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    unsigned char sent[AFD__POST_PACKET_BYTES];
    unsigned char packet[AFD__POST_PACKET_BYTES];
    afd__post *called = open_listening(&world, 4);
    line_pair pair = make_pair(&world, open_calling(&world, called), called);
    for (unsigned i = 0; i < 2000; i += 8) {
        for (unsigned j = i; j < i + 8; j++) {
            memset(sent, (int)(j % 251), sizeof(sent));
            send_all(&world, j % 2 == 0 ? pair.caller : pair.called, sent, j * 7 % (sizeof(sent) + 1));
        }
        for (unsigned j = i; j < i + 8; j++) {
            const size_t expected_bytes = j * 7 % (sizeof(sent) + 1);
            memset(sent, (int)(j % 251), sizeof(sent));
            assert_int_equal(await_packet(&world, j % 2 == 0 ? pair.called : pair.caller, packet, sizeof(packet)),
                             expected_bytes);
            assert_memory_equal(packet, sent, expected_bytes);
        }
    }
    close_world(&world);
}

static void what_was_sent_before_a_close_is_received_first(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    char packet[AFD__POST_PACKET_BYTES] = { 0 };
    afd__post *called = open_listening(&world, 4);
    afd__post *calling = open_calling(&world, called);
    for (int round = 0; round < 20; round++) {
        line_pair pair = make_pair(&world, calling, called);
        afd__line *from = round % 2 == 0 ? pair.caller : pair.called;
        afd__line *to = round % 2 == 0 ? pair.called : pair.caller;
        for (int i = 0; i < AFD__POST_INBOX_NUM; i++) {
            packet[0] = (char)i;
            send_all(&world, from, packet, sizeof(packet));
        }
        afd__line_close(from);
        for (int i = 0; i < AFD__POST_INBOX_NUM; i++) {
            assert_int_equal(await_packet(&world, to, packet, sizeof(packet)), sizeof(packet));
            assert_int_equal(packet[0], i);
        }
        afd_error error;
        await_broken(&world, to, &error);
        assert_non_null(strstr(error.message, "has closed the line"));
        assert_int_equal(afd__line_send(to, packet, 1), AFD_ERR_PEER);
        afd__line_close(to);
    }
    close_world(&world);
}

/* As a door does that refuses somebody and ends: the last word arrives. */
static void a_post_that_is_closed_lets_the_last_packet_out(void **state)
{
    (void)state;
    char packet[AFD__POST_PACKET_BYTES];
    for (int round = 0; round < 10; round++) {
        post_world world = { .post_num = 0 };
        afd__post *called = open_listening(&world, 4);
        line_pair pair = make_pair(&world, open_calling(&world, called), called);
        send_all(&world, pair.called, "no", 2);
        afd__post_close(called);
        world.posts[0] = world.posts[--world.post_num];
        assert_int_equal(await_packet(&world, pair.caller, packet, sizeof(packet)), 2);
        await_broken(&world, pair.caller, NULL);
        close_world(&world);
    }
}

static void ready_lines_are_named_until_they_are_drained(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    char packet[AFD__POST_PACKET_BYTES];
    uint64_t tag = 0;
    afd__post *called = open_listening(&world, 4);
    afd__post *calling = open_calling(&world, called);
    line_pair pairs[3];
    for (uint64_t i = 0; i < 3; i++) {
        pairs[i] = make_pair(&world, calling, called);
        afd__line_set_tag(pairs[i].called, 100 + i);
    }
    assert_false(afd__post_next_ready(called, &tag));
    send_all(&world, pairs[2].caller, "a", 1);
    send_all(&world, pairs[2].caller, "b", 1);
    const uint64_t end_ns = afd_clock_ns() + UINT64_C(20000000000);
    while (!afd__post_next_ready(called, &tag)) {
        assert_true(afd_clock_ns() < end_ns);
        pump(&world);
    }
    assert_int_equal(tag, 102);
    assert_int_equal(await_packet(&world, pairs[2].called, packet, sizeof(packet)), 1);
    pump(&world);
    /* One of two was received: it is named again. */
    while (!afd__post_next_ready(called, &tag)) {
        assert_true(afd_clock_ns() < end_ns);
        pump(&world);
    }
    assert_int_equal(tag, 102);
    assert_int_equal(await_packet(&world, pairs[2].called, packet, sizeof(packet)), 1);
    assert_int_equal(packet[0], 'b');
    assert_false(afd__post_next_ready(called, &tag));
    /* A line that breaks is named once, though nobody receives. */
    afd__line_close(pairs[0].caller);
    while (!afd__post_next_ready(called, &tag)) {
        assert_true(afd_clock_ns() < end_ns);
        pump(&world);
    }
    assert_int_equal(tag, 100);
    assert_false(afd__post_next_ready(called, &tag));
    /* A line that is ready and then closed is not named. */
    send_all(&world, pairs[1].caller, "c", 1);
    for (int i = 0; i < 10; i++) {
        pump(&world);
    }
    afd__line_close(pairs[1].called);
    assert_false(afd__post_next_ready(called, &tag));
    close_world(&world);
}

enum { MANY = 64 };

static void many_lines_are_kept_apart(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    line_pair pairs[MANY];
    char packet[AFD__POST_PACKET_BYTES];
    afd__post *called = open_listening(&world, MANY);
    afd__post *calling = open_calling(&world, called);
    for (int i = 0; i < MANY; i++) {
        pairs[i] = make_pair(&world, calling, called);
    }
    for (int i = 0; i < MANY; i++) {
        send_all(&world, pairs[i].caller, &i, sizeof(i));
        const int other = -i;
        send_all(&world, pairs[i].called, &other, sizeof(other));
    }
    for (int i = 0; i < MANY; i++) {
        int number;
        assert_int_equal(await_packet(&world, pairs[i].called, packet, sizeof(packet)), sizeof(i));
        memcpy(&number, packet, sizeof(number));
        assert_int_equal(number, i);
        assert_int_equal(await_packet(&world, pairs[i].caller, packet, sizeof(packet)), sizeof(i));
        memcpy(&number, packet, sizeof(number));
        assert_int_equal(number, -i);
    }
    close_world(&world);
}

static void who_is_one_too_many_is_turned_away_until_somebody_leaves(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    afd_error error;
    afd__line *one_more;
    afd__post *called = open_listening(&world, 2);
    afd__post *calling = open_calling(&world, called);
    line_pair first = make_pair(&world, calling, called);
    line_pair second = make_pair(&world, calling, called);
    assert_int_equal(afd__line_connect(calling, afd__post_address(called), &one_more, NULL), AFD_OK);
    await_broken(&world, one_more, &error);
    assert_non_null(strstr(error.message, "as many lines as it takes"));
    assert_null(afd__line_accept(called));
    afd__line_close(one_more);
    afd__line_close(first.called);
    (void)make_pair(&world, calling, called);
    send_all(&world, second.caller, "x", 1);
    char packet[AFD__POST_PACKET_BYTES];
    assert_int_equal(await_packet(&world, second.called, packet, sizeof(packet)), 1);
    close_world(&world);
}

static void who_sends_faster_than_is_received_loses_the_line(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    afd_error error;
    char packet[AFD__POST_PACKET_BYTES] = { 0 };
    afd__post *called = open_listening(&world, 4);
    afd__post *calling = open_calling(&world, called);
    line_pair flood = make_pair(&world, calling, called);
    line_pair calm = make_pair(&world, calling, called);
    afd_status status = AFD_OK;
    for (int i = 0; i < 100000 && status != AFD_ERR_PEER; i++) {
        packet[0] = (char)i;
        status = afd__line_send(flood.caller, packet, sizeof(packet));
        pump(&world);
    }
    assert_int_equal(status, AFD_ERR_PEER);
    /* What fitted is still there. */
    for (int i = 0; i < AFD__POST_INBOX_NUM; i++) {
        assert_int_equal(await_packet(&world, flood.called, packet, sizeof(packet)), sizeof(packet));
        assert_int_equal(packet[0], i);
    }
    await_broken(&world, flood.called, &error);
    assert_int_equal(error.bound, AFD__POST_INBOX_NUM);
    send_all(&world, calm.caller, "calm", 4);
    assert_int_equal(await_packet(&world, calm.called, packet, sizeof(packet)), 4);
    close_world(&world);
}

static void who_sends_without_progress_is_told_to_wait(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    char packet[AFD__POST_PACKET_BYTES] = { 0 };
    afd__line *line;
    afd__post *called = open_listening(&world, 4);
    assert_int_equal(afd__line_connect(open_calling(&world, called), afd__post_address(called), &line, NULL), AFD_OK);
    /* Nothing leaves before the line is made. */
    for (int i = 0; i < AFD__POST_OUTBOX_NUM; i++) {
        assert_int_equal(afd__line_send(line, packet, sizeof(packet)), AFD_OK);
    }
    assert_int_equal(afd__line_send(line, packet, sizeof(packet)), AFD_NOT_YET);
    assert_int_equal(afd__line_send(line, packet, sizeof(packet) + 1), AFD_ERR_INVALID);
    afd__line *other = await_caller(&world, called);
    for (int i = 0; i < AFD__POST_OUTBOX_NUM; i++) {
        assert_int_equal(await_packet(&world, other, packet, sizeof(packet)), sizeof(packet));
    }
    send_all(&world, line, packet, 1);
    close_world(&world);
}

static void nobody_at_a_port_breaks_the_line(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    afd_error error;
    afd__line *line;
    afd__post *called = open_listening(&world, 4);
    const afd__address address = *afd__post_address(called);
    afd__post *calling = open_calling(&world, called);
    afd__post_close(called);
    world.posts[0] = world.posts[--world.post_num];
    assert_int_equal(afd__line_connect(calling, &address, &line, NULL), AFD_OK);
    await_broken(&world, line, &error);
    assert_non_null(strstr(error.message, address.text));
    afd__line_close(line);
    close_world(&world);
}

static void a_port_has_one_post_and_is_free_again_at_once(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    afd_error error;
    afd__post *other = NULL;
    afd__post *called = open_listening(&world, 4);
    const afd__address address = *afd__post_address(called);
    const afd__post_options options = { .listen = &address, .line_max = 1 };
    assert_int_equal(afd__post_open(&options, &other, &error), AFD_ERR_EXISTS);
    assert_non_null(strstr(error.message, address.text));
    assert_null(other);
    /* The end that closes first is the one whose port the system keeps for a minute. */
    (void)make_pair(&world, open_calling(&world, called), called);
    afd__post_close(called);
    world.posts[0] = world.posts[--world.post_num];
    close_world(&world);
    assert_int_equal(afd__post_open(&options, &other, NULL), AFD_OK);
    assert_string_equal(afd__post_address(other)->text, address.text);
    afd__post_close(other);
}

/* UCX listens at a port of its own too. */
static void a_post_at_the_loopback_listens_nowhere_else(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    char line[512];
    int listening_num = 0;
    (void)open_listening(&world, 4);
    for (int family = 0; family < 2; family++) {
        FILE *file = fopen(family == 0 ? "/proc/self/net/tcp" : "/proc/self/net/tcp6", "r");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            char local[64];
            unsigned connection_state;
            unsigned long inode;
            if (sscanf(line, " %*d: %63s %*s %x %*s %*s %*s %*d %*d %lu", local, &connection_state, &inode) != 3 ||
                connection_state != 0x0A) {
                continue;
            }
            char wanted[64];
            char target[64];
            (void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
            for (int fd = 0; fd < 256; fd++) {
                char path[64];
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                ssize_t length = readlink(path, target, sizeof(target) - 1);
                if (length > 0 && (target[length] = '\0', strcmp(target, wanted) == 0)) {
                    assert_memory_equal(local, "0100007F:", 9);
                    listening_num++;
                }
            }
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    assert_in_range(listening_num, 1, 8);
    close_world(&world);
}

static void an_address_of_nobody_cannot_be_listened_at(void **state)
{
    (void)state;
    afd__address address;
    afd__post *post;
    afd_error error;
    assert_int_equal(afd__address_parse("192.0.2.1:0", true, &address, NULL), AFD_OK);
    const afd__post_options options = { .listen = &address, .line_max = 1 };
    assert_int_equal(afd__post_open(&options, &post, &error), AFD_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "192.0.2.1:0"));
}

/* The first global one, as text for an address at any port. */
static bool find_ipv6(char *text, size_t text_bytes)
{
    struct ifaddrs *list;
    bool found = false;
    assert_int_equal(getifaddrs(&list), 0);
    for (struct ifaddrs *entry = list; entry != NULL && !found; entry = entry->ifa_next) {
        char host[INET6_ADDRSTRLEN];
        if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != AF_INET6) {
            continue;
        }
        const struct in6_addr *address = &((const struct sockaddr_in6 *)(const void *)entry->ifa_addr)->sin6_addr;
        found = (entry->ifa_flags & IFF_UP) != 0 && !IN6_IS_ADDR_LOOPBACK(address) &&
                !IN6_IS_ADDR_LINKLOCAL(address) && inet_ntop(AF_INET6, address, host, sizeof(host)) != NULL;
        (void)snprintf(text, text_bytes, "[%s]:0", host);
    }
    freeifaddrs(list);
    return found;
}

static void lines_work_over_ipv6_where_there_is_one(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    afd__address address;
    char text[INET6_ADDRSTRLEN + 8];
    if (!find_ipv6(text, sizeof(text))) {
        (void)fprintf(stderr, "SKIPPED: no device has an IPv6 address\n");
        skip();
    }
    assert_int_equal(afd__address_parse(text, true, &address, NULL), AFD_OK);
    const afd__post_options options = { .listen = &address, .line_max = 2 };
    afd_error error = { .message = "" };
    if (afd__post_open(&options, &world.posts[0], &error) != AFD_OK) {
        fail_msg("%s", error.message);
    }
    world.post_num = 1;
    (void)make_pair(&world, open_calling(&world, world.posts[0]), world.posts[0]);
    close_world(&world);
}

static void descriptors_and_lines_are_given_back(void **state)
{
    (void)state;
    size_t before = 0;
    for (int round = 0; round < 4; round++) {
        post_world world = { .post_num = 0 };
        afd__post *called = open_listening(&world, 4);
        afd__post *calling = open_calling(&world, called);
        for (int i = 0; i < 10; i++) {
            line_pair pair = make_pair(&world, calling, called);
            afd__line_close(pair.caller);
            await_broken(&world, pair.called, NULL);
            afd__line_close(pair.called);
        }
        close_world(&world);
        /* The first round also opens what UCX keeps. */
        before = round == 0 ? count_descriptors() : before;
    }
    assert_int_equal(count_descriptors(), before);
}

/* Another process, which knows of UCX nothing from this one. */
static int be_the_other_process(const char *address_text)
{
    afd__address address;
    afd__post *post;
    afd__line *line;
    if (afd__address_parse(address_text, false, &address, NULL) != AFD_OK) {
        return 1;
    }
    const afd__post_options options = { .connect = &address, .line_max = 1 };
    if (afd__post_open(&options, &post, NULL) != AFD_OK ||
        afd__line_connect(post, &address, &line, NULL) != AFD_OK || afd__line_send(line, "alive", 5) != AFD_OK) {
        return 1;
    }
    for (;;) {
        afd__post_progress(post);
        (void)usleep(1000);
    }
}

static void a_killed_process_is_noticed(void **state)
{
    (void)state;
    post_world world = { .post_num = 0 };
    char packet[AFD__POST_PACKET_BYTES];
    afd_error error;
    afd__post *called = open_listening(&world, 4);
    pid_t child = start_other_process(afd__post_address(called));
    assert_true(child >= 0);
    afd__line *line = await_caller(&world, called);
    assert_int_equal(await_packet(&world, line, packet, sizeof(packet)), 5);
    assert_int_equal(kill(child, SIGKILL), 0);
    await_broken(&world, line, &error);
    assert_non_null(strstr(error.message, "gone or cannot be reached"));
    assert_int_equal(waitpid(child, NULL, 0), child);
    afd__line_close(line);
    (void)make_pair(&world, open_calling(&world, called), called);
    close_world(&world);
}

/* A post as a keeper has it: its thread waits at the descriptor, and shares a lock with who sends. */
typedef struct keeper {
    afd__post *post;
    pthread_mutex_t lock;
    bool is_over; /* under the lock */
    bool is_echo; /* sends back what comes in */
    uint32_t received_num;
    pthread_t thread;
} keeper;

static void keep_line(keeper *k, afd__line *line)
{
    char packet[AFD__POST_PACKET_BYTES];
    size_t packet_bytes;
    while (line != NULL && afd__line_receive(line, packet, sizeof(packet), &packet_bytes, NULL) == AFD_OK) {
        k->received_num++;
        if (k->is_echo) {
            (void)afd__line_send(line, packet, packet_bytes);
        }
    }
}

static void *keep(void *argument)
{
    keeper *k = argument;
    afd__line *line = NULL;
    bool is_over = false;
    while (!is_over) {
        struct pollfd readable = { .fd = afd__post_fd(k->post), .events = POLLIN };
        /* Longer than the test's patience: nothing but the descriptor wakes it. */
        (void)poll(&readable, 1, 60000);
        (void)pthread_mutex_lock(&k->lock);
        afd__post_progress(k->post);
        line = line == NULL ? afd__line_accept(k->post) : line;
        keep_line(k, line);
        is_over = k->is_over;
        (void)pthread_mutex_unlock(&k->lock);
    }
    return NULL;
}

static void say_that_it_is_over(keeper *k)
{
    (void)pthread_mutex_lock(&k->lock);
    k->is_over = true;
    (void)pthread_mutex_unlock(&k->lock);
}

static void a_send_of_another_thread_wakes_who_waits_at_the_descriptor(void **state)
{
    (void)state;
    enum { PACKET_NUM = 500 };
    post_world world = { .post_num = 0 };
    keeper called = { .lock = PTHREAD_MUTEX_INITIALIZER, .is_echo = true };
    keeper calling = { .lock = PTHREAD_MUTEX_INITIALIZER };
    called.post = open_listening(&world, 4);
    calling.post = open_calling(&world, called.post);
    afd__line *line;
    size_t packet_bytes;
    char packet[AFD__POST_PACKET_BYTES] = { 0 };
    assert_int_equal(pthread_create(&called.thread, NULL, keep, &called), 0);
    assert_int_equal(pthread_create(&calling.thread, NULL, keep, &calling), 0);
    (void)pthread_mutex_lock(&calling.lock);
    assert_int_equal(afd__line_connect(calling.post, afd__post_address(called.post), &line, NULL), AFD_OK);
    (void)pthread_mutex_unlock(&calling.lock);
    const uint64_t end_ns = afd_clock_ns() + UINT64_C(40000000000);
    for (uint32_t sent_num = 0, received_num = 0; received_num < PACKET_NUM;) {
        assert_true(afd_clock_ns() < end_ns);
        (void)pthread_mutex_lock(&calling.lock);
        if (sent_num < PACKET_NUM && sent_num - received_num < 8 &&
            afd__line_send(line, packet, sizeof(packet)) == AFD_OK) {
            sent_num++;
        }
        received_num += afd__line_receive(line, packet, sizeof(packet), &packet_bytes, NULL) == AFD_OK;
        (void)pthread_mutex_unlock(&calling.lock);
        (void)sched_yield();
    }
    say_that_it_is_over(&called);
    say_that_it_is_over(&calling);
    /* Wakes this side, and the goodbye the other one. */
    (void)pthread_mutex_lock(&calling.lock);
    afd__line_close(line);
    (void)pthread_mutex_unlock(&calling.lock);
    (void)pthread_join(calling.thread, NULL);
    (void)pthread_join(called.thread, NULL);
    assert_int_equal(called.received_num, PACKET_NUM);
    close_world(&world);
}

int main(int argument_num, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_of_a_line_send_and_receive),
        cmocka_unit_test(the_called_end_may_speak_first),
        cmocka_unit_test(packets_arrive_whole_and_in_order),
        cmocka_unit_test(what_was_sent_before_a_close_is_received_first),
        cmocka_unit_test(a_post_that_is_closed_lets_the_last_packet_out),
        cmocka_unit_test(ready_lines_are_named_until_they_are_drained),
        cmocka_unit_test(many_lines_are_kept_apart),
        cmocka_unit_test(who_is_one_too_many_is_turned_away_until_somebody_leaves),
        cmocka_unit_test(who_sends_faster_than_is_received_loses_the_line),
        cmocka_unit_test(who_sends_without_progress_is_told_to_wait),
        cmocka_unit_test(nobody_at_a_port_breaks_the_line),
        cmocka_unit_test(a_port_has_one_post_and_is_free_again_at_once),
        cmocka_unit_test(a_post_at_the_loopback_listens_nowhere_else),
        cmocka_unit_test(an_address_of_nobody_cannot_be_listened_at),
        cmocka_unit_test(lines_work_over_ipv6_where_there_is_one),
        cmocka_unit_test(descriptors_and_lines_are_given_back),
        cmocka_unit_test(a_killed_process_is_noticed),
        cmocka_unit_test(a_send_of_another_thread_wakes_who_waits_at_the_descriptor),
    };
    if (argument_num == 2) {
        return be_the_other_process(arguments[1]);
    }
    return has_ucx() ? cmocka_run_group_tests_name("ucx_post", tests, NULL, NULL) : NO_UCX;
}
