/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over a plane, checked field by field: what comes in is hostile. */
#include <string.h>

#include "afd/window.h"
#include "cmocka_headers.h"
#include "transport/ucx/wire.h"

enum { M = 3, SLOT_NUM = 130, ROW_BYTES = 5, ROW_NUM = 4, SESSION = 7 };

static const afd__wire_rules round_rules = {
    .greeting = AFD__WIRE_ATTACH,
    .carrier = AFD__WIRE_ROUND,
    .session = SESSION,
    .micro_batch_num = M,
    .slot_num = SLOT_NUM,
    .row_bytes = ROW_BYTES,
};

static const afd__wire_rules answer_rules = {
    .greeting = AFD__WIRE_ATTACHED,
    .carrier = AFD__WIRE_ANSWER,
    .session = SESSION,
    .micro_batch_num = M,
    .slot_num = SLOT_NUM,
    .row_bytes = ROW_BYTES,
};

static afd__wire_header good_round(void)
{
    return (afd__wire_header){
        .magic = AFD__WIRE_MAGIC,
        .version = AFD__WIRE_VERSION,
        .kind = AFD__WIRE_ROUND,
        .key = 99,
        .round = 12,
        .session = SESSION,
        .micro_batch = M - 1,
        .layer_id = INT32_MAX,
        .row_num = ROW_NUM,
        .row_bytes = ROW_BYTES,
    };
}

static afd__wire_header good_answer(void)
{
    afd__wire_header header = good_round();
    header.kind = AFD__WIRE_ANSWER;
    header.layer_id = 0;
    return header;
}

static afd__wire_header good_greeting(void)
{
    return (afd__wire_header){
        .magic = AFD__WIRE_MAGIC,
        .version = AFD__WIRE_VERSION,
        .kind = AFD__WIRE_ATTACH,
        .key = 99,
        .session = SESSION,
        .row_bytes = ROW_BYTES,
    };
}

/* A field that is wrong, with the value that was found and the bound that it was held against. */
typedef struct refusal {
    const char *field;
    uint64_t value;
    uint64_t bound;
} refusal;

static void expect_error(const afd_error *error, const refusal *expected)
{
    assert_int_equal(error->status, AFD_ERR_INVALID);
    assert_string_equal(error->field, expected->field);
    assert_int_equal(error->value, expected->value);
    assert_int_equal(error->bound, expected->bound);
    assert_true(error->message[0] != '\0');
}

static size_t payload_of(const afd__wire_header *header)
{
    return header->row_num * (header->row_bytes + sizeof(afd__wire_entry));
}

static void good_headers_pass(void **state)
{
    (void)state;
    afd__wire_header copy;
    afd__wire_header header = good_round();
    assert_int_equal(afd__wire_read(&header, sizeof(header), &copy, NULL), AFD_OK);
    assert_memory_equal(&copy, &header, sizeof(header));
    assert_int_equal(afd__wire_check(&copy, payload_of(&copy), &round_rules, NULL), AFD_OK);
    header.row_num = 0;
    assert_int_equal(afd__wire_check(&header, 0, &round_rules, NULL), AFD_OK);
    header.row_num = SLOT_NUM;
    assert_int_equal(afd__wire_check(&header, SLOT_NUM * (ROW_BYTES + 8), &round_rules, NULL), AFD_OK);
    header = good_answer();
    assert_int_equal(afd__wire_check(&header, payload_of(&header), &answer_rules, NULL), AFD_OK);
    header = good_greeting();
    assert_int_equal(afd__wire_check(&header, 0, &round_rules, NULL), AFD_OK);
    header.kind = AFD__WIRE_ATTACHED;
    assert_int_equal(afd__wire_check(&header, 0, &answer_rules, NULL), AFD_OK);
}

static void expect_unread(const void *bytes, size_t byte_num, const refusal *expected)
{
    afd__wire_header copy = { .session = 1234 };
    afd_error error;
    assert_int_equal(afd__wire_read(bytes, byte_num, &copy, &error), AFD_ERR_INVALID);
    expect_error(&error, expected);
    assert_int_equal(copy.session, 1234); /* written on success only */
}

static void a_header_of_another_length_is_none(void **state)
{
    (void)state;
    const struct {
        afd__wire_header header;
        char more;
    } longer = { .header = good_round() };
    expect_unread(&longer, 65, &(refusal){ "header.bytes", 65, 64 });
    expect_unread(&longer, 63, &(refusal){ "header.bytes", 63, 64 });
    expect_unread(NULL, 0, &(refusal){ "header.bytes", 0, 64 });
}

static void the_version_is_looked_at_before_what_it_says(void **state)
{
    (void)state;
    afd__wire_header header = good_round();
    header.version = AFD__WIRE_VERSION + 1;
    header.kind = 77;
    header.key = 0;
    expect_unread(&header, sizeof(header), &(refusal){ "header.version", AFD__WIRE_VERSION + 1, AFD__WIRE_VERSION });
    header.magic = 5;
    expect_unread(&header, sizeof(header), &(refusal){ "header.magic", 5, AFD__WIRE_MAGIC });
}

