/* SPDX-License-Identifier: Apache-2.0 */
/* What workers ask of their transports, and what they make of one that refuses, or that sends later. */
#include <stdlib.h>
#include <string.h>

#include "cmocka_headers.h"
#include "fake_writer.h"
#include "late_writer.h"
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

/* ---- what is asked ---- */

static void a_writer_of_another_version_is_refused(void **state)
{
    (void)state;
    layer_case c = world_case();
    worker_world *world = world_new(&c);
    afd_error error;
    fake_writer ffn = fake_writer_of(AFD_WINDOW_FFN, &world->c.shape);
    fake_writer attention = fake_writer_of(AFD_WINDOW_ATTENTION, &world->c.shape);
    afd_writer_ops old_ops = *ffn.base.ops;
    old_ops.size--;
    ffn.base.ops = &old_ops;
    attention.base.ops = NULL;
    assert_int_equal(afd_attention_worker_connect(world->sessions[0].worker, 0, &ffn.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.ops", sizeof(old_ops) - 1, sizeof(old_ops));
    assert_int_equal(afd_ffn_worker_accept(world->ranks[0].worker, 0, &attention.base, &error), AFD_ERR_INVALID);
    expect_error(&error, "writer.ops", 0, sizeof(old_ops));
    world_free(world);
}

static void a_reply_ends_the_rounds_of_all_that_were_taken(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    c.sync_group_size = 2;
    worker_world *world = world_new(&c);
    afd_ffn_worker *worker = world->ranks[0].worker;
    fake_writer writers[2];
    for (uint32_t s = 0; s < 2; s++) {
        writers[s] = fake_writer_of(AFD_WINDOW_ATTENTION, &world->c.shape);
        assert_int_equal(afd_ffn_worker_accept(worker, s, &writers[s].base, NULL), AFD_OK);
    }
    for (uint32_t round = 1; round <= 3; round++) {
        for (uint32_t m = 0; m < 2; m++) {
            for (uint32_t s = 0; s < 2; s++) { /* session 1 has nothing for this worker */
                afd_ffn_desc *desc = afd_window_desc(afd_ffn_worker_window(worker), s, m);
                desc->layer_id = (int32_t)(10 * s + m);
                afd_ffn_desc_expert_ids(desc)[2] = s == 0 ? 3 : AFD_EXPERT_ID_NONE;
                afd_ffn_desc_publish(desc);
            }
            assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_OK);
            for (uint32_t s = 0; s < 2; s++) {
                assert_int_equal(writers[s].publish_num, 2 * (round - 1) + m + 1);
                assert_int_equal(writers[s].round.session, s);
                assert_int_equal(writers[s].round.micro_batch, m);
                assert_int_equal(writers[s].round.layer_id, 10 * s + m);
                assert_int_equal(writers[s].round.number, round);
            }
        }
    }
    assert_int_equal(writers[0].place.slot, 2);
    world_free(world);
    assert_int_equal(writers[0].close_num, 1);
}

static void what_a_transport_refuses_comes_through(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.attention_num = 1;
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    afd_error error;
    afd_late late[1];
    afd_wait wait = expired_wait(late, 1);
    fake_writer writers[2];
    for (uint32_t rank = 0; rank < 2; rank++) {
        writers[rank] = fake_writer_of(AFD_WINDOW_FFN, &world->c.shape);
        assert_int_equal(afd_attention_worker_connect(worker, rank, &writers[rank].base, NULL), AFD_OK);
    }
    /* Nobody was told: it may be tried again, as another round. */
    writers[0].fail_publish = true;
    assert_true(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, &error) < 0);
    assert_int_equal(error.field[0], 'w');
    writers[0].fail_publish = false;
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, &error), AFD_OK);
    assert_int_equal(writers[1].round.number, 2);
    assert_int_equal(afd_attention_worker_collect(worker, 0, NULL, NULL, &wait, NULL), AFD_OK);
    /* Somebody was told, and may answer: the round stays under way, and nobody takes its place. */
    writers[1].fail_publish = true;
    assert_true(afd_attention_worker_dispatch(worker, 1, 0, NULL, 0, NULL, NULL, &error) < 0);
    assert_int_equal(error.bound, 1);
    assert_int_equal(afd_attention_worker_dispatch(worker, 1, 0, NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    expect_error(&error, "micro_batch", 1, 1);
    wait = expired_wait(late, 1);
    assert_int_equal(afd_attention_worker_leave(worker, &wait, NULL), AFD_DEADLINE);
    world_free(world);
}

static void count_call(void *argument)
{
    ++*(uint32_t *)argument;
}

static void writers_are_progressed_by_every_wait(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.attention_num = 1;
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    fake_writer writers[2];
    for (uint32_t rank = 0; rank < 2; rank++) {
        writers[rank] = fake_writer_of(AFD_WINDOW_FFN, &world->c.shape);
        assert_int_equal(afd_attention_worker_connect(worker, rank, &writers[rank].base, NULL), AFD_OK);
    }
    writers[1].free_after = 5;
    assert_int_equal(afd_attention_worker_dispatch(worker, 0, 0, NULL, 0, NULL, NULL, NULL), AFD_OK);
    assert_true(writers[0].progress_num >= 5 && writers[1].progress_num >= 5);
    /* The wait was a stage of its own, and dispatch found everything free. */
    assert_int_equal(world->sessions[0].stages.events[2].stage, AFD_STAGE_DISPATCH);
    /* For results: before the first look, and before each poll. */
    uint16_t tokens[32] = { 0 };
    const int32_t expert_ids[2] = { 0, 1 };
    uint32_t poll_num = 100;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    wait.poll = count_call;
    wait.poll_arg = &poll_num;
    assert_int_equal(afd_attention_worker_dispatch(worker, 1, 0, tokens, 1, expert_ids, NULL, NULL), AFD_OK);
    uint32_t progress_num = writers[1].progress_num;
    wait.deadline_ns = 1;
    assert_int_equal(afd_attention_worker_collect(worker, 1, NULL, tokens, &wait, NULL), AFD_DEADLINE);
    assert_true(poll_num > 100);
    assert_int_equal(writers[1].progress_num - progress_num, poll_num - 100 + 1);
    world_free(world);
}

/* ---- a transport that sends later ---- */

/* Two sessions and one rank, whose answers to session 0 go through `late`. */
static worker_world *late_world(late_writer *late, uint32_t delay)
{
    layer_case c = world_case();
    c.ffn_num = 1;
    worker_world *world = world_new(&c);
    late_writer_make(late, world_writer_to_session(world, 0), delay);
    for (uint32_t s = 0; s < 2; s++) {
        afd_writer *back = s == 0 ? &late->base : world_writer_to_session(world, s);
        assert_int_equal(afd_ffn_worker_accept(world->ranks[0].worker, s, back, NULL), AFD_OK);
        assert_int_equal(afd_attention_worker_connect(world->sessions[s].worker, 0, world_writer_to_rank(world, 0),
                                                      NULL),
                         AFD_OK);
    }
    return world;
}

/* The results of a step stand where those of the next will: it is not taken before they have left. */
static void answers_on_their_way_are_not_overwritten(void **state)
{
    (void)state;
    late_writer late;
    worker_world *world = late_world(&late, 3);
    afd_ffn_worker *worker = world->ranks[0].worker;
    world_dispatch_to(world, 0, 0, 0, 1);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_OK);
    world_dispatch_to(world, 1, 0, 1, 2);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_NOT_YET);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_NOT_YET);
    assert_int_equal(world->ranks[0].call_num, 1);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_OK);
    world_collect(world, 0, 0);
    world_collect(world, 1, 0);
    world_free(world);
}

