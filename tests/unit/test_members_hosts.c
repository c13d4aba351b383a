/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of several hosts, all of them in one thread and at the loopback. Guests of the post that say anything but
 * what they should are in test_members_knock.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "afd/stats.h"
#include "cmocka_headers.h"
#include "member_world.h"

static const char magic_words[] = "squeamish ossifrage";

/* Where the tokens of a round came back as the model has them. */
static void play_round(member_world *world, uint32_t session, layer_round round)
{
    uint16_t expected[4 * 32];
    const layer_case *c = &world->c;
    uint32_t m = round.micro_batch;
    afd_wait wait = stepping_wait(world);
    round.session = session;
    layer_case_tokens(c, &round, world->tokens);
    layer_case_route(c, &round, world->expert_ids, world->scales);
    assert_int_equal(afd_attention_worker_dispatch(world->sessions[session], m, round.layer_id, world->tokens,
                                                   layer_case_token_num(c, &round), world->expert_ids, &wait, NULL),
                     AFD_OK);
    assert_int_equal(collect_one(world, session, m, NULL), AFD_OK);
    layer_case_expect(c, &round, world->tokens, world->expert_ids, world->scales, expected);
    assert_memory_equal(world->output, expected,
                        (size_t)layer_case_token_num(c, &round) * c->hidden * sizeof(uint16_t));
}

/* Every micro-batch through every layer, by one session alone or, in groups, by each. */
static void play_all(member_world *world, uint32_t session)
{
    for (int32_t layer = 0; layer < (int32_t)world->c.layer_num; layer++) {
        for (uint32_t m = 0; m < world->c.micro_batch_num; m++) {
            play_round(world, session, (layer_round){ .micro_batch = m, .layer_id = layer });
        }
    }
}

static member_world *full_world_between_hosts(uint32_t ffn_num, uint32_t group_size)
{
    member_world *world = new_world_between_hosts(ffn_num, group_size);
    for (uint32_t rank = 0; rank < ffn_num; rank++) {
        make_rank(world, rank);
    }
    join_both(world);
    return world;
}

static void leave(member_world *world, uint32_t session)
{
    afd_wait wait = stepping_wait(world);
    assert_int_equal(afd_attention_worker_leave(world->sessions[session], &wait, NULL), AFD_OK);
}

static void rejoin(member_world *world, uint32_t session)
{
    afd_wait wait = stepping_wait(world);
    assert_int_equal(afd_attention_worker_rejoin(world->sessions[session], &wait, NULL), AFD_OK);
}

static void sessions_of_other_hosts_join_send_and_leave(void **state)
{
    (void)state;
    member_world *world = full_world_between_hosts(2, 1);
    for (uint32_t session = 0; session < SESSION_MAX; session++) {
        play_all(world, session);
    }
    leave(world, 0);
    leave(world, 1);
    for (uint32_t rank = 0; rank < 2; rank++) {
        const heard_event *joined = find(&world->rank_events[rank], AFD_EVENT_JOINED);
        assert_int_equal(joined->event.pid, getpid());
        assert_string_equal(joined->host, "127.0.0.1");
        assert_string_equal(find(&world->rank_events[rank], AFD_EVENT_LEFT)->host, "127.0.0.1");
        assert_string_equal(find(&world->session_events[0], AFD_EVENT_JOINED)->host, ""); /* it connected itself */
        assert_int_equal(count(&world->rank_events[rank], AFD_EVENT_JOINED), 2);
        assert_int_equal(count(&world->rank_events[rank], AFD_EVENT_LEFT), 2);
        assert_int_equal(count(&world->rank_events[rank], AFD_EVENT_DROPPED), 0);
    }
    free_world(world);
}

static void all_sync_goes_round_between_hosts(void **state)
{
    (void)state;
    member_world *world = full_world_between_hosts(2, SESSION_MAX);
    for (uint32_t turn = 0; turn < 8; turn++) {
        for (uint32_t session = 0; session < SESSION_MAX; session++) {
            assert_int_equal(send_one(world, session, turn % 2, 1, NULL), AFD_OK);
        }
        for (uint32_t session = 0; session < SESSION_MAX; session++) {
            assert_int_equal(collect_one(world, session, turn % 2, NULL), AFD_OK);
        }
    }
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_DROPPED), 0);
    free_world(world);
}

static void one_ffn_worker_is_joined_by_name_and_one_by_address(void **state)
{
    (void)state;
    member_world *world = new_world_between_hosts(2, 1);
    world->listen[0] = NULL;
    world->name_lists[0][0] = world->names[0];
    world->name_lists[1][0] = world->names[0];
    make_rank(world, 0);
    make_rank(world, 1);
    join_both(world);
    play_all(world, 0);
    play_all(world, 1);
    rejoin(world, 0);
    play_all(world, 0);
    leave(world, 0);
    leave(world, 1);
    free_world(world);
}

