/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reply: in which places it puts, what it publishes, and what it does when a transport fails. Random batches, up to
 * more (session, micro-batch) pairs than are served at a time, are held against what each pair should have got.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "afd/transport.h"
#include "cmocka_headers.h"
#include "fake_writer.h"
#include "random_numbers.h"
#include "reply_case.h"

enum { ROW_MAX = 20000 };

static void rows_go_to_their_places_and_each_pair_is_published_once(void **state)
{
    (void)state;
    few *f = few_new();
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_OK);
    assert_int_equal(f->records[0].put_num, 3);
    assert_int_equal(published_num(&f->records[0]), 3);
    assert_int_equal(f->records[0].publish_num, 2);
    assert_int_equal(f->records[1].publish_num, 0);
    assert_int_equal(f->records[2].put_num, 3);
    assert_int_equal(published_num(&f->records[2]), 3);
    assert_int_equal(f->records[2].publish_num, 1);
    assert_ptr_equal(f->records[2].puts[1].row, f->rows[3]);
    assert_int_equal(f->records[2].puts[1].place.token, 3);
    assert_int_equal(f->records[2].puts[1].place.slot, 1);
    assert_int_equal(f->records[2].last_round.session, 2);
    assert_int_equal(f->records[2].last_round.number, 0);
    few_free(f);
}

static void rounds_say_what_is_published_also_without_a_row(void **state)
{
    (void)state;
    few *f = few_new();
    f->args.rounds = f->rounds;
    f->args.round_num = 2;
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_OK);
    assert_int_equal(f->records[0].put_num, 3); /* gathered, and left for a later reply */
    assert_int_equal(f->records[0].publish_num, 0);
    assert_int_equal(f->records[1].publish_num, 1);
    assert_int_equal(f->records[1].last_round.layer_id, 8);
    assert_int_equal(f->records[1].last_round.number, 80);
    assert_int_equal(published_num(&f->records[2]), 3);
    assert_int_equal(f->records[2].last_round.number, 70);
    f->args.row_num = 0;
    f->args.rows = f->args.session_ids = f->args.micro_batch_ids = f->args.token_ids = f->args.expert_offsets = NULL;
    f->rounds[0] = (afd_round){ 0, 2, 9, 90 };
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_OK);
    assert_int_equal(f->records[0].publish_num, 1);
    assert_int_equal(f->records[0].last_round.micro_batch, 2);
    f->args.round_num = 0; /* rounds is there, and empty: nothing ends */
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_OK);
    assert_int_equal(f->records[0].publish_num, 1);
    f->args = (afd_ffn_reply_args)AFD_FFN_REPLY_ARGS_INIT;
    f->args.hidden = H;
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_OK);
    few_free(f);
}

static void sessions_find_their_writers_by_the_table(void **state)
{
    (void)state;
    few *f = few_new();
    f->session_writers[0] = 2;
    f->session_writers[2] = 1;
    f->args.session_writers = f->session_writers;
    f->writers[0] = NULL; /* nothing goes through it */
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_OK);
    assert_int_equal(f->records[2].publish_num, 2);
    assert_int_equal(f->records[2].puts[0].place.session, 0);
    assert_int_equal(f->records[1].publish_num, 1);
    assert_int_equal(f->records[1].puts[0].place.session, 2);
    few_free(f);
}

/* ---- what transports refuse ---- */

/* Whoever gets no answer is named, with the words of the transport. */
static void expect_refused(const afd_error *error, uint64_t session, uint64_t micro_batch, const char *words)
{
    assert_string_equal(error->field, "writers");
    assert_int_equal(error->value, session);
    assert_int_equal(error->bound, micro_batch);
    assert_non_null(strstr(error->message, words));
}

static void a_put_that_fails_costs_its_pair_alone(void **state)
{
    (void)state;
    few *f = few_new();
    afd_error error;
    f->records[0].fail_put_of = 1;
    assert_int_equal(afd_ffn_reply(&f->args, &error), AFD_ERR_SYSTEM);
    expect_refused(&error, 0, 1, "put");
    assert_int_equal(f->records[0].discard_num, 1);
    assert_int_equal(f->records[0].put_num, 1); /* of micro-batch 2 */
    assert_int_equal(published_num(&f->records[0]), 1);
    assert_int_equal(published_num(&f->records[2]), 3);
    few_free(f);
}

