/* SPDX-License-Identifier: Apache-2.0 */
/* Ages, rates and text of a worker's counters, where what the counters say is strange. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_headers.h"
#include "look.h"
#include "metrics.h"
#include "top.h"

static const uint64_t second_ns = 1000000000;

static void ages_are_of_the_look_and_never_below_zero(void **state)
{
    (void)state;
    const afd_cli_look look = { .taken_ns = 100000 * second_ns };
    const struct {
        uint64_t then_ns;
        const char *text;
    } rows[] = {
        { 0, "-" }, /* never */
        { 100000 * second_ns, "0.0 s" },
        { 100000 * second_ns - 1, "0.0 s" },
        { 100000 * second_ns - 250000000, "0.2 s" },
        { 100001 * second_ns - 10000000000, "9.0 s" },
        { 100000 * second_ns - 9999999999, "9.9 s" },
        { 100000 * second_ns - 10000000000, "10 s" },
        { 100000 * second_ns - 119 * second_ns, "1 min" },
        { 1, "1 d" },
        { 100001 * second_ns, "0.0 s" }, /* a time that has not come yet */
        { UINT64_MAX, "0.0 s" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[AFD_CLI_LOOK_AGE_TEXT];
        afd_cli_look_age_text(&look, rows[i].then_ns, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void a_dump_has_no_ages(void **state)
{
    (void)state;
    const afd_cli_look dump = { .taken_ns = 0 };
    uint64_t age_ns = 4711;
    char text[AFD_CLI_LOOK_AGE_TEXT];
    assert_false(afd_cli_look_age(&dump, 17, &age_ns));
    assert_int_equal(age_ns, 4711);
    afd_cli_look_age_text(&dump, 17, text);
    assert_string_equal(text, "-");
}

static void there_are_rates_between_two_looks_at_one_window_alone(void **state)
{
    (void)state;
    const afd_cli_look now = { .info.generation = 7, .taken_ns = 20 * second_ns };
    const struct {
        uint64_t generation;
        uint64_t taken_ns;
        bool has_rates;
    } rows[] = {
        { 7, 10 * second_ns, true }, { 8, 10 * second_ns, false },  /* its worker has restarted */
        { 7, 20 * second_ns, false }, { 7, 21 * second_ns, false }, { 7, 0, false },
    };
    assert_false(afd_cli_look_has_rates(NULL, &now));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const afd_cli_look before = { .info.generation = rows[i].generation, .taken_ns = rows[i].taken_ns };
        assert_int_equal(afd_cli_look_has_rates(&before, &now), rows[i].has_rates);
    }
}

static void a_rate_is_a_difference_by_seconds(void **state)
{
    (void)state;
    const afd_cli_look before = { .taken_ns = 1 };
    const afd_cli_look now = { .taken_ns = 2 * second_ns + 1 };
    assert_true(afd_cli_look_rate(&before, &now, 10, 10) == 0);
    assert_true(afd_cli_look_rate(&before, &now, 10, 17) == 3.5);
    assert_true(afd_cli_look_rate(&before, &now, UINT64_MAX - 1, 2) == 2); /* past the end of 64 bits */
}

static char *printed_value(const char *value)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    assert_non_null(stream);
    afd_cli_metrics_print_value(value, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    const char *const rows[][2] = {
        { "", "" }, { "run-4711.ffn0", "run-4711.ffn0" }, { "a\"b", "a\\\"b" }, { "a\\b", "a\\\\b" },
        { "a\nb", "a\\nb" }, { "\\\n\"", "\\\\\\n\\\"" }, { "\xc3\xa4", "\xc3\xa4" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = printed_value(rows[i][0]);
        assert_string_equal(text, rows[i][1]);
        free(text);
    }
}

static char *printed_metrics(const afd_cli_look *looks, size_t look_num)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    assert_non_null(stream);
    afd_cli_metrics_print(looks, look_num, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void of_an_owner_that_cannot_be_seen_it_is_not_said_whether_it_lives(void **state)
{
    (void)state;
    const afd_owner_state owners[] = { AFD_OWNER_ALIVE, AFD_OWNER_DEAD, AFD_OWNER_UNKNOWN };
    const char *const lines[] = { "afd_worker_up{worker=\"x\",kind=\"ffn\"} 1\n",
                                  "afd_worker_up{worker=\"x\",kind=\"ffn\"} 0\n", NULL };
    for (size_t i = 0; i < 3; i++) {
        const afd_cli_look look = { .info = { .name = "x", .kind = AFD_WINDOW_FFN, .owner = owners[i] } };
        char *text = printed_metrics(&look, 1);
        assert_int_equal(strstr(text, "\nafd_worker_up{") != NULL, lines[i] != NULL);
        assert_true(lines[i] == NULL || strstr(text, lines[i]) != NULL);
        free(text);
    }
}

static void without_a_worker_nothing_is_printed(void **state)
{
    (void)state;
    char *text = printed_metrics(NULL, 0);
    assert_string_equal(text, "");
    free(text);
}

static void numbers_are_those_of_the_counters_to_the_last_digit(void **state)
{
    (void)state;
    afd_cli_member member = { .number = 3, .stats = { .state = AFD_MEMBER_LIVE, .row_num = UINT64_MAX - 1 } };
    const afd_cli_look look = { .info = { .name = "x", .kind = AFD_WINDOW_ATTENTION }, .taken_ns = 3 * second_ns,
                                .worker = { .started_ns = second_ns - 1, .byte_num = UINT64_MAX },
                                .member_num = 1, .members = &member };
    char *text = printed_metrics(&look, 1);
    assert_non_null(strstr(text, "\nafd_worker_bytes_total{worker=\"x\",kind=\"attention\"} 18446744073709551615\n"));
    assert_non_null(strstr(text, "\nafd_worker_uptime_seconds{worker=\"x\",kind=\"attention\"} 2.000000001\n"));
    assert_non_null(strstr(text, "\nafd_member_rows_total{worker=\"x\",kind=\"attention\",member=\"3\"} "
                                 "18446744073709551614\n"));
    assert_null(strstr(text, "afd_member_heartbeat_age_seconds{")); /* it was never heard */
    free(text);
}

/* What a hostile owner may have written: it is printed, and that is all. */
static void any_number_can_be_shown(void **state)
{
    (void)state;
    afd_cli_member members[2] = { { .number = 0 }, { .number = UINT32_MAX } };
    afd_cli_look before = { .info = { .name = "x", .kind = AFD_WINDOW_FFN }, .taken_ns = 1, .member_num = 2,
                            .members = members };
    memset(&members[0].stats, 0xFF, sizeof(members[0].stats));
    memset(&members[1].stats, 0x80, sizeof(members[1].stats));
    memset(&before.worker, 0xFF, sizeof(before.worker));
    afd_cli_look now = before;
    afd_cli_member zeros[2] = { { .number = 0 }, { .number = UINT32_MAX } };
    now.taken_ns = 2; /* a nanosecond later everything is less by most of 2^64 */
    now.worker = (afd_worker_stats){ .started_ns = UINT64_MAX };
    now.members = zeros;
    for (int i = 0; i < 2; i++) {
        char *text = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&text, &length);
        assert_non_null(stream);
        afd_cli_top_print(i == 0 ? &before : &now, i == 0 ? &now : &before, UINT32_MAX, true, stream);
        assert_int_equal(fclose(stream), 0);
        assert_non_null(strstr(text, i == 0 ? "away" : "unknown"));
        free(text);
    }
}

static void members_beyond_the_lines_that_there_are_are_counted(void **state)
{
    (void)state;
    afd_cli_member members[5] = { 0 };
    const afd_cli_look look = { .member_num = 5, .members = members };
    char *text = NULL;
    size_t length = 0;
    for (uint32_t i = 0; i < 5; i++) {
        members[i].number = 100 + i;
    }
    FILE *stream = open_memstream(&text, &length);
    assert_non_null(stream);
    afd_cli_look_print_members(NULL, &look, 2, false, stream);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "\n101 "));
    assert_null(strstr(text, "\n102 "));
    assert_non_null(strstr(text, "\nand 3 more\n"));
    free(text);
}

