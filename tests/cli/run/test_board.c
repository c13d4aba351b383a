/* SPDX-License-Identifier: Apache-2.0 */
/* What the members of a run share: where it lies, who sees it, and by what rows are known again. */
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "run/board.h"
#include "small_model.h"

enum { FFN_NUM = 3, TOP_K = 2, LINE = 64 };

static const afd_shape shape = {
    .session_num = 2,
    .micro_batch_num = 3,
    .micro_batch_size = 5,
    .selected_expert_num = 3,
    .expert_num = 7,
    .attn_to_ffn_token_size = 640,
    .ffn_to_attn_token_size = 640,
};

static run_board made(void)
{
    run_board board;
    run_failure failure = { "" };
    if (!run_board_create(&board, FFN_NUM, &shape, TOP_K, &failure)) {
        fail_msg("%s", failure.text);
    }
    return board;
}

typedef struct region {
    unsigned char *at;
    size_t bytes;
} region;

enum { REGION_MAX = 64 };

/* All that is anybody's, but for the sheets themselves, whose pointers must stay. */
static size_t list_regions(const run_board *board, region regions[REGION_MAX])
{
    size_t num = 0;
    regions[num++] = (region){ (unsigned char *)board->stop, sizeof(*board->stop) };
    regions[num++] = (region){ (unsigned char *)board->ffn_stop, sizeof(*board->ffn_stop) };
    regions[num++] = (region){ (unsigned char *)(uintptr_t)board->go, sizeof(*board->go) };
    for (uint32_t i = 0; i < board->member_num; i++) {
        regions[num++] = (region){ (unsigned char *)&board->seats[i], sizeof(run_seat) };
    }
    for (uint32_t s = 0; s < shape.session_num; s++) {
        for (uint32_t m = 0; m < shape.micro_batch_num; m++) {
            run_sheet *sheet = run_board_sheet(board, s, m);
            size_t tokens = shape.micro_batch_size;
            regions[num++] = (region){ (unsigned char *)sheet->experts, tokens * TOP_K * sizeof(int32_t) };
            regions[num++] = (region){ (unsigned char *)sheet->token_marks, tokens * sizeof(uint64_t) };
            regions[num++] = (region){ (unsigned char *)sheet->row_marks,
                                       tokens * shape.selected_expert_num * sizeof(uint64_t) };
        }
    }
    return num;
}

static void nothing_overlaps_and_nothing_shares_a_line(void **state)
{
    run_board board = made();
    region regions[REGION_MAX];
    size_t num = list_regions(&board, regions);
    (void)state;
    assert_int_equal(board.member_num, FFN_NUM + shape.session_num);
    for (size_t i = 0; i < num; i++) {
        assert_int_equal((uintptr_t)regions[i].at % LINE, 0);
        assert_true(regions[i].at >= (unsigned char *)board.mapping);
        assert_true(regions[i].at + regions[i].bytes <= (unsigned char *)board.mapping + board.mapping_bytes);
        for (size_t byte = 0; byte < regions[i].bytes; byte++) {
            assert_int_equal(regions[i].at[byte], 0);
        }
    }
    for (size_t i = 0; i < num; i++) {
        memset(regions[i].at, (int)i + 1, regions[i].bytes);
    }
    for (size_t i = 0; i < num; i++) {
        for (size_t byte = 0; byte < regions[i].bytes; byte++) {
            assert_int_equal(regions[i].at[byte], i + 1);
        }
    }
    run_board_destroy(&board);
}

static void what_a_forked_member_writes_is_seen(void **state)
{
    run_board board = made();
    int status = 0;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run_board_sheet(&board, 1, 2)->row_marks[14] = 77;
        run_findings_mismatch(&board.seats[4].findings, "from the child");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(run_board_sheet(&board, 1, 2)->row_marks[14], 77);
    assert_string_equal(board.seats[4].findings.first_mismatch, "from the child");
    run_board_destroy(&board);
}