/* The first row of session 2 is put, then its writer breaks: half of a round is never published. */
static void what_was_put_before_a_failure_is_discarded(void **state)
{
    (void)state;
    few *f = few_new();
    fake_writer fake = fake_writer_of(AFD_WINDOW_ATTENTION, &reply_shape);
    fake.fail_put = 2;
    f->writers[2] = &fake.base;
    f->args.rounds = f->rounds;
    f->args.round_num = 2;
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_ERR_SYSTEM);
    assert_int_equal(fake.discard_num, 1);
    assert_int_equal(fake.put_num, 0);
    assert_int_equal(fake.publish_num, 0);
    assert_int_equal(f->records[1].publish_num, 1);
    few_free(f);
}

static void a_transport_that_fails_without_a_word_is_named_all_the_same(void **state)
{
    (void)state;
    few *f = few_new();
    afd_error error;
    fake_writer fake = fake_writer_of(AFD_WINDOW_ATTENTION, &reply_shape);
    f->writers[2] = &fake.base;
    fake.fail_publish = true;
    assert_int_equal(afd_ffn_reply(&f->args, &error), AFD_ERR_SYSTEM);
    expect_refused(&error, 2, 1, "session 2, micro-batch 1 (fake): the wire broke in a publish");
    assert_int_not_equal(error.system_error, 0);
    fake.is_silent = true;
    assert_int_equal(afd_ffn_reply(&f->args, &error), AFD_ERR_SYSTEM);
    expect_refused(&error, 2, 1, "session 2, micro-batch 1 (fake): ");
    assert_int_equal(error.system_error, 0);
    few_free(f);
}

static void the_first_failure_is_the_one_that_is_reported(void **state)
{
    (void)state;
    few *f = few_new();
    afd_error error;
    f->records[2].fail_put_of = 1;
    f->records[0].fail_publish_of = 2;
    assert_int_equal(afd_ffn_reply(&f->args, &error), AFD_ERR_SYSTEM);
    expect_refused(&error, 2, 1, "put");
    assert_int_equal(f->records[0].discard_num, 1);
    assert_int_equal(published_num(&f->records[0]), 2);
    f->records[0].put_num = f->records[2].put_num = 0;
    f->records[2].fail_put_of = -1;
    assert_int_equal(afd_ffn_reply(&f->args, &error), AFD_ERR_SYSTEM);
    expect_refused(&error, 0, 2, "publish");
    assert_int_equal(published_num(&f->records[2]), 3);
    few_free(f);
}

/* ---- random batches ---- */

typedef struct crowd {
    recording_writer *records;
    afd_writer **writers;
    uint32_t writer_num;
    uint32_t micro_batch_num;
    uint32_t row_num;
    int32_t *indices; /* 4 arrays of ROW_MAX */
    uint8_t *rows;
} crowd;

/* What each writer was asked, held against the rows one by one. */
static void expect_every_row_once(const crowd *c, uint64_t seed)
{
    uint32_t *seen = calloc(c->writer_num, sizeof(*seen));
    assert_non_null(seen);
    for (uint32_t row = 0; row < c->row_num; row++) {
        uint32_t session = (uint32_t)c->indices[row];
        const recording_writer *record = &c->records[session];
        bool found = false;
        for (uint32_t i = 0; i < record->put_num && !found; i++) {
            const put_record *put = &record->puts[i];
            found = put->row == c->rows + (size_t)row * ROW_BYTES && put->is_published &&
                    put->place.session == session &&
                    put->place.micro_batch == (uint32_t)c->indices[ROW_MAX + row] &&
                    put->place.token == (uint32_t)c->indices[2 * ROW_MAX + row] &&
                    put->place.slot == (uint32_t)c->indices[3 * ROW_MAX + row];
        }
        if (!found) {
            fail_msg("seed %" PRIu64 ": row %" PRIu32 " did not arrive", seed, row);
        }
        seen[session]++;
    }
    for (uint32_t w = 0; w < c->writer_num; w++) {
        assert_int_equal(c->records[w].put_num, seen[w]);
        assert_null(c->records[w].order_fault);
    }
    free(seen);
}

