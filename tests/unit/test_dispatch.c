/* SPDX-License-Identifier: Apache-2.0 */
/* How a dispatch waits and is stopped, and what it does when a transport fails. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_headers.h"
#include "fake_writer.h"
#include "small_dispatch.h"

static void set_busy(dispatch_world *world, uint32_t writer, int32_t flag)
{
    dispatch_world_desc(world, writer, 0, 0)[0] = flag;
}

/* A result other than AFD_OK must have changed nothing. */
static void dispatch_until(dispatch_world *world, afd_wait *wait, afd_status expected)
{
    uint8_t *copy = dispatch_world_copy(world);
    afd_status status = afd_attention_dispatch(world->context, &world->args, wait, NULL);
    if (expected != AFD_OK) {
        assert_int_equal(dispatch_world_first_difference(world, copy), world->block_bytes);
    }
    free(copy);
    assert_int_equal(status, expected);
}

/* ---- waiting ---- */

static void a_deadline_names_the_writers_whose_descs_are_not_free(void **state)
{
    (void)state;
    static const afd_wait_strategy strategies[] = { AFD_WAIT_YIELD, AFD_WAIT_SPIN, AFD_WAIT_BACKOFF };
    for (int i = 0; i < 3; i++) {
        dispatch_world *world = small_dispatch_world();
        afd_late late[2] = { { .session = 99 }, { .session = 99 } };
        afd_wait wait = AFD_WAIT_INIT(strategies[i]);
        wait.deadline_ns = 1;
        wait.late = late;
        wait.late_capacity = 1;
        set_busy(world, 1, 1);
        set_busy(world, 2, 2); /* garbage is free */
        set_busy(world, 3, 1);
        dispatch_until(world, &wait, AFD_DEADLINE);
        assert_int_equal(wait.late_num, 2);
        assert_int_equal(late[0].session, 1);
        assert_int_equal(late[0].micro_batch, 0);
        assert_int_equal(late[0].flag, 1);
        assert_int_equal(late[1].session, 99); /* past the capacity */
        set_busy(world, 1, 0);
        set_busy(world, 3, 0);
        dispatch_until(world, &wait, AFD_OK);
        assert_int_equal(wait.late_num, 0);
        dispatch_world_free(world);
    }
}

static void a_rank_without_tokens_is_not_awaited_where_only_those_with_tokens_count(void **state)
{
    (void)state;
    dispatch_world *world = small_dispatch_world();
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    wait.deadline_ns = 1;
    set_busy(world, 2, 1); /* experts 2 and 6: nobody's */
    dispatch_until(world, &wait, AFD_DEADLINE);
    world->args.only_ranks_with_tokens = true;
    dispatch_until(world, &wait, AFD_OK);
    for (uint32_t writer = 0; writer < WRITERS; writer++) {
        assert_int_equal(dispatch_world_desc(world, writer, 0, 0)[0], writer <= 2);
    }
    dispatch_world_free(world);
}

static void a_stop_that_is_there_already_wins(void **state)
{
    (void)state;
    dispatch_world *world = small_dispatch_world();
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    int32_t stop = 0;
    wait.stop = &stop;
    afd_context_stop(world->context);
    dispatch_until(world, NULL, AFD_STOPPED);
    afd_context_start(world->context);
    afd_stop_raise(&stop);
    dispatch_until(world, &wait, AFD_STOPPED);
    dispatch_world_free(world);
}

/* What a poll does to the world when it is called. */
typedef struct poll_plan {
    dispatch_world *world;
    uint32_t poll_num;
    bool free_descs;
    bool stop;
    int32_t *stop_word;
} poll_plan;

static void poll_world(void *arg)
{
    poll_plan *plan = arg;
    if (++plan->poll_num < 3) {
        return;
    }
    if (plan->free_descs) {
        set_busy(plan->world, plan->poll_num % WRITERS, 0); /* one after the other */
    }
    if (plan->stop) {
        afd_context_stop(plan->world->context);
    }
    if (plan->stop_word != NULL) {
        afd_stop_raise(plan->stop_word);
    }
}

static void a_wait_goes_on_when_poll_brings_the_descs(void **state)
{
    (void)state;
    dispatch_world *world = small_dispatch_world();
    poll_plan plan = { .world = world, .free_descs = true };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    wait.poll = poll_world;
    wait.poll_arg = &plan;
    for (uint32_t writer = 0; writer < WRITERS; writer++) {
        set_busy(world, writer, 1);
    }
    dispatch_until(world, &wait, AFD_OK);
    assert_int_equal(plan.poll_num, 6); /* the fourth desc is free after it */
    assert_int_equal(wait.empty_pass_num, 6);
    for (uint32_t writer = 0; writer < WRITERS; writer++) {
        assert_int_equal(dispatch_world_desc(world, writer, 0, 0)[0], 1);
    }
    dispatch_world_free(world);
}

