/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work while waiting (ffn/early.h): all-sync with a scheduler object copies the ids of who is ready while others are
 * awaited. Seen here: that it does; that the window stays as it is until all are there; that copies which no longer
 * hold are not taken; and when they are forgotten.
 */
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "cmocka_headers.h"
#include "ffn_world.h"

enum { S = 4, M = 2, POLLED = 1, BS = 3, E = 1 };

/* A world with a scheduler object, and a wait whose poll goes through a script. */
typedef struct early {
    ffn_world *world;
    afd_ffn_scheduler *scheduler;
    afd_ffn_schedule_args args;
    afd_wait wait;
    int32_t stop;
    void (*script)(struct early *t, int step);
    int step;
    uint8_t *window; /* what the token info must be whenever poll looks */
} early;

static size_t window_bytes(const early *t)
{
    return (size_t)t->world->shape.session_num * t->world->shape.micro_batch_num * t->world->desc_bytes;
}

static void expect_window_unchanged(const early *t)
{
    assert_memory_equal(t->world->token_info, t->window, window_bytes(t));
}

/* Of what the test itself changes in the window. */
static void note_window(early *t)
{
    memcpy(t->window, t->world->token_info, window_bytes(t));
}

static void go_through_script(void *arg)
{
    early *t = arg;
    expect_window_unchanged(t);
    t->script(t, t->step++);
    note_window(t);
}

static early begin(void)
{
    early t = { .world = ffn_world_new(S, M, BS, E, 4) };
    uint64_t bytes = afd_ffn_scheduler_footprint(S, M);
    void *memory = malloc(bytes);
    t.window = malloc(window_bytes(&t));
    assert_non_null(memory);
    assert_non_null(t.window);
    assert_int_equal(afd_ffn_scheduler_new(S, M, NULL, memory, bytes, &t.scheduler, NULL), AFD_OK);
    t.args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT(S);
    t.args.scheduler = t.scheduler;
    t.wait = (afd_wait)AFD_WAIT_INIT(AFD_WAIT_SPIN);
    t.world->context->ffn.polling_index = POLLED;
    return t;
}

static void end(early *t)
{
    free(t->window);
    free(t->scheduler);
    ffn_world_free(t->world);
}

static void arm(early *t, uint32_t session, uint32_t round)
{
    ffn_world_arm(t->world, session, POLLED, round, AFD_FLAG_READY);
}

static afd_status poll_once(early *t)
{
    return afd_ffn_schedule_poll(t->world->context, &t->args, NULL, NULL);
}

/* A waiting call whose poll goes through the script. */
static afd_status wait_with(early *t, void (*script)(early *t, int step), uint32_t *taken_num)
{
    t->script = script;
    t->step = 0;
    t->wait.poll = go_through_script;
    t->wait.poll_arg = t;
    t->wait.stop = &t->stop;
    note_window(t);
    return afd_ffn_schedule(t->world->context, &t->args, &t->wait, taken_num, NULL);
}

/* Whether row k holds an early copy of that session. */
static bool row_is_copy(const early *t, uint32_t row, uint32_t session, uint32_t round)
{
    const ffn_world *world = t->world;
    for (uint64_t i = 0; i < world->id_num; i++) {
        if (world->expert_ids[row * world->id_num + i] != ffn_world_expert_id(session, POLLED, round, i)) {
            return false;
        }
    }
    return world->layer_ids[row] == ffn_world_layer_id(session, POLLED, round);
}

static bool row_is_untouched(const early *t, uint32_t row)
{
    int32_t pattern = 0;
    memset(&pattern, FFN_WORLD_OUTPUT_BYTE, sizeof(pattern));
    for (uint64_t i = 0; i < t->world->id_num; i++) {
        if (t->world->expert_ids[row * t->world->id_num + i] != pattern) {
            return false;
        }
    }
    return t->world->layer_ids[row] == pattern && t->world->session_ids[row] == pattern &&
           t->world->micro_batch_ids[row] == pattern;
}

