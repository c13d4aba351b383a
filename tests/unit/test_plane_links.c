/* SPDX-License-Identifier: Apache-2.0 */
/* How links come and go: keys, connections that nobody claims, ends while messages are under way, peers that die. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/wait.h"
#include "cmocka_headers.h"
#include "plane_world.h"

static uint64_t seed;

static const plane_sizes small = { 2, 2, 2, 64, 64 };

/* One round there and back, empty but for one row. */
static void run_round(plane_world *world, uint32_t guest)
{
    afd__link *link = world->guests[guest].link;
    PROGRESS_UNTIL(world, afd_writer_is_free(afd__link_writer(link), guest, 0));
    plane_put(link, guest, 0, 1, 8, 77);
    plane_publish(link, guest, 0, 3);
    PROGRESS_UNTIL(world, plane_desc_is_ready(world, guest, 0));
    plane_expect_row(world->window, guest, 0, 1, 8, 8, 77);
    plane_take(world, guest, 0);
    plane_publish(world->guests[guest].at_host, guest, 0, 0);
    PROGRESS_UNTIL(world, afd_writer_is_free(afd__link_writer(link), guest, 0));
}

static void expect_broken(plane_world *world, afd__link *link, afd_status status)
{
    afd_error error;
    PROGRESS_UNTIL(world, afd__link_state_of(link) == AFD__LINK_BROKEN);
    assert_int_equal(afd__link_trouble(link, &error), status);
    assert_true(error.message[0] != '\0');
}

static void options_that_do_not_fit_the_windows_are_refused(void **state)
{
    (void)state;
    plane_world world = { 0 };
    afd__link *link = NULL;
    afd_error error;
    plane_world_open(&world, &small, 1);
    world.guests[0].key = 5;
    const afd__link_options good = plane_world_options(&world, 0, true);
    afd_shape other = good.shape;
    other.micro_batch_size++;
    const struct {
        const char *field;
        afd__link_options options;
    } cases[] = {
        { "options.key", { 0, 0, good.kind, good.shape, 64, 64, good.window } },
        { "options.session", { 5, PLANE_GUEST_MAX, good.kind, good.shape, 64, 64, good.window } },
        { "options.kind", { 5, 0, AFD_WINDOW_FFN, good.shape, 64, 64, good.window } },
        { "options.kind", { 5, 0, (afd_window_kind)9, good.shape, 64, 64, good.window } },
        { "options.shape.micro_batch_size", { 5, 0, good.kind, other, 64, 64, good.window } },
        { "options.sent_bytes", { 5, 0, good.kind, good.shape, 65, 64, good.window } },
        { "options.received_bytes", { 5, 0, good.kind, good.shape, 64, 65, good.window } },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(afd__link_expect(world.plane, &cases[i].options, &link, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, cases[i].field);
    }
    assert_int_equal(afd__link_expect(world.plane, &good, &world.guests[0].at_host, NULL), AFD_OK);
    assert_int_equal(afd__link_expect(world.plane, &good, &link, &error), AFD_ERR_EXISTS);
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_PENDING);
    assert_false(afd_writer_is_free(afd__link_writer(world.guests[0].at_host), 0, 0));
    plane_world_close(&world);
}

static void a_port_that_is_taken_says_so(void **state)
{
    (void)state;
    plane_world world = { 0 };
    afd__plane *second = NULL;
    afd_error error;
    plane_world_open(&world, &small, 0);
    assert_true(afd__address_port(afd__plane_address(world.plane)) != 0);
    const afd__plane_options options = { .listen = afd__plane_address(world.plane), .half_open_max = 1 };
    assert_int_equal(afd__plane_open(&options, &second, &error), AFD_ERR_EXISTS);
    assert_null(second);
    plane_world_close(&world);
}

static void a_key_that_nobody_expects_ends_the_link_and_is_counted(void **state)
{
    (void)state;
    plane_world world = { 0 };
    plane_world_open(&world, &small, 2);
    plane_world_attach(&world, 1);
    world.guests[0].key = 1000;
    afd__link_options options = plane_world_options(&world, 0, true);
    assert_int_equal(afd__link_expect(world.plane, &options, &world.guests[0].at_host, NULL), AFD_OK);
    options = plane_world_options(&world, 0, false);
    options.key = 1001;
    assert_int_equal(afd__link_connect(world.guests[0].plane, afd__plane_address(world.plane), &options,
                                       &world.guests[0].link, NULL),
                     AFD_OK);
    expect_broken(&world, world.guests[0].link, AFD_ERR_PEER);
    assert_int_equal(afd__plane_count(world.plane).stale_num, 1);
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_PENDING);
    afd__link_close(world.guests[0].link);
    /* The right one is still awaited. */
    options.key = 1000;
    assert_int_equal(afd__link_connect(world.guests[0].plane, afd__plane_address(world.plane), &options,
                                       &world.guests[0].link, NULL),
                     AFD_OK);
    PROGRESS_UNTIL(&world, afd__link_state_of(world.guests[0].link) == AFD__LINK_ATTACHED);
    run_round(&world, 0);
    run_round(&world, 1);
    plane_world_close(&world);
}

