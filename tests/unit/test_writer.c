/* SPDX-License-Identifier: Apache-2.0 */
/* What afd_writer_*() let through to a transport, and what they refuse. */
#include <string.h>

#include "cmocka_headers.h"
#include "fake_writer.h"

static const afd_shape shape = { .session_num = 3, .micro_batch_num = 2, .micro_batch_size = 5,
                                 .selected_expert_num = 4, .attn_to_ffn_token_size = 32,
                                 .ffn_to_attn_token_size = 64 };
static const afd_place last_place = { .session = 2, .micro_batch = 1, .token = 4, .slot = 3,
                                      .expert_id = AFD_EXPERT_ID_LIMIT - 1 };
static const uint8_t row[64];

/* Both ways to bring a row refuse the place for `field`, and nothing reaches the transport. */
static void expect_refused(fake_writer *fake, afd_place place, const char *field, uint64_t value, uint64_t bound)
{
    void *staged = NULL;
    afd_error errors[2] = { { .field = "" }, { .field = "" } };
    assert_int_equal(afd_writer_put(&fake->base, &place, row, 8, &errors[0]), AFD_ERR_INVALID);
    assert_int_equal(afd_writer_stage(&fake->base, &place, &staged, &errors[1]), AFD_ERR_INVALID);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(errors[i].status, AFD_ERR_INVALID);
        assert_string_equal(errors[i].field, field);
        assert_int_equal(errors[i].value, value);
        assert_int_equal(errors[i].bound, bound);
        assert_non_null(strstr(errors[i].message, field));
    }
    assert_null(staged);
    assert_int_equal(fake->put_num, 0);
}

static void a_place_is_in_range_in_every_part(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    afd_place place = last_place;
    place.session = 3;
    expect_refused(&fake, place, "place.session", 3, 3);
    place = last_place;
    place.micro_batch = 2;
    expect_refused(&fake, place, "place.micro_batch", 2, 2);
    place = last_place;
    place.token = 5;
    expect_refused(&fake, place, "place.token", 5, 5);
    place = last_place;
    place.slot = UINT32_MAX;
    expect_refused(&fake, place, "place.slot", UINT32_MAX, 4);
    place = last_place;
    place.expert_id = AFD_EXPERT_ID_LIMIT;
    expect_refused(&fake, place, "place.expert_id", AFD_EXPERT_ID_LIMIT, AFD_EXPERT_ID_LIMIT);
    place.expert_id = -1;
    expect_refused(&fake, place, "place.expert_id", UINT64_MAX, AFD_EXPERT_ID_LIMIT);
}

static void the_last_place_of_a_window_is_let_through(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    void *staged = NULL;
    assert_int_equal(afd_writer_put(&fake.base, &last_place, row, 32, NULL), AFD_OK);
    assert_memory_equal(&fake.place, &last_place, sizeof(last_place));
    assert_int_equal(afd_writer_stage(&fake.base, &last_place, &staged, NULL), AFD_OK);
    assert_ptr_equal(staged, fake.staged);
    assert_int_equal(fake.put_num, 2);
}

static void an_attention_window_has_neither_sessions_nor_expert_ids(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_ATTENTION, &shape);
    afd_place place = last_place;
    place.session = 77;
    place.expert_id = -5;
    assert_int_equal(afd_writer_put(&fake.base, &place, row, 64, NULL), AFD_OK);
    assert_int_equal(fake.put_num, 1);
    fake.put_num = 0;
    place.token = 5;
    expect_refused(&fake, place, "place.token", 5, 5);
    const afd_round round = { .session = 77, .micro_batch = 1 };
    assert_int_equal(afd_writer_publish(&fake.base, &round, NULL), AFD_OK);
    afd_writer_discard(&fake.base, 77, 1);
    assert_int_equal(fake.discard_num, 1);
    assert_false(afd_writer_is_free(&fake.base, 0, 0));
    assert_int_equal(fake.is_free_num, 0);
}