/* What a caller may do that has its outputs back. The layer ids stay right, so that no copy is told by them. */
static void scribble_ids(early *t)
{
    memset(t->world->expert_ids, 0x33, 4 * S * t->world->id_num);
}

static void expect_given_back(const early *t, uint32_t session)
{
    afd_ffn_desc *desc = ffn_world_desc(t->world, session, POLLED);
    assert_int_equal(desc->flag, AFD_FLAG_FREE);
    for (uint64_t i = 0; i < t->world->id_num; i++) {
        assert_int_equal(afd_ffn_desc_expert_ids(desc)[i], AFD_EXPERT_ID_REFILL);
    }
}

/* These sessions were just taken, with what they published in these rounds. */
static void expect_rows(const early *t, const uint32_t *sessions, const uint32_t *rounds, uint32_t num)
{
    assert_int_equal(t->world->context->ffn.out_num, num);
    assert_int_equal(t->world->context->ffn.polling_index, (POLLED + 1) % M);
    for (uint32_t k = 0; k < num; k++) {
        assert_true(ffn_world_row_is(t->world, k, sessions[k], POLLED, rounds[k]));
        expect_given_back(t, sessions[k]);
    }
}

static void expect_all_taken_of_round(const early *t, uint32_t round)
{
    const uint32_t sessions[S] = { 0, 1, 2, 3 };
    const uint32_t rounds[S] = { round, round, round, round };
    expect_rows(t, sessions, rounds, S);
}

/* ---- copying while waiting ---- */

static void publish_out_of_order(early *t, int step)
{
    static const uint32_t order[S] = { 2, 0, 3, 1 };
    assert_true(step < S);
    for (int i = 0; i < S; i++) {
        assert_true(i < step ? row_is_copy(t, order[i], order[i], 1) : row_is_untouched(t, order[i]));
    }
    arm(t, order[step], 1);
}

static void ids_are_copied_while_others_are_awaited(void **state)
{
    (void)state;
    early t = begin();
    uint32_t taken_num = 0;
    assert_int_equal(wait_with(&t, publish_out_of_order, &taken_num), AFD_OK);
    assert_int_equal(t.step, S);
    assert_int_equal(taken_num, S);
    expect_all_taken_of_round(&t, 1);
    end(&t);
}

static void stop_by_word(early *t, int step)
{
    assert_true(row_is_copy(t, 1, 1, 1));
    if (step == 1) {
        afd_stop_raise(&t->stop);
    }
}

static void stop_by_run_flag(early *t, int step)
{
    assert_true(row_is_copy(t, 1, 1, 1));
    if (step == 1) {
        afd_context_stop(t->world->context);
    }
}

static void reach_deadline(early *t, int step)
{
    assert_true(row_is_copy(t, 1, 1, 1));
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
        early t = begin();
        uint32_t taken_num = 77;
        arm(&t, 1, 1);
        arm(&t, 3, 1);
        assert_int_equal(wait_with(&t, ends[i].script, &taken_num), ends[i].status);
        expect_window_unchanged(&t);
        assert_int_equal(taken_num, 0);
        assert_int_equal(t.world->context->ffn.out_num, 0);
        assert_int_equal(t.world->context->ffn.polling_index, POLLED);
        assert_true(row_is_copy(&t, 1, 1, 1));
        assert_true(row_is_copy(&t, 3, 3, 1));
        scribble_ids(&t);
        t.world->context->control.run_flag = 1;
        assert_int_equal(poll_once(&t), AFD_NOT_YET);
        arm(&t, 0, 1);
        arm(&t, 2, 1);
        assert_int_equal(poll_once(&t), AFD_OK);
        expect_all_taken_of_round(&t, 1);
        end(&t);
    }
}

