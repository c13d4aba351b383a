/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A post among strangers and liars: connections that are none of UCX's, at both of its ports, and messages that no post
 * sends. Prints its seed; AFD_TEST_SEED=N tries other garbage.
 *
 * Not here, because no process with a listener of UCX 1.13 survives it: a connection that knows how UCX frames its
 * first message and lies in it (CAVEATS.md).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "random_numbers.h"
#include "ucx_helpers.h"

#ifndef AFD_HAVE_UCX

int main(void)
{
    return has_ucx() ? 1 : NO_UCX;
}

#else

#include "transport/ucx/line.h"

static uint64_t seed = 20260806;

/* ---- Connections ---- */

enum { CONNECTION_NUM = 1000, GARBAGE_BYTES = 3000, HELD_NUM = 100 };

/* Of this process, but for `known`: where UCX moves data. */
static uint16_t find_other_port(uint16_t known)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in address;
        socklen_t address_bytes = sizeof(address);
        int is_listening = 0;
        socklen_t option_bytes = sizeof(is_listening);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &option_bytes) == 0 && is_listening != 0 &&
            getsockname(fd, (struct sockaddr *)&address, &address_bytes) == 0 && ntohs(address.sin_port) != known) {
            return ntohs(address.sin_port);
        }
    }
    fail_msg("UCX listens at no port of its own");
    return 0;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_garbage(random_numbers *numbers, int fd)
{
    char garbage[GARBAGE_BYTES];
    for (size_t i = 0; i < sizeof(garbage); i++) {
        garbage[i] = (char)random_u64(numbers);
    }
    /* The other side may have closed it already. */
    (void)send(fd, garbage, 1 + random_below(numbers, sizeof(garbage)), MSG_NOSIGNAL);
}

static void close_with_reset(int fd)
{
    const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    (void)close(fd);
}

static void pump_for_a_while(post_world *world)
{
    for (int i = 0; i < 5; i++) {
        pump(world);
    }
}

/* Pumps until there are so many descriptors. UCX notices in a thread of its own that a stranger has gone. */
static void await_descriptors(post_world *world, size_t expected)
{
    for (int i = 0; i < 500 && count_descriptors() != expected; i++) {
        pump(world);
    }
    assert_int_equal(count_descriptors(), expected);
}

static void knock_with_garbage(post_world *world, uint16_t port, random_numbers *numbers)
{
    int held[HELD_NUM];
    size_t held_num = 0;
    for (int i = 0; i < CONNECTION_NUM; i++) {
        int fd = connect_to(port);
        if (random_chance(numbers, 60)) {
            send_garbage(numbers, fd);
        }
        if (held_num < HELD_NUM && random_chance(numbers, 20)) {
            held[held_num++] = fd;
        } else if (random_chance(numbers, 30)) {
            close_with_reset(fd);
        } else {
            (void)close(fd);
        }
        if (i % 16 == 0) {
            pump(world);
        }
    }
    pump_for_a_while(world);
    for (size_t i = 0; i < held_num; i++) {
        (void)close(held[i]);
    }
}

static void survive_garbage(bool at_listener)
{
    post_world world = { .post_num = 0 };
    random_numbers numbers = { .state = seed };
    afd__post *called = open_listening(&world, 4);
    const uint16_t port = afd__address_port(afd__post_address(called));
    const uint16_t data_port = find_other_port(port);
    afd__post *calling = open_calling(&world, called);
    line_pair pair = make_pair(&world, calling, called);
    const size_t descriptor_num = count_descriptors();
    knock_with_garbage(&world, at_listener ? port : data_port, &numbers);
    await_descriptors(&world, descriptor_num);
    assert_null(afd__line_accept(called));
    /* The line that was there is, and another one can be made. */
    char packet[AFD__POST_PACKET_BYTES];
    send_all(&world, pair.caller, "still", 5);
    assert_int_equal(await_packet(&world, pair.called, packet, sizeof(packet)), 5);
    (void)make_pair(&world, calling, called);
    close_world(&world);
}

static void garbage_at_the_listener_is_survived(void **state)
{
    (void)state;
    survive_garbage(true);
}

static void garbage_at_the_port_of_data_is_survived(void **state)
{
    (void)state;
    survive_garbage(false);
}

/* ---- Messages ---- */

typedef struct lie {
    const char *what;
    size_t header_bytes;
    size_t content_bytes;
    uint32_t flags;
    uint64_t key;       /* 0: the right one */
    uint32_t kind;
    bool breaks_line;
} lie;

