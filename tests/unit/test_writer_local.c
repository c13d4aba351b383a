/* SPDX-License-Identifier: Apache-2.0 */
/* Writers into memory: what they write and, compared byte by byte, what they do not. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "afd/transport.h"
#include "cmocka_headers.h"

/* BS*E is 99: a mask of two words, and descs at odd multiples of 4. */
static const afd_shape shape = { .session_num = 3, .micro_batch_num = 2, .micro_batch_size = 33,
                                 .selected_expert_num = 3, .attn_to_ffn_token_size = 20, .ffn_to_attn_token_size = 24 };
enum { BS = 33, E = 3, SLOT_NUM = BS * E, FFN_HS = 20, ATTENTION_HS = 24, DESC_BYTES = 8 + 4 * SLOT_NUM };

/* A window in plain memory, and a copy of it to which a test does what it expects. */
typedef struct memory_window {
    afd_window_kind kind;
    afd_window_sizes sizes;
    uint8_t *bytes;
    uint8_t *expected;
    afd_writer *writer;
} memory_window;

static afd_window_fields fields_of(uint8_t *bytes, const afd_window_sizes *sizes)
{
    return (afd_window_fields){
        .token_info_buf = (uint64_t)(uintptr_t)bytes,
        .token_info_buf_size = sizes->token_info_bytes,
        .token_data_buf = (uint64_t)(uintptr_t)bytes + sizes->token_data_offset,
        .token_data_buf_size = sizes->token_data_bytes,
    };
}

static memory_window make_window(afd_window_kind kind)
{
    memory_window made = { .kind = kind };
    bool is_ffn = kind == AFD_WINDOW_FFN;
    assert_int_equal(is_ffn ? afd_ffn_window_measure(&shape, &made.sizes, NULL)
                            : afd_attention_window_measure(&shape, &made.sizes, NULL), AFD_OK);
    made.bytes = malloc(made.sizes.window_bytes);
    made.expected = malloc(made.sizes.window_bytes);
    assert_true(made.bytes != NULL && made.expected != NULL);
    memset(made.bytes, 0xA5, made.sizes.window_bytes);
    assert_int_equal(is_ffn ? afd_ffn_window_format(&shape, made.bytes, made.sizes.window_bytes, NULL)
                            : afd_attention_window_format(&shape, made.bytes, made.sizes.window_bytes, NULL), AFD_OK);
    memcpy(made.expected, made.bytes, made.sizes.window_bytes);
    afd_window_fields fields = fields_of(made.bytes, &made.sizes);
    assert_int_equal(afd_writer_memory_create(kind, &shape, &fields, &made.writer, NULL), AFD_OK);
    return made;
}

static void end_window(memory_window *window)
{
    afd_writer_close(window->writer);
    free(window->bytes);
    free(window->expected);
}

static void expect_equal(const memory_window *window)
{
    for (uint64_t i = 0; i < window->sizes.window_bytes; i++) {
        if (window->bytes[i] != window->expected[i]) {
            fail_msg("byte %" PRIu64 " is 0x%x, should be 0x%x", i, window->bytes[i], window->expected[i]);
        }
    }
}

/* The offsets below are the formulas of window.h once more. */
static void expect_i32(const memory_window *window, uint64_t offset, int32_t value)
{
    memcpy(window->expected + offset, &value, sizeof(value));
}

static uint64_t desc_at(uint32_t session, uint32_t micro_batch)
{
    return (uint64_t)(session * 2 + micro_batch) * DESC_BYTES;
}

static uint64_t id_at(const afd_place *place)
{
    return desc_at(place->session, place->micro_batch) + 8 + 4 * (uint64_t)(place->token * E + place->slot);
}

static uint64_t data_at(const memory_window *window, const afd_place *place)
{
    uint64_t slot = place->token * E + place->slot;
    if (window->kind == AFD_WINDOW_FFN) {
        return window->sizes.token_data_offset +
               ((uint64_t)(place->session * 2 + place->micro_batch) * SLOT_NUM + slot) * FFN_HS;
    }
    return window->sizes.token_data_offset + (place->micro_batch * UINT64_C(99) + slot) * ATTENTION_HS;
}

static uint64_t flag_at(const afd_place *place)
{
    return 4 * (uint64_t)(place->micro_batch * SLOT_NUM + place->token * E + place->slot);
}