static void a_stopped_poll_forgets_too(void **state)
{
    (void)state;
    early t = begin();
    arm(&t, 1, 1);
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    t.world->context->control.run_flag = 0;
    assert_int_equal(poll_once(&t), AFD_STOPPED);
    scribble_ids(&t);
    t.world->context->control.run_flag = 1;
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    for (uint32_t s = 0; s < S; s++) {
        if (s != 1) {
            arm(&t, s, 1);
        }
    }
    assert_int_equal(poll_once(&t), AFD_OK);
    expect_all_taken_of_round(&t, 1);
    end(&t);
}

static void without_an_object_a_wait_leaves_the_outputs_alone(void **state)
{
    (void)state;
    early t = begin();
    t.args.scheduler = NULL;
    t.wait.deadline_ns = 1;
    for (uint32_t s = 0; s + 1 < S; s++) {
        arm(&t, s, 1);
    }
    assert_int_equal(afd_ffn_schedule(t.world->context, &t.args, &t.wait, NULL, NULL), AFD_DEADLINE);
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    for (uint32_t row = 0; row < S; row++) {
        assert_true(row_is_untouched(&t, row));
    }
    end(&t);
}

/* ---- peers that break the rules ---- */

static void replace_after_the_copy(early *t, int step)
{
    if (step == 0) {
        assert_true(row_is_copy(t, 0, 0, 1));
        arm(t, 0, 2);
    } else {
        arm(t, 3, 1);
    }
}

static void what_was_replaced_after_its_copy_is_taken_as_it_stands(void **state)
{
    (void)state;
    early t = begin();
    const uint32_t sessions[S] = { 0, 1, 2, 3 };
    const uint32_t rounds[S] = { 2, 1, 1, 1 };
    for (uint32_t s = 0; s < 3; s++) {
        arm(&t, s, 1);
    }
    assert_int_equal(wait_with(&t, replace_after_the_copy, NULL), AFD_OK);
    assert_int_equal(t.step, 2);
    expect_rows(&t, sessions, rounds, S);
    end(&t);
}

/* The second time with the same layer and other ids, of which only the flag tells. */
static void take_a_flag_back(early *t, int step)
{
    afd_ffn_desc *desc = ffn_world_desc(t->world, 1, POLLED);
    switch (step) {
    case 0:
        assert_true(row_is_copy(t, 1, 1, 1));
        desc->flag = AFD_FLAG_FREE;
        break;
    case 1:
        arm(t, 3, 1);
        break;
    case 2: /* everybody was there once, but not now */
    case 3:
        break;
    case 4:
        arm(t, 1, 2);
        desc->layer_id = ffn_world_layer_id(1, POLLED, 1);
        break;
    default:
        fail_msg("not taken though everybody is there");
    }
}

static void who_takes_a_flag_back_is_awaited_and_copied_again(void **state)
{
    (void)state;
    early t = begin();
    for (uint32_t s = 0; s < 3; s++) {
        arm(&t, s, 1);
    }
    assert_int_equal(wait_with(&t, take_a_flag_back, NULL), AFD_OK);
    assert_int_equal(t.step, 5);
    for (uint64_t i = 0; i < t.world->id_num; i++) {
        assert_int_equal(t.world->expert_ids[t.world->id_num + i], ffn_world_expert_id(1, POLLED, 2, i));
    }
    assert_int_equal(t.world->layer_ids[1], ffn_world_layer_id(1, POLLED, 1));
    assert_true(ffn_world_row_is(t.world, 0, 0, POLLED, 1));
    assert_true(ffn_world_row_is(t.world, 2, 2, POLLED, 1));
    assert_true(ffn_world_row_is(t.world, 3, 3, POLLED, 1));
    end(&t);
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
        assert_true(row_is_copy(t, 1, 1, 1));
        assert_true(row_is_copy(t, 2, 2, 1));
        change(t, false, 1);
    } else {
        assert_true(row_is_copy(t, 1, 2, 1)); /* who comes behind it has moved up */
        arm(t, 3, 1);
    }
}

