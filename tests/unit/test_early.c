/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work while waiting (ffn/early.h): all-sync with a scheduler object copies the ids of who is ready while others are
 * awaited. Seen here, within a call: that it does; that the window stays as it is until all are there; that copies
 * which no longer hold are not taken. From call to call: test_early_calls.c.
 */
#include "cmocka_headers.h"
#include "early_helpers.h"

/* ---- copying while waiting ---- */

static void publish_out_of_order(early *t, int step)
{
    static const uint32_t order[S] = { 2, 0, 3, 1 };
    assert_true(step < S);
    for (int i = 0; i < S; i++) {
        assert_true(i < step ? early_row_is_copy(t, order[i], order[i], 1) : early_row_is_untouched(t, order[i]));
    }
    early_arm(t, order[step], 1);
}

static void ids_are_copied_while_others_are_awaited(void **state)
{
    (void)state;
    early t = early_begin();
    uint32_t taken_num = 0;
    assert_int_equal(early_wait(&t, publish_out_of_order, &taken_num), AFD_OK);
    assert_int_equal(t.step, S);
    assert_int_equal(taken_num, S);
    early_expect_all(&t, 1);
    early_end(&t);
}

static void stop_by_word(early *t, int step)
{
    assert_true(early_row_is_copy(t, 1, 1, 1));
    if (step == 1) {
        afd_stop_raise(&t->stop);
    }
}

static void stop_by_run_flag(early *t, int step)
{
    assert_true(early_row_is_copy(t, 1, 1, 1));
    if (step == 1) {
        afd_context_stop(t->world->context);
    }
}

static void reach_deadline(early *t, int step)
{
    assert_true(early_row_is_copy(t, 1, 1, 1));
    if (step == 1) {
        t->wait.deadline_ns = 1;
    }
}

/* However a wait ends, the window is as it was, the outputs are the caller's again, and the next call is right. */
static void a_wait_that_ends_leaves_the_window_and_forgets(void **state)
{
    (void)state;
    static const struct {
        void (*script)(early *t, int step);
        afd_status status;
    } ends[] = {
        { stop_by_word, AFD_STOPPED }, { stop_by_run_flag, AFD_STOPPED }, { reach_deadline, AFD_DEADLINE }
    };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        early t = early_begin();
        uint32_t taken_num = 77;
        early_arm(&t, 1, 1);
        early_arm(&t, 3, 1);
        assert_int_equal(early_wait(&t, ends[i].script, &taken_num), ends[i].status);
        early_expect_window_unchanged(&t);
        assert_int_equal(taken_num, 0);
        assert_int_equal(t.world->context->ffn.out_num, 0);
        assert_int_equal(t.world->context->ffn.polling_index, POLLED);
        assert_true(early_row_is_copy(&t, 1, 1, 1));
        assert_true(early_row_is_copy(&t, 3, 3, 1));
        early_scribble(&t);
        t.world->context->control.run_flag = 1;
        assert_int_equal(early_poll(&t), AFD_NOT_YET);
        early_arm(&t, 0, 1);
        early_arm(&t, 2, 1);
        assert_int_equal(early_poll(&t), AFD_OK);
        early_expect_all(&t, 1);
        early_end(&t);
    }
}

static void a_stopped_poll_forgets_too(void **state)
{
    (void)state;
    early t = early_begin();
    early_arm(&t, 1, 1);
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    t.world->context->control.run_flag = 0;
    assert_int_equal(early_poll(&t), AFD_STOPPED);
    early_scribble(&t);
    t.world->context->control.run_flag = 1;
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    for (uint32_t s = 0; s < S; s++) {
        if (s != 1) {
            early_arm(&t, s, 1);
        }
    }
    assert_int_equal(early_poll(&t), AFD_OK);
    early_expect_all(&t, 1);
    early_end(&t);
}

static void without_an_object_a_wait_leaves_the_outputs_alone(void **state)
{
    (void)state;
    early t = early_begin();
    t.args.scheduler = NULL;
    t.wait.deadline_ns = 1;
    for (uint32_t s = 0; s + 1 < S; s++) {
        early_arm(&t, s, 1);
    }
    assert_int_equal(afd_ffn_schedule(t.world->context, &t.args, &t.wait, NULL, NULL), AFD_DEADLINE);
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    for (uint32_t row = 0; row < S; row++) {
        assert_true(early_row_is_untouched(&t, row));
    }
    early_end(&t);
}

