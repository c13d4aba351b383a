/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members in one thread: while an attention worker joins or leaves, its poll steps the FFN workers, so a test says who
 * does what. Also guests that say anything but what they should.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "member_world.h"
#include "worker/member/channel.h"

static void sessions_join_send_and_leave(void **state)
{
    (void)state;
    member_world *world = full_world(2, SESSION_MAX);
    for (uint32_t session = 0; session < SESSION_MAX; session++) {
        assert_int_equal(send_one(world, session, 0, 1, NULL), AFD_OK);
    }
    for (uint32_t session = 0; session < SESSION_MAX; session++) {
        assert_int_equal(collect_one(world, session, 0, NULL), AFD_OK);
        afd_wait wait = stepping_wait(world);
        assert_int_equal(afd_attention_worker_leave(world->sessions[session], &wait, NULL), AFD_OK);
    }
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_JOINED), 2);
    assert_int_equal(count(&world->rank_events[1], AFD_EVENT_LEFT), 2);
    assert_int_equal(count(&world->session_events[0], AFD_EVENT_JOINED), 2);
    free_world(world);
}

static void a_worker_that_takes_any_session_gets_one_that_is_free(void **state)
{
    (void)state;
    member_world *world = new_world(2, 1);
    make_rank(world, 0);
    make_rank(world, 1);
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    make_session(world, 1, AFD_SESSION_ANY);
    assert_int_equal(join_as(world, 1, NULL), AFD_OK);
    assert_int_equal(afd_attention_worker_session(world->sessions[1]), 1);
    free_world(world);
}

static void a_place_that_is_taken_is_refused_with_the_pid_of_who_has_it(void **state)
{
    (void)state;
    char pid[32];
    afd_error error;
    member_world *world = new_world(1, 1);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    make_session(world, 1, 0);
    assert_int_equal(join_as(world, 1, &error), AFD_ERR_EXISTS);
    (void)snprintf(pid, sizeof(pid), "process %d,", (int)getpid());
    assert_non_null(strstr(error.message, pid));
    (void)await_event(world, &world->rank_events[0], AFD_EVENT_REFUSED);
    afd_attention_worker_close(world->sessions[0]); /* says goodbye: nobody writes there any more */
    world->sessions[0] = NULL;
    (void)await_event(world, &world->rank_events[0], AFD_EVENT_LEFT);
    assert_int_equal(join_as(world, 1, NULL), AFD_OK);
    free_world(world);
}

static void shapes_that_differ_are_refused_with_both_values(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world(1, 1);
    make_rank(world, 0);
    world->c.shape.micro_batch_num = 3;
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, &error), AFD_ERR_INVALID);
    assert_non_null(strstr(error.message,
                           "shape.micro_batch_num is 3 in the attention worker and 2 in the FFN worker"));
    free_world(world);
}

static void nobody_to_join_is_a_deadline_that_names_the_rank(void **state)
{
    (void)state;
    afd_late late[2];
    member_world *world = new_world(2, 1);
    make_rank(world, 0);
    make_session(world, 0, 0);
    afd_wait wait = stepping_wait(world);
    wait.deadline_ns = afd_clock_ns() + 50 * UINT64_C(1000000);
    wait.late = late;
    wait.late_capacity = 2;
    assert_int_equal(afd_attention_worker_join(world->sessions[0], world->name_lists[0], &world->options, &wait, NULL),
                     AFD_DEADLINE);
    assert_true(wait.late_num >= 1);
    assert_int_equal(late[wait.late_num - 1].session, 1);
    make_rank(world, 1);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK); /* may be tried again */
    free_world(world);
}

/* ---- deadlines ---- */

static void on_deadline_a_late_session_is_dropped_and_the_others_go_on(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world(1, SESSION_MAX);
    make_the_other_late(world);
    const heard_event *late = find(&world->rank_events[0], AFD_EVENT_LATE);
    const heard_event *dropped = find(&world->rank_events[0], AFD_EVENT_DROPPED);
    assert_non_null(late);
    assert_non_null(dropped);
    assert_int_equal(late->event.peer, 1);
    assert_int_equal(late->event.micro_batch, 0);
    assert_int_equal(late->event.layer_id, 3);
    assert_int_equal(dropped->event.peer, 1);
    assert_int_equal(dropped->event.reason, AFD_DROP_DEADLINE);
    assert_int_equal(dropped->event.pid, getpid());
    assert_string_equal(dropped->host, "");
    while (find(&world->session_events[1], AFD_EVENT_DROPPED) == NULL) { /* once it has been told */
        afd_status status = send_one(world, 1, 0, 3, &error);
        assert_true(status == AFD_OK || status == AFD_ERR_PEER || status == AFD_ERR_INVALID);
    }
    afd_wait wait = stepping_wait(world);
    assert_int_equal(afd_attention_worker_rejoin(world->sessions[1], &wait, NULL), AFD_OK);
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_REJOINED), 1);
    free_world(world);
}