static void a_wait_ends_when_the_run_flag_or_the_stop_word_says_so(void **state)
{
    (void)state;
    for (int by_word = 0; by_word < 2; by_word++) {
        dispatch_world *world = small_dispatch_world();
        int32_t stop = 0;
        poll_plan plan = { .world = world, .stop = by_word == 0, .stop_word = by_word == 0 ? NULL : &stop };
        afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
        wait.poll = poll_world;
        wait.poll_arg = &plan;
        wait.stop = &stop;
        set_busy(world, 3, 1);
        assert_int_equal(afd_attention_dispatch(world->context, &world->args, &wait, NULL), AFD_STOPPED);
        assert_int_equal(plan.poll_num, 3);
        for (uint32_t writer = 0; writer < WRITERS; writer++) {
            assert_int_equal(dispatch_world_desc(world, writer, 0, 0)[0], writer == 3);
            assert_int_equal(dispatch_world_desc(world, writer, 0, 0)[2], AFD_EXPERT_ID_NONE);
        }
        dispatch_world_free(world);
    }
}

static void *give_back_in_a_thread(void *arg)
{
    for (uint32_t writer = 0; writer < WRITERS; writer++) {
        __atomic_store_n(dispatch_world_desc(arg, writer, 0, 0), 0, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void a_desc_that_another_thread_gives_back_ends_the_wait(void **state)
{
    (void)state;
    dispatch_world *world = small_dispatch_world();
    pthread_t thread;
    for (uint32_t writer = 0; writer < WRITERS; writer++) {
        set_busy(world, writer, 1);
    }
    assert_int_equal(pthread_create(&thread, NULL, give_back_in_a_thread, world), 0);
    assert_int_equal(afd_attention_dispatch(world->context, &world->args, NULL, NULL), AFD_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    dispatch_world_free(world);
}

/* ---- a smaller batch after a larger one ---- */

static void a_smaller_batch_leaves_nothing_of_the_larger_one(void **state)
{
    (void)state;
    dispatch_world *world = small_dispatch_world();
    static const uint32_t token_nums[] = { BS, 1, BS, 0, 2 };
    for (int i = 0; i < 5; i++) {
        world->args.token_num = token_nums[i];
        assert_int_equal(afd_attention_dispatch(world->context, &world->args, NULL, NULL), AFD_OK);
        for (uint32_t slot = 0; slot < BS * E; slot++) {
            assert_int_equal(world->own_flags[slot], slot >= token_nums[i] * E);
        }
        for (uint32_t writer = 0; writer < WRITERS; writer++) {
            int32_t *desc = dispatch_world_desc(world, writer, 0, 0);
            uint32_t id_num = 0;
            for (uint32_t slot = 0; slot < BS * E; slot++) {
                id_num += desc[2 + slot] < AFD_EXPERT_ID_LIMIT;
            }
            /* Expert 0 and the shared one, which is 8, are at rank 0, expert 1 is at rank 1. */
            assert_int_equal(id_num, writer == 0 ? 2 * token_nums[i] : writer == 1 ? token_nums[i] : 0);
            memset(desc + 2, 0x7F, 4 * BS * E);
            desc[0] = 0;
        }
        memset(world->own_flags, 0, 4 * BS * E);
    }
    dispatch_world_free(world);
}

/* ---- a transport that fails ---- */

/* Writer 1 is a fake; the others write into their windows. */
typedef struct fake_world {
    dispatch_world *world;
    afd_writer *replaced;
    fake_writer fake;
} fake_world;

static void start_fake(fake_world *it)
{
    it->world = small_dispatch_world();
    it->replaced = it->world->writers[1];
    it->fake = fake_writer_of(AFD_WINDOW_FFN, &it->world->plan.shape);
    it->world->writers[1] = &it->fake.base;
}

static void end_fake(fake_world *it)
{
    it->world->writers[1] = it->replaced;
    dispatch_world_free(it->world);
}

static void expect_nothing_left(const dispatch_world *world, uint32_t writer)
{
    const int32_t *desc = dispatch_world_desc(world, writer, 0, 0);
    assert_int_equal(desc[0], 0);
    for (uint32_t slot = 0; slot < BS * E; slot++) {
        assert_true(desc[2 + slot] >= AFD_EXPERT_ID_LIMIT);
    }
}

static void a_row_that_a_transport_refuses_takes_the_whole_round_back(void **state)
{
    (void)state;
    for (int quantize = 0; quantize < 2; quantize++) {
        for (uint32_t row = 1; row <= BS; row++) {
            fake_world it;
            afd_error error;
            start_fake(&it);
            it.world->args.quantize = quantize != 0;
            it.world->args.token_num = BS;
            it.fake.fail_put = row;
            afd_status status = afd_attention_dispatch(it.world->context, &it.world->args, NULL, &error);
            assert_int_equal(status, quantize ? AFD_ERR_NO_MEMORY : AFD_ERR_SYSTEM);
            assert_int_equal(error.status, status);
            assert_string_equal(error.field, "writers");
            assert_int_equal(error.value, 1);
            assert_int_equal(error.bound, 0);
            assert_int_equal(error.system_error, quantize ? 0 : EPIPE);
            assert_non_null(strstr(error.message, quantize ? "no memory for a row" : "the wire broke in a put"));
            assert_non_null(strstr(error.message, "published to 0 writers"));
            assert_int_equal(it.fake.discard_num, 1);
            assert_int_equal(it.fake.publish_num, 0);
            for (uint32_t writer = 0; writer < WRITERS; writer++) {
                if (writer != 1) {
                    expect_nothing_left(it.world, writer);
                }
            }
            for (uint32_t slot = 0; slot < BS * E; slot++) {
                assert_int_equal(it.world->own_flags[slot], 0);
            }
            it.fake.fail_put = 0; /* and the same round again */
            assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, NULL, NULL), AFD_OK);
            assert_int_equal(it.fake.publish_num, 1);
            end_fake(&it);
        }
    }
}

static void a_publish_that_fails_says_who_has_the_round_already(void **state)
{
    (void)state;
    fake_world it;
    afd_error error;
    start_fake(&it);
    it.world->args.token_num = 2;
    it.fake.fail_publish = true;
    assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, NULL, &error), AFD_ERR_SYSTEM);
    assert_int_equal(error.value, 1);
    assert_int_equal(error.bound, 1);
    assert_non_null(strstr(error.message, "fake"));
    assert_non_null(strstr(error.message, "published to 1 writers"));
    assert_int_equal(dispatch_world_desc(it.world, 0, 0, 0)[0], 1);
    assert_int_equal(dispatch_world_desc(it.world, 0, 0, 0)[2], 10); /* what was published stays */
    expect_nothing_left(it.world, 2);
    expect_nothing_left(it.world, 3);
    assert_int_equal(it.fake.discard_num, 1);
    for (uint32_t slot = 0; slot < BS * E; slot++) {
        assert_int_equal(it.world->own_flags[slot], 0);
    }
    end_fake(&it);
}

