/* SPDX-License-Identifier: Apache-2.0 */
#include "ucx_helpers.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "afd/wait.h"
#include "cmocka_headers.h"

#define PATIENCE_NS (UINT64_C(20) * 1000000000)

bool has_ucx(void)
{
    afd__post *post;
    afd_error error;
    const afd__post_options options = { .line_max = 1 };
    afd_status status = afd__post_open(&options, &post, &error);
    if (status == AFD_OK) {
        afd__post_close(post);
    } else {
        (void)fprintf(stderr, "SKIPPED: %s\n", error.message);
    }
    return status == AFD_OK;
}

static afd__post *add(post_world *world, const afd__post_options *options)
{
    afd__post *post = NULL;
    afd_error error = { .message = "" };
    assert_true(world->post_num < POST_MAX);
    afd_status status = afd__post_open(options, &post, &error);
    if (status != AFD_OK) {
        fail_msg("%s", error.message);
    }
    world->posts[world->post_num++] = post;
    return post;
}

afd__post *open_listening(post_world *world, uint32_t line_max)
{
    afd__address address;
    assert_int_equal(afd__address_parse(":0", true, &address, NULL), AFD_OK);
    return add(world, &(afd__post_options){ .listen = &address, .line_max = line_max });
}

afd__post *open_calling(post_world *world, const afd__post *other)
{
    return add(world, &(afd__post_options){ .connect = afd__post_address(other), .line_max = 1 });
}

void pump(post_world *world)
{
    struct pollfd readable[POST_MAX];
    for (size_t i = 0; i < world->post_num; i++) {
        readable[i] = (struct pollfd){ .fd = afd__post_fd(world->posts[i]), .events = POLLIN };
    }
    (void)poll(readable, world->post_num, 20);
    for (size_t i = 0; i < world->post_num; i++) {
        if (readable[i].revents != 0) {
            afd__post_progress(world->posts[i]);
        }
    }
}

afd__line *await_caller(post_world *world, afd__post *post)
{
    const uint64_t end_ns = afd_clock_ns() + PATIENCE_NS;
    while (!afd__post_has_callers(post)) {
        assert_true(afd_clock_ns() < end_ns);
        pump(world);
    }
    afd__line *line = afd__line_accept(post);
    assert_non_null(line);
    return line;
}

size_t await_packet(post_world *world, afd__line *line, void *packet, size_t capacity)
{
    const uint64_t end_ns = afd_clock_ns() + PATIENCE_NS;
    size_t packet_bytes = 0;
    afd_error error = { .message = "" };
    afd_status status = afd__line_receive(line, packet, capacity, &packet_bytes, &error);
    while (status == AFD_NOT_YET) {
        assert_true(afd_clock_ns() < end_ns);
        pump(world);
        status = afd__line_receive(line, packet, capacity, &packet_bytes, &error);
    }
    if (status != AFD_OK) {
        fail_msg("%s", error.message);
    }
    return packet_bytes;
}

void await_broken(post_world *world, afd__line *line, afd_error *error)
{
    const uint64_t end_ns = afd_clock_ns() + PATIENCE_NS;
    char packet[AFD__POST_PACKET_BYTES];
    size_t packet_bytes;
    afd_status status = afd__line_receive(line, packet, sizeof(packet), &packet_bytes, error);
    while (status != AFD_ERR_PEER) {
        assert_true(afd_clock_ns() < end_ns);
        pump(world);
        status = afd__line_receive(line, packet, sizeof(packet), &packet_bytes, error);
    }
}

void send_all(post_world *world, afd__line *line, const void *packet, size_t packet_bytes)
{
    const uint64_t end_ns = afd_clock_ns() + PATIENCE_NS;
    afd_status status = afd__line_send(line, packet, packet_bytes);
    while (status == AFD_NOT_YET) {
        assert_true(afd_clock_ns() < end_ns);
        pump(world);
        status = afd__line_send(line, packet, packet_bytes);
    }
    assert_int_equal(status, AFD_OK);
}

line_pair make_pair(post_world *world, afd__post *caller, afd__post *called)
{
    line_pair pair = { 0 };
    char packet[AFD__POST_PACKET_BYTES];
    assert_int_equal(afd__line_connect(caller, afd__post_address(called), &pair.caller, NULL), AFD_OK);
    send_all(world, pair.caller, "knock", 5);
    pair.called = await_caller(world, called);
    assert_int_equal(await_packet(world, pair.called, packet, sizeof(packet)), 5);
    assert_memory_equal(packet, "knock", 5);
    send_all(world, pair.called, "come in", 7);
    assert_int_equal(await_packet(world, pair.caller, packet, sizeof(packet)), 7);
    assert_memory_equal(packet, "come in", 7);
    return pair;
}

void close_world(post_world *world)
{
    for (size_t i = world->post_num; i > 0; i--) {
        afd__post_close(world->posts[i - 1]);
    }
    *world = (post_world){ .post_num = 0 };
}

size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count - 3; /* itself, and the two dots */
}

pid_t start_other_process(const afd__address *address)
{
    pid_t child = fork();
    if (child == 0) {
        (void)close_range(3, ~0U, 0);
        (void)execl("/proc/self/exe", "the other process", address->text, (char *)NULL);
        _exit(1);
    }
    return child;
}