/* A row of this place and round, and what it changes in the token data. */
static void put(const memory_window *window, const afd_place *place, uint8_t round, size_t row_bytes)
{
    uint8_t row[ATTENTION_HS];
    for (size_t i = 0; i < row_bytes; i++) {
        row[i] = (uint8_t)(place->token * 31 + place->slot * 7 + round * 13 + i);
    }
    assert_int_equal(afd_writer_put(window->writer, place, row, row_bytes, NULL), AFD_OK);
    memcpy(window->expected + data_at(window, place), row, row_bytes);
    if (window->kind == AFD_WINDOW_FFN) {
        expect_i32(window, id_at(place), place->expert_id);
    }
}

static void publish(const memory_window *window, uint32_t session, uint32_t micro_batch, int32_t layer_id)
{
    const afd_round round = { .session = session, .micro_batch = micro_batch, .layer_id = layer_id };
    assert_int_equal(afd_writer_publish(window->writer, &round, NULL), AFD_OK);
    if (window->kind == AFD_WINDOW_FFN) {
        expect_i32(window, desc_at(session, micro_batch), AFD_FLAG_READY);
        expect_i32(window, desc_at(session, micro_batch) + 4, layer_id);
    }
}

static void a_row_goes_to_its_slot_and_its_id_into_the_desc(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    const afd_place places[] = { { 0, 0, 0, 0, 0 }, { 1, 1, 17, 2, 999999 }, { 2, 1, 32, 2, 5 }, { 2, 1, 32, 0, 6 } };
    for (int i = 0; i < 4; i++) {
        put(&window, &places[i], 1, i == 2 ? 3 : FFN_HS);
        expect_equal(&window);
    }
    publish(&window, 2, 1, 44);
    expect_equal(&window);
    publish(&window, 0, 1, -1); /* an empty one */
    expect_equal(&window);
    end_window(&window);
}

static void staged_memory_is_the_slot_itself(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    const afd_place place = { 1, 0, 20, 1, 7 };
    void *row = NULL;
    assert_int_equal(afd_writer_stage(window.writer, &place, &row, NULL), AFD_OK);
    assert_ptr_equal(row, window.bytes + data_at(&window, &place));
    expect_i32(&window, id_at(&place), 7);
    expect_equal(&window);
    end_window(&window);
}

static void a_slot_that_is_put_twice_holds_the_second(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    afd_place place = { 1, 0, 20, 1, 7 };
    put(&window, &place, 1, FFN_HS);
    place.expert_id = 8;
    put(&window, &place, 2, 9);
    publish(&window, 1, 0, 3);
    expect_equal(&window);
    end_window(&window);
}

static void discard_leaves_no_id_of_what_was_put(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    const afd_place places[] = { { 1, 0, 0, 0, 0 }, { 1, 0, 32, 2, 9 }, { 1, 1, 4, 1, 3 } };
    for (int i = 0; i < 3; i++) {
        put(&window, &places[i], 1, FFN_HS);
    }
    afd_writer_discard(window.writer, 1, 0);
    expect_i32(&window, id_at(&places[0]), AFD_EXPERT_ID_REFILL);
    expect_i32(&window, id_at(&places[1]), AFD_EXPERT_ID_REFILL);
    expect_equal(&window); /* the other micro-batch keeps what was put for it */
    publish(&window, 1, 0, 2);
    publish(&window, 1, 1, 2);
    expect_equal(&window);
    end_window(&window);
}

static void discard_of_what_was_published_touches_nothing(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    const afd_place place = { 1, 0, 3, 0, 4 };
    put(&window, &place, 1, FFN_HS);
    publish(&window, 1, 0, 2);
    afd_writer_discard(window.writer, 1, 0); /* the desc is the scheduler's by now */
    afd_writer_discard(window.writer, 0, 0);
    expect_equal(&window);
    end_window(&window);
}

static void closing_takes_back_what_was_not_published(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    const afd_place places[] = { { 2, 1, 3, 0, 4 }, { 0, 0, 1, 1, 5 } };
    put(&window, &places[0], 1, FFN_HS);
    put(&window, &places[1], 1, FFN_HS);
    publish(&window, 0, 0, 2);
    afd_writer_close(window.writer);
    window.writer = NULL;
    expect_i32(&window, id_at(&places[0]), AFD_EXPERT_ID_REFILL);
    expect_equal(&window);
    end_window(&window);
}