static void *wait_for(post_world *world, const afd__ucp *ucp, void *request)
{
    for (int i = 0; i < 100 && UCS_PTR_IS_PTR(request); i++) {
        pump(world);
        if (ucp->request_check_status(request) != UCS_INPROGRESS) {
            ucp->request_free(request);
            return NULL;
        }
    }
    return request;
}

static void tell(post_world *world, afd__line *line, const lie *told)
{
    static char content[1 << 20];
    struct {
        afd__packet_header header;
        char more[64];
    } sent = { .header = { .key = told->key != 0 ? told->key : line->own_key, .kind = told->kind } };
    const afd__ucp *ucp = line->post->ucp;
    const ucp_request_param_t parameters = { .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS, .flags = told->flags };
    void *request = ucp->am_send_nbx(line->endpoint, AFD__POST_MESSAGE_ID, &sent, told->header_bytes, content,
                                     told->content_bytes, &parameters);
    assert_false(UCS_PTR_IS_ERR(request));
    /* A rendezvous that nobody fetches may go on until the line is closed. */
    (void)wait_for(world, ucp, request);
    pump_for_a_while(world);
}

static void messages_that_no_post_sends_are_dropped_or_break_the_line(void **state)
{
    (void)state;
    enum { GOOD = sizeof(afd__packet_header), REPLY = UCP_AM_SEND_FLAG_REPLY, EAGER = UCP_AM_SEND_FLAG_EAGER };
    static const lie lies[] = {
        { "no sender", GOOD, 10, EAGER, 0, AFD__PACKET_CONTENT, false },
        { "no header", 0, 10, EAGER | REPLY, 0, AFD__PACKET_CONTENT, false },
        { "a shorter header", GOOD - 1, 10, EAGER | REPLY, 0, AFD__PACKET_CONTENT, false },
        { "a longer header", GOOD + 8, 10, EAGER | REPLY, 0, AFD__PACKET_CONTENT, false },
        { "another key", GOOD, 10, EAGER | REPLY, 12345, AFD__PACKET_CONTENT, false },
        { "another's goodbye", GOOD, 0, EAGER | REPLY, 12345, AFD__PACKET_BYE, false },
        { "an unknown kind", GOOD, 10, EAGER | REPLY, 0, 77, false },
        { "a goodbye back that nobody asked for", GOOD, 0, EAGER | REPLY, 0, AFD__PACKET_BYE_BACK, false },
        { "a byte too many", GOOD, AFD__POST_PACKET_BYTES + 1, EAGER | REPLY, 0, AFD__PACKET_CONTENT, true },
        { "many fragments", GOOD, 1 << 20, EAGER | REPLY, 0, AFD__PACKET_CONTENT, true },
        { "a rendezvous", GOOD, 1 << 20, UCP_AM_SEND_FLAG_RNDV | REPLY, 0, AFD__PACKET_CONTENT, true },
        { "a small rendezvous", GOOD, 100, UCP_AM_SEND_FLAG_RNDV | REPLY, 0, AFD__PACKET_CONTENT, true },
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        post_world world = { .post_num = 0 };
        char packet[AFD__POST_PACKET_BYTES];
        size_t packet_bytes;
        afd__post *called = open_listening(&world, 4);
        afd__post *calling = open_calling(&world, called);
        line_pair pair = make_pair(&world, calling, called);
        line_pair other = make_pair(&world, calling, called);
        tell(&world, pair.caller, &lies[i]);
        if (lies[i].breaks_line) {
            await_broken(&world, pair.called, NULL);
        } else {
            afd_status status = afd__line_receive(pair.called, packet, sizeof(packet), &packet_bytes, NULL);
            if (status != AFD_NOT_YET) {
                fail_msg("%s: %d", lies[i].what, status);
            }
            send_all(&world, pair.caller, "truth", 5);
            assert_int_equal(await_packet(&world, pair.called, packet, sizeof(packet)), 5);
        }
        send_all(&world, other.caller, "other", 5);
        assert_int_equal(await_packet(&world, other.called, packet, sizeof(packet)), 5);
        close_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_at_the_listener_is_survived),
        cmocka_unit_test(garbage_at_the_port_of_data_is_survived),
        cmocka_unit_test(messages_that_no_post_sends_are_dropped_or_break_the_line),
    };
    const char *wanted = getenv("AFD_TEST_SEED");
    seed = wanted == NULL ? seed : strtoull(wanted, NULL, 10);
    if (!has_ucx()) {
        return NO_UCX;
    }
    (void)fprintf(stderr, "AFD_TEST_SEED=%" PRIu64 "\n", seed);
    return cmocka_run_group_tests_name("ucx_post_hostile", tests, NULL, NULL);
}

#endif
