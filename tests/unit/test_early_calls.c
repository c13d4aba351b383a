/* SPDX-License-Identifier: Apache-2.0 */
/* Early copies (ffn/early.h) from call to call: who goes on with them, and when they are forgotten. */
#include <string.h>

#include "cmocka_headers.h"
#include "early_helpers.h"

/* To see that a copy is not made twice: ids that are replaced behind our back under the same layer, by a peer that has
 * no right to, are not noticed any more. */
static void copies_of_a_poll_are_gone_on_with(void **state)
{
    (void)state;
    for (int waiting = 0; waiting < 2; waiting++) {
        early t = early_begin();
        early_arm(&t, 2, 1);
        assert_int_equal(early_poll(&t), AFD_NOT_YET);
        assert_true(early_row_is_copy(&t, 2, 2, 1));
        afd_ffn_desc_expert_ids(ffn_world_desc(t.world, 2, POLLED))[0] = 12345;
        early_arm(&t, 0, 1);
        assert_int_equal(early_poll(&t), AFD_NOT_YET);
        assert_true(early_row_is_copy(&t, 0, 0, 1));
        early_arm(&t, 1, 1);
        early_arm(&t, 3, 1);
        afd_status status = waiting ? afd_ffn_schedule(t.world->context, &t.args, &t.wait, NULL, NULL) : early_poll(&t);
        assert_int_equal(status, AFD_OK);
        early_expect_all(&t, 1);
        early_end(&t);
    }
}

static void an_error_between_changes_nothing(void **state)
{
    (void)state;
    early t = early_begin();
    early_arm(&t, 2, 1);
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    t.args.execute_mode = 1;
    assert_int_equal(early_poll(&t), AFD_ERR_INVALID);
    t.args.execute_mode = 0;
    assert_true(early_row_is_copy(&t, 2, 2, 1));
    for (uint32_t s = 0; s < S; s++) {
        if (s != 2) {
            early_arm(&t, s, 1);
        }
    }
    assert_int_equal(early_poll(&t), AFD_OK);
    early_expect_all(&t, 1);
    early_end(&t);
}

/* Copies of the last round are not those of the next, though descs, rows, layer and sizes are. */
static void a_round_that_was_taken_is_forgotten(void **state)
{
    (void)state;
    early t = early_begin();
    for (uint32_t round = 1; round <= 3; round++) {
        t.world->context->ffn.polling_index = POLLED;
        for (uint32_t s = 0; s < S; s++) {
            assert_int_equal(early_poll(&t), AFD_NOT_YET);
            early_arm(&t, s, round);
            ffn_world_desc(t.world, s, POLLED)->layer_id = 7;
        }
        assert_int_equal(early_poll(&t), AFD_OK);
        for (uint64_t i = 0; i < S * t.world->id_num; i++) {
            uint32_t session = (uint32_t)(i / t.world->id_num);
            assert_int_equal(t.world->expert_ids[i],
                             ffn_world_expert_id(session, POLLED, round, i % t.world->id_num));
        }
    }
    early_end(&t);
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
    early t = early_begin();
    ffn_world *other = ffn_world_new(S, M, BS, E, 8);
    other->context->ffn.polling_index = POLLED;
    for (uint32_t s = 0; s + 1 < S; s++) {
        early_arm(&t, s, 1);
    }
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    set_layers(other, POLLED, 2);
    ffn_world_arm(other, 0, POLLED, 2, AFD_FLAG_READY);
    assert_int_equal(afd_ffn_schedule_poll(other->context, &t.args, NULL, NULL), AFD_NOT_YET);
    expect_polled(&t, other, POLLED, 2);
    early_scribble(&t); /* the result was another than "not yet" */
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    expect_polled(&t, t.world, POLLED, 1);
    ffn_world_free(other);
    early_end(&t);
}

static void another_micro_batch_has_copies_of_its_own(void **state)
{
    (void)state;
    early t = early_begin();
    for (uint32_t s = 0; s + 1 < S; s++) {
        early_arm(&t, s, 1);
        ffn_world_arm(t.world, s, 0, 2, AFD_FLAG_READY);
    }
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    t.world->context->ffn.polling_index = 0;
    early_scribble(&t);
    set_layers(t.world, 0, 2);
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    expect_polled(&t, t.world, 0, 2);
    early_end(&t);
}

static void another_size_of_descs_has_copies_of_its_own(void **state)
{
    (void)state;
    early t = early_begin();
    ffn_world smaller = *t.world; /* the same memory, cut into descs of fewer ids */
    smaller.id_num = BS - 1;
    smaller.desc_bytes = 8 + 4 * smaller.id_num;
    t.world->context->ffn.polling_index = 0; /* so that the first desc stays where it is */
    for (uint32_t s = 0; s + 1 < S; s++) {
        ffn_world_arm(t.world, s, 0, 1, AFD_FLAG_READY);
    }
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    t.world->context->common.micro_batch_size = BS - 1;
    for (uint32_t s = 0; s < S; s++) {
        for (uint32_t m = 0; m < M; m++) {
            ffn_world_arm(&smaller, s, m, 2, s + 1 < S ? AFD_FLAG_READY : AFD_FLAG_FREE);
        }
    }
    early_scribble(&t);
    set_layers(&smaller, 0, 2);
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    expect_polled(&t, &smaller, 0, 2);
    early_end(&t);
}

static void other_rows_get_copies_of_their_own(void **state)
{
    (void)state;
    early t = early_begin();
    int32_t rows[S * BS * E];
    memset(rows, 0x44, sizeof(rows));
    for (uint32_t s = 0; s + 1 < S; s++) {
        early_arm(&t, s, 1);
    }
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    t.world->context->ffn.expert_ids_buf = (uint64_t)(uintptr_t)rows;
    assert_int_equal(early_poll(&t), AFD_NOT_YET);
    early_arm(&t, S - 1, 1);
    assert_int_equal(early_poll(&t), AFD_OK);
    for (uint32_t i = 0; i < S * BS * E; i++) {
        assert_int_equal(rows[i], ffn_world_expert_id(i / (BS * E), POLLED, 1, i % (BS * E)));
    }
    early_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