/* A fresh window of the original is all zeros, and 0 is an expert. */
static void the_first_use_of_a_desc_empties_the_ids_that_somebody_left(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    memset(window.bytes, 0, window.sizes.token_info_bytes);
    memset(window.expected, 0, window.sizes.token_info_bytes);
    const afd_place place = { 1, 0, 2, 1, 7 };
    for (uint32_t slot = 0; slot < SLOT_NUM; slot++) {
        expect_i32(&window, desc_at(1, 0) + 8 + 4 * slot, AFD_EXPERT_ID_REFILL);
        expect_i32(&window, desc_at(2, 1) + 8 + 4 * slot, AFD_EXPERT_ID_REFILL);
    }
    put(&window, &place, 1, FFN_HS);
    publish(&window, 1, 0, 5);
    publish(&window, 2, 1, 6);
    expect_equal(&window); /* and no desc that was not used */
    end_window(&window);
}

static void a_desc_is_free_unless_its_flag_is_1(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_FFN);
    const int32_t flags[] = { 0, 1, 2, -1, 256 };
    for (int i = 0; i < 5; i++) {
        memcpy(window.bytes + desc_at(2, 1), &flags[i], sizeof(int32_t));
        assert_int_equal(afd_writer_is_free(window.writer, 2, 1), flags[i] != 1);
        assert_true(afd_writer_is_free(window.writer, 2, 0));
    }
    end_window(&window);
}

static void the_flags_of_slots_are_set_by_publish_alone(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_ATTENTION);
    const afd_place places[] = { { 0, 1, 0, 0, 0 }, { 0, 1, 21, 0, 0 }, { 9, 1, 21, 1, -1 }, { 0, 1, 32, 2, 0 },
                                 { 0, 0, 32, 2, 0 } };
    for (int i = 0; i < 5; i++) {
        put(&window, &places[i], 1, ATTENTION_HS);
        expect_equal(&window);
    }
    publish(&window, 0, 1, 4);
    for (int i = 0; i < 4; i++) {
        expect_i32(&window, flag_at(&places[i]), AFD_FLAG_READY);
    }
    expect_equal(&window); /* the slot of micro-batch 0 waits for its own */
    publish(&window, 0, 0, 4);
    expect_i32(&window, flag_at(&places[4]), AFD_FLAG_READY);
    expect_equal(&window);
    end_window(&window);
}

static void a_slot_is_published_once(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_ATTENTION);
    const afd_place place = { 0, 1, 21, 1, 0 };
    put(&window, &place, 1, ATTENTION_HS);
    put(&window, &place, 2, ATTENTION_HS - 1);
    publish(&window, 0, 1, 0);
    expect_i32(&window, flag_at(&place), AFD_FLAG_READY);
    expect_equal(&window);
    memset(window.bytes + flag_at(&place), 0, sizeof(int32_t)); /* the attention worker takes it */
    expect_i32(&window, flag_at(&place), AFD_FLAG_FREE);
    publish(&window, 0, 1, 0);
    expect_equal(&window);
    end_window(&window);
}

static void a_round_publishes_no_slot_of_the_round_before(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_ATTENTION);
    const afd_place places[] = { { 0, 1, 0, 1, 0 }, { 0, 1, 0, 2, 0 } };
    put(&window, &places[0], 1, ATTENTION_HS);
    publish(&window, 0, 1, 0);
    put(&window, &places[1], 2, ATTENTION_HS);
    memset(window.bytes + flag_at(&places[0]), 0, sizeof(int32_t)); /* the attention worker takes the first */
    publish(&window, 0, 1, 0);
    expect_i32(&window, flag_at(&places[1]), AFD_FLAG_READY);
    expect_equal(&window);
    end_window(&window);
}

static void discarded_slots_are_never_published(void **state)
{
    (void)state;
    memory_window window = make_window(AFD_WINDOW_ATTENTION);
    const afd_place places[] = { { 0, 1, 0, 0, 0 }, { 0, 1, 32, 2, 0 }, { 0, 0, 1, 1, 0 }, { 0, 1, 5, 0, 0 } };
    for (int i = 0; i < 3; i++) {
        put(&window, &places[i], 1, ATTENTION_HS);
    }
    afd_writer_discard(window.writer, 0, 1);
    put(&window, &places[3], 2, ATTENTION_HS);
    publish(&window, 0, 1, 0);
    publish(&window, 0, 0, 0);
    expect_i32(&window, flag_at(&places[2]), AFD_FLAG_READY);
    expect_i32(&window, flag_at(&places[3]), AFD_FLAG_READY);
    expect_equal(&window);
    end_window(&window);
}