static void a_session_that_does_not_take_its_answers_is_named_and_may_be_dropped(void **state)
{
    (void)state;
    late_writer late;
    afd_late names[2];
    worker_world *world = late_world(&late, 1000000);
    afd_ffn_worker *worker = world->ranks[0].worker;
    afd_wait wait = expired_wait(names, 2);
    world_dispatch_to(world, 0, 0, 0, 1);
    assert_int_equal(afd_ffn_worker_await(worker, &wait, NULL, NULL), AFD_OK);
    world_dispatch_to(world, 1, 0, 1, 2);
    wait = expired_wait(names, 2);
    assert_int_equal(afd_ffn_worker_await(worker, &wait, NULL, NULL), AFD_DEADLINE);
    assert_int_equal(wait.late_num, 1);
    assert_int_equal(names[0].session, 0);
    assert_int_equal(names[0].micro_batch, AFD_MICRO_BATCH_ANY);
    assert_int_equal(afd_ffn_worker_drop(worker, 0, NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_await(worker, &wait, NULL, NULL), AFD_OK);
    world_collect(world, 1, 0);
    world_free(world);
}

static void tokens_on_their_way_are_known(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    c.attention_num = 1;
    c.sync_group_size = 1;
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    late_writer late;
    late_writer_make(&late, world_writer_to_rank(world, 0), 4);
    assert_int_equal(afd_attention_worker_connect(worker, 0, &late.base, NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_accept(world->ranks[0].worker, 0, world_writer_to_session(world, 0), NULL), AFD_OK);
    assert_true(afd_attention_worker_is_idle(worker));
    world_dispatch_to(world, 0, 0, 0, 1); /* progresses once, and each question once more */
    assert_false(afd_attention_worker_is_idle(worker));
    assert_int_equal(afd_ffn_worker_step(world->ranks[0].worker, NULL, NULL), AFD_NOT_YET);
    assert_false(afd_attention_worker_is_idle(worker));
    assert_true(afd_attention_worker_is_idle(worker));
    world_answer(world);
    world_collect(world, 0, 0);
    world_free(world);
}

static void a_collect_sends_what_is_on_its_way(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    c.attention_num = 1;
    c.sync_group_size = 1;
    worker_world *world = world_new(&c);
    afd_attention_worker *worker = world->sessions[0].worker;
    late_writer late;
    afd_late names[9];
    afd_wait wait = expired_wait(names, 9);
    uint16_t output[3 * 32];
    late_writer_make(&late, world_writer_to_rank(world, 0), 2);
    assert_int_equal(afd_attention_worker_connect(worker, 0, &late.base, NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_accept(world->ranks[0].worker, 0, world_writer_to_session(world, 0), NULL), AFD_OK);
    world_dispatch_to(world, 0, 0, 0, 1);
    assert_int_equal(afd_ffn_worker_step(world->ranks[0].worker, NULL, NULL), AFD_NOT_YET);
    assert_int_equal(afd_attention_worker_collect(worker, 0, world->sessions[0].expert_scales[0], output, &wait, NULL),
                     AFD_DEADLINE);
    world_answer(world);
    world_collect(world, 0, 0);
    world_free(world);
}

/* Everybody else of the step was answered, and the caller knows whom to drop. */
static void a_session_that_refuses_its_answers_is_named(void **state)
{
    (void)state;
    layer_case c = world_case();
    c.ffn_num = 1;
    c.sync_group_size = 2;
    worker_world *world = world_new(&c);
    afd_ffn_worker *worker = world->ranks[0].worker;
    fake_writer fake = fake_writer_of(AFD_WINDOW_ATTENTION, &world->c.shape);
    afd_error error;
    fake.fail_put = 1;
    assert_int_equal(afd_ffn_worker_accept(worker, 0, &fake.base, NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_accept(worker, 1, world_writer_to_session(world, 1), NULL), AFD_OK);
    for (uint32_t s = 0; s < 2; s++) {
        assert_int_equal(afd_attention_worker_connect(world->sessions[s].worker, 0, world_writer_to_rank(world, 0),
                                                      NULL),
                         AFD_OK);
        world_dispatch_to(world, s, 0, 0, 1);
    }
    assert_int_equal(afd_ffn_worker_step(worker, NULL, &error), AFD_ERR_SYSTEM);
    expect_error(&error, "writers", 0, 0);
    assert_non_null(strstr(error.message, "session 0, micro-batch 0 (fake)"));
    world_collect(world, 1, 0);
    assert_int_equal(afd_ffn_worker_drop(worker, 0, NULL), AFD_OK);
    world_dispatch_to(world, 1, 1, 0, 1);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_OK);
    world_collect(world, 1, 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_of_another_version_is_refused),
        cmocka_unit_test(a_reply_ends_the_rounds_of_all_that_were_taken),
        cmocka_unit_test(what_a_transport_refuses_comes_through),
        cmocka_unit_test(writers_are_progressed_by_every_wait),
        cmocka_unit_test(answers_on_their_way_are_not_overwritten),
        cmocka_unit_test(a_session_that_does_not_take_its_answers_is_named_and_may_be_dropped),
        cmocka_unit_test(tokens_on_their_way_are_known),
        cmocka_unit_test(a_collect_sends_what_is_on_its_way),
        cmocka_unit_test(a_session_that_refuses_its_answers_is_named),
    };
    return cmocka_run_group_tests_name("workers and their writers", tests, NULL, NULL);
}