static void who_comes_second_with_a_key_is_turned_away(void **state)
{
    (void)state;
    plane_world world = { 0 };
    plane_world_open(&world, &small, 2);
    plane_world_attach(&world, 0);
    afd__link_options options = plane_world_options(&world, 0, false);
    options.window = world.guests[1].window;
    assert_int_equal(afd__link_connect(world.guests[1].plane, afd__plane_address(world.plane), &options,
                                       &world.guests[1].link, NULL),
                     AFD_OK);
    expect_broken(&world, world.guests[1].link, AFD_ERR_PEER);
    assert_int_equal(afd__plane_count(world.plane).garbage_num, 1);
    run_round(&world, 0);
    plane_world_close(&world);
}

static void rows_of_another_size_never_attach(void **state)
{
    (void)state;
    plane_world world = { 0 };
    plane_world_open(&world, &small, 1);
    world.guests[0].key = 7;
    afd__link_options options = plane_world_options(&world, 0, true);
    options.received_bytes = 32;
    assert_int_equal(afd__link_expect(world.plane, &options, &world.guests[0].at_host, NULL), AFD_OK);
    options = plane_world_options(&world, 0, false);
    assert_int_equal(afd__link_connect(world.guests[0].plane, afd__plane_address(world.plane), &options,
                                       &world.guests[0].link, NULL),
                     AFD_OK);
    expect_broken(&world, world.guests[0].link, AFD_ERR_PEER);
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_PENDING);
    plane_world_close(&world);
}

static void nobody_listens_and_the_link_says_so(void **state)
{
    (void)state;
    plane_world world = { 0 };
    plane_world_open(&world, &small, 1);
    afd__address address = *afd__plane_address(world.plane);
    afd__plane_close(world.plane);
    world.plane = NULL;
    world.guests[0].key = 7;
    const afd__link_options options = plane_world_options(&world, 0, false);
    assert_int_equal(afd__link_connect(world.guests[0].plane, &address, &options, &world.guests[0].link, NULL),
                     AFD_OK);
    expect_broken(&world, world.guests[0].link, AFD_ERR_PEER);
    plane_world_close(&world);
}

static void a_session_comes_again_while_its_old_link_is_dying(void **state)
{
    (void)state;
    plane_world world = { 0 };
    const plane_sizes large = { 2, 2, 2, 1U << 20, 1U << 20 };
    plane_world_open(&world, &large, 1);
    for (int life = 0; life < 12; life++) {
        plane_world_attach(&world, 0);
        plane_put(world.guests[0].link, 0, 1, 0, 1U << 20, (uint64_t)life);
        plane_publish(world.guests[0].link, 0, 1, 0);
        /* Anywhere between nothing and all of it having come in. */
        for (int i = 0; i < life * 3; i++) {
            plane_world_progress(&world);
        }
        if (plane_desc_is_ready(&world, 0, 1)) {
            plane_take(&world, 0, 1);
        }
        afd__link_close(world.guests[0].at_host);
        uint8_t *row = afd_window_token_data(world.window, 0, 1);
        memset(row, 0x5C, 1U << 20);
        if (life % 2 == 0) {
            afd__link_close(world.guests[0].link);
        } else {
            expect_broken(&world, world.guests[0].link, AFD_ERR_PEER);
            afd__link_close(world.guests[0].link);
        }
        world.guests[0].link = world.guests[0].at_host = NULL;
        plane_world_attach(&world, 0);
        run_round(&world, 0);
        /* What was under way is over: not a byte of it came in. */
        assert_false(plane_desc_is_ready(&world, 0, 1));
        for (size_t i = 0; i < 1U << 20; i++) {
            assert_int_equal(row[i], 0x5C);
        }
        afd__link_close(world.guests[0].link);
        afd__link_close(world.guests[0].at_host);
        world.guests[0].link = world.guests[0].at_host = NULL;
    }
    plane_world_close(&world);
}