static void when_a_copied_one_is_dropped_the_others_move_up(void **state)
{
    (void)state;
    early t = begin();
    const uint32_t sessions[] = { 0, 2, 3 };
    const uint32_t rounds[] = { 1, 1, 1 };
    for (uint32_t s = 0; s < 3; s++) {
        arm(&t, s, 1);
    }
    assert_int_equal(wait_with(&t, drop_a_copied_one, NULL), AFD_OK);
    expect_rows(&t, sessions, rounds, 3);
    assert_int_equal(ffn_world_desc(t.world, 1, POLLED)->flag, AFD_FLAG_READY); /* as it was */
    assert_int_equal(afd_ffn_desc_expert_ids(ffn_world_desc(t.world, 1, POLLED))[0],
                     ffn_world_expert_id(1, POLLED, 1, 0));
    end(&t);
}

static void drop_the_missing_one(early *t, int step)
{
    assert_int_equal(step, 0);
    assert_true(row_is_copy(t, 2, 2, 1));
    change(t, false, 1);
}

static void when_the_missing_one_is_dropped_the_rest_is_taken(void **state)
{
    (void)state;
    early t = begin();
    const uint32_t sessions[] = { 0, 2, 3 };
    const uint32_t rounds[] = { 1, 1, 1 };
    arm(&t, 0, 1);
    arm(&t, 2, 1);
    arm(&t, 3, 1);
    assert_int_equal(wait_with(&t, drop_the_missing_one, NULL), AFD_OK);
    expect_rows(&t, sessions, rounds, 3);
    end(&t);
}

static void see_rows_without_session_1(early *t, int step)
{
    if (step == 0) {
        assert_true(row_is_untouched(t, 0));
        assert_true(row_is_copy(t, 1, 2, 1));
        arm(t, 3, 1);
    } else {
        assert_true(row_is_copy(t, 2, 3, 1));
        assert_true(row_is_untouched(t, 3));
        arm(t, 0, 1);
    }
}

static void with_a_session_away_copies_go_to_the_rows_of_who_is_live(void **state)
{
    (void)state;
    early t = begin();
    const uint32_t sessions[] = { 0, 2, 3 };
    const uint32_t rounds[] = { 1, 1, 1 };
    change(&t, false, 1);
    arm(&t, 1, 1);
    arm(&t, 2, 1);
    assert_int_equal(wait_with(&t, see_rows_without_session_1, NULL), AFD_OK);
    assert_int_equal(t.step, 2);
    expect_rows(&t, sessions, rounds, 3);
    end(&t);
}

static void admit_and_then_publish_it(early *t, int step)
{
    if (step == 0) {
        assert_true(row_is_copy(t, 1, 2, 1));
        change(t, true, 1);
        scribble_ids(t);
    } else if (step == 1) {
        assert_false(row_is_copy(t, 1, 2, 1)); /* nobody knows the rows while somebody is joining */
        arm(t, 1, 1);
    } else {
        arm(t, 0, 1);
    }
}

static void admit_one_that_is_not_ready(early *t, int step)
{
    if (step == 0) {
        assert_true(row_is_copy(t, 1, 2, 1));
        change(t, true, 1);
        scribble_ids(t);
    } else {
        arm(t, 0, 1);
    }
}

static void a_session_that_joins_moves_the_others_down_if_it_is_ready(void **state)
{
    (void)state;
    for (int is_ready = 0; is_ready < 2; is_ready++) {
        early t = begin();
        const uint32_t without[] = { 0, 2, 3 };
        const uint32_t rounds[] = { 1, 1, 1 };
        change(&t, false, 1);
        arm(&t, 2, 1);
        arm(&t, 3, 1);
        assert_int_equal(wait_with(&t, is_ready ? admit_and_then_publish_it : admit_one_that_is_not_ready, NULL),
                         AFD_OK);
        if (is_ready) {
            expect_all_taken_of_round(&t, 1);
            assert_int_equal(afd_ffn_scheduler_state(t.scheduler, 1), AFD_SESSION_LIVE);
        } else {
            expect_rows(&t, without, rounds, 3);
            assert_int_equal(afd_ffn_scheduler_state(t.scheduler, 1), AFD_SESSION_JOINING);
        }
        end(&t);
    }
}

