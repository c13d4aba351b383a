/* SPDX-License-Identifier: Apache-2.0 */
/* Strangers at the post of an FFN worker: what they say is not what it should be, and costs nobody anything. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "afd/stats.h"
#include "cmocka_headers.h"
#include "member_world.h"
#include "plane_rogue.h"
#include "transport/ucx/post.h"
#include "window/stats.h"
#include "worker/member/message.h"

static const char magic_words[] = "squeamish ossifrage";

#define BEAT_NS UINT64_C(20000000)

/* Somebody with a line to the first rank. */
typedef struct stranger {
    member_world *world;
    afd__post *post;
    afd__line *line;
} stranger;

static void connect_stranger(stranger *who, member_world *world)
{
    afd__address address;
    *who = (stranger){ .world = world };
    assert_int_equal(afd__address_parse(world->addresses[0], false, &address, NULL), AFD_OK);
    const afd__post_options options = { .connect = &address, .line_max = 4 };
    assert_int_equal(afd__post_open(&options, &who->post, NULL), AFD_OK);
    assert_int_equal(afd__line_connect(who->post, &address, &who->line, NULL), AFD_OK);
}

static void close_stranger(stranger *who)
{
    afd__line_close(who->line);
    afd__post_close(who->post);
}

static void say(stranger *who, const void *packet, size_t packet_bytes)
{
    assert_int_equal(afd__line_send(who->line, packet, packet_bytes), AFD_OK);
}

static void say_kind(stranger *who, afd__message_kind kind, uint64_t epoch)
{
    const afd__message message = afd__message_make(kind, epoch);
    say(who, &message, sizeof(message));
}

/* What it is told next, if there is something; heartbeats are left out. */
static bool hear_now(stranger *who, afd__message *message)
{
    size_t packet_bytes = 0;
    afd__post_progress(who->post);
    afd_status status = afd__line_receive(who->line, message, sizeof(*message), &packet_bytes, NULL);
    assert_true(status == AFD_OK || status == AFD_NOT_YET);
    return status == AFD_OK && message->kind != AFD__MESSAGE_BEAT;
}

static afd__message hear(stranger *who)
{
    afd__message message;
    uint64_t began_ns = afd_clock_ns();
    while (!hear_now(who, &message)) {
        assert_true(afd_clock_ns() - began_ns < HANG_NS);
        step_ranks(who->world);
    }
    return message;
}

static void expect_packet_refused(member_world *world, const void *packet, size_t packet_bytes, afd_status status,
                                  const char *because)
{
    stranger who;
    connect_stranger(&who, world);
    say(&who, packet, packet_bytes);
    afd__message answer = hear(&who);
    assert_int_equal(answer.kind, AFD__MESSAGE_REFUSED);
    assert_int_equal(answer.status, status);
    assert_non_null(strstr(answer.text, because));
    close_stranger(&who);
}

/* A knock that the FFN worker believes. */
static afd__knock fair_knock(const member_world *world, uint32_t session)
{
    afd__knock knock = { .hello = afd__message_make(AFD__MESSAGE_HELLO, 9) };
    knock.hello.shape = world->c.shape;
    knock.hello.hidden = world->c.hidden;
    knock.hello.sent_type = AFD_TOKEN_F16;
    knock.hello.result_type = AFD_TOKEN_F16;
    knock.hello.sync_group_size = world->c.sync_group_size;
    knock.hello.pid = 4711;
    knock.hello.session = session;
    afd__credentials_set(&knock.credentials, world->options.secret, world->options.secret_bytes);
    return knock;
}

/* One rank that asks for a secret, and one session that is there. */
static member_world *guarded_world(void)
{
    member_world *world = new_world_between_hosts(1, 1);
    world->options.dead_ns = BEAT_NS * 100;
    world->options.secret = magic_words;
    world->options.secret_bytes = strlen(magic_words);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    return world;
}

static void play_on(member_world *world)
{
    assert_int_equal(send_one(world, 0, 0, 1, NULL), AFD_OK);
    assert_int_equal(collect_one(world, 0, 0, NULL), AFD_OK);
}