static void expect_memory_refused(afd_window_kind kind, const afd_shape *wrong_shape, const afd_window_fields *fields,
                                  afd_status status, const char *field)
{
    afd_writer *writer = NULL;
    afd_error error;
    assert_int_equal(afd_writer_memory_create(kind, wrong_shape, fields, &writer, &error), status);
    assert_string_equal(error.field, field);
    assert_null(writer);
}

static void memory_that_is_no_window_is_refused(void **state)
{
    (void)state;
    const afd_window_kind kinds[] = { AFD_WINDOW_FFN, AFD_WINDOW_ATTENTION };
    for (int i = 0; i < 2; i++) {
        memory_window window = make_window(kinds[i]);
        afd_window_fields right = fields_of(window.bytes, &window.sizes);
        afd_window_fields fields = right;
        fields.token_info_buf = 0;
        expect_memory_refused(kinds[i], &shape, &fields, AFD_ERR_INVALID, "fields.token_info_buf");
        fields.token_info_buf = right.token_info_buf + 2;
        expect_memory_refused(kinds[i], &shape, &fields, AFD_ERR_INVALID, "fields.token_info_buf");
        fields = right;
        fields.token_info_buf_size--;
        expect_memory_refused(kinds[i], &shape, &fields, AFD_ERR_INVALID, "fields.token_info_buf_size");
        fields = right;
        fields.token_data_buf = 0;
        expect_memory_refused(kinds[i], &shape, &fields, AFD_ERR_INVALID, "fields.token_data_buf");
        fields = right;
        fields.token_data_buf_size--;
        expect_memory_refused(kinds[i], &shape, &fields, AFD_ERR_INVALID, "fields.token_data_buf_size");
        afd_shape wrong = shape;
        wrong.micro_batch_size = 0;
        expect_memory_refused(kinds[i], &wrong, &right, AFD_ERR_INVALID, "shape.micro_batch_size");
        wrong = (afd_shape){ UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0, 1, 1 };
        expect_memory_refused(kinds[i], &wrong, &right, AFD_ERR_OVERFLOW, "the window");
        expect_memory_refused(kinds[i], NULL, &right, AFD_ERR_INVALID, "shape");
        expect_memory_refused(kinds[i], &shape, NULL, AFD_ERR_INVALID, "fields");
        assert_int_equal(afd_writer_memory_create(kinds[i], &shape, &right, NULL, NULL), AFD_ERR_INVALID);
        expect_equal(&window);
        end_window(&window);
    }
    const afd_window_fields none = { 0 };
    expect_memory_refused((afd_window_kind)3, &shape, &none, AFD_ERR_INVALID, "kind");
}

static void a_window_without_token_data_needs_no_memory_for_it(void **state)
{
    (void)state;
    afd_shape bare = shape;
    afd_window_sizes sizes;
    afd_writer *writer = NULL;
    bare.attn_to_ffn_token_size = 0;
    assert_int_equal(afd_ffn_window_measure(&bare, &sizes, NULL), AFD_OK);
    uint8_t *bytes = calloc(1, sizes.window_bytes);
    assert_non_null(bytes);
    afd_window_fields fields = fields_of(bytes, &sizes);
    fields.token_data_buf = 0;
    assert_int_equal(afd_writer_memory_create(AFD_WINDOW_FFN, &bare, &fields, &writer, NULL), AFD_OK);
    const afd_round round = { .session = 2, .micro_batch = 1, .layer_id = 3 };
    assert_int_equal(afd_writer_publish(writer, &round, NULL), AFD_OK);
    assert_false(afd_writer_is_free(writer, 2, 1));
    assert_int_equal(afd_writer_peer(writer), AFD_PEER_ALIVE);
    afd_writer_close(writer);
    free(bytes);
}