static void sessions_of_this_host_and_another_share_an_ffn_worker(void **state)
{
    (void)state;
    member_world *world = new_world_between_hosts(1, SESSION_MAX);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    make_session(world, 1, 1);
    world->name_lists[1][0] = world->names[0];
    assert_int_equal(join_as(world, 1, NULL), AFD_OK);
    for (uint32_t m = 0; m < 2; m++) { /* the cycle that the first one goes through alone */
        assert_int_equal(send_one(world, 0, m, 0, NULL), AFD_OK);
        assert_int_equal(collect_one(world, 0, m, NULL), AFD_OK);
    }
    for (uint32_t turn = 0; turn < 4; turn++) {
        assert_int_equal(send_one(world, 0, turn % 2, 1, NULL), AFD_OK);
        assert_int_equal(send_one(world, 1, turn % 2, 1, NULL), AFD_OK);
        assert_int_equal(collect_one(world, 0, turn % 2, NULL), AFD_OK);
        assert_int_equal(collect_one(world, 1, turn % 2, NULL), AFD_OK);
    }
    free_world(world);
}

static void who_rejoins_gets_another_epoch_and_another_window(void **state)
{
    (void)state;
    member_world *world = full_world_between_hosts(2, 1);
    uint64_t epoch = find(&world->session_events[0], AFD_EVENT_JOINED)->event.epoch;
    assert_int_equal(send_one(world, 0, 1, 2, NULL), AFD_OK); /* given up */
    rejoin(world, 0);
    assert_int_not_equal(find(&world->session_events[0], AFD_EVENT_REJOINED)->event.epoch, epoch);
    play_all(world, 0);
    play_all(world, 1);
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_DROPPED), 0);
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_REJOINED), 1);
    free_world(world);
}

static void who_takes_any_session_gets_one_that_is_free_between_hosts(void **state)
{
    (void)state;
    member_world *world = new_world_between_hosts(2, 1);
    make_rank(world, 0);
    make_rank(world, 1);
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    make_session(world, 1, AFD_SESSION_ANY);
    assert_int_equal(join_as(world, 1, NULL), AFD_OK);
    assert_int_equal(afd_attention_worker_session(world->sessions[1]), 1);
    play_all(world, 1);
    free_world(world);
}

static void a_place_that_another_host_has_is_refused_and_free_when_it_leaves(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world_between_hosts(1, 1);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    make_session(world, 1, 0);
    assert_int_equal(join_as(world, 1, &error), AFD_ERR_EXISTS);
    assert_non_null(strstr(error.message, "of 127.0.0.1"));
    (void)await_event(world, &world->rank_events[0], AFD_EVENT_REFUSED);
    afd_attention_worker_close(world->sessions[0]); /* says goodbye */
    world->sessions[0] = NULL;
    (void)await_event(world, &world->rank_events[0], AFD_EVENT_LEFT);
    assert_int_equal(join_as(world, 1, NULL), AFD_OK);
    play_round(world, 1, (layer_round){ .layer_id = 0 });
    free_world(world);
}

static void the_place_of_who_was_dropped_is_free_for_others(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world_between_hosts(1, 1);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_drop(world->ranks[0], 0, NULL), AFD_OK);
    make_session(world, 1, 0);
    assert_int_equal(join_as(world, 1, NULL), AFD_OK); /* on one host it would be held by who lives */
    while (find(&world->session_events[0], AFD_EVENT_DROPPED) == NULL) {
        afd_status status = send_one(world, 0, 0, 3, &error);
        assert_true(status == AFD_OK || status == AFD_ERR_PEER || status == AFD_ERR_INVALID);
    }
    assert_int_equal(find(&world->session_events[0], AFD_EVENT_DROPPED)->event.reason, AFD_DROP_ASKED);
    afd_wait wait = stepping_wait(world);
    assert_int_equal(afd_attention_worker_rejoin(world->sessions[0], &wait, &error), AFD_ERR_EXISTS);
    assert_int_equal(send_one(world, 1, 0, 3, NULL), AFD_OK);
    assert_int_equal(collect_one(world, 1, 0, NULL), AFD_OK);
    free_world(world);
}

static void who_is_late_is_named_with_its_host(void **state)
{
    (void)state;
    char expected[64];
    member_world *world = new_world_between_hosts(1, SESSION_MAX);
    make_the_other_late(world);
    const heard_event *late = find(&world->rank_events[0], AFD_EVENT_LATE);
    const heard_event *dropped = find(&world->rank_events[0], AFD_EVENT_DROPPED);
    assert_non_null(late);
    assert_non_null(dropped);
    assert_string_equal(late->host, "127.0.0.1");
    assert_string_equal(dropped->host, "127.0.0.1");
    (void)snprintf(expected, sizeof(expected), "session 1 (process %d of 127.0.0.1)", getpid());
    assert_ptr_equal(strstr(late->text, expected), late->text);
    assert_ptr_equal(strstr(dropped->text, expected), dropped->text);
    free_world(world);
}