/* ---- peers that break the rules ---- */

static void replace_after_the_copy(early *t, int step)
{
    if (step == 0) {
        assert_true(early_row_is_copy(t, 0, 0, 1));
        early_arm(t, 0, 2);
    } else {
        early_arm(t, 3, 1);
    }
}

static void what_was_replaced_after_its_copy_is_taken_as_it_stands(void **state)
{
    (void)state;
    early t = early_begin();
    const uint32_t sessions[S] = { 0, 1, 2, 3 };
    const uint32_t rounds[S] = { 2, 1, 1, 1 };
    for (uint32_t s = 0; s < 3; s++) {
        early_arm(&t, s, 1);
    }
    assert_int_equal(early_wait(&t, replace_after_the_copy, NULL), AFD_OK);
    assert_int_equal(t.step, 2);
    early_expect_rows(&t, sessions, rounds, S);
    early_end(&t);
}

/* The second time with the same layer and other ids, of which only the flag tells. */
static void take_a_flag_back(early *t, int step)
{
    afd_ffn_desc *desc = ffn_world_desc(t->world, 1, POLLED);
    switch (step) {
    case 0:
        assert_true(early_row_is_copy(t, 1, 1, 1));
        desc->flag = AFD_FLAG_FREE;
        break;
    case 1:
        early_arm(t, 3, 1);
        break;
    case 2: /* everybody was there once, but not now */
    case 3:
        break;
    case 4:
        early_arm(t, 1, 2);
        desc->layer_id = ffn_world_layer_id(1, POLLED, 1);
        break;
    default:
        fail_msg("not taken though everybody is there");
    }
}

static void who_takes_a_flag_back_is_awaited_and_copied_again(void **state)
{
    (void)state;
    early t = early_begin();
    for (uint32_t s = 0; s < 3; s++) {
        early_arm(&t, s, 1);
    }
    assert_int_equal(early_wait(&t, take_a_flag_back, NULL), AFD_OK);
    assert_int_equal(t.step, 5);
    for (uint64_t i = 0; i < t.world->id_num; i++) {
        assert_int_equal(t.world->expert_ids[t.world->id_num + i], ffn_world_expert_id(1, POLLED, 2, i));
    }
    assert_int_equal(t.world->layer_ids[1], ffn_world_layer_id(1, POLLED, 1));
    assert_true(ffn_world_row_is(t.world, 0, 0, POLLED, 1));
    assert_true(ffn_world_row_is(t.world, 2, 2, POLLED, 1));
    assert_true(ffn_world_row_is(t.world, 3, 3, POLLED, 1));
    early_end(&t);
}

/* ---- a live set that changes ---- */

static void change(early *t, bool admit, uint32_t session)
{
    afd_status status = admit ? afd_ffn_scheduler_admit(t->scheduler, session, NULL)
                              : afd_ffn_scheduler_drop(t->scheduler, session, NULL);
    assert_int_equal(status, AFD_OK);
}

static void drop_a_copied_one(early *t, int step)
{
    if (step == 0) {
        assert_true(early_row_is_copy(t, 1, 1, 1));
        assert_true(early_row_is_copy(t, 2, 2, 1));
        change(t, false, 1);
    } else {
        assert_true(early_row_is_copy(t, 1, 2, 1)); /* who comes behind it has moved up */
        early_arm(t, 3, 1);
    }
}

static void when_a_copied_one_is_dropped_the_others_move_up(void **state)
{
    (void)state;
    early t = early_begin();
    const uint32_t sessions[] = { 0, 2, 3 };
    const uint32_t rounds[] = { 1, 1, 1 };
    for (uint32_t s = 0; s < 3; s++) {
        early_arm(&t, s, 1);
    }
    assert_int_equal(early_wait(&t, drop_a_copied_one, NULL), AFD_OK);
    early_expect_rows(&t, sessions, rounds, 3);
    assert_int_equal(ffn_world_desc(t.world, 1, POLLED)->flag, AFD_FLAG_READY); /* as it was */
    assert_int_equal(afd_ffn_desc_expert_ids(ffn_world_desc(t.world, 1, POLLED))[0],
                     ffn_world_expert_id(1, POLLED, 1, 0));
    early_end(&t);
}

