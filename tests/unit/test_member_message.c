/* SPDX-License-Identifier: Apache-2.0 */
/* What members say to each other, checked field by field: what comes in is hostile. */
#include <string.h>

#include "cmocka_headers.h"
#include "worker/member/message.h"

static afd__message good_message(void)
{
    afd__message message = afd__message_make(AFD__MESSAGE_HELLO, 77);
    message.session = 3;
    message.pid = 12;
    message.hidden = 64;
    message.sync_group_size = 4;
    message.turn = 6;
    (void)strcpy(message.window_name, "attn-0");
    afd__message_set_text(&message, "a sentence");
    return message;
}

static void expect_refused(const afd__message *message, const char *field)
{
    afd__message copy = { .pid = 5 };
    afd_error error;
    assert_int_equal(afd__message_check(message, sizeof(*message), &copy, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, field);
    assert_int_equal(copy.pid, 5); /* written on success only */
}

static void a_good_message_is_copied_whole(void **state)
{
    (void)state;
    afd__message copy;
    afd__message message = good_message();
    assert_int_equal(afd__message_check(&message, sizeof(message), &copy, NULL), AFD_OK);
    assert_memory_equal(&copy, &message, sizeof(message));
}

static void a_message_of_another_size_is_none(void **state)
{
    (void)state;
    afd__message copy;
    afd_error error;
    struct {
        afd__message message;
        char more;
    } longer = { .message = good_message() };
    assert_int_equal(afd__message_check(&longer, sizeof(longer.message) + 1, &copy, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "message.bytes");
    assert_int_equal(afd__message_check(&longer, sizeof(longer.message) - 1, &copy, &error), AFD_ERR_INVALID);
    assert_int_equal(error.value, sizeof(longer.message) - 1);
    assert_int_equal(error.bound, sizeof(longer.message));
}

static void another_version_is_told_from_nonsense_with_both_numbers(void **state)
{
    (void)state;
    afd__message copy;
    afd_error error;
    afd__message message = good_message();
    message.version = AFD__MESSAGE_VERSION + 1;
    assert_int_equal(afd__message_check(&message, sizeof(message), &copy, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "message.version");
    assert_int_equal(error.value, AFD__MESSAGE_VERSION + 1);
    assert_int_equal(error.bound, AFD__MESSAGE_VERSION);
    message.magic++;
    expect_refused(&message, "message.magic");
}

#define EXPECT_FIELD_REFUSED(field, number)                                                                           \
    do {                                                                                                              \
        afd__message message_ = good_message();                                                                       \
        message_.field = (number);                                                                                    \
        expect_refused(&message_, "message." #field);                                                                 \
    } while (0)

static void every_number_has_its_range(void **state)
{
    (void)state;
    EXPECT_FIELD_REFUSED(kind, 0);
    EXPECT_FIELD_REFUSED(kind, AFD__MESSAGE_BEAT + 1);
    EXPECT_FIELD_REFUSED(turn, AFD__TURN_MAX + 1);
    EXPECT_FIELD_REFUSED(pid, UINT32_MAX);
    EXPECT_FIELD_REFUSED(anchored, 2);
    EXPECT_FIELD_REFUSED(status, 1);
    EXPECT_FIELD_REFUSED(status, AFD_ERR_PEER - 1);
    EXPECT_FIELD_REFUSED(reason, AFD_DROP_ASKED + 1);
    EXPECT_FIELD_REFUSED(sent_type, AFD_TOKEN_INT8 + 1);
    EXPECT_FIELD_REFUSED(result_type, UINT32_MAX);
    EXPECT_FIELD_REFUSED(data_port, UINT16_MAX + 1);
    EXPECT_FIELD_REFUSED(epoch, 0);
}

static void a_refusal_has_a_status(void **state)
{
    (void)state;
    afd__message message = good_message();
    message.kind = AFD__MESSAGE_REFUSED;
    expect_refused(&message, "message.status");
}

static void a_text_that_does_not_end_or_moves_the_cursor_is_refused(void **state)
{
    (void)state;
    afd__message message = good_message();
    memset(message.text, 'x', sizeof(message.text));
    expect_refused(&message, "message.text");
    message = good_message();
    message.text[1] = '\033';
    expect_refused(&message, "message.text");
    message = good_message();
    memset(message.window_name, 'x', sizeof(message.window_name));
    expect_refused(&message, "message.window_name");
}

static void a_name_that_leads_elsewhere_is_refused(void **state)
{
    (void)state;
    afd__message message = good_message();
    (void)strcpy(message.window_name, "../etc");
    expect_refused(&message, "name");
    (void)strcpy(message.window_name, "a/b");
    expect_refused(&message, "name");
}

static void a_sentence_is_cut_and_made_printable(void **state)
{
    (void)state;
    char text[2 * AFD_ERROR_MESSAGE_BYTES];
    afd__message message = good_message();
    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    afd__message_set_text(&message, text);
    assert_int_equal(strnlen(message.text, sizeof(message.text)), sizeof(message.text) - 1);
    assert_int_equal(message.text[0], '?');
}

/* ---- between hosts ---- */

static const char known_secret[] = "the magic words are squeamish ossifrage";

static afd__knock good_knock(afd__credentials *asked)
{
    afd__knock knock = { .hello = good_message() };
    memset(knock.hello.window_name, 0, sizeof(knock.hello.window_name));
    afd__credentials_set(asked, known_secret, strlen(known_secret));
    knock.credentials = *asked;
    return knock;
}

static void expect_knock_refused(const void *bytes, size_t byte_num, afd_status status, const char *field)
{
    afd__credentials asked;
    afd__message hello = { .pid = 5 };
    afd_error error;
    (void)good_knock(&asked);
    assert_int_equal(afd__knock_check(bytes, byte_num, &asked, &hello, &error), status);
    assert_string_equal(error.field, field);
    assert_int_equal(hello.pid, 5);
}

static void a_good_knock_gives_its_hello(void **state)
{
    (void)state;
    afd__credentials asked;
    afd__message hello;
    afd__knock knock = good_knock(&asked);
    assert_int_equal(afd__knock_check(&knock, sizeof(knock), &asked, &hello, NULL), AFD_OK);
    assert_memory_equal(&hello, &knock.hello, sizeof(hello));
    afd__credentials_set(&asked, NULL, 0); /* one without a secret */
    knock.credentials = asked;
    assert_int_equal(afd__knock_check(&knock, sizeof(knock), &asked, &hello, NULL), AFD_OK);
}

static void credentials_that_differ_in_any_bit_do_not_match(void **state)
{
    (void)state;
    afd__credentials asked;
    afd__knock knock = good_knock(&asked);
    assert_true(afd__credentials_match(&knock.credentials, &asked));
    for (size_t i = 0; i < sizeof(asked); i++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            afd__credentials wrong = asked;
            ((uint8_t *)&wrong)[i] ^= (uint8_t)(1U << bit);
            assert_false(afd__credentials_match(&wrong, &asked));
        }
    }
}

static void credentials_are_taken_whole_and_wiped_whole(void **state)
{
    (void)state;
    afd__credentials credentials;
    const afd__credentials none = { 0 };
    uint8_t longest[AFD_SECRET_BYTES_MAX];
    memset(longest, 0xA5, sizeof(longest));
    afd__credentials_set(&credentials, longest, sizeof(longest));
    assert_int_equal(credentials.secret_bytes, sizeof(longest));
    assert_memory_equal(credentials.secret, longest, sizeof(longest));
    afd__credentials_wipe(&credentials);
    assert_memory_equal(&credentials, &none, sizeof(none));
}

static void a_wrong_secret_is_refused_before_anything_else_is_looked_at(void **state)
{
    (void)state;
    afd__credentials asked;
    afd__knock knock = good_knock(&asked);
    knock.credentials.secret[0] ^= 1;
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_ACCESS, "secret");
    knock.hello.shape.session_num = UINT32_MAX;
    knock.hello.kind = 99;
    knock.hello.epoch = 0;
    memset(knock.hello.text, 'x', sizeof(knock.hello.text));
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_ACCESS, "secret");
    knock.credentials.secret_bytes = UINT32_MAX;
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_ACCESS, "secret");
}