static void strangers_that_talk_nonsense_are_refused(void **state)
{
    (void)state;
    member_world *world = guarded_world();
    afd__knock knock = fair_knock(world, 1);
    knock.hello.version = 9;
    expect_packet_refused(world, &knock, sizeof(knock), AFD_ERR_INVALID, "version 9 of the protocol, this one speaks");
    knock = fair_knock(world, 1);
    knock.hello.magic = 0;
    expect_packet_refused(world, &knock, sizeof(knock), AFD_ERR_INVALID, "begins with");
    knock = fair_knock(world, 1);
    expect_packet_refused(world, &knock, sizeof(knock.hello), AFD_ERR_INVALID, "must have 712");
    knock.credentials.secret[3] ^= 1;
    expect_packet_refused(world, &knock, sizeof(knock), AFD_ERR_ACCESS, "the secret is wrong");
    knock = fair_knock(world, 1);
    knock.hello.kind = AFD__MESSAGE_BEAT;
    expect_packet_refused(world, &knock, sizeof(knock), AFD_ERR_INVALID, "out of place");
    knock = fair_knock(world, 1);
    knock.hello.window_key = 1;
    expect_packet_refused(world, &knock, sizeof(knock), AFD_ERR_INVALID, "offers a window");
    knock = fair_knock(world, 7);
    expect_packet_refused(world, &knock, sizeof(knock), AFD_ERR_INVALID, "must be below 2");
    knock = fair_knock(world, 0);
    expect_packet_refused(world, &knock, sizeof(knock), AFD_ERR_EXISTS, "of 127.0.0.1");
    play_on(world);
    assert_int_equal(count(&world->rank_events[0], AFD_EVENT_DROPPED), 0);
    free_world(world);
}

static void who_starts_without_a_link_is_refused(void **state)
{
    (void)state;
    stranger who;
    member_world *world = guarded_world();
    const afd__knock knock = fair_knock(world, 1);
    connect_stranger(&who, world);
    say(&who, &knock, sizeof(knock));
    const afd__message turn = hear(&who);
    assert_int_equal(turn.kind, AFD__MESSAGE_TURN);
    assert_int_not_equal(turn.window_key, 0);
    assert_int_not_equal(turn.data_port, 0);
    say_kind(&who, AFD__MESSAGE_START, 9);
    const afd__message answer = hear(&who);
    assert_int_equal(answer.kind, AFD__MESSAGE_REFUSED);
    assert_int_equal(answer.status, AFD_ERR_PEER);
    assert_non_null(strstr(answer.text, "without a link"));
    play_on(world);
    close_stranger(&who);
    free_world(world);
}

static void who_goes_before_it_starts_leaves_its_place(void **state)
{
    (void)state;
    stranger who;
    member_world *world = guarded_world();
    const afd__knock knock = fair_knock(world, 1);
    connect_stranger(&who, world);
    say(&who, &knock, sizeof(knock));
    const afd__message turn = hear(&who);
    assert_int_equal(turn.kind, AFD__MESSAGE_TURN);
    close_stranger(&who);
    make_session(world, 1, 1);
    afd_error error;
    afd_status status = AFD_ERR_EXISTS;
    while (status == AFD_ERR_EXISTS) { /* until it is heard that the stranger has gone */
        status = join_as(world, 1, &error);
    }
    assert_int_equal(status, AFD_OK);
    free_world(world);
}

static void silent_strangers_keep_nobody_out(void **state)
{
    (void)state;
    enum { STRANGER_NUM = 40 };
    afd__line *lines[STRANGER_NUM];
    afd__address address;
    afd__post *post = NULL;
    member_world *world = new_world_between_hosts(1, 1);
    world->options.dead_ns = 200 * UINT64_C(1000000);
    make_rank(world, 0);
    make_session(world, 0, 0);
    assert_int_equal(afd__address_parse(world->addresses[0], false, &address, NULL), AFD_OK);
    const afd__post_options options = { .connect = &address, .line_max = STRANGER_NUM };
    assert_int_equal(afd__post_open(&options, &post, NULL), AFD_OK);
    for (int i = 0; i < STRANGER_NUM; i++) {
        assert_int_equal(afd__line_connect(post, &address, &lines[i], NULL), AFD_OK);
        afd__post_progress(post);
    }
    assert_int_equal(join_as(world, 0, NULL), AFD_OK);
    play_on(world);
    for (int i = 0; i < STRANGER_NUM; i++) { /* each is shown the door */
        char packet[AFD__POST_PACKET_BYTES];
        size_t packet_bytes = 0;
        afd_status status = AFD_NOT_YET;
        while (status != AFD_ERR_PEER) {
            afd__post_progress(post);
            status = afd__line_receive(lines[i], packet, sizeof(packet), &packet_bytes, NULL);
            step_ranks(world);
        }
    }
    afd__post_close(post);
    free_world(world);
}

/* ---- sessions that know the secret and break the rules of tokens ---- */

typedef struct rogue_session {
    stranger who;
    plane_rogue rogue;
    afd__link_options link;
} rogue_session;