static void links_end_at_any_moment(void **state)
{
    (void)state;
    random_numbers numbers = { seed };
    for (int world_num = 0; world_num < 30; world_num++) {
        plane_world world = { 0 };
        const uint32_t row_bytes = 1 + random_below(&numbers, 400000);
        const plane_sizes sizes = { 2, 1, 3, row_bytes, row_bytes };
        plane_world_open(&world, &sizes, 2);
        plane_world_attach(&world, 0);
        plane_world_link(&world, 1); /* pending */
        for (uint32_t m = 0; m < 2; m++) {
            plane_put(world.guests[0].link, 0, m, m, row_bytes, m);
            plane_publish(world.guests[0].link, 0, m, 0);
        }
        for (uint32_t i = random_below(&numbers, 60); i > 0; i--) {
            plane_world_progress(&world);
        }
        for (uint32_t m = 0; m < 2; m++) {
            if (plane_desc_is_ready(&world, 0, m)) {
                plane_take(&world, 0, m);
                plane_put(world.guests[0].at_host, 0, m, m, row_bytes, m);
                plane_publish(world.guests[0].at_host, 0, m, 0);
            }
        }
        for (uint32_t i = random_below(&numbers, 20); i > 0; i--) {
            plane_world_progress(&world);
        }
        afd__link **ends[] = { &world.guests[0].link, &world.guests[0].at_host, &world.guests[1].link,
                               &world.guests[1].at_host };
        for (uint32_t i = 0; i < 4; i++) {
            if (random_chance(&numbers, 50)) {
                afd_writer_close(afd__link_writer(*ends[i]));
                *ends[i] = NULL;
                plane_world_progress(&world);
            }
        }
        plane_world_close(&world); /* the rest */
    }
}

/* ---- a process that dies ---- */

/* The child: attaches as guest 0 of a world that is another process's, sends a round and waits for its end. */
static void be_a_guest(int address_fd, int ready_fd)
{
    plane_world world = { .guest_num = 1 };
    afd__address address;
    if (read(address_fd, &address, sizeof(address)) != (ssize_t)sizeof(address)) {
        _exit(1);
    }
    const afd__plane_options options = { .connect = &address };
    world.shape = (afd_shape){ .session_num = PLANE_GUEST_MAX, .micro_batch_num = 2, .micro_batch_size = 2,
                               .selected_expert_num = 2, .attn_to_ffn_token_size = 64, .ffn_to_attn_token_size = 64 };
    world.guests[0].key = 4711;
    if (afd__plane_open(&options, &world.guests[0].plane, NULL) != AFD_OK ||
        afd_attention_window_create_private(&world.shape, &world.guests[0].window, NULL) != AFD_OK) {
        _exit(1);
    }
    const afd__link_options link_options = plane_world_options(&world, 0, false);
    if (afd__link_connect(world.guests[0].plane, &address, &link_options, &world.guests[0].link, NULL) != AFD_OK) {
        _exit(1);
    }
    while (!afd_writer_is_free(afd__link_writer(world.guests[0].link), 0, 0)) {
        plane_world_progress(&world);
    }
    plane_publish(world.guests[0].link, 0, 0, 0);
    if (write(ready_fd, "r", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        plane_world_progress(&world);
    }
}

static pid_t child = -1;
static int address_pipe[2];
static int ready_pipe[2];

/* Before this process has opened UCX, which no child can use after a fork. */
static void start_child(void)
{
    if (pipe(address_pipe) != 0 || pipe(ready_pipe) != 0) {
        exit(1);
    }
    child = fork();
    if (child == 0) {
        (void)close(address_pipe[1]);
        be_a_guest(address_pipe[0], ready_pipe[1]);
    }
}

static void end_child(void)
{
    int status = 0;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
}

static void a_peer_that_is_killed_breaks_its_link_and_no_other(void **state)
{
    (void)state;
    plane_world world = { 0 };
    plane_world_open(&world, &small, 2);
    world.guests[0].key = 4711;
    const afd__link_options options = plane_world_options(&world, 0, true);
    assert_int_equal(afd__link_expect(world.plane, &options, &world.guests[0].at_host, NULL), AFD_OK);
    plane_world_attach(&world, 1);
    assert_int_equal(write(address_pipe[1], afd__plane_address(world.plane), sizeof(afd__address)),
                     sizeof(afd__address));
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, 0, 0));
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_ATTACHED);
    end_child();
    expect_broken(&world, world.guests[0].at_host, AFD_ERR_PEER);
    run_round(&world, 1);
    plane_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_is_killed_breaks_its_link_and_no_other),
        cmocka_unit_test(options_that_do_not_fit_the_windows_are_refused),
        cmocka_unit_test(a_port_that_is_taken_says_so),
        cmocka_unit_test(a_key_that_nobody_expects_ends_the_link_and_is_counted),
        cmocka_unit_test(who_comes_second_with_a_key_is_turned_away),
        cmocka_unit_test(rows_of_another_size_never_attach),
        cmocka_unit_test(nobody_listens_and_the_link_says_so),
        cmocka_unit_test(a_session_comes_again_while_its_old_link_is_dying),
        cmocka_unit_test(links_end_at_any_moment),
    };
    const char *text = getenv("AFD_TEST_SEED");
    seed = text != NULL ? strtoull(text, NULL, 0) : 1;
    start_child();
    (void)atexit(end_child);
    plane_world_require_ucx();
    (void)printf("AFD_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