static void run_crowd(uint64_t seed)
{
    random_numbers numbers = { seed };
    bool is_huge = random_chance(&numbers, 20);
    crowd c = { .writer_num = 1 + random_below(&numbers, is_huge ? 600 : 20),
                .micro_batch_num = 1 + random_below(&numbers, is_huge ? 70 : 4),
                .row_num = random_below(&numbers, is_huge ? ROW_MAX : 300) };
    c.records = calloc(c.writer_num, sizeof(*c.records));
    c.writers = calloc(c.writer_num, sizeof(*c.writers));
    c.indices = calloc(4 * ROW_MAX, sizeof(*c.indices));
    c.rows = malloc((size_t)ROW_MAX * ROW_BYTES);
    uint32_t *row_nums = calloc(c.writer_num, sizeof(*row_nums));
    assert_true(c.records != NULL && c.writers != NULL && c.indices != NULL && c.rows != NULL && row_nums != NULL);
    for (uint32_t row = 0; row < c.row_num; row++) {
        c.indices[row] = (int32_t)random_below(&numbers, c.writer_num);
        c.indices[ROW_MAX + row] = (int32_t)random_below(&numbers, c.micro_batch_num);
        c.indices[2 * ROW_MAX + row] = (int32_t)random_below(&numbers, BS);
        c.indices[3 * ROW_MAX + row] = (int32_t)random_below(&numbers, E);
        row_nums[c.indices[row]]++;
    }
    for (uint32_t w = 0; w < c.writer_num; w++) {
        c.records[w] = recording_of(c.micro_batch_num + (w == 0), row_nums[w] + 1);
        c.writers[w] = &c.records[w].base;
    }
    afd_ffn_reply_args args = AFD_FFN_REPLY_ARGS_INIT;
    args.rows = c.rows;
    args.row_num = c.row_num;
    args.hidden = H;
    args.session_ids = c.indices;
    args.micro_batch_ids = c.indices + ROW_MAX;
    args.token_ids = c.indices + 2 * ROW_MAX;
    args.expert_offsets = c.indices + 3 * ROW_MAX;
    args.writers = c.writers;
    args.writer_num = c.writer_num;
    assert_int_equal(afd_ffn_reply(&args, NULL), AFD_OK);
    expect_every_row_once(&c, seed);
    for (uint32_t w = 0; w < c.writer_num; w++) {
        free(c.records[w].puts);
    }
    free(c.records);
    free(c.writers);
    free(c.indices);
    free(c.rows);
    free(row_nums);
}

static void every_row_of_random_batches_arrives_once_and_is_published(void **state)
{
    (void)state;
    const char *given = getenv("AFD_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20261122;
    random_numbers seeds = { seed };
    print_message("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < 100; i++) {
        run_crowd(random_u64(&seeds));
    }
}

/* ---- into a real window ---- */

static void a_window_gets_rows_and_flags(void **state)
{
    (void)state;
    few *f = few_new();
    afd_window *windows[FEW_WRITERS] = { NULL };
    for (int i = 0; i < FEW_WRITERS; i++) {
        assert_int_equal(afd_attention_window_create_private(&reply_shape, &windows[i], NULL), AFD_OK);
        assert_int_equal(afd_writer_local_create(windows[i], &f->writers[i], NULL), AFD_OK);
    }
    assert_int_equal(afd_ffn_reply(&f->args, NULL), AFD_OK);
    for (int i = 0; i < FEW; i++) {
        const afd_window *window = windows[f->sessions[i]];
        int slot = f->tokens[i] * E + f->slots[i];
        assert_int_equal(afd_window_slot_flags(window, (uint32_t)f->micro_batches[i])[slot], AFD_FLAG_READY);
        const uint8_t *data = afd_window_token_data(window, 0, (uint32_t)f->micro_batches[i]);
        assert_memory_equal(data + slot * ROW_BYTES, f->rows[i], ROW_BYTES);
    }
    assert_int_equal(afd_window_slot_flags(windows[0], 1)[2], AFD_FLAG_FREE);
    for (int i = 0; i < FEW_WRITERS; i++) {
        afd_writer_close(f->writers[i]);
        afd_window_close(windows[i]);
    }
    few_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_to_their_places_and_each_pair_is_published_once),
        cmocka_unit_test(rounds_say_what_is_published_also_without_a_row),
        cmocka_unit_test(sessions_find_their_writers_by_the_table),
        cmocka_unit_test(a_put_that_fails_costs_its_pair_alone),
        cmocka_unit_test(what_was_put_before_a_failure_is_discarded),
        cmocka_unit_test(a_transport_that_fails_without_a_word_is_named_all_the_same),
        cmocka_unit_test(the_first_failure_is_the_one_that_is_reported),
        cmocka_unit_test(every_row_of_random_batches_arrives_once_and_is_published),
        cmocka_unit_test(a_window_gets_rows_and_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