static void a_member_is_found_by_its_number(void **state)
{
    (void)state;
    afd_cli_member members[3] = { { .number = 1, .stats.row_num = 11 }, { .number = 5, .stats.row_num = 55 },
                                  { .number = 900, .stats.row_num = 99 } };
    const afd_cli_look look = { .member_num = 3, .members = members };
    const afd_cli_look empty = { 0 };
    assert_int_equal(afd_cli_look_member(&look, 1).row_num, 11);
    assert_int_equal(afd_cli_look_member(&look, 5).row_num, 55);
    assert_int_equal(afd_cli_look_member(&look, 900).row_num, 99);
    assert_int_equal(afd_cli_look_member(&look, 4).row_num, 0);
    assert_int_equal(afd_cli_look_member(&empty, 1).row_num, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages_are_of_the_look_and_never_below_zero),
        cmocka_unit_test(a_dump_has_no_ages),
        cmocka_unit_test(there_are_rates_between_two_looks_at_one_window_alone),
        cmocka_unit_test(a_rate_is_a_difference_by_seconds),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(of_an_owner_that_cannot_be_seen_it_is_not_said_whether_it_lives),
        cmocka_unit_test(without_a_worker_nothing_is_printed),
        cmocka_unit_test(numbers_are_those_of_the_counters_to_the_last_digit),
        cmocka_unit_test(any_number_can_be_shown),
        cmocka_unit_test(members_beyond_the_lines_that_there_are_are_counted),
        cmocka_unit_test(a_member_is_found_by_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