static void an_ffn_worker_that_closes_is_lost_and_waited_for(void **state)
{
    (void)state;
    char listen[32];
    afd_error error;
    member_world *world = new_world_between_hosts(1, 1);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", free_port());
    world->listen[0] = listen;
    make_rank(world, 0);
    join_both(world);
    assert_int_equal(send_one(world, 0, 1, 2, NULL), AFD_OK);
    afd_ffn_worker_close(world->ranks[0]);
    world->ranks[0] = NULL;
    assert_int_equal(collect_one(world, 0, 1, &error), AFD_ERR_PEER);
    assert_non_null(strstr(error.message, "micro-batch 1, layer 2"));
    assert_non_null(strstr(error.message, listen));
    assert_int_equal(send_one(world, 0, 0, 2, &error), AFD_ERR_PEER);
    assert_int_equal(find(&world->session_events[0], AFD_EVENT_LOST)->event.reason, AFD_DROP_CLOSED);
    make_rank(world, 0);
    rejoin(world, 0);
    rejoin(world, 1);
    play_all(world, 0);
    play_all(world, 1);
    free_world(world);
}

static void nobody_to_join_at_an_address_is_a_deadline_that_names_the_rank(void **state)
{
    (void)state;
    afd_late late[2];
    char listen[32];
    member_world *world = new_world_between_hosts(2, 1);
    make_rank(world, 0);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", free_port());
    (void)snprintf(world->addresses[1], sizeof(world->addresses[1]), "%s", listen);
    world->listen[1] = listen;
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
    play_all(world, 0);
    free_world(world);
}

/* ---- secrets ---- */

static afd_status join_with(member_world *world, const char *secret, afd_error *error)
{
    world->options.secret = secret;
    world->options.secret_bytes = secret == NULL ? 0 : strlen(secret);
    return join_as(world, 0, error);
}

static void only_who_knows_the_secret_is_let_in(void **state)
{
    (void)state;
    afd_error error;
    char secret[sizeof(magic_words)];
    member_world *world = new_world_between_hosts(1, 1);
    (void)strcpy(secret, magic_words);
    world->options.secret = secret;
    world->options.secret_bytes = strlen(secret);
    make_rank(world, 0);
    memset(secret, 0, sizeof(secret)); /* it has a copy */
    make_session(world, 0, 0);
    assert_int_equal(join_with(world, "squeamish ossifragE", &error), AFD_ERR_ACCESS);
    assert_non_null(strstr(error.message, "the secret is wrong"));
    assert_int_equal(join_with(world, "squeamish", &error), AFD_ERR_ACCESS);
    assert_int_equal(join_with(world, NULL, &error), AFD_ERR_ACCESS);
    while (count(&world->rank_events[0], AFD_EVENT_REFUSED) < 3) {
        step_ranks(world);
    }
    const heard_event *refused = find(&world->rank_events[0], AFD_EVENT_REFUSED);
    assert_string_equal(refused->text, "somebody of 127.0.0.1 was refused: the secret is wrong");
    assert_int_equal(refused->event.pid, 0);
    assert_string_equal(refused->host, "127.0.0.1");
    assert_int_equal(join_with(world, magic_words, NULL), AFD_OK);
    play_all(world, 0);
    rejoin(world, 0);
    play_all(world, 0);
    free_world(world);
}

static void a_secret_that_nobody_asks_for_is_a_wrong_one(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world_between_hosts(1, 1);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(join_with(world, magic_words, &error), AFD_ERR_ACCESS);
    assert_int_equal(join_with(world, NULL, NULL), AFD_OK);
    free_world(world);
}

static void sessions_of_this_host_need_no_secret(void **state)
{
    (void)state;
    member_world *world = new_world_between_hosts(1, 1);
    world->options.secret = magic_words;
    world->options.secret_bytes = strlen(magic_words);
    make_rank(world, 0);
    make_session(world, 0, 0);
    world->name_lists[0][0] = world->names[0];
    assert_int_equal(join_with(world, NULL, NULL), AFD_OK);
    free_world(world);
}

/* ---- hosts ---- */

static void who_comes_from_a_host_that_is_not_allowed_gets_no_further_than_the_port(void **state)
{
    (void)state;
    static const char *const lists[] = { "10.9.9.0/24", "10.9.9.0/24,127.0.0.0/8" };
    for (size_t i = 0; i < 2; i++) {
        member_world *world = new_world_between_hosts(1, 1);
        world->options.allow = lists[i];
        make_rank(world, 0);
        make_session(world, 0, 0);
        afd_wait wait = stepping_wait(world);
        wait.deadline_ns = i == 0 ? afd_clock_ns() + 100 * UINT64_C(1000000) : 0;
        assert_int_equal(afd_attention_worker_join(world->sessions[0], world->name_lists[0], &world->options, &wait,
                                                   NULL),
                         i == 0 ? AFD_DEADLINE : AFD_OK);
        assert_int_equal(world->rank_events[0].event_num, i == 0 ? 0 : 1);
        free_world(world);
    }
}

