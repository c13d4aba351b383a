/* SPDX-License-Identifier: Apache-2.0 */
/* What a writer of a link does beside carrying rows: credits, discards, rows that are staged, and what it refuses. */
#include <string.h>

#include "afd/wait.h"
#include "cmocka_headers.h"
#include "plane_world.h"

enum { BS = 3, E = 2, ROW_BYTES = 40, ANSWER_BYTES = 24 };

static const plane_sizes sizes = { 2, BS, E, ROW_BYTES, ANSWER_BYTES };

static plane_world world;

static int set_up(void **state)
{
    (void)state;
    world = (plane_world){ 0 };
    plane_world_open(&world, &sizes, 2);
    plane_world_attach(&world, 0);
    plane_world_attach(&world, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plane_world_close(&world);
    return 0;
}

static afd_writer *writer_of(uint32_t guest)
{
    return afd__link_writer(world.guests[guest].link);
}

static void answer(uint32_t guest, uint32_t micro_batch)
{
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, guest, micro_batch));
    plane_take(&world, guest, micro_batch);
    plane_publish(world.guests[guest].at_host, guest, micro_batch, 0);
}

static void a_credit_comes_back_with_the_answer_and_waiting_for_it_is_counted_once(void **state)
{
    (void)state;
    afd__plane *plane = world.guests[0].plane;
    assert_true(afd_writer_is_free(writer_of(0), 0, 0));
    assert_false(afd_writer_is_free(writer_of(0), 1, 0)); /* another session's */
    assert_int_equal(afd__plane_count(plane).credit_wait_num, 0);
    plane_publish(world.guests[0].link, 0, 0, 5);
    for (int i = 0; i < 10; i++) {
        assert_false(afd_writer_is_free(writer_of(0), 0, 0));
    }
    assert_int_equal(afd__plane_count(plane).credit_wait_num, 1);
    assert_true(afd_writer_is_free(writer_of(0), 0, 1));
    answer(0, 0);
    PROGRESS_UNTIL(&world, afd_writer_is_free(writer_of(0), 0, 0));
    plane_publish(world.guests[0].link, 0, 0, 6);
    assert_false(afd_writer_is_free(writer_of(0), 0, 0));
    assert_int_equal(afd__plane_count(plane).credit_wait_num, 2);
}

static void an_empty_round_and_its_empty_answer_write_no_row_and_no_flag(void **state)
{
    (void)state;
    plane_publish(world.guests[0].link, 0, 1, 9);
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, 0, 1));
    afd_ffn_desc *desc = afd_window_desc(world.window, 0, 1);
    assert_int_equal(desc->layer_id, 9);
    for (int i = 0; i < BS * E; i++) {
        assert_true(afd_ffn_desc_expert_ids(desc)[i] >= AFD_EXPERT_ID_LIMIT);
    }
    answer(0, 1);
    PROGRESS_UNTIL(&world, afd_writer_is_free(writer_of(0), 0, 1));
    assert_int_equal(plane_ready_num(&world, 0, 1), 0);
}

static void what_was_discarded_was_never_put(void **state)
{
    (void)state;
    plane_put(world.guests[0].link, 0, 0, 1, ROW_BYTES, 1);
    plane_put(world.guests[0].link, 0, 0, 2, ROW_BYTES, 1);
    afd_writer_discard(writer_of(0), 0, 0);
    plane_put(world.guests[0].link, 0, 0, 2, ROW_BYTES, 2);
    plane_publish(world.guests[0].link, 0, 0, 0);
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, 0, 0));
    const int32_t *ids = afd_ffn_desc_expert_ids(afd_window_desc(world.window, 0, 0));
    assert_true(ids[1] >= AFD_EXPERT_ID_LIMIT);
    assert_int_equal(ids[2], 2);
    plane_expect_row(world.window, 0, 0, 2, ROW_BYTES, ROW_BYTES, 2);
    /* The answer's too. */
    plane_take(&world, 0, 0);
    plane_put(world.guests[0].at_host, 0, 0, 2, ANSWER_BYTES, 3);
    afd_writer_discard(afd__link_writer(world.guests[0].at_host), 0, 0);
    plane_publish(world.guests[0].at_host, 0, 0, 0);
    PROGRESS_UNTIL(&world, afd_writer_is_free(writer_of(0), 0, 0));
    assert_int_equal(plane_ready_num(&world, 0, 0), 0);
}

static void a_slot_that_is_put_twice_has_the_second_row_and_is_sent_once(void **state)
{
    (void)state;
    const uint64_t before = afd__plane_count(world.guests[0].plane).sent_bytes;
    plane_put(world.guests[0].link, 0, 0, 3, ROW_BYTES, 1);
    plane_put(world.guests[0].link, 0, 0, 4, ROW_BYTES, 1);
    plane_put(world.guests[0].link, 0, 0, 3, ROW_BYTES, 2);
    plane_publish(world.guests[0].link, 0, 0, 0);
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, 0, 0));
    plane_expect_row(world.window, 0, 0, 3, ROW_BYTES, ROW_BYTES, 2);
    plane_expect_row(world.window, 0, 0, 4, ROW_BYTES, ROW_BYTES, 1);
    assert_int_equal(afd__plane_count(world.guests[0].plane).sent_bytes - before, 64 + 2 * (ROW_BYTES + 8));
}

