/* SPDX-License-Identifier: Apache-2.0 */
/* What an attention worker finds wrong: a row, a mark, a number. Rounds are made here as right ones would have come. */
#include "run/hidden/hidden.h"
#include "run/sheet.h"
#include "run/verify.h"
#include "small_job.h"

enum { HIDDEN = 320, SLOTS = 3, SESSION = 1, MICRO_BATCH = 1 };

typedef struct world {
    run_job job;
    run_findings findings;
    afd_window *window;
    run_flight flight;
    run_verifier verifier;
} world;

static void begin(world *at, const run_options *options)
{
    afd_error error;
    *at = (world){ .window = NULL };
    small_job_create(&at->job, options);
    assert_int_equal(afd_attention_window_create_private(&at->job.shape, &at->window, &error), AFD_OK);
    run_flight_create(&at->flight, &at->job.traffic, SESSION, MICRO_BATCH);
    const run_verifier_options verifier_options = {
        .traffic = &at->job.traffic,
        .weights = &at->job.weights,
        .findings = &at->findings,
        .round_num = run_job_round_num(&at->job) * at->job.shape.micro_batch_num,
        .is_full = options->verify_full,
    };
    run_verifier_create(&at->verifier, &verifier_options);
}

static void end(world *at)
{
    run_verifier_destroy(&at->verifier);
    run_flight_destroy(&at->flight);
    afd_window_close(at->window);
    run_job_destroy(&at->job);
}

static void go_on(world *at)
{
    run_flight_next(&at->flight);
    run_sheet_fill(&at->job, &at->flight);
}

static void look(world *at)
{
    run_sheet_check(&at->job, &at->findings, &at->flight, at->window);
    run_verifier_look(&at->verifier, &at->flight);
}

static unsigned char *row_at(const world *at, uint32_t token, uint32_t slot)
{
    unsigned char *rows = afd_window_token_data(at->window, 0, MICRO_BATCH);
    return rows + ((size_t)token * SLOTS + slot) * at->job.shape.ffn_to_attn_token_size;
}

static uint64_t *mark_at(const world *at, uint32_t token, uint32_t slot)
{
    return &run_board_sheet(&at->job.board, SESSION, MICRO_BATCH)->row_marks[(size_t)token * SLOTS + slot];
}

/* Any rows, their marks, and combined rows that are what the reference says, but for rounding. */
static void come_back(world *at)
{
    run_reference reference;
    run_reference_create(&reference, &at->job.weights);
    for (uint32_t token = 0; token < at->flight.token_num; token++) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            run_hidden_begin(at->flight.round * 100 + (size_t)token * SLOTS + slot, HIDDEN,
                             (uint16_t *)(void *)row_at(at, token, slot));
            *mark_at(at, token, slot) = run_mark_of(row_at(at, token, slot), HIDDEN * sizeof(uint16_t));
        }
        const run_reference_case given = {
            .layer = run_flight_layer(&at->flight),
            .token = &at->flight.states[(size_t)token * HIDDEN],
            .type = AFD_TOKEN_BF16,
            .quantize = at->job.options.quantize,
            .experts = &at->flight.experts[(size_t)token * small_model.top_k],
            .weights = &at->flight.weights[(size_t)token * small_model.top_k],
        };
        run_reference_compute(&reference, &given);
        for (uint32_t i = 0; i < HIDDEN; i++) {
            at->flight.combined[(size_t)token * HIDDEN + i] = bf16_of(reference.row[i]);
        }
    }
    run_reference_destroy(&reference);
}

/* Rounds that are right, until one has at least two tokens and is not yet looked at. */
static void go_on_to_a_fuller_round(world *at)
{
    do {
        go_on(at);
        come_back(at);
    } while (at->flight.token_num < 2);
}

static void what_is_right_is_counted_and_nothing_else(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        run_options options = small_options();
        world at;
        uint64_t token_num = 0;
        options.verify_full = how % 2 == 1;
        options.quantize = how / 2 == 1;
        begin(&at, &options);
        for (int round = 0; round < 6; round++) {
            go_on(&at);
            come_back(&at);
            token_num += at.flight.token_num;
            look(&at);
        }
        run_verifier_finish(&at.verifier);
        assert_int_equal(at.findings.wrong_num, 0);
        assert_int_equal(at.findings.token_num, token_num);
        assert_int_equal(at.findings.row_num, token_num * SLOTS);
        assert_in_range(at.findings.verified_num, options.verify_full ? token_num : 1,
                        options.verify_full ? token_num : 6);
        assert_true(at.findings.largest_error > 0.0 && at.findings.largest_error <= RUN_REFERENCE_TOLERANCE);
        end(&at);
    }
}

static void expect(world *at, uint64_t wrong_num, const char *sentence)
{
    assert_int_equal(at->findings.wrong_num, wrong_num);
    assert_non_null(strstr(at->findings.first_mismatch, sentence));
}

static void a_row_that_changed_on_its_way_is_found(void **state)
{
    run_options options = small_options();
    world at;
    char sentence[128];
    (void)state;
    for (size_t byte = 0; byte < HIDDEN * sizeof(uint16_t); byte += 213) {
        begin(&at, &options);
        go_on_to_a_fuller_round(&at);
        row_at(&at, 1, 2)[byte] ^= 0x10;
        look(&at);
        (void)snprintf(sentence, sizeof(sentence), "session 1, micro-batch 1, layer %u, token 1, slot 2: the row is "
                       "not the one its expert made", run_flight_layer(&at.flight));
        expect(&at, 1, sentence);
        end(&at);
    }
}