static void admit_rogue(rogue_session *session, member_world *world)
{
    afd__address address;
    stranger *who = &session->who;
    const afd__knock knock = fair_knock(world, 1);
    connect_stranger(who, world);
    say(who, &knock, sizeof(knock));
    const afd__message turn = hear(who);
    assert_int_equal(turn.kind, AFD__MESSAGE_TURN);
    session->link = (afd__link_options){
        .key = turn.window_key,
        .session = 1,
        .kind = AFD_WINDOW_FFN,
        .shape = world->c.shape,
        .sent_bytes = afd_token_slot_bytes(AFD_TOKEN_F16, world->c.hidden),
        .received_bytes = 2 * (uint64_t)world->c.hidden,
    };
    assert_int_equal(afd__address_parse(world->addresses[0], false, &address, NULL), AFD_OK);
    afd__address_set_port(&address, (uint16_t)turn.data_port);
    plane_rogue_open(&session->rogue);
    plane_rogue_connect(&session->rogue, &address);
    const afd__wire_header attach = plane_rogue_header(&session->link, AFD__WIRE_ATTACH);
    plane_rogue_send(&session->rogue, &attach, sizeof(attach), NULL, 0, UCP_AM_SEND_FLAG_REPLY);
    while (session->rogue.received_num == 0) { /* ATTACHED */
        plane_rogue_progress(&session->rogue);
        step_ranks(world);
    }
    say_kind(who, AFD__MESSAGE_START, 9);
    assert_int_equal(hear(who).kind, AFD__MESSAGE_WELCOME);
}

/* Lives until it is told that it has lost its place. */
static const heard_event *await_drop(rogue_session *session)
{
    afd__message message;
    stranger *who = &session->who;
    uint64_t began_ns = afd_clock_ns();
    uint64_t beaten_ns = began_ns;
    while (!hear_now(who, &message)) {
        uint64_t now_ns = afd_clock_ns();
        assert_true(now_ns - began_ns < HANG_NS);
        if (now_ns - beaten_ns > BEAT_NS) {
            say_kind(who, AFD__MESSAGE_BEAT, 9);
            beaten_ns = now_ns;
        }
        plane_rogue_progress(&session->rogue);
        step_ranks(who->world);
    }
    assert_int_equal(message.kind, AFD__MESSAGE_DROPPED);
    const heard_event *dropped = find(&who->world->rank_events[0], AFD_EVENT_DROPPED);
    assert_non_null(dropped);
    assert_int_equal(message.reason, dropped->event.reason);
    return dropped;
}

static void tokens_that_break_the_rules_cost_the_place(void **state)
{
    (void)state;
    rogue_session session;
    member_world *world = guarded_world();
    admit_rogue(&session, world);
    afd__wire_header round = plane_rogue_header(&session.link, AFD__WIRE_ROUND);
    round.micro_batch = world->c.micro_batch_num;
    plane_rogue_send(&session.rogue, &round, sizeof(round), NULL, 0, UCP_AM_SEND_FLAG_REPLY);
    const heard_event *dropped = await_drop(&session);
    assert_int_equal(dropped->event.peer, 1);
    assert_int_equal(dropped->event.reason, AFD_DROP_GARBAGE);
    assert_int_equal(dropped->event.pid, 4711);
    play_on(world);
    const uint64_t *garbage_num = &afd__window_own_worker_stats(afd_ffn_worker_window(world->ranks[0]))->garbage_num;
    while (afd__load_relaxed_u64(garbage_num) == 0) { /* now and then it is shown */
        step_ranks(world);
    }
    assert_int_equal(*garbage_num, 1);
    make_session(world, 1, 1); /* the place is free */
    assert_int_equal(join_as(world, 1, NULL), AFD_OK);
    plane_rogue_close(&session.rogue);
    close_stranger(&session.who);
    free_world(world);
}

static void a_link_that_ends_costs_the_place_after_a_while(void **state)
{
    (void)state;
    rogue_session session;
    member_world *world = guarded_world();
    admit_rogue(&session, world);
    plane_rogue_disconnect(&session.rogue);
    const heard_event *dropped = await_drop(&session);
    assert_int_equal(dropped->event.reason, AFD_DROP_CLOSED);
    play_on(world);
    close_stranger(&session.who);
    plane_rogue_close(&session.rogue);
    free_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_that_talk_nonsense_are_refused),
        cmocka_unit_test(who_starts_without_a_link_is_refused),
        cmocka_unit_test(who_goes_before_it_starts_leaves_its_place),
        cmocka_unit_test(silent_strangers_keep_nobody_out),
        cmocka_unit_test(tokens_that_break_the_rules_cost_the_place),
        cmocka_unit_test(a_link_that_ends_costs_the_place_after_a_while),
    };
    require_ucx();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
