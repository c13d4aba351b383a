/* SPDX-License-Identifier: Apache-2.0 */
/* What a reply refuses, each alone and in pairs of which the earlier is named; nothing is ever put then. */
#include <string.h>

#include "cmocka_headers.h"
#include "reply_case.h"

typedef struct provocation {
    void (*provoke)(few *f);
    const char *field;
    uint64_t value;
    uint64_t bound;
    const char *message; /* NULL: not compared */
} provocation;

static afd_writer into_ffn_window = { .kind = AFD_WINDOW_FFN, .shape = { 8, M, BS, E, 0, 32, 32 } };

static void args_size(few *f) { f->args.size = 1; }
static void hidden_0(few *f) { f->args.hidden = 0; }
static void hidden_20(few *f) { f->args.hidden = 20; }
static void int8_rows(few *f) { f->args.type = AFD_TOKEN_INT8; }
static void no_rows(few *f) { f->args.rows = NULL; }
static void no_sessions(few *f) { f->args.session_ids = NULL; }
static void no_micro_batches(few *f) { f->args.micro_batch_ids = NULL; }
static void no_tokens(few *f) { f->args.token_ids = NULL; }
static void no_slots(few *f) { f->args.expert_offsets = NULL; }
static void no_writers(few *f) { f->args.writers = NULL; }
static void no_rounds(few *f) { f->args.round_num = 1; }
static void session_3(few *f) { f->sessions[5] = 3; }
static void session_minus_1(few *f) { f->sessions[4] = -1; }
static void session_past_table(few *f)
{
    f->args.session_writers = f->session_writers;
    f->args.session_num = 2;
}
static void writer_3(few *f)
{
    f->args.session_writers = f->session_writers;
    f->session_writers[2] = 3;
}
static void writer_is_null(few *f) { f->writers[2] = NULL; }
static void writer_of_ffn_window(few *f) { f->writers[2] = &into_ffn_window; }
static void micro_batch_3(few *f) { f->micro_batches[5] = M; }
static void token_4(few *f) { f->tokens[5] = BS; }
static void token_minus_9(few *f) { f->tokens[5] = -9; }
static void slot_2(few *f) { f->slots[5] = E; }
static void short_slots(few *f) { f->records[2].base.slot_bytes = ROW_BYTES - 2; }
static void round_of_session_3(few *f)
{
    f->args.rounds = f->rounds;
    f->args.round_num = 2;
    f->rounds[1].session = 3;
}
static void round_of_micro_batch_3(few *f)
{
    f->args.rounds = f->rounds;
    f->args.round_num = 2;
    f->rounds[1].micro_batch = 3;
}
static void round_without_writer(few *f)
{
    f->args.rounds = f->rounds;
    f->args.round_num = 2;
    f->writers[1] = NULL;
}

#define MINUS(number) ((uint64_t)(-(int64_t)(number)))

static const provocation provocations[] = {
    { args_size, "args.size", 1, sizeof(afd_ffn_reply_args), NULL },
    { hidden_0, "args.hidden", 0, 16, NULL },
    { hidden_20, "args.hidden", 20, 16, NULL },
    { int8_rows, "args.type", 2, 1, NULL },
    { no_rows, "args.rows", 0, 1, NULL },
    { no_sessions, "args.session_ids", 0, 4, NULL },
    { no_micro_batches, "args.micro_batch_ids", 0, 4, NULL },
    { no_tokens, "args.token_ids", 0, 4, NULL },
    { no_slots, "args.expert_offsets", 0, 4, NULL },
    { no_writers, "args.writers", 0, 8, NULL },
    { no_rounds, "args.rounds", 0, 8, NULL },
    { session_past_table, "session", 2, 2, "session of row 1 is 2, must be in [0, 2)" },
    { writer_3, "the session's writer", 3, 3, "the session's writer of row 1 is 3, must be in [0, 3)" },
    { writer_is_null, "args.writers", 2, 0, "the writer of session 2, of row 1, is null" },
    { writer_of_ffn_window, "args.writers", 2, 0,
      "the writer of session 2, of row 1, does not write into an attention window" },
    { short_slots, "args.hidden", ROW_BYTES, ROW_BYTES - 2,
      "row 1 has 32 bytes, a slot of the window of session 2 has 30" },
    { session_minus_1, "session", MINUS(1), 3, "session of row 4 is -1, must be in [0, 3)" },
    { session_3, "session", 3, 3, "session of row 5 is 3, must be in [0, 3)" },
    { micro_batch_3, "micro_batch", M, M, "micro_batch of row 5 is 3, must be in [0, 3)" },
    { token_4, "token", BS, BS, "token of row 5 is 4, must be in [0, 4)" },
    { token_minus_9, "token", MINUS(9), BS, "token of row 5 is -9, must be in [0, 4)" },
    { slot_2, "slot", E, E, "slot of row 5 is 2, must be in [0, 2)" },
    { round_of_session_3, "session", 3, 3, "session of round 1 is 3, must be in [0, 3)" },
    { round_without_writer, "args.writers", 1, 0, "the writer of session 1, of round 1, is null" },
    { round_of_micro_batch_3, "micro_batch", 3, 3, "micro_batch of round 1 is 3, must be in [0, 3)" },
};

enum { PROVOCATION_NUM = sizeof(provocations) / sizeof(provocations[0]) };

static void expect_refused(const provocation *first, const provocation *second)
{
    few *f = few_new();
    afd_error error = { .field = "" };
    if (second != NULL) {
        second->provoke(f);
    }
    first->provoke(f);
    assert_int_equal(afd_ffn_reply(&f->args, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, first->field);
    assert_int_equal(error.value, first->value);
    assert_int_equal(error.bound, first->bound);
    if (first->message != NULL) {
        assert_string_equal(error.message, first->message);
    }
    for (uint32_t i = 0; i < FEW_WRITERS; i++) {
        assert_int_equal(f->records[i].put_num + f->records[i].publish_num + f->records[i].discard_num, 0);
    }
    few_free(f);
}

static void each_check_names_what_is_wrong_and_nothing_is_put(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROVOCATION_NUM; i++) {
        expect_refused(&provocations[i], NULL);
    }
    assert_int_equal(afd_ffn_reply(NULL, NULL), AFD_ERR_INVALID);
}

/* Neighbours of the list, where the one does not undo the other. */
static void the_earlier_of_two_is_named(void **state)
{
    (void)state;
    for (size_t i = 1; i < PROVOCATION_NUM; i++) {
        const provocation *earlier = &provocations[i - 1];
        if (strcmp(earlier->field, provocations[i].field) != 0 && earlier->provoke != session_past_table) {
            expect_refused(earlier, &provocations[i]);
        }
    }
}

static void rows_that_do_not_fit_64_bits_are_refused(void **state)
{
    (void)state;
    few *f = few_new();
    afd_error error;
    f->args.row_num = UINT64_MAX / ROW_BYTES + 1;
    assert_int_equal(afd_ffn_reply(&f->args, &error), AFD_ERR_OVERFLOW);
    assert_string_equal(error.field, "args.row_num");
    few_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_names_what_is_wrong_and_nothing_is_put),
        cmocka_unit_test(the_earlier_of_two_is_named),
        cmocka_unit_test(rows_that_do_not_fit_64_bits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
