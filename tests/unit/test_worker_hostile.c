/* SPDX-License-Identifier: Apache-2.0 */
/* FFN workers whose peers are hostile, or whose experts fail. */
#include <stdlib.h>

#include "cmocka_headers.h"
#include "worker_world.h"

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
        afd_wait wait = world_expired_wait(late, 9);
        afd_worker_counters counters;
        afd_error error;
        world_connect(world);
        world_dispatch_to(world, 0, 0, 0, 0);
        world->ranks[0].answer = answers[i];
        assert_int_equal(afd_ffn_worker_await(world->ranks[0].worker, NULL, NULL, &error), answers[i]);
        world_expect_error(&error, "experts", (uint64_t)(int64_t)answers[i], AFD_OK);
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
        cmocka_unit_test(a_wild_id_costs_its_session_the_place_and_nobody_else),
        cmocka_unit_test(a_step_of_wild_ids_alone_has_taken_something),
        cmocka_unit_test(what_the_experts_return_ends_the_step),
    };
    return cmocka_run_group_tests_name("hostile peers", tests, NULL, NULL);
}