static void kind_and_key_are_ones(void **state)
{
    (void)state;
    afd__wire_header header = good_round();
    header.kind = 0;
    expect_unread(&header, sizeof(header), &(refusal){ "header.kind", 0, AFD__WIRE_ATTACH });
    header.kind = AFD__WIRE_ANSWER + 1;
    expect_unread(&header, sizeof(header), &(refusal){ "header.kind", AFD__WIRE_ANSWER + 1, AFD__WIRE_ANSWER });
    header = good_round();
    header.key = 0;
    expect_unread(&header, sizeof(header), &(refusal){ "header.key", 0, 1 });
}

static void expect_refused(const afd__wire_header *header, const afd__wire_rules *rules, const refusal *expected)
{
    afd_error error;
    assert_int_equal(afd__wire_check(header, payload_of(header), rules, &error), AFD_ERR_INVALID);
    expect_error(&error, expected);
}

#define EXPECT_REFUSED(good, rules, name, number, limit)                                                              \
    do {                                                                                                              \
        afd__wire_header header_ = good();                                                                            \
        header_.name = (number);                                                                                      \
        expect_refused(&header_, rules, &(refusal){ "header." #name, (uint64_t)(int64_t)(number), (limit) });         \
    } while (0)

static void every_field_of_a_message_with_rows_has_its_bound(void **state)
{
    (void)state;
    EXPECT_REFUSED(good_round, &round_rules, kind, AFD__WIRE_ANSWER, AFD__WIRE_ROUND);
    EXPECT_REFUSED(good_round, &round_rules, kind, AFD__WIRE_ATTACHED, AFD__WIRE_ROUND);
    EXPECT_REFUSED(good_round, &answer_rules, kind, AFD__WIRE_ROUND, AFD__WIRE_ANSWER);
    EXPECT_REFUSED(good_round, &round_rules, round, 0, 1);
    EXPECT_REFUSED(good_round, &round_rules, session, SESSION + 1, SESSION);
    EXPECT_REFUSED(good_round, &round_rules, session, SESSION - 1, SESSION);
    EXPECT_REFUSED(good_round, &round_rules, micro_batch, M, M - 1);
    EXPECT_REFUSED(good_round, &round_rules, micro_batch, INT32_MAX, M - 1);
    EXPECT_REFUSED(good_round, &round_rules, layer_id, -1, INT32_MAX);
    EXPECT_REFUSED(good_round, &round_rules, layer_id, INT32_MIN, INT32_MAX);
    EXPECT_REFUSED(good_answer, &answer_rules, layer_id, 1, 0);
    EXPECT_REFUSED(good_answer, &answer_rules, layer_id, -1, 0);
    EXPECT_REFUSED(good_round, &round_rules, row_num, SLOT_NUM + 1, SLOT_NUM);
    EXPECT_REFUSED(good_round, &round_rules, row_bytes, ROW_BYTES - 1, ROW_BYTES);
    EXPECT_REFUSED(good_round, &round_rules, row_bytes, ROW_BYTES + 1, ROW_BYTES);
    EXPECT_REFUSED(good_round, &round_rules, row_bytes, INT64_MAX, ROW_BYTES);
    EXPECT_REFUSED(good_round, &round_rules, reserved, 1, 0);
    EXPECT_REFUSED(good_answer, &answer_rules, reserved, INT64_MAX, 0);
}

static void a_greeting_carries_nothing(void **state)
{
    (void)state;
    EXPECT_REFUSED(good_greeting, &round_rules, round, 1, 0);
    EXPECT_REFUSED(good_greeting, &round_rules, micro_batch, 1, 0);
    EXPECT_REFUSED(good_greeting, &round_rules, layer_id, 1, 0);
    EXPECT_REFUSED(good_greeting, &round_rules, row_num, 1, 0);
    EXPECT_REFUSED(good_greeting, &round_rules, session, 0, SESSION);
    EXPECT_REFUSED(good_greeting, &round_rules, row_bytes, ROW_BYTES + 3, ROW_BYTES);
    EXPECT_REFUSED(good_greeting, &round_rules, reserved, 1, 0);
    EXPECT_REFUSED(good_greeting, &answer_rules, kind, AFD__WIRE_ATTACH, AFD__WIRE_ANSWER);
}

static void the_length_is_exactly_what_the_header_says(void **state)
{
    (void)state;
    const afd__wire_header header = good_round();
    const afd__wire_header greeting = good_greeting();
    const size_t exact = ROW_NUM * (ROW_BYTES + 8);
    const size_t wrong[] = { 0, exact - 1, exact + 1, ROW_NUM * ROW_BYTES, SIZE_MAX };
    afd_error error;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(afd__wire_check(&header, wrong[i], &round_rules, &error), AFD_ERR_INVALID);
        expect_error(&error, &(refusal){ "payload.bytes", wrong[i], exact });
    }
    assert_int_equal(afd__wire_check(&greeting, 1, &round_rules, &error), AFD_ERR_INVALID);
    expect_error(&error, &(refusal){ "payload.bytes", 1, 0 });
}

/* Rows, and entries behind them at an odd place. */
typedef struct payload {
    uint8_t bytes[ROW_NUM * (ROW_BYTES + sizeof(afd__wire_entry))];
} payload;

static payload make_payload(const afd__wire_entry entries[ROW_NUM])
{
    payload made;
    memset(&made, 0xAA, sizeof(made));
    memcpy(made.bytes + ROW_NUM * ROW_BYTES, entries, ROW_NUM * sizeof(entries[0]));
    return made;
}

static uint64_t seen[SLOT_NUM / 64 + 1];

static void expect_entries_refused(const afd__wire_header *header, const afd__wire_entry entries[ROW_NUM],
                                   const refusal *expected)
{
    static const uint64_t none[SLOT_NUM / 64 + 1] = { 0 };
    const payload made = make_payload(entries);
    afd_error error;
    assert_int_equal(afd__wire_check_entries(header, made.bytes, &round_rules, seen, &error), AFD_ERR_INVALID);
    expect_error(&error, expected);
    assert_memory_equal(seen, none, sizeof(none)); /* for the next message */
}

static void entries_are_in_range_and_there_once(void **state)
{
    (void)state;
    const afd__wire_header header = good_round();
    const afd__wire_entry good[ROW_NUM] = { { 129, 0 }, { 0, 999999 }, { 64, 5 }, { 63, 5 } };
    const payload made = make_payload(good);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(afd__wire_check_entries(&header, made.bytes, &round_rules, seen, NULL), AFD_OK);
    }
    assert_int_equal(afd__wire_entry_at(&header, made.bytes, 1).slot, 0);
    assert_int_equal(afd__wire_entry_at(&header, made.bytes, 1).expert_id, 999999);
    const afd__wire_entry too_high[ROW_NUM] = { { 1, 0 }, { 2, 0 }, { 3, 0 }, { SLOT_NUM, 0 } };
    expect_entries_refused(&header, too_high, &(refusal){ "entry.slot", SLOT_NUM, SLOT_NUM });
    const afd__wire_entry far_too_high[ROW_NUM] = { { UINT32_MAX, 0 }, { 2, 0 }, { 3, 0 }, { 4, 0 } };
    expect_entries_refused(&header, far_too_high, &(refusal){ "entry.slot", UINT32_MAX, SLOT_NUM });
    const afd__wire_entry twice[ROW_NUM] = { { 1, 0 }, { 128, 0 }, { 3, 0 }, { 128, 0 } };
    expect_entries_refused(&header, twice, &(refusal){ "entry.slot", 128, 1 });
}