static void a_row_fits_its_slot(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    const size_t wrong[] = { 0, 33, SIZE_MAX };
    for (int i = 0; i < 3; i++) {
        afd_error error;
        assert_int_equal(afd_writer_put(&fake.base, &last_place, row, wrong[i], &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "row_bytes");
        assert_int_equal(error.value, wrong[i]);
        assert_int_equal(error.bound, 32);
    }
    assert_int_equal(fake.put_num, 0);
    assert_int_equal(afd_writer_put(&fake.base, &last_place, row, 1, NULL), AFD_OK);
}

static void a_window_without_token_data_takes_no_row(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    void *staged = NULL;
    afd_error error;
    fake.base.slot_bytes = 0;
    assert_int_equal(afd_writer_put(&fake.base, &last_place, row, 1, &error), AFD_ERR_INVALID);
    assert_int_equal(afd_writer_stage(&fake.base, &last_place, &staged, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "writer.slot_bytes");
    assert_int_equal(fake.put_num, 0);
}

static void a_transport_without_memory_to_stage_is_an_error(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    void *staged = NULL;
    afd_error error;
    fake.fail_put = 1;
    assert_int_equal(afd_writer_stage(&fake.base, &last_place, &staged, &error), AFD_ERR_NO_MEMORY);
    assert_non_null(strstr(error.message, "fake"));
    assert_null(staged);
    assert_int_equal(afd_writer_put(&fake.base, &last_place, row, 1, &error), AFD_ERR_SYSTEM);
    assert_string_equal(error.message, "the wire broke in a put");
}

static void a_round_is_in_range(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    afd_round round = { .session = 2, .micro_batch = 1, .layer_id = -7, .number = 9 };
    afd_error error;
    assert_int_equal(afd_writer_publish(&fake.base, &round, NULL), AFD_OK);
    assert_memory_equal(&fake.round, &round, sizeof(round));
    round.session = 3;
    assert_int_equal(afd_writer_publish(&fake.base, &round, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "round.session");
    round.session = 2;
    round.micro_batch = 2;
    assert_int_equal(afd_writer_publish(&fake.base, &round, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "round.micro_batch");
    assert_int_equal(error.bound, 2);
    assert_int_equal(fake.publish_num, 1);
    fake.fail_publish = true;
    round.micro_batch = 0;
    assert_int_equal(afd_writer_publish(&fake.base, &round, &error), AFD_ERR_SYSTEM);
}

static void what_is_out_of_range_is_not_free_and_has_nothing_to_discard(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    assert_true(afd_writer_is_free(&fake.base, 2, 1));
    assert_false(afd_writer_is_free(&fake.base, 3, 1));
    assert_false(afd_writer_is_free(&fake.base, 2, 2));
    assert_false(afd_writer_is_free(NULL, 0, 0));
    assert_int_equal(fake.is_free_num, 1);
    afd_writer_discard(&fake.base, 2, 1);
    afd_writer_discard(&fake.base, 3, 1);
    afd_writer_discard(&fake.base, 2, 2);
    assert_int_equal(fake.discard_num, 1);
}

static void expect_null(afd_status status, const afd_error *error, const char *field)
{
    assert_int_equal(status, AFD_ERR_INVALID);
    assert_string_equal(error->field, field);
}

static void what_is_null_is_named(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    const afd_round round = { 0 };
    void *staged = NULL;
    afd_error error;
    expect_null(afd_writer_put(NULL, &last_place, row, 1, &error), &error, "writer");
    expect_null(afd_writer_put(&fake.base, NULL, row, 1, &error), &error, "place");
    expect_null(afd_writer_put(&fake.base, &last_place, NULL, 1, &error), &error, "row");
    expect_null(afd_writer_stage(NULL, &last_place, &staged, &error), &error, "writer");
    expect_null(afd_writer_stage(&fake.base, NULL, &staged, &error), &error, "place");
    expect_null(afd_writer_stage(&fake.base, &last_place, NULL, &error), &error, "row");
    expect_null(afd_writer_publish(NULL, &round, &error), &error, "writer");
    expect_null(afd_writer_publish(&fake.base, NULL, &error), &error, "round");
    afd_writer_discard(NULL, 0, 0);
    afd_writer_progress(NULL);
    afd_writer_close(NULL);
    assert_int_equal(afd_writer_peer(NULL), AFD_PEER_UNKNOWN);
    assert_true(afd_writer_is_idle(NULL));
}

static void the_rest_goes_to_the_transport_as_it_is(void **state)
{
    (void)state;
    fake_writer fake = fake_writer_of(AFD_WINDOW_FFN, &shape);
    fake.state = AFD_PEER_DEAD;
    fake.unsent_num = 1;
    assert_false(afd_writer_is_idle(&fake.base));
    afd_writer_progress(&fake.base);
    assert_int_equal(fake.progress_num, 1);
    assert_true(afd_writer_is_idle(&fake.base));
    assert_int_equal(afd_writer_peer(&fake.base), AFD_PEER_DEAD);
    afd_writer_close(&fake.base);
    assert_int_equal(fake.close_num, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_in_range_in_every_part),
        cmocka_unit_test(the_last_place_of_a_window_is_let_through),
        cmocka_unit_test(an_attention_window_has_neither_sessions_nor_expert_ids),
        cmocka_unit_test(a_row_fits_its_slot),
        cmocka_unit_test(a_window_without_token_data_takes_no_row),
        cmocka_unit_test(a_transport_without_memory_to_stage_is_an_error),
        cmocka_unit_test(a_round_is_in_range),
        cmocka_unit_test(what_is_out_of_range_is_not_free_and_has_nothing_to_discard),
        cmocka_unit_test(what_is_null_is_named),
        cmocka_unit_test(the_rest_goes_to_the_transport_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