static void a_transport_that_fails_without_a_word_is_named_all_the_same(void **state)
{
    (void)state;
    fake_world it;
    afd_error error;
    start_fake(&it);
    it.fake.fail_put = 2;
    it.fake.is_silent = true;
    assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, NULL, &error), AFD_ERR_SYSTEM);
    assert_int_equal(error.value, 1);
    assert_int_equal(error.system_error, 0);
    assert_non_null(strstr(error.message, "writer 1 (fake)"));
    assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, NULL, NULL), AFD_ERR_SYSTEM);
    end_fake(&it);
}

static void the_writer_that_is_awaited_is_given_its_progress(void **state)
{
    (void)state;
    fake_world it;
    start_fake(&it);
    it.world->args.round = UINT64_C(1) << 40;
    it.world->args.layer_id = 12;
    it.fake.free_after = 5;
    assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, NULL, NULL), AFD_OK);
    assert_int_equal(it.fake.is_free_num, 6);
    assert_int_equal(it.fake.progress_num, 5);
    assert_int_equal(it.fake.round.number, UINT64_C(1) << 40);
    assert_int_equal(it.fake.round.layer_id, 12);
    assert_int_equal(it.fake.place.expert_id, 11);
    end_fake(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_names_the_writers_whose_descs_are_not_free),
        cmocka_unit_test(a_rank_without_tokens_is_not_awaited_where_only_those_with_tokens_count),
        cmocka_unit_test(a_stop_that_is_there_already_wins),
        cmocka_unit_test(a_wait_goes_on_when_poll_brings_the_descs),
        cmocka_unit_test(a_wait_ends_when_the_run_flag_or_the_stop_word_says_so),
        cmocka_unit_test(a_desc_that_another_thread_gives_back_ends_the_wait),
        cmocka_unit_test(a_smaller_batch_leaves_nothing_of_the_larger_one),
        cmocka_unit_test(a_row_that_a_transport_refuses_takes_the_whole_round_back),
        cmocka_unit_test(a_publish_that_fails_says_who_has_the_round_already),
        cmocka_unit_test(a_transport_that_fails_without_a_word_is_named_all_the_same),
        cmocka_unit_test(the_writer_that_is_awaited_is_given_its_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
