/* SPDX-License-Identifier: Apache-2.0 */
/* Status numbers and texts, and how an error is filled in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "afd/status.h"
#include "base/error.h"
#include "cmocka_headers.h"

typedef struct status_row {
    afd_status status;
    int number;
    const char *name;
} status_row;

/* Written down a second time by hand, because these numbers are part of the ABI. */
static const status_row frozen[] = {
    { AFD_OK, 0, "AFD_OK" },
    { AFD_NOT_YET, 1, "AFD_NOT_YET" },
    { AFD_STOPPED, 2, "AFD_STOPPED" },
    { AFD_DEADLINE, 3, "AFD_DEADLINE" },
    { AFD_NOBODY_LIVE, 4, "AFD_NOBODY_LIVE" },
    { AFD_ERR_INVALID, -1, "AFD_ERR_INVALID" },
    { AFD_ERR_OVERFLOW, -2, "AFD_ERR_OVERFLOW" },
    { AFD_ERR_NO_MEMORY, -3, "AFD_ERR_NO_MEMORY" },
    { AFD_ERR_NO_SPACE, -4, "AFD_ERR_NO_SPACE" },
    { AFD_ERR_EXISTS, -5, "AFD_ERR_EXISTS" },
    { AFD_ERR_NOT_FOUND, -6, "AFD_ERR_NOT_FOUND" },
    { AFD_ERR_BAD_WINDOW, -7, "AFD_ERR_BAD_WINDOW" },
    { AFD_ERR_ACCESS, -8, "AFD_ERR_ACCESS" },
    { AFD_ERR_OWNER_DEAD, -9, "AFD_ERR_OWNER_DEAD" },
    { AFD_ERR_SYSTEM, -10, "AFD_ERR_SYSTEM" },
    { AFD_ERR_PEER, -11, "AFD_ERR_PEER" },
};

enum { FROZEN_NUM = sizeof(frozen) / sizeof(frozen[0]) };

static void status_numbers_and_names_never_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < FROZEN_NUM; i++) {
        assert_int_equal(frozen[i].status, frozen[i].number);
        assert_string_equal(afd_status_name(frozen[i].status), frozen[i].name);
    }
#define COUNT_ONE(name, number, text) +1
    assert_int_equal(FROZEN_NUM, 0 AFD_STATUS_MAP(COUNT_ONE));
#undef COUNT_ONE
}

static void every_status_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < FROZEN_NUM; i++) {
        const char *text = afd_status_text(frozen[i].status);
        assert_true(strlen(text) > 0);
        assert_string_not_equal(text, "unknown status");
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(text, afd_status_text(frozen[j].status));
        }
    }
}

static void a_number_that_is_no_status_has_a_text_too(void **state)
{
    (void)state;
    for (int number = -1000; number < 1000; number++) {
        if (number < AFD_ERR_PEER || number > AFD_NOBODY_LIVE) {
            assert_string_equal(afd_status_text((afd_status)number), "unknown status");
            assert_string_equal(afd_status_name((afd_status)number), "AFD_?");
        }
    }
}

static void the_version_is_three_numbers(void **state)
{
    (void)state;
    const char *at = afd_version();
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        (void)strtoul(at, &end, 10);
        assert_ptr_not_equal(end, at);
        assert_int_equal(*end, i < 2 ? '.' : '\0');
        at = end + 1;
    }
}

static void an_error_holds_what_was_found_and_what_was_asked(void **state)
{
    (void)state;
    afd_error error;
    memset(&error, 0xAA, sizeof(error));
    assert_int_equal(afd__fail(&error, AFD_ERR_INVALID, "ffn.polling_index", 7, 3, "it is %d", 7), AFD_ERR_INVALID);
    assert_int_equal(error.status, AFD_ERR_INVALID);
    assert_string_equal(error.field, "ffn.polling_index");
    assert_int_equal(error.value, 7);
    assert_int_equal(error.bound, 3);
    assert_int_equal(error.system_error, 0);
    assert_string_equal(error.message, "it is 7");
}

static void a_caller_may_not_care_for_the_error(void **state)
{
    (void)state;
    assert_int_equal(afd__fail(NULL, AFD_ERR_OVERFLOW, "x", 0, 0, "text"), AFD_ERR_OVERFLOW);
    assert_int_equal(afd__fail_system(NULL, ENOMEM, "x", "do it"), AFD_ERR_NO_MEMORY);
}

static void a_long_message_is_cut_and_terminated(void **state)
{
    (void)state;
    afd_error error;
    char text[2 * AFD_ERROR_MESSAGE_BYTES];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memset(&error, 0xAA, sizeof(error));
    (void)afd__fail(&error, AFD_ERR_INVALID, "x", 0, 0, "%s", text);
    assert_int_equal(strlen(error.message), AFD_ERROR_MESSAGE_BYTES - 1);
    (void)afd__fail_system(&error, EIO, "x", text);
    assert_true(strlen(error.message) < AFD_ERROR_MESSAGE_BYTES);
}

static void a_system_error_is_sorted_and_kept(void **state)
{
    (void)state;
    const struct {
        int system_error;
        afd_status status;
    } rows[] = { { ENOMEM, AFD_ERR_NO_MEMORY }, { EACCES, AFD_ERR_ACCESS }, { EPERM, AFD_ERR_ACCESS },
                 { EIO, AFD_ERR_SYSTEM }, { EMFILE, AFD_ERR_SYSTEM } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        afd_error error;
        memset(&error, 0xAA, sizeof(error));
        assert_int_equal(afd__fail_system(&error, rows[i].system_error, "path", "open it"), rows[i].status);
        assert_int_equal(error.status, rows[i].status);
        assert_int_equal(error.system_error, rows[i].system_error);
        assert_string_equal(error.field, "path");
        assert_non_null(strstr(error.message, "open it"));
        assert_non_null(strstr(error.message, strerror(rows[i].system_error)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_numbers_and_names_never_change),
        cmocka_unit_test(every_status_has_a_text_of_its_own),
        cmocka_unit_test(a_number_that_is_no_status_has_a_text_too),
        cmocka_unit_test(the_version_is_three_numbers),
        cmocka_unit_test(an_error_holds_what_was_found_and_what_was_asked),
        cmocka_unit_test(a_caller_may_not_care_for_the_error),
        cmocka_unit_test(a_long_message_is_cut_and_terminated),
        cmocka_unit_test(a_system_error_is_sorted_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