static void more_than_an_address_space_is_refused(void **state)
{
    run_board board;
    run_failure failure = { "" };
    afd_shape huge = shape;
    (void)state;
    huge.session_num = 1;
    huge.micro_batch_num = 1;
    huge.micro_batch_size = UINT32_C(1) << 31;
    huge.selected_expert_num = 1 << 14;
    assert_false(run_board_create(&board, FFN_NUM, &huge, TOP_K, &failure));
    assert_non_null(strstr(failure.text, " bytes for what the workers share: "));
    assert_null(board.mapping);
    run_board_destroy(&board);
}

static void a_mark_differs_for_every_changed_byte(void **state)
{
    enum { BYTES = 640 };
    unsigned char row[BYTES];
    random_numbers numbers = random_case();
    (void)state;
    for (size_t i = 0; i < BYTES; i++) {
        row[i] = (unsigned char)random_u64(&numbers);
    }
    uint64_t mark = run_mark_of(row, BYTES);
    assert_int_not_equal(mark, 0);
    assert_int_equal(run_mark_of(row, BYTES), mark);
    for (size_t i = 0; i < BYTES; i++) {
        for (unsigned change = 1; change < 256; change++) {
            row[i] ^= (unsigned char)change;
            assert_int_not_equal(run_mark_of(row, BYTES), mark);
            row[i] ^= (unsigned char)change;
        }
    }
}

/* Zeros that are shorter or longer, halves that change places: what a row that went astray may look like. */
static void a_mark_knows_the_order_and_the_length(void **state)
{
    enum { BYTES = 256 };
    uint64_t words[BYTES / 8] = { 0 };
    (void)state;
    for (size_t bytes = 16; bytes < BYTES; bytes += 16) {
        assert_int_not_equal(run_mark_of(words, bytes), 0);
        assert_int_not_equal(run_mark_of(words, bytes), run_mark_of(words, bytes + 16));
    }
    for (size_t i = 0; i < BYTES / 8; i++) {
        words[i] = i * i;
    }
    uint64_t mark = run_mark_of(words, BYTES);
    for (size_t i = 0; i < BYTES / 8; i++) {
        for (size_t j = 0; j < i; j++) {
            words[i] = j * j;
            words[j] = i * i;
            assert_int_not_equal(run_mark_of(words, BYTES), mark);
            words[i] = i * i;
            words[j] = j * j;
        }
    }
}

static void of_many_differences_the_first_is_told(void **state)
{
    run_findings findings = { .wrong_num = 0 };
    (void)state;
    run_findings_mismatch(&findings, "token %d: wrong", 7);
    run_findings_mismatch(&findings, "token %d: wrong", 8);
    assert_int_equal(findings.wrong_num, 2);
    assert_string_equal(findings.first_mismatch, "token 7: wrong");

    run_findings other = { .wrong_num = 0 };
    run_findings_mismatch(&other, "%0*d", 2 * RUN_MISMATCH_BYTES, 1);
    assert_int_equal(strlen(other.first_mismatch), RUN_MISMATCH_BYTES - 1);
}

static void only_who_was_refused_the_name_has_left_no_window(void **state)
{
    run_seat seat = { .phase = RUN_PHASE_STARTED };
    (void)state;
    assert_true(run_seat_may_have_window(&seat)); /* killed between making it and saying so */
    atomic_store(&seat.phase, RUN_PHASE_FAILED);
    assert_false(run_seat_may_have_window(&seat));
    seat.window = (afd_window *)&seat;
    assert_true(run_seat_may_have_window(&seat));
    atomic_store(&seat.phase, RUN_PHASE_DONE);
    assert_true(run_seat_may_have_window(&seat));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_overlaps_and_nothing_shares_a_line),
        cmocka_unit_test(what_a_forked_member_writes_is_seen),
        cmocka_unit_test(more_than_an_address_space_is_refused),
        cmocka_unit_test(a_mark_differs_for_every_changed_byte),
        cmocka_unit_test(a_mark_knows_the_order_and_the_length),
        cmocka_unit_test(of_many_differences_the_first_is_told),
        cmocka_unit_test(only_who_was_refused_the_name_has_left_no_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