static void a_private_window_is_written_in_place(void **state)
{
    (void)state;
    afd_window *window = NULL;
    afd_writer *writer = NULL;
    const afd_place place = { 2, 1, 32, 2, 11 };
    const afd_round round = { .session = 2, .micro_batch = 1, .layer_id = 3 };
    assert_int_equal(afd_ffn_window_create_private(&shape, &window, NULL), AFD_OK);
    assert_int_equal(afd_writer_local_create(window, &writer, NULL), AFD_OK);
    assert_string_equal(writer->ops->name, "local");
    assert_int_equal(writer->kind, AFD_WINDOW_FFN);
    assert_int_equal(writer->slot_bytes, FFN_HS);
    assert_memory_equal(&writer->shape, &shape, sizeof(shape));
    assert_int_equal(afd_writer_put(writer, &place, "the last row", 13, NULL), AFD_OK);
    assert_int_equal(afd_writer_publish(writer, &round, NULL), AFD_OK);
    afd_ffn_desc *desc = afd_window_desc(window, 2, 1);
    assert_int_equal(afd_ffn_desc_peek_flag(desc), AFD_FLAG_READY);
    assert_int_equal(desc->layer_id, 3);
    assert_int_equal(afd_ffn_desc_expert_ids(desc)[SLOT_NUM - 1], 11);
    assert_string_equal((char *)afd_window_token_data(window, 2, 1) + (SLOT_NUM - 1) * FFN_HS, "the last row");
    assert_int_equal(afd_writer_peer(writer), AFD_PEER_ALIVE);
    afd_writer_progress(writer);
    afd_writer_close(writer);
    afd_window_close(window);
}

static void a_private_attention_window_is_written_in_place(void **state)
{
    (void)state;
    afd_window *window = NULL;
    afd_writer *writer = NULL;
    const afd_place place = { 0, 1, 32, 2, 0 };
    const afd_round round = { .micro_batch = 1 };
    assert_int_equal(afd_attention_window_create_private(&shape, &window, NULL), AFD_OK);
    assert_int_equal(afd_writer_local_create(window, &writer, NULL), AFD_OK);
    assert_int_equal(writer->kind, AFD_WINDOW_ATTENTION);
    assert_int_equal(writer->slot_bytes, ATTENTION_HS);
    assert_int_equal(afd_writer_put(writer, &place, "the last row", 13, NULL), AFD_OK);
    assert_int_equal(afd_slot_peek_flag(&afd_window_slot_flags(window, 1)[SLOT_NUM - 1]), AFD_FLAG_FREE);
    assert_int_equal(afd_writer_publish(writer, &round, NULL), AFD_OK);
    assert_int_equal(afd_slot_peek_flag(&afd_window_slot_flags(window, 1)[SLOT_NUM - 1]), AFD_FLAG_READY);
    assert_string_equal((char *)afd_window_token_data(window, 0, 1) + (SLOT_NUM - 1) * ATTENTION_HS, "the last row");
    afd_writer_close(writer);
    afd_window_close(window);
}

static void what_cannot_be_written_has_no_writer(void **state)
{
    (void)state;
    afd_writer *writer = NULL;
    afd_window *window = NULL;
    afd_error error;
    assert_int_equal(afd_writer_local_create(NULL, &writer, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "window");
    assert_int_equal(afd_ffn_window_create_private(&shape, &window, NULL), AFD_OK);
    assert_int_equal(afd_writer_local_create(window, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "writer");
    assert_null(writer);
    afd_window_close(window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_goes_to_its_slot_and_its_id_into_the_desc),
        cmocka_unit_test(staged_memory_is_the_slot_itself),
        cmocka_unit_test(a_slot_that_is_put_twice_holds_the_second),
        cmocka_unit_test(discard_leaves_no_id_of_what_was_put),
        cmocka_unit_test(discard_of_what_was_published_touches_nothing),
        cmocka_unit_test(closing_takes_back_what_was_not_published),
        cmocka_unit_test(the_first_use_of_a_desc_empties_the_ids_that_somebody_left),
        cmocka_unit_test(a_desc_is_free_unless_its_flag_is_1),
        cmocka_unit_test(the_flags_of_slots_are_set_by_publish_alone),
        cmocka_unit_test(a_slot_is_published_once),
        cmocka_unit_test(a_round_publishes_no_slot_of_the_round_before),
        cmocka_unit_test(discarded_slots_are_never_published),
        cmocka_unit_test(memory_that_is_no_window_is_refused),
        cmocka_unit_test(a_window_without_token_data_needs_no_memory_for_it),
        cmocka_unit_test(a_private_window_is_written_in_place),
        cmocka_unit_test(a_private_attention_window_is_written_in_place),
        cmocka_unit_test(what_cannot_be_written_has_no_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