static void expert_ids_are_ones_in_a_round_and_zero_in_an_answer(void **state)
{
    (void)state;
    afd__wire_header header = good_round();
    const afd__wire_entry negative[ROW_NUM] = { { 1, 0 }, { 2, -1 }, { 3, 0 }, { 4, 0 } };
    expect_entries_refused(&header, negative, &(refusal){ "entry.expert_id", UINT64_MAX, AFD_EXPERT_ID_LIMIT });
    const afd__wire_entry empty[ROW_NUM] = { { 1, 0 }, { 2, AFD_EXPERT_ID_LIMIT }, { 3, 0 }, { 4, 0 } };
    expect_entries_refused(&header, empty,
                           &(refusal){ "entry.expert_id", AFD_EXPERT_ID_LIMIT, AFD_EXPERT_ID_LIMIT });
    header = good_answer();
    const afd__wire_entry one[ROW_NUM] = { { 1, 0 }, { 2, 1 }, { 3, 0 }, { 4, 0 } };
    expect_entries_refused(&header, one, &(refusal){ "entry.expert_id", 1, 1 });
}

static void a_shape_that_cannot_be_numbered_or_measured_is_refused(void **state)
{
    (void)state;
    afd_error error;
    afd_shape shape = { .micro_batch_size = 1U << 16, .selected_expert_num = 1U << 16 };
    assert_int_equal(afd__wire_fits(&shape, 8, &error), AFD_ERR_OVERFLOW);
    assert_int_equal(error.value, UINT64_C(1) << 32);
    assert_int_equal(error.bound, UINT32_MAX);
    shape.selected_expert_num--;
    assert_int_equal(afd__wire_fits(&shape, UINT32_MAX, &error), AFD_OK);
    assert_int_equal(afd__wire_fits(&shape, UINT64_MAX, &error), AFD_ERR_OVERFLOW);
    assert_int_equal(afd__wire_fits(&shape, UINT64_MAX / 4, &error), AFD_ERR_OVERFLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_pass),
        cmocka_unit_test(a_header_of_another_length_is_none),
        cmocka_unit_test(the_version_is_looked_at_before_what_it_says),
        cmocka_unit_test(kind_and_key_are_ones),
        cmocka_unit_test(every_field_of_a_message_with_rows_has_its_bound),
        cmocka_unit_test(a_greeting_carries_nothing),
        cmocka_unit_test(the_length_is_exactly_what_the_header_says),
        cmocka_unit_test(entries_are_in_range_and_there_once),
        cmocka_unit_test(expert_ids_are_ones_in_a_round_and_zero_in_an_answer),
        cmocka_unit_test(a_shape_that_cannot_be_numbered_or_measured_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