/* ---- what is refused ---- */

static void shapes_that_differ_are_refused_between_hosts_with_both_values(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world_between_hosts(1, 1);
    make_rank(world, 0);
    world->c.shape.micro_batch_num = 3;
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, &error), AFD_ERR_INVALID);
    assert_non_null(strstr(error.message,
                           "shape.micro_batch_num is 3 in the attention worker and 2 in the FFN worker"));
    free_world(world);
}

static afd_status no_experts(void *argument, const afd_experts_call *call)
{
    (void)argument;
    (void)call;
    return AFD_ERR_INVALID; /* nobody sends anything */
}

static void expect_listen_refused(const afd_member_options *options, const char *field)
{
    afd_error error;
    member_world *world = new_world(1, 1);
    afd_ffn_worker_options ffn = layer_case_ffn_options(&world->c, 0);
    ffn.experts = no_experts;
    assert_int_equal(afd_ffn_worker_create(&ffn, &world->ranks[0], NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_listen(world->ranks[0], world->names[0], options, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, field);
    free_world(world);
}

static void listening_wants_an_address_and_beyond_the_loopback_a_secret(void **state)
{
    (void)state;
    uint8_t long_secret[AFD_SECRET_BYTES_MAX + 1] = { 1 };
    afd_member_options options = AFD_MEMBER_OPTIONS_INIT;
    options.listen = "*:0";
    expect_listen_refused(&options, "options.secret");
    options.listen = "127.0.0.1";
    expect_listen_refused(&options, "address");
    options.listen = "127.0.0.1:65535";
    expect_listen_refused(&options, "options.listen");
    options.listen = "127.0.0.1:0";
    options.secret_bytes = 5;
    expect_listen_refused(&options, "options.secret");
    options.secret = long_secret;
    options.secret_bytes = 0;
    expect_listen_refused(&options, "options.secret_bytes");
    options.secret_bytes = sizeof(long_secret);
    expect_listen_refused(&options, "options.secret_bytes");
    options.secret_bytes = 1;
    options.allow = "10.0.0.1/24";
    expect_listen_refused(&options, "options.allow");
}

static void a_port_that_is_taken_is_said_to_be(void **state)
{
    (void)state;
    afd_error error;
    member_world *world = new_world_between_hosts(2, 1);
    make_rank(world, 0);
    afd_ffn_worker_options ffn = layer_case_ffn_options(&world->c, 1);
    afd_member_options members = world->options;
    members.listen = world->addresses[0];
    ffn.experts = no_experts;
    assert_int_equal(afd_ffn_worker_create(&ffn, &world->ranks[1], NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_listen(world->ranks[1], world->names[1], &members, &error), AFD_ERR_EXISTS);
    assert_non_null(strstr(error.message, world->addresses[0]));
    free_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_of_other_hosts_join_send_and_leave),
        cmocka_unit_test(all_sync_goes_round_between_hosts),
        cmocka_unit_test(one_ffn_worker_is_joined_by_name_and_one_by_address),
        cmocka_unit_test(sessions_of_this_host_and_another_share_an_ffn_worker),
        cmocka_unit_test(who_rejoins_gets_another_epoch_and_another_window),
        cmocka_unit_test(who_takes_any_session_gets_one_that_is_free_between_hosts),
        cmocka_unit_test(a_place_that_another_host_has_is_refused_and_free_when_it_leaves),
        cmocka_unit_test(the_place_of_who_was_dropped_is_free_for_others),
        cmocka_unit_test(who_is_late_is_named_with_its_host),
        cmocka_unit_test(an_ffn_worker_that_closes_is_lost_and_waited_for),
        cmocka_unit_test(nobody_to_join_at_an_address_is_a_deadline_that_names_the_rank),
        cmocka_unit_test(only_who_knows_the_secret_is_let_in),
        cmocka_unit_test(a_secret_that_nobody_asks_for_is_a_wrong_one),
        cmocka_unit_test(sessions_of_this_host_need_no_secret),
        cmocka_unit_test(who_comes_from_a_host_that_is_not_allowed_gets_no_further_than_the_port),
        cmocka_unit_test(shapes_that_differ_are_refused_between_hosts_with_both_values),
        cmocka_unit_test(listening_wants_an_address_and_beyond_the_loopback_a_secret),
        cmocka_unit_test(a_port_that_is_taken_is_said_to_be),
    };
    require_ucx();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
