/* SPDX-License-Identifier: Apache-2.0 */
/* Workers when something is wrong: peers that are late, gone or hostile, calls out of order, experts that fail. */
#include <stdlib.h>
#include <string.h>

#include "afd/transport.h"
#include "cmocka_headers.h"
#include "fake_writer.h"
#include "worker_world.h"

static afd_wait expired_wait(afd_late *late, uint32_t late_capacity)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = 1;
    wait.late = late;
    wait.late_capacity = late_capacity;
    return wait;
}

static void expect_error(const afd_error *error, const char *field, uint64_t value, uint64_t bound)
{
    assert_string_equal(error->field, field);
    assert_int_equal(error->value, value);
    assert_int_equal(error->bound, bound);
    assert_int_not_equal(error->message[0], 0);
}

/* ---- who takes part ---- */

static void a_session_that_cannot_be_accepted_leaves_its_writer_to_the_caller(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_ffn_worker *worker = world->ranks[0].worker;
    afd_error error;
    afd_shape shape = world->c.shape;
    fake_writer good = fake_writer_of(AFD_WINDOW_ATTENTION, &shape);
    fake_writer other = fake_writer_of(AFD_WINDOW_FFN, &shape);

    assert_int_equal(afd_ffn_worker_accept(worker, 2, &good.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "session", 2, 1);
    assert_int_equal(afd_ffn_worker_accept(worker, 0, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer", 0, 0);
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.kind", AFD_WINDOW_FFN, AFD_WINDOW_ATTENTION);
    shape.session_num++;
    other = fake_writer_of(AFD_WINDOW_ATTENTION, &shape);
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.shape.session_num", 3, 2);
    shape = world->c.shape;
    shape.micro_batch_num = 9;
    other = fake_writer_of(AFD_WINDOW_ATTENTION, &shape);
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.shape.micro_batch_num", 9, 2);
    shape = world->c.shape;
    shape.micro_batch_size = 9;
    other = fake_writer_of(AFD_WINDOW_ATTENTION, &shape);
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.shape.micro_batch_size", 9, 3);
    shape = world->c.shape;
    shape.selected_expert_num = 9;
    other = fake_writer_of(AFD_WINDOW_ATTENTION, &shape);
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.shape.selected_expert_num", 9, 3);
    other = fake_writer_of(AFD_WINDOW_ATTENTION, &world->c.shape);
    other.base.slot_bytes = 62;
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.slot_bytes", 62, 64);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_NOBODY_LIVE);
    assert_int_equal(other.close_num, 0);

    assert_int_equal(afd_ffn_worker_accept(worker, 0, &good.base, &error), AFD_OK);
    other = fake_writer_of(AFD_WINDOW_ATTENTION, &world->c.shape);
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "session", 0, 0);
    assert_int_equal(other.close_num, 0);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_NOT_YET);
    assert_int_equal(good.progress_num, 1);
    assert_int_equal(afd_ffn_worker_drop(worker, 2, &error), AFD_ERR_INVALID);
    expect_error(&error, "session", 2, 1);
    assert_int_equal(afd_ffn_worker_drop(worker, 0, &error), AFD_OK);
    assert_int_equal(good.close_num, 1);
    assert_int_equal(afd_ffn_worker_drop(worker, 0, &error), AFD_OK);
    assert_int_equal(good.close_num, 1);
    world_free(world);
}

static void an_ffn_worker_that_cannot_be_connected_leaves_its_writer_to_the_caller(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    afd_error error;
    fake_writer good = fake_writer_of(AFD_WINDOW_FFN, &world->c.shape);
    fake_writer other = fake_writer_of(AFD_WINDOW_ATTENTION, &world->c.shape);

    assert_int_equal(afd_attention_worker_connect(worker, 2, &good.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "rank", 2, 1);
    assert_int_equal(afd_attention_worker_connect(worker, 0, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer", 0, 0);
    assert_int_equal(afd_attention_worker_connect(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.kind", AFD_WINDOW_ATTENTION, AFD_WINDOW_FFN);
    other = good;
    other.base.slot_bytes = 60;
    assert_int_equal(afd_attention_worker_connect(worker, 0, &other.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.slot_bytes", 60, 64);
    assert_int_equal(afd_attention_worker_connect(worker, 0, &good.base, &error), AFD_OK);
    assert_int_equal(afd_attention_worker_connect(worker, 0, &good.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "rank", 0, 0);
    assert_int_equal(good.close_num, 0);
    afd_attention_worker_close(worker);
    assert_int_equal(good.close_num, 1);
    world->sessions[0].worker = NULL;
    world_free(world);
}

/* ---- calls out of order ---- */

static void a_dispatch_out_of_order_is_refused(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.sync_group_size = 2;
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    afd_error error;
    assert_int_equal(afd_attention_worker_connect(worker, 0, world_writer_to_rank(world, 0), NULL), AFD_OK);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "writers", 1, 2);
    assert_int_equal(afd_attention_worker_connect(worker, 1, world_writer_to_rank(world, 1), NULL), AFD_OK);
    assert_int_equal(afd_attention_worker_dispatch(worker, 2, 0, NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 2, 1);
    assert_int_equal(afd_attention_worker_dispatch(worker, 1, 0, NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 1, 0); /* whose turn it is */
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, &error), AFD_OK);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 0, 1); /* its first round */
    assert_int_equal(afd_attention_worker_collect(worker, 0, NULL, NULL, NULL, NULL), AFD_OK);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 0, 1);
    assert_int_equal(afd_attention_worker_dispatch(worker, 1, 0, NULL, 0, NULL, NULL, &error), AFD_OK);
    world_free(world);
}

static void a_collect_out_of_order_is_refused(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    afd_error error;
    world_connect(world);
    assert_int_equal(afd_attention_worker_collect(worker, 2, NULL, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 2, 1);
    assert_int_equal(afd_attention_worker_collect(worker, 0, NULL, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 0, 0);
    world_dispatch(world, 0, 0, 0);
    assert_int_equal(afd_attention_worker_collect(worker, 1, NULL, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 1, 0);
    world_answer(world);
    world_collect(world, 0, 0);
    assert_int_equal(afd_attention_worker_collect(worker, 0, NULL, NULL, NULL, &error), AFD_ERR_INVALID);
    world_free(world);
}

/* The operators' own errors come through, and the next try has its round. */
static void what_is_wrong_with_one_call_is_right_in_the_next(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    afd_wait wait = AFD_WAIT_INIT((afd_wait_strategy)7);
    afd_error error;
    uint16_t tokens[3 * 32] = { 0 };
    int32_t expert_ids[6] = { 0, 1, 2, 3, 4, 6 };
    world_connect(world);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, tokens, 4, expert_ids, NULL, &error),
                     AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 3, expert_ids, NULL, &error), AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 4, tokens, 2, expert_ids, NULL, &error),
                     AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, tokens, 3, expert_ids, NULL, &error),
                     AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, tokens, 2, expert_ids, &wait, &error),
                     AFD_ERR_INVALID);
    expect_error(&error, "wait.strategy", 7, AFD_WAIT_BACKOFF);
    assert_int_equal(afd_ffn_worker_step(world->ranks[0].worker, NULL, NULL), AFD_NOT_YET);

    world_dispatch_to(world, 0, 0, 0, 1);
    world_answer(world);
    assert_int_equal(afd_attention_worker_collect(worker, 0, world->sessions[0].expert_scales[0], NULL, NULL, &error),
                     AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_collect(worker, 0, NULL, tokens, NULL, &error), AFD_ERR_INVALID);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    world_dispatch_to(world, 0, 1, 0, 1); /* and another one in between */
    world_answer(world);
    world_collect(world, 0, 1);
    world_collect(world, 0, 0);
    world_free(world);
}

/* ---- deadlines and stops ---- */

static void a_late_session_is_named_by_the_ffn_worker(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.sync_group_size = 2;
    worker_world *world = world_new(&c);
    afd_ffn_worker *worker = world->ranks[0].worker;
    afd_late late[2];
    afd_wait wait = expired_wait(late, 2);
    assert_int_equal(afd_ffn_worker_await(worker, &wait, NULL, NULL), AFD_NOBODY_LIVE);
    world_connect(world);
    for (uint32_t s = 0; s < 2; s++) {
        world_dispatch(world, s, 0, 0);
    }
    wait = expired_wait(late, 2);
    assert_int_equal(afd_ffn_worker_await(worker, &wait, NULL, NULL), AFD_OK); /* what is there needs no time */
    world_answer(world);
    world_dispatch(world, 1, 1, 0);
    wait = expired_wait(late, 2);
    assert_int_equal(afd_ffn_worker_await(worker, &wait, NULL, NULL), AFD_DEADLINE);
    assert_int_equal(wait.late_num, 1);
    assert_int_equal(late[0].session, 0);
    assert_int_equal(late[0].micro_batch, 1);
    world_free(world);
}

typedef struct joiner {
    worker_world *world;
    uint32_t call_num;
} joiner;

static void accept_and_send(void *argument)
{
    joiner *join = argument;
    if (join->call_num++ == 0) {
        world_connect(join->world);
        world_dispatch_to(join->world, 1, 0, 0, 0);
    }
}

static void poll_may_accept_sessions(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    worker_world *world = world_new(&c);
    joiner join = { .world = world };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    afd_wild_id wild = { .expert_id = 3 };
    wait.poll = accept_and_send;
    wait.poll_arg = &join;
    assert_int_equal(afd_ffn_worker_await(world->ranks[0].worker, &wait, &wild, NULL), AFD_OK);
    assert_int_equal(wild.expert_id, AFD_EXPERT_ID_NONE);
    assert_int_equal(join.call_num, 1);
    world_collect(world, 1, 0);
    world_free(world);
}

static void both_sides_can_be_stopped(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    int32_t stop = 1;
    afd_ffn_worker *ffn = world->ranks[0].worker;
    afd_attention_worker *attention = world->sessions[0].worker;
    world_connect(world);
    world_dispatch_to(world, 0, 0, 0, 0);
    afd_context_stop(afd_ffn_worker_context(ffn));
    assert_int_equal(afd_ffn_worker_step(ffn, NULL, NULL), AFD_STOPPED);
    assert_int_equal(afd_ffn_worker_await(ffn, NULL, NULL, NULL), AFD_STOPPED);
    afd_context_start(afd_ffn_worker_context(ffn));
    wait.stop = &stop;
    assert_int_equal(afd_ffn_worker_await(ffn, &wait, NULL, NULL), AFD_STOPPED);
    assert_int_equal(afd_attention_worker_collect(attention, 0, NULL, NULL, &wait, NULL), AFD_STOPPED);
    assert_int_equal(afd_attention_worker_leave(attention, &wait, NULL), AFD_STOPPED);
    assert_int_equal(afd_attention_worker_dispatch(attention, 1, 0, NULL, 0, NULL, &wait, NULL), AFD_STOPPED);
    afd_context_stop(afd_attention_worker_context(attention));
    assert_int_equal(afd_attention_worker_collect(attention, 0, NULL, NULL, NULL, NULL), AFD_STOPPED);
    assert_int_equal(afd_attention_worker_dispatch(attention, 1, 0, NULL, 0, NULL, NULL, NULL), AFD_STOPPED);
    afd_context_start(afd_attention_worker_context(attention));
    world_answer(world);
    world_collect(world, 0, 0);
    world_free(world);
}

static void answer_and_count(void *argument)
{
    joiner *join = argument;
    if (++join->call_num == 3) {
        world_answer(join->world);
    }
}

static void poll_is_called_while_results_are_awaited(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    joiner answerer = { .world = world };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    uint16_t output[3 * 32];
    wait.poll = answer_and_count;
    wait.poll_arg = &answerer;
    world_connect(world);
    world_dispatch_to(world, 0, 0, 0, 0);
    assert_int_equal(afd_attention_worker_collect(world->sessions[0].worker, 0, world->sessions[0].expert_scales[0],
                                                  output, &wait, NULL),
                     AFD_OK);
    assert_int_equal(answerer.call_num, 3);
    assert_int_equal(wait.empty_pass_num, 3);
    wait.size--;
    world_dispatch_to(world, 0, 0, 0, 0);
    assert_int_equal(afd_attention_worker_leave(world->sessions[0].worker, &wait, NULL), AFD_ERR_INVALID);
    world_answer(world);
    world_collect(world, 0, 0);
    world_free(world);
}

/* Whoever begins with one of them alone pairs rounds differently from whoever begins with both. */
static void who_is_accepted_before_the_first_take_is_awaited(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.sync_group_size = 2;
    worker_world *world = world_new(&c);
    world_connect(world);
    world_dispatch(world, 0, 0, 0);
    assert_int_equal(afd_ffn_worker_step(world->ranks[0].worker, NULL, NULL), AFD_NOT_YET);
    world_dispatch(world, 1, 0, 0);
    world_answer(world);
    world_collect(world, 0, 0);
    world_collect(world, 1, 0);
    world_free(world);
}

static void a_late_slot_is_named_with_its_rank(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    afd_late late[9];
    afd_wait wait = expired_wait(late, 9);
    uint16_t output[3 * 32];
    world_connect(world);
    uint32_t shared = layer_case_rank_of(&world->c, 0, 6);
    int32_t expert = 0;
    while (layer_case_rank_of(&world->c, 0, (uint32_t)expert) == shared) {
        expert++;
    }
    assert_true(expert < 6);
    world_dispatch_to(world, 0, 0, 0, expert);
    uint32_t routed = 1 - shared;
    uint32_t token_num = layer_case_token_num(&world->c, &world->sessions[0].rounds[0]);
    while (afd_ffn_worker_step(world->ranks[routed].worker, NULL, NULL) == AFD_OK) {
    }
    assert_int_equal(afd_attention_worker_collect(worker, 0, world->sessions[0].expert_scales[0], output, &wait, NULL),
                     AFD_DEADLINE);
    assert_int_equal(wait.late_num, token_num);
    for (uint32_t t = 0; t < token_num; t++) {
        assert_int_equal(late[t].micro_batch, 0);
        assert_int_equal(late[t].token, t);
        assert_int_equal(late[t].slot, 2);
        assert_int_equal(afd_attention_worker_late_rank(worker, 0, t, 2), 1 - routed);
    }
    world_answer(world);
    world_collect(world, 0, 0);
    world_free(world);
}

/* All-sync: a rank that got no token has its desc until the others are ready too. */
static void a_desc_that_is_not_given_back_is_named_with_its_rank(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.attention_num = 1;
    c.micro_batch_num = 1;
    c.shared_num = 0;
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    afd_late late[2];
    afd_wait wait = expired_wait(late, 2);
    world_connect(world);
    world_dispatch_to(world, 0, 0, 0, 0);
    uint32_t rank = layer_case_rank_of(&world->c, 0, 0);
    assert_int_equal(afd_ffn_worker_step(world->ranks[rank].worker, NULL, NULL), AFD_OK);
    world_collect(world, 0, 0);
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 1, NULL, 0, NULL, &wait, NULL), AFD_DEADLINE);
    assert_int_equal(wait.late_num, 1);
    assert_int_equal(late[0].session, 1 - rank);
    world_answer(world);
    world_dispatch_to(world, 0, 0, 1, 0);
    world_answer(world);
    world_collect(world, 0, 0);
    world_free(world);
}

/* ---- hostile peers, and experts that fail ---- */

/* Session 1 publishes a micro-batch with an id that no expert has, past its worker. */
static void publish_wild(worker_world *world, uint32_t rank, int32_t expert_id)
{
    afd_ffn_desc *desc = afd_window_desc(afd_ffn_worker_window(world->ranks[rank].worker), 1, 0);
    afd_ffn_desc_expert_ids(desc)[0] = 0;
    afd_ffn_desc_expert_ids(desc)[4] = expert_id;
    desc->layer_id = 1;
    afd_ffn_desc_publish(desc);
}

static void check_wild(uint32_t group_size, int32_t expert_id)
{
    layer_case c = world_case();
    c.ffn_num = 1;
    c.sync_group_size = group_size;
    worker_world *world = world_new(&c);
    afd_ffn_worker *worker = world->ranks[0].worker;
    afd_wild_id wild;
    afd_worker_counters counters;
    world_connect(world);
    world_dispatch_to(world, 0, 0, 2, 5);
    publish_wild(world, 0, expert_id);
    assert_int_equal(afd_ffn_worker_step(worker, &wild, NULL), AFD_OK);
    assert_int_equal(wild.session, 1);
    assert_int_equal(wild.micro_batch, 0);
    assert_int_equal(wild.token, 1);
    assert_int_equal(wild.slot, 1);
    assert_int_equal(wild.expert_id, expert_id);
    afd_ffn_worker_count(worker, &counters);
    assert_int_equal(counters.wild_num, 1);
    assert_int_equal(counters.micro_batch_num, 1);
    /* Nothing came back for it, not even for the slot whose id was right. */
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(afd_window_slot_flags(afd_attention_worker_window(world->sessions[1].worker), 0)[i], 0);
    }
    world_collect(world, 0, 0);
    /* It has lost its place, and the other one goes on without it. */
    publish_wild(world, 0, 0);
    for (uint32_t m = 0; m < 2; m++) {
        world_dispatch_to(world, 0, 1 - m, 0, 3);
        assert_int_equal(afd_ffn_worker_step(worker, &wild, NULL), AFD_OK);
        assert_int_equal(wild.expert_id, AFD_EXPERT_ID_NONE);
        world_collect(world, 0, 1 - m);
    }
    world_free(world);
}