static void drop_the_missing_one(early *t, int step)
{
    assert_int_equal(step, 0);
    assert_true(early_row_is_copy(t, 2, 2, 1));
    change(t, false, 1);
}

static void when_the_missing_one_is_dropped_the_rest_is_taken(void **state)
{
    (void)state;
    early t = early_begin();
    const uint32_t sessions[] = { 0, 2, 3 };
    const uint32_t rounds[] = { 1, 1, 1 };
    early_arm(&t, 0, 1);
    early_arm(&t, 2, 1);
    early_arm(&t, 3, 1);
    assert_int_equal(early_wait(&t, drop_the_missing_one, NULL), AFD_OK);
    early_expect_rows(&t, sessions, rounds, 3);
    early_end(&t);
}

static void see_rows_without_session_1(early *t, int step)
{
    if (step == 0) {
        assert_true(early_row_is_untouched(t, 0));
        assert_true(early_row_is_copy(t, 1, 2, 1));
        early_arm(t, 3, 1);
    } else {
        assert_true(early_row_is_copy(t, 2, 3, 1));
        assert_true(early_row_is_untouched(t, 3));
        early_arm(t, 0, 1);
    }
}

static void with_a_session_away_copies_go_to_the_rows_of_who_is_live(void **state)
{
    (void)state;
    early t = early_begin();
    const uint32_t sessions[] = { 0, 2, 3 };
    const uint32_t rounds[] = { 1, 1, 1 };
    change(&t, false, 1);
    early_arm(&t, 1, 1);
    early_arm(&t, 2, 1);
    assert_int_equal(early_wait(&t, see_rows_without_session_1, NULL), AFD_OK);
    assert_int_equal(t.step, 2);
    early_expect_rows(&t, sessions, rounds, 3);
    early_end(&t);
}

static void admit_and_then_publish_it(early *t, int step)
{
    if (step == 0) {
        assert_true(early_row_is_copy(t, 1, 2, 1));
        change(t, true, 1);
        early_scribble(t);
    } else if (step == 1) {
        assert_false(early_row_is_copy(t, 1, 2, 1)); /* nobody knows the rows while somebody is joining */
        early_arm(t, 1, 1);
    } else {
        early_arm(t, 0, 1);
    }
}

static void admit_one_that_is_not_ready(early *t, int step)
{
    if (step == 0) {
        assert_true(early_row_is_copy(t, 1, 2, 1));
        change(t, true, 1);
        early_scribble(t);
    } else {
        early_arm(t, 0, 1);
    }
}

static void a_session_that_joins_moves_the_others_down_if_it_is_ready(void **state)
{
    (void)state;
    for (int is_ready = 0; is_ready < 2; is_ready++) {
        early t = early_begin();
        const uint32_t without[] = { 0, 2, 3 };
        const uint32_t rounds[] = { 1, 1, 1 };
        change(&t, false, 1);
        early_arm(&t, 2, 1);
        early_arm(&t, 3, 1);
        assert_int_equal(early_wait(&t, is_ready ? admit_and_then_publish_it : admit_one_that_is_not_ready, NULL),
                         AFD_OK);
        if (is_ready) {
            early_expect_all(&t, 1);
            assert_int_equal(afd_ffn_scheduler_state(t.scheduler, 1), AFD_SESSION_LIVE);
        } else {
            early_expect_rows(&t, without, rounds, 3);
            assert_int_equal(afd_ffn_scheduler_state(t.scheduler, 1), AFD_SESSION_JOINING);
        }
        early_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_copied_while_others_are_awaited),
        cmocka_unit_test(a_wait_that_ends_leaves_the_window_and_forgets),
        cmocka_unit_test(a_stopped_poll_forgets_too),
        cmocka_unit_test(without_an_object_a_wait_leaves_the_outputs_alone),
        cmocka_unit_test(what_was_replaced_after_its_copy_is_taken_as_it_stands),
        cmocka_unit_test(who_takes_a_flag_back_is_awaited_and_copied_again),
        cmocka_unit_test(when_a_copied_one_is_dropped_the_others_move_up),
        cmocka_unit_test(when_the_missing_one_is_dropped_the_rest_is_taken),
        cmocka_unit_test(with_a_session_away_copies_go_to_the_rows_of_who_is_live),
        cmocka_unit_test(a_session_that_joins_moves_the_others_down_if_it_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