/* ---- from one call to the next ---- */

/* To see that a copy is not made twice: ids that are replaced behind our back under the same layer, by a peer that has
 * no right to, are not noticed any more. */
static void copies_of_a_poll_are_gone_on_with(void **state)
{
    (void)state;
    for (int waiting = 0; waiting < 2; waiting++) {
        early t = begin();
        arm(&t, 2, 1);
        assert_int_equal(poll_once(&t), AFD_NOT_YET);
        assert_true(row_is_copy(&t, 2, 2, 1));
        afd_ffn_desc_expert_ids(ffn_world_desc(t.world, 2, POLLED))[0] = 12345;
        arm(&t, 0, 1);
        assert_int_equal(poll_once(&t), AFD_NOT_YET);
        assert_true(row_is_copy(&t, 0, 0, 1));
        arm(&t, 1, 1);
        arm(&t, 3, 1);
        afd_status status = waiting ? afd_ffn_schedule(t.world->context, &t.args, &t.wait, NULL, NULL) : poll_once(&t);
        assert_int_equal(status, AFD_OK);
        expect_all_taken_of_round(&t, 1);
        end(&t);
    }
}

static void an_error_between_changes_nothing(void **state)
{
    (void)state;
    early t = begin();
    arm(&t, 2, 1);
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    t.args.execute_mode = 1;
    assert_int_equal(poll_once(&t), AFD_ERR_INVALID);
    t.args.execute_mode = 0;
    assert_true(row_is_copy(&t, 2, 2, 1));
    for (uint32_t s = 0; s < S; s++) {
        if (s != 2) {
            arm(&t, s, 1);
        }
    }
    assert_int_equal(poll_once(&t), AFD_OK);
    expect_all_taken_of_round(&t, 1);
    end(&t);
}

/* Copies of the last round are not those of the next, though descs, rows, layer and sizes are. */
static void a_round_that_was_taken_is_forgotten(void **state)
{
    (void)state;
    early t = begin();
    for (uint32_t round = 1; round <= 3; round++) {
        t.world->context->ffn.polling_index = POLLED;
        for (uint32_t s = 0; s < S; s++) {
            assert_int_equal(poll_once(&t), AFD_NOT_YET);
            arm(&t, s, round);
            ffn_world_desc(t.world, s, POLLED)->layer_id = 7;
        }
        assert_int_equal(poll_once(&t), AFD_OK);
        for (uint64_t i = 0; i < S * t.world->id_num; i++) {
            uint32_t session = (uint32_t)(i / t.world->id_num);
            assert_int_equal(t.world->expert_ids[i],
                             ffn_world_expert_id(session, POLLED, round, i % t.world->id_num));
        }
    }
    end(&t);
}

/* ---- calls on something else with the same object ---- */

/* Rows that hold nothing right but the layers, so that no check of those saves a copy that was never made. */
static void set_layers(const ffn_world *world, uint32_t micro_batch, uint32_t round)
{
    for (uint32_t s = 0; s < world->shape.session_num; s++) {
        world->layer_ids[s] = ffn_world_layer_id(s, micro_batch, round);
    }
}

static void expect_polled(early *t, ffn_world *world, uint32_t micro_batch, uint32_t round)
{
    for (uint32_t s = 0; s < S; s++) {
        ffn_world_arm(world, s, micro_batch, round, AFD_FLAG_READY);
    }
    assert_int_equal(afd_ffn_schedule_poll(world->context, &t->args, NULL, NULL), AFD_OK);
    for (uint32_t s = 0; s < S; s++) {
        assert_true(ffn_world_row_is(world, s, s, micro_batch, round));
    }
}