static void on_deadline_wait_tells_again_and_again_and_drops_nobody(void **state)
{
    (void)state;
    member_world *world = new_world(1, SESSION_MAX);
    world->options.deadline_ns = 20 * UINT64_C(1000000);
    world->options.on_deadline = AFD_ON_DEADLINE_WAIT;
    make_rank(world, 0);
    join_both(world);
    assert_int_equal(send_one(world, 0, 0, 3, NULL), AFD_OK);
    while (count(&world->rank_events[0], AFD_EVENT_LATE) < 3) {
        step_ranks(world);
    }
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_DROPPED), 0);
    assert_int_equal(send_one(world, 1, 0, 3, NULL), AFD_OK);
    assert_int_equal(collect_one(world, 0, 0, NULL), AFD_OK);
    assert_int_equal(collect_one(world, 1, 0, NULL), AFD_OK);
    free_world(world);
}

static void on_deadline_stop_ends_serving_with_the_name(void **state)
{
    (void)state;
    afd_late late[2];
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    member_world *world = new_world(1, SESSION_MAX);
    world->options.deadline_ns = 20 * UINT64_C(1000000);
    world->options.on_deadline = AFD_ON_DEADLINE_STOP;
    make_rank(world, 0);
    join_both(world);
    assert_int_equal(send_one(world, 1, 0, 3, NULL), AFD_OK);
    wait.late = late;
    wait.late_capacity = 2;
    assert_int_equal(afd_ffn_worker_serve(world->ranks[0], &wait, NULL), AFD_DEADLINE);
    assert_int_equal(wait.late_num, 1);
    assert_int_equal(late[0].session, 0);
    assert_int_equal(late[0].micro_batch, 0);
    free_world(world);
}

static void serving_nobody_ends_at_the_deadline_of_the_wait(void **state)
{
    (void)state;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    member_world *world = new_world(1, 1);
    make_rank(world, 0);
    wait.deadline_ns = afd_clock_ns() + 10 * UINT64_C(1000000);
    assert_int_equal(afd_ffn_worker_serve(world->ranks[0], &wait, NULL), AFD_NOBODY_LIVE);
    wait.stop = &world->stop;
    afd_stop_raise(&world->stop);
    assert_int_equal(afd_ffn_worker_serve(world->ranks[0], &wait, NULL), AFD_STOPPED);
    free_world(world);
}

static void a_place_is_clean_for_who_comes_next(void **state)
{
    (void)state;
    member_world *world = full_world(1, SESSION_MAX);
    assert_int_equal(send_one(world, 0, 0, 3, NULL), AFD_OK); /* waits for session 1, which never sends */
    afd_attention_worker_close(world->sessions[0]);
    (void)await_event(world, &world->rank_events[0], AFD_EVENT_LEFT);
    const afd_ffn_desc *desc = afd_window_desc(afd_ffn_worker_window(world->ranks[0]), 0, 0);
    assert_int_equal(afd_ffn_desc_peek_flag(desc), AFD_FLAG_READY); /* as it was left */
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    assert_int_equal(afd_ffn_desc_peek_flag(desc), AFD_FLAG_FREE);
    for (size_t i = 0; i < 4 * 2; i++) {
        assert_int_equal(afd_ffn_desc_peek_expert_id(desc, i), AFD_EXPERT_ID_REFILL);
    }
    assert_int_equal(send_one(world, 0, 0, 3, NULL), AFD_OK);
    free_world(world);
}

/* ---- losing an FFN worker ---- */

