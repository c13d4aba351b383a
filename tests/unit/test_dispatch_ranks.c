/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatches to more ranks than any world has. */
#include <stdlib.h>

#include "cmocka_headers.h"
#include "fake_writer.h"
#include "small_dispatch.h"

enum { MANY = 2500 };

typedef struct many_ranks {
    dispatch_world *world;
    fake_writer *fakes;
    afd_writer **writers;
} many_ranks;

/* The experts 0..7 are at ranks on both sides of every multiple of 1024, and the shared one at the last. */
static void start_many(many_ranks *it)
{
    static const int32_t ranks[ROUTED + 1] = { 0, 63, 64, 1023, 1024, 1025, 2047, 2048, MANY - 1 };
    it->world = small_dispatch_world();
    it->fakes = calloc(MANY, sizeof(*it->fakes));
    it->writers = calloc(MANY, sizeof(afd_writer *));
    assert_true(it->fakes != NULL && it->writers != NULL);
    for (uint32_t i = 0; i < MANY; i++) {
        it->fakes[i] = fake_writer_of(AFD_WINDOW_FFN, &it->world->plan.shape);
        it->writers[i] = &it->fakes[i].base;
    }
    for (uint32_t expert = 0; expert <= ROUTED; expert++) {
        it->world->table[expert * it->world->args.experts.width + 1] = ranks[expert];
    }
    for (int32_t i = 0; i < BS * K; i++) {
        it->world->expert_ids[i] = i;
    }
    it->world->args.writers = it->writers;
    it->world->args.writer_num = MANY;
    it->world->args.only_ranks_with_tokens = true;
}

static void end_many(many_ranks *it)
{
    free(it->fakes);
    free(it->writers);
    dispatch_world_free(it->world);
}

static bool has_tokens(uint32_t rank)
{
    return rank == 0 || rank == 63 || rank == 64 || rank == 1023 || rank == 1024 || rank == 1025 || rank == 2047 ||
           rank == 2048 || rank == MANY - 1;
}

static void any_number_of_ranks_is_told_apart(void **state)
{
    (void)state;
    many_ranks it;
    start_many(&it);
    assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, NULL, NULL), AFD_OK);
    for (uint32_t rank = 0; rank < MANY; rank++) {
        assert_int_equal(it.fakes[rank].publish_num, has_tokens(rank));
        assert_int_equal(it.fakes[rank].is_free_num, has_tokens(rank));
    }
    end_many(&it);
}

/* What a rank has not got of us yet may be what another one waits for before it gives its desc back. */
static void while_one_is_awaited_all_writers_are_given_their_progress(void **state)
{
    (void)state;
    many_ranks it;
    start_many(&it);
    it.fakes[1024].free_after = 3;
    assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, NULL, NULL), AFD_OK);
    for (uint32_t rank = 0; rank < MANY; rank++) {
        assert_int_equal(it.fakes[rank].progress_num, 3);
    }
    end_many(&it);
}

static void among_any_number_of_ranks_the_late_are_named(void **state)
{
    (void)state;
    many_ranks it;
    afd_late late[4];
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_SPIN);
    wait.deadline_ns = 1;
    wait.late = late;
    wait.late_capacity = 4;
    start_many(&it);
    it.fakes[63].free_after = it.fakes[1024].free_after = it.fakes[2048].free_after = 1000;
    it.fakes[1030].free_after = 1000; /* without tokens */
    assert_int_equal(afd_attention_dispatch(it.world->context, &it.world->args, &wait, NULL), AFD_DEADLINE);
    assert_int_equal(wait.late_num, 3);
    assert_int_equal(late[0].session, 63);
    assert_int_equal(late[1].session, 1024);
    assert_int_equal(late[2].session, 2048);
    end_many(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_ranks_is_told_apart),
        cmocka_unit_test(while_one_is_awaited_all_writers_are_given_their_progress),
        cmocka_unit_test(among_any_number_of_ranks_the_late_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