static void a_staged_row_is_lent_until_it_is_published(void **state)
{
    (void)state;
    void *first = NULL;
    void *second = NULL;
    afd_place place = { .session = 0, .micro_batch = 0, .token = 1, .slot = 1, .expert_id = 7 };
    assert_int_equal(afd_writer_stage(writer_of(0), &place, &first, NULL), AFD_OK);
    place.slot = 0;
    assert_int_equal(afd_writer_stage(writer_of(0), &place, &second, NULL), AFD_OK);
    memset(first, 0x11, ROW_BYTES);
    memcpy(second, first, ROW_BYTES); /* as the dispatch of a quantised token does */
    plane_publish(world.guests[0].link, 0, 0, 0);
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, 0, 0));
    const uint8_t *rows = afd_window_token_data(world.window, 0, 0);
    for (int i = 0; i < 2 * ROW_BYTES; i++) {
        assert_int_equal(rows[E * ROW_BYTES + i], 0x11);
    }
    assert_int_equal(afd_ffn_desc_expert_ids(afd_window_desc(world.window, 0, 0))[E + 1], 7);
}

static void what_is_under_way_is_nobodys_to_write(void **state)
{
    (void)state;
    const uint8_t row[ROW_BYTES] = { 0 };
    afd_place place = { .session = 0, .micro_batch = 0 };
    const afd_round round = { .session = 0, .micro_batch = 0 };
    const afd_round of_other = { .session = 1, .micro_batch = 1 };
    void *staged = NULL;
    afd_error error;
    plane_publish(world.guests[0].link, 0, 0, 0);
    assert_int_equal(afd_writer_put(writer_of(0), &place, row, sizeof(row), &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "place.micro_batch");
    assert_int_equal(afd_writer_stage(writer_of(0), &place, &staged, NULL), AFD_ERR_NO_MEMORY);
    assert_int_equal(afd_writer_publish(writer_of(0), &round, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "round.micro_batch");
    place.session = 1;
    place.micro_batch = 1;
    assert_int_equal(afd_writer_put(writer_of(0), &place, row, sizeof(row), &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "place.session");
    assert_int_equal(afd_writer_publish(writer_of(0), &of_other, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "round.session");
}

static void an_answer_needs_a_round(void **state)
{
    (void)state;
    afd_error error;
    const afd_round round = { .session = 0, .micro_batch = 0 };
    afd_writer *at_host = afd__link_writer(world.guests[0].at_host);
    assert_int_equal(afd_writer_publish(at_host, &round, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "round.micro_batch");
    plane_publish(world.guests[0].link, 0, 0, 0);
    answer(0, 0);
    assert_int_equal(afd_writer_publish(at_host, &round, &error), AFD_ERR_INVALID);
}

static void all_writers_of_a_plane_together_progress_it(void **state)
{
    (void)state;
    const uint64_t began_ns = afd_clock_ns();
    plane_publish(world.guests[0].link, 0, 0, 0);
    plane_publish(world.guests[1].link, 1, 0, 0);
    while (!plane_desc_is_ready(&world, 0, 0) || !plane_desc_is_ready(&world, 1, 0)) {
        for (uint32_t guest = 0; guest < 2; guest++) {
            afd_writer_progress(afd__link_writer(world.guests[guest].at_host));
            afd_writer_progress(writer_of(guest));
        }
        assert_true(afd_clock_ns() - began_ns < UINT64_C(20000000000));
    }
}

static void a_broken_link_takes_everything_and_is_never_free(void **state)
{
    (void)state;
    afd_error error;
    assert_int_equal(afd__link_trouble(world.guests[0].link, &error), AFD_OK);
    plane_publish(world.guests[0].link, 0, 1, 0);
    afd__link_close(world.guests[0].at_host);
    world.guests[0].at_host = NULL;
    PROGRESS_UNTIL(&world, afd__link_state_of(world.guests[0].link) == AFD__LINK_BROKEN);
    assert_int_equal(afd__link_trouble(world.guests[0].link, &error), AFD_ERR_PEER);
    assert_true(error.message[0] != '\0');
    assert_int_equal(afd_writer_peer(writer_of(0)), AFD_PEER_DEAD);
    for (int i = 0; i < 3; i++) {
        plane_put(world.guests[0].link, 0, 0, 1, ROW_BYTES, 1);
        plane_publish(world.guests[0].link, 0, 0, 0);
        plane_put(world.guests[0].link, 0, 1, 1, ROW_BYTES, 1);
        plane_publish(world.guests[0].link, 0, 1, 0);
        assert_false(afd_writer_is_free(writer_of(0), 0, 0));
        assert_true(afd_writer_is_idle(writer_of(0)));
        plane_world_progress(&world);
    }
    /* The other session's goes on. */
    assert_int_equal(afd_writer_peer(writer_of(1)), AFD_PEER_ALIVE);
    plane_publish(world.guests[1].link, 1, 0, 0);
    answer(1, 0);
    PROGRESS_UNTIL(&world, afd_writer_is_free(writer_of(1), 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_credit_comes_back_with_the_answer_and_waiting_for_it_is_counted_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_empty_round_and_its_empty_answer_write_no_row_and_no_flag, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_discarded_was_never_put, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_that_is_put_twice_has_the_second_row_and_is_sent_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_staged_row_is_lent_until_it_is_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_under_way_is_nobodys_to_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_needs_a_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_writers_of_a_plane_together_progress_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_link_takes_everything_and_is_never_free, set_up, tear_down),
    };
    plane_world_require_ucx();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