static void a_lost_ffn_worker_ends_open_rounds_with_its_name(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = full_world(1, 1);
    assert_int_equal(send_one(world, 0, 1, 2, NULL), AFD_OK);
    afd_ffn_worker_close(world->ranks[0]);
    world->ranks[0] = NULL;
    assert_int_equal(collect_one(world, 0, 1, &error), AFD_ERR_PEER);
    assert_string_equal(error.field, "rank");
    assert_int_equal(error.value, 0);
    assert_int_equal(error.bound, 1);
    assert_non_null(strstr(error.message, "micro-batch 1, layer 2"));
    assert_int_equal(send_one(world, 0, 0, 2, &error), AFD_ERR_PEER);
    assert_int_equal(find(&world->session_events[0], AFD_EVENT_LOST)->event.micro_batch, 1);
    make_rank(world, 0);
    for (uint32_t session = 0; session < SESSION_MAX; session++) {
        afd_wait wait = stepping_wait(world);
        assert_int_equal(afd_attention_worker_rejoin(world->sessions[session], &wait, NULL), AFD_OK);
    }
    assert_int_equal(send_one(world, 0, 1, 2, NULL), AFD_OK);
    assert_int_equal(collect_one(world, 0, 1, NULL), AFD_OK);
    free_world(world);
}

static void a_stop_word_ends_a_collect_of_a_member_too(void **state)
{
    (void)state;
    member_world *world = full_world(1, SESSION_MAX);
    assert_int_equal(send_one(world, 0, 0, 2, NULL), AFD_OK);
    afd_wait wait = stepping_wait(world);
    wait.stop = &world->stop;
    afd_stop_raise(&world->stop);
    assert_int_equal(afd_attention_worker_collect(world->sessions[0], 0, world->scales, world->output, &wait, NULL),
                     AFD_STOPPED);
    wait.stop = NULL;
    wait.deadline_ns = afd_clock_ns() + 5 * UINT64_C(1000000);
    assert_int_equal(afd_attention_worker_collect(world->sessions[0], 0, world->scales, world->output, &wait, NULL),
                     AFD_DEADLINE);
    free_world(world);
}

/* ---- guests that are none ---- */

static afd__channel connect_raw(const member_world *world)
{
    afd__channel channel = AFD__CHANNEL_NONE;
    assert_int_equal(afd__channel_connect(world->names[0], &channel, NULL), AFD_OK);
    return channel;
}

/* What the door says to a guest, heartbeats left out. */
static afd__message hear_raw(member_world *world, const afd__channel *channel)
{
    afd__message message = { 0 };
    uint64_t began_ns = afd_clock_ns();
    for (;;) {
        afd_status status = afd__channel_receive(channel, &message, NULL);
        assert_true(status == AFD_OK || status == AFD_NOT_YET);
        assert_true(afd_clock_ns() - began_ns < HANG_NS);
        if (status == AFD_OK && message.kind != AFD__MESSAGE_BEAT) {
            return message;
        }
        step_ranks(world);
    }
}

static void expect_raw_refused(member_world *world, const afd__message *said, const char *because)
{
    afd__channel channel = connect_raw(world);
    assert_int_equal(afd__channel_send(&channel, said), AFD_OK);
    afd__message answer = hear_raw(world, &channel);
    assert_int_equal(answer.kind, AFD__MESSAGE_REFUSED);
    assert_non_null(strstr(answer.text, because));
    afd__channel_close(&channel);
}

static void a_guest_that_talks_nonsense_is_refused_and_costs_nobody_anything(void **state)
{
    (void)state;
    member_world *world = full_world(1, SESSION_MAX);
    afd__message message = afd__message_make(AFD__MESSAGE_HELLO, 9);
    message.magic = 0;
    expect_raw_refused(world, &message, "begins with");
    message = afd__message_make(AFD__MESSAGE_HELLO, 9);
    message.version = 9;
    expect_raw_refused(world, &message, "version 9");
    message = afd__message_make(AFD__MESSAGE_START, 9);
    expect_raw_refused(world, &message, "out of place");
    message = afd__message_make(AFD__MESSAGE_GOODBYE, 9);
    expect_raw_refused(world, &message, "out of place");
    message = afd__message_make(AFD__MESSAGE_HELLO, 9);
    expect_raw_refused(world, &message, "shape.session_num is 0");
    for (uint32_t session = 0; session < SESSION_MAX; session++) {
        assert_int_equal(send_one(world, session, 0, 1, NULL), AFD_OK);
    }
    assert_int_equal(collect_one(world, 0, 0, NULL), AFD_OK);
    assert_int_equal(collect_one(world, 1, 0, NULL), AFD_OK);
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_DROPPED), 0);
    free_world(world);
}