static void a_wild_id_costs_its_session_the_place_and_nobody_else(void **state)
{
    (void)state;
    check_wild(1, -1);
    check_wild(1, 28);
    check_wild(1, AFD_EXPERT_ID_LIMIT - 1);
    check_wild(2, -1);
    check_wild(2, INT32_MIN);
}

/* Where nothing else was taken the step is over, and says why. */
static void a_step_of_wild_ids_alone_has_taken_something(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    worker_world *world = world_new(&c);
    afd_ffn_worker *worker = world->ranks[0].worker;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_wild_id wild;
    world_connect(world);
    publish_wild(world, 0, 999999);
    assert_int_equal(afd_ffn_worker_await(worker, &wait, &wild, NULL), AFD_OK);
    assert_int_equal(wild.session, 1);
    assert_int_equal(world->ranks[0].call_num, 0);
    publish_wild(world, 0, 0);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_NOT_YET);
    assert_int_equal(afd_ffn_worker_drop(worker, 0, NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_NOBODY_LIVE);
    world_free(world);
}

static void what_the_experts_return_ends_the_step(void **state)
{
    (void)state;
    static const afd_status answers[] = { AFD_ERR_SYSTEM, AFD_NOT_YET, AFD_NOBODY_LIVE, AFD_STOPPED };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        layer_case c = world_case();
        c.ffn_num = 1;
        worker_world *world = world_new(&c);
        afd_late late[9];
        afd_wait wait = expired_wait(late, 9);
        afd_worker_counters counters;
        afd_error error;
        world_connect(world);
        world_dispatch_to(world, 0, 0, 0, 0);
        world->ranks[0].answer = answers[i];
        assert_int_equal(afd_ffn_worker_await(world->ranks[0].worker, NULL, NULL, &error), answers[i]);
        expect_error(&error, "experts", (uint64_t)(int64_t)answers[i], AFD_OK);
        assert_int_equal(afd_ffn_worker_step(world->ranks[0].worker, NULL, &error), AFD_NOT_YET);
        afd_ffn_worker_count(world->ranks[0].worker, &counters);
        assert_int_equal(counters.step_num, 0);
        assert_int_equal(afd_attention_worker_leave(world->sessions[0].worker, &wait, NULL), AFD_DEADLINE);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_cannot_be_accepted_leaves_its_writer_to_the_caller),
        cmocka_unit_test(an_ffn_worker_that_cannot_be_connected_leaves_its_writer_to_the_caller),
        cmocka_unit_test(a_dispatch_out_of_order_is_refused),
        cmocka_unit_test(a_collect_out_of_order_is_refused),
        cmocka_unit_test(what_is_wrong_with_one_call_is_right_in_the_next),
        cmocka_unit_test(a_late_session_is_named_by_the_ffn_worker),
        cmocka_unit_test(poll_may_accept_sessions),
        cmocka_unit_test(both_sides_can_be_stopped),
        cmocka_unit_test(poll_is_called_while_results_are_awaited),
        cmocka_unit_test(who_is_accepted_before_the_first_take_is_awaited),
        cmocka_unit_test(a_late_slot_is_named_with_its_rank),
        cmocka_unit_test(a_desc_that_is_not_given_back_is_named_with_its_rank),
        cmocka_unit_test(a_wild_id_costs_its_session_the_place_and_nobody_else),
        cmocka_unit_test(a_step_of_wild_ids_alone_has_taken_something),
        cmocka_unit_test(what_the_experts_return_ends_the_step),
    };
    return cmocka_run_group_tests_name("worker trouble", tests, NULL, NULL);
}