static void rows_that_changed_places_are_found(void **state)
{
    run_options options = small_options();
    unsigned char spare[HIDDEN * sizeof(uint16_t)];
    world at;
    (void)state;
    begin(&at, &options);
    go_on_to_a_fuller_round(&at);
    memcpy(spare, row_at(&at, 0, 1), sizeof(spare));
    memcpy(row_at(&at, 0, 1), row_at(&at, 1, 1), sizeof(spare));
    memcpy(row_at(&at, 1, 1), spare, sizeof(spare));
    look(&at);
    expect(&at, 2, "token 0, slot 1: the row is not the one its expert made");
    end(&at);
}

static void a_row_that_no_expert_made_is_found(void **state)
{
    run_options options = small_options();
    world at;
    (void)state;
    begin(&at, &options);
    go_on_to_a_fuller_round(&at);
    *mark_at(&at, 1, 0) = 0; /* nobody left a mark: what stands there is the round's before */
    look(&at);
    expect(&at, 1, "token 1, slot 0: the row is not the one its expert made");
    end(&at);
}

/* Every number of the last token's row in turn. */
static void a_wrong_number_is_found_where_every_row_is_verified(void **state)
{
    run_options options = small_options();
    world at;
    (void)state;
    options.verify_full = true;
    for (uint32_t i = 0; i < HIDDEN; i += 53) {
        begin(&at, &options);
        go_on_to_a_fuller_round(&at);
        uint16_t *value = &at.flight.combined[(size_t)(at.flight.token_num - 1) * HIDDEN + i];
        *value = bf16_of(of_bf16(*value) + 4.0);
        look(&at);
        expect(&at, 1, ": the row is off by ");
        end(&at);
    }
}

static void what_is_no_number_is_found(void **state)
{
    run_options options = small_options();
    world at;
    (void)state;
    options.verify_full = true;
    begin(&at, &options);
    go_on_to_a_fuller_round(&at);
    at.flight.combined[7] = 0x7FC0; /* a NaN */
    look(&at);
    expect(&at, 1, "token 0: the row is off by inf of its size");
    end(&at);
}

/* The sample is looked at after the run, as it was when it was taken: what became of the flight since is nothing. */
static void a_wrong_number_of_the_sample_is_found_at_the_end(void **state)
{
    run_options options = small_options();
    world at;
    (void)state;
    begin(&at, &options);
    go_on_to_a_fuller_round(&at);
    for (size_t i = 0; i < (size_t)at.flight.token_num * HIDDEN; i++) {
        at.flight.combined[i] ^= 0x8000; /* the sign */
    }
    look(&at);
    assert_int_equal(at.findings.wrong_num, 0);
    go_on(&at);
    run_verifier_finish(&at.verifier);
    expect(&at, 1, ": the row is off by ");
    assert_true(at.findings.largest_error > RUN_REFERENCE_TOLERANCE);
    end(&at);
}

/* However long a run is, as many as that are set aside, from its beginning to its end. */
static void the_sample_is_bounded_and_spread(void **state)
{
    enum { STEPS = 50 };
    run_options options = small_options();
    world at;
    (void)state;
    options.step_num = STEPS;
    begin(&at, &options);
    /* All rounds of the session, of which this flight has half: the verifier counts what it is shown. */
    for (uint32_t round = 0; round < STEPS * 3 * 2; round++) {
        go_on(&at);
        come_back(&at);
        look(&at);
    }
    assert_in_range(at.verifier.sample_num, RUN_SAMPLE_MAX - 4, RUN_SAMPLE_MAX);
    assert_in_range(at.verifier.samples[0].round, 1, STEPS);
    assert_in_range(at.verifier.samples[at.verifier.sample_num - 1].round, STEPS * 5, STEPS * 6);
    run_verifier_finish(&at.verifier);
    assert_int_equal(at.findings.verified_num, at.verifier.sample_num);
    assert_int_equal(at.findings.wrong_num, 0);
    end(&at);
}

/* Where nobody knows how long it will be, the sample is spread over what there was so far. */
static void the_sample_of_a_run_without_end_is_spread_too(void **state)
{
    enum { ROUNDS = 500 };
    run_options options = small_options();
    world at;
    (void)state;
    begin(&at, &options);
    at.verifier.sample_every = 1; /* as of a round_num of 0 */
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        go_on(&at);
        come_back(&at);
        look(&at);
        assert_in_range(at.verifier.sample_num, 0, RUN_SAMPLE_MAX);
    }
    assert_in_range(at.verifier.sample_num, RUN_SAMPLE_MAX / 2 - 4, RUN_SAMPLE_MAX);
    for (uint32_t i = 1; i < at.verifier.sample_num; i++) {
        uint64_t gap = at.verifier.samples[i].round - at.verifier.samples[i - 1].round;
        assert_int_equal(gap % at.verifier.sample_every, 0);
        assert_in_range(gap, 1, ROUNDS / 4);
    }
    assert_in_range(at.verifier.samples[at.verifier.sample_num - 1].round, ROUNDS * 3 / 4, ROUNDS);
    run_verifier_finish(&at.verifier);
    assert_int_equal(at.findings.verified_num, at.verifier.sample_num);
    assert_int_equal(at.findings.wrong_num, 0);
    end(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_is_counted_and_nothing_else),
        cmocka_unit_test(a_row_that_changed_on_its_way_is_found),
        cmocka_unit_test(rows_that_changed_places_are_found),
        cmocka_unit_test(a_row_that_no_expert_made_is_found),
        cmocka_unit_test(a_wrong_number_is_found_where_every_row_is_verified),
        cmocka_unit_test(what_is_no_number_is_found),
        cmocka_unit_test(a_wrong_number_of_the_sample_is_found_at_the_end),
        cmocka_unit_test(the_sample_is_bounded_and_spread),
        cmocka_unit_test(the_sample_of_a_run_without_end_is_spread_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