/* A HELLO that the FFN worker believes, but for the window. */
static afd__message fair_hello(const member_world *world)
{
    afd__message hello = afd__message_make(AFD__MESSAGE_HELLO, 9);
    hello.shape = world->c.shape;
    hello.hidden = world->c.hidden;
    hello.sent_type = AFD_TOKEN_F16;
    hello.result_type = AFD_TOKEN_F16;
    hello.sync_group_size = world->c.sync_group_size;
    hello.pid = (uint32_t)getpid();
    return hello;
}

static void a_window_that_is_not_there_or_somebody_elses_is_refused(void **state)
{
    (void)state;
    member_world *world = new_world(1, SESSION_MAX);
    make_rank(world, 0);
    afd__message hello = fair_hello(world);
    hello.window_key = UINT64_MAX;
    expect_raw_refused(world, &hello, "private memory");
    (void)strcpy(hello.window_name, "there-is-no-such-window");
    expect_raw_refused(world, &hello, "no /dev/shm");
    hello = fair_hello(world);
    hello.session = 7;
    expect_raw_refused(world, &hello, "must be below 2");
    free_world(world);
}

static void many_silent_guests_do_not_keep_others_out(void **state)
{
    (void)state;
    enum { GUEST_NUM = 100 };
    afd__channel guests[GUEST_NUM];
    member_world *world = new_world(1, 1);
    world->options.dead_ns = 40 * UINT64_C(1000000);
    make_rank(world, 0);
    make_session(world, 0, 0);
    for (int i = 0; i < GUEST_NUM; i++) {
        guests[i] = connect_raw(world);
    }
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    for (int i = 0; i < GUEST_NUM; i++) {
        afd__channel_close(&guests[i]);
    }
    free_world(world);
}

static void wrong_options_and_calls_in_the_wrong_order_are_refused(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world(1, 1);
    afd_wait wait = stepping_wait(world);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(afd_ffn_worker_listen(world->ranks[0], "another", &world->options, &error), AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_rejoin(world->sessions[0], &wait, &error), AFD_ERR_INVALID);
    world->options.dead_ns = world->options.heartbeat_ns;
    assert_int_equal(join_as(world, 0, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "options.dead_ns");
    world->options.dead_ns = HANG_NS;
    assert_int_equal(join_as(world, 0, &error), AFD_OK);
    assert_int_equal(join_as(world, 0, &error), AFD_ERR_INVALID);
    afd_writer *none = NULL;
    assert_int_equal(afd_ffn_worker_accept(world->ranks[0], 1, none, &error), AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_connect(world->sessions[0], 0, none, &error), AFD_ERR_INVALID);
    free_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_join_send_and_leave),
        cmocka_unit_test(a_worker_that_takes_any_session_gets_one_that_is_free),
        cmocka_unit_test(a_place_that_is_taken_is_refused_with_the_pid_of_who_has_it),
        cmocka_unit_test(shapes_that_differ_are_refused_with_both_values),
        cmocka_unit_test(nobody_to_join_is_a_deadline_that_names_the_rank),
        cmocka_unit_test(on_deadline_a_late_session_is_dropped_and_the_others_go_on),
        cmocka_unit_test(on_deadline_wait_tells_again_and_again_and_drops_nobody),
        cmocka_unit_test(on_deadline_stop_ends_serving_with_the_name),
        cmocka_unit_test(serving_nobody_ends_at_the_deadline_of_the_wait),
        cmocka_unit_test(a_place_is_clean_for_who_comes_next),
        cmocka_unit_test(a_lost_ffn_worker_ends_open_rounds_with_its_name),
        cmocka_unit_test(a_stop_word_ends_a_collect_of_a_member_too),
        cmocka_unit_test(a_guest_that_talks_nonsense_is_refused_and_costs_nobody_anything),
        cmocka_unit_test(a_window_that_is_not_there_or_somebody_elses_is_refused),
        cmocka_unit_test(many_silent_guests_do_not_keep_others_out),
        cmocka_unit_test(wrong_options_and_calls_in_the_wrong_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