static void another_context_has_copies_of_its_own(void **state)
{
    (void)state;
    early t = begin();
    ffn_world *other = ffn_world_new(S, M, BS, E, 8);
    other->context->ffn.polling_index = POLLED;
    for (uint32_t s = 0; s + 1 < S; s++) {
        arm(&t, s, 1);
    }
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    set_layers(other, POLLED, 2);
    ffn_world_arm(other, 0, POLLED, 2, AFD_FLAG_READY);
    assert_int_equal(afd_ffn_schedule_poll(other->context, &t.args, NULL, NULL), AFD_NOT_YET);
    expect_polled(&t, other, POLLED, 2);
    scribble_ids(&t); /* the result was another than "not yet" */
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    expect_polled(&t, t.world, POLLED, 1);
    ffn_world_free(other);
    end(&t);
}

static void another_micro_batch_has_copies_of_its_own(void **state)
{
    (void)state;
    early t = begin();
    for (uint32_t s = 0; s + 1 < S; s++) {
        arm(&t, s, 1);
        ffn_world_arm(t.world, s, 0, 2, AFD_FLAG_READY);
    }
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    t.world->context->ffn.polling_index = 0;
    scribble_ids(&t);
    set_layers(t.world, 0, 2);
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    expect_polled(&t, t.world, 0, 2);
    end(&t);
}

static void another_size_of_descs_has_copies_of_its_own(void **state)
{
    (void)state;
    early t = begin();
    ffn_world smaller = *t.world; /* the same memory, cut into descs of fewer ids */
    smaller.id_num = BS - 1;
    smaller.desc_bytes = 8 + 4 * smaller.id_num;
    t.world->context->ffn.polling_index = 0; /* so that the first desc stays where it is */
    for (uint32_t s = 0; s + 1 < S; s++) {
        ffn_world_arm(t.world, s, 0, 1, AFD_FLAG_READY);
    }
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    t.world->context->common.micro_batch_size = BS - 1;
    for (uint32_t s = 0; s < S; s++) {
        for (uint32_t m = 0; m < M; m++) {
            ffn_world_arm(&smaller, s, m, 2, s + 1 < S ? AFD_FLAG_READY : AFD_FLAG_FREE);
        }
    }
    scribble_ids(&t);
    set_layers(&smaller, 0, 2);
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    expect_polled(&t, &smaller, 0, 2);
    end(&t);
}

static void other_rows_get_copies_of_their_own(void **state)
{
    (void)state;
    early t = begin();
    int32_t rows[S * BS * E];
    memset(rows, 0x44, sizeof(rows));
    for (uint32_t s = 0; s + 1 < S; s++) {
        arm(&t, s, 1);
    }
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    t.world->context->ffn.expert_ids_buf = (uint64_t)(uintptr_t)rows;
    assert_int_equal(poll_once(&t), AFD_NOT_YET);
    arm(&t, S - 1, 1);
    assert_int_equal(poll_once(&t), AFD_OK);
    for (uint32_t i = 0; i < S * BS * E; i++) {
        assert_int_equal(rows[i], ffn_world_expert_id(i / (BS * E), POLLED, 1, i % (BS * E)));
    }
    end(&t);
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
        cmocka_unit_test(copies_of_a_poll_are_gone_on_with),
        cmocka_unit_test(an_error_between_changes_nothing),
        cmocka_unit_test(a_round_that_was_taken_is_forgotten),
        cmocka_unit_test(another_context_has_copies_of_its_own),
        cmocka_unit_test(another_micro_batch_has_copies_of_its_own),
        cmocka_unit_test(another_size_of_descs_has_copies_of_its_own),
        cmocka_unit_test(other_rows_get_copies_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