static void another_version_is_refused_before_the_secret(void **state)
{
    (void)state;
    afd__credentials asked;
    afd__knock knock = good_knock(&asked);
    knock.hello.version = 3;
    knock.credentials.secret[0] ^= 1;
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_INVALID, "message.version");
    expect_knock_refused(&knock, 64, AFD_ERR_INVALID, "message.version"); /* and before the length */
    knock.hello.magic = 0;
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_INVALID, "message.magic");
}

static void a_knock_of_another_length_is_none(void **state)
{
    (void)state;
    afd__credentials asked;
    afd__knock knock = good_knock(&asked);
    for (size_t byte_num = 0; byte_num < sizeof(knock); byte_num++) {
        expect_knock_refused(&knock, byte_num, AFD_ERR_INVALID, "message.bytes");
    }
    char longer[sizeof(knock) + 1] = { 0 };
    memcpy(longer, &knock, sizeof(knock));
    expect_knock_refused(longer, sizeof(longer), AFD_ERR_INVALID, "message.bytes");
}

static void a_knock_says_hello_and_offers_no_window(void **state)
{
    (void)state;
    afd__credentials asked;
    afd__knock knock = good_knock(&asked);
    knock.hello.kind = AFD__MESSAGE_START;
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_INVALID, "message.kind");
    knock = good_knock(&asked);
    knock.hello.turn = AFD__TURN_MAX + 1;
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_INVALID, "message.turn");
    knock = good_knock(&asked);
    knock.hello.window_key = 1;
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_INVALID, "message.window_name");
    knock = good_knock(&asked);
    (void)strcpy(knock.hello.window_name, "attn-0");
    expect_knock_refused(&knock, sizeof(knock), AFD_ERR_INVALID, "message.window_name");
}

static void epochs_are_never_0_and_never_the_same(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t epoch = afd__epoch_new();
        assert_int_not_equal(epoch, 0);
        assert_int_not_equal(epoch, last);
        last = epoch;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_message_is_copied_whole),
        cmocka_unit_test(a_message_of_another_size_is_none),
        cmocka_unit_test(another_version_is_told_from_nonsense_with_both_numbers),
        cmocka_unit_test(every_number_has_its_range),
        cmocka_unit_test(a_refusal_has_a_status),
        cmocka_unit_test(a_text_that_does_not_end_or_moves_the_cursor_is_refused),
        cmocka_unit_test(a_name_that_leads_elsewhere_is_refused),
        cmocka_unit_test(a_sentence_is_cut_and_made_printable),
        cmocka_unit_test(a_good_knock_gives_its_hello),
        cmocka_unit_test(credentials_that_differ_in_any_bit_do_not_match),
        cmocka_unit_test(credentials_are_taken_whole_and_wiped_whole),
        cmocka_unit_test(a_wrong_secret_is_refused_before_anything_else_is_looked_at),
        cmocka_unit_test(another_version_is_refused_before_the_secret),
        cmocka_unit_test(a_knock_of_another_length_is_none),
        cmocka_unit_test(a_knock_says_hello_and_offers_no_window),
        cmocka_unit_test(epochs_are_never_0_and_never_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
