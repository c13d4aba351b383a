/* SPDX-License-Identifier: Apache-2.0 */
/* A micro-batch on its way: its tokens, where they go, and what its sheet says of them. */
#include <unistd.h>

#include "run/flight.h"
#include "run/hidden/hidden.h"
#include "run/sheet.h"
#include "small_job.h"

enum { HIDDEN = 320, TOP_K = 2, SLOTS = 3, LAYERS = 3 };

static const uint16_t *state_of(const run_flight *flight, uint32_t token)
{
    return &flight->states[(size_t)token * HIDDEN];
}

/* The router's choice of each token's state at the layer, made again. */
static void check_routes(const run_flight *flight, uint32_t layer)
{
    for (uint32_t token = 0; token < flight->token_num; token++) {
        float features[RUN_ROUTER_WIDTH];
        int32_t experts[TOP_K];
        float weights[TOP_K];
        run_hidden_features(HIDDEN, state_of(flight, token), features);
        run_router_choose(flight->traffic->router, layer, features, experts, weights);
        assert_memory_equal(&flight->experts[(size_t)token * TOP_K], experts, sizeof(experts));
        assert_memory_equal(&flight->weights[(size_t)token * TOP_K], weights, sizeof(weights));
    }
}

static void check_sheet(const run_job *job, const run_flight *flight, uint64_t round, uint32_t layer)
{
    const run_sheet *sheet = run_board_sheet(&job->board, flight->session, flight->micro_batch);
    assert_int_equal(flight->round, round);
    assert_int_equal(run_flight_layer(flight), layer);
    assert_int_equal(sheet->round, round);
    assert_int_equal(sheet->layer, layer);
    assert_int_equal(sheet->token_num, flight->token_num);
    for (uint32_t token = 0; token < flight->token_num; token++) {
        assert_memory_equal(&sheet->experts[(size_t)token * TOP_K], &flight->experts[(size_t)token * TOP_K],
                            TOP_K * sizeof(int32_t));
        assert_int_equal(sheet->token_marks[token], run_mark_of(state_of(flight, token), HIDDEN * sizeof(uint16_t)));
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            assert_int_equal(sheet->row_marks[(size_t)token * SLOTS + slot], 0);
        }
    }
}

static void go_on(const run_job *job, run_flight *flight)
{
    run_flight_next(flight);
    run_sheet_fill(job, flight);
}

/* As if results had come: any finite rows, and marks of them. */
static void come_back(const run_job *job, run_flight *flight, uint64_t seed)
{
    run_sheet *sheet = run_board_sheet(&job->board, flight->session, flight->micro_batch);
    for (uint32_t token = 0; token < flight->token_num; token++) {
        run_hidden_begin(seed + token, HIDDEN, &flight->combined[(size_t)token * HIDDEN]);
        memset(&sheet->row_marks[(size_t)token * SLOTS], 0xEE, SLOTS * sizeof(uint64_t));
    }
}

static void each_layer_follows_from_the_one_before(void **state)
{
    run_job job = { 0 };
    run_options options = small_options();
    run_flight flight;
    uint16_t expected[4 * HIDDEN];
    (void)state;
    small_job_create(&job, &options);
    run_flight_create(&flight, &job.traffic, 1, 1);
    for (uint64_t round = 1; round <= 4 * LAYERS; round++) {
        uint32_t layer = (uint32_t)((round - 1) % LAYERS);
        for (uint32_t token = 0; layer > 0 && token < flight.token_num; token++) {
            size_t at = (size_t)token * HIDDEN;
            run_hidden_advance(layer - 1, HIDDEN, &flight.states[at], &flight.combined[at], &expected[at]);
        }
        go_on(&job, &flight);
        if (layer > 0) {
            assert_memory_equal(flight.states, expected, (size_t)flight.token_num * HIDDEN * sizeof(uint16_t));
        }
        check_routes(&flight, layer);
        check_sheet(&job, &flight, round, layer);
        come_back(&job, &flight, round);
    }
    run_flight_destroy(&flight);
    run_job_destroy(&job);
}

static void tokens_of_different_flights_steps_and_seeds_differ(void **state)
{
    enum { FLIGHTS = 5 };
    run_job jobs[2];
    run_options options = small_options();
    run_flight flights[FLIGHTS];
    (void)state;
    memset(jobs, 0, sizeof(jobs));
    small_job_create(&jobs[0], &options);
    options.seed++;
    small_job_create(&jobs[1], &options);
    for (uint32_t i = 0; i < 4; i++) {
        run_flight_create(&flights[i], &jobs[0].traffic, i / 2, i % 2);
    }
    run_flight_create(&flights[4], &jobs[1].traffic, 0, 0);
    for (uint32_t i = 0; i < FLIGHTS; i++) {
        go_on(&jobs[i / 4], &flights[i]);
        uint16_t first_step[HIDDEN];
        memcpy(first_step, flights[i].states, sizeof(first_step));
        for (uint32_t j = 0; j < i; j++) {
            assert_memory_not_equal(flights[i].states, flights[j].states, sizeof(first_step));
        }
        for (uint32_t layer = 0; layer < LAYERS; layer++) {
            come_back(&jobs[i / 4], &flights[i], layer);
            go_on(&jobs[i / 4], &flights[i]);
        }
        assert_int_equal(run_flight_layer(&flights[i]), 0);
        assert_memory_not_equal(flights[i].states, first_step, sizeof(first_step));
    }
    for (uint32_t i = 0; i < FLIGHTS; i++) {
        run_flight_destroy(&flights[i]);
    }
    run_job_destroy(&jobs[0]);
    run_job_destroy(&jobs[1]);
}

/* Seven in eight are full; the others have every number of tokens, 0 and all of them too. A step has one number. */
static void token_counts_vary(void **state)
{
    enum { STEPS = 4000, BATCH = 4 };
    run_job job = { 0 };
    run_options options = small_options();
    run_flight flight;
    uint32_t counts[BATCH + 1] = { 0 };
    (void)state;
    options.layer_num = 2;
    small_job_create(&job, &options);
    run_flight_create(&flight, &job.traffic, 0, 1);
    for (uint32_t step = 0; step < STEPS; step++) {
        go_on(&job, &flight);
        uint32_t token_num = flight.token_num;
        assert_in_range(token_num, 0, BATCH);
        counts[token_num]++;
        come_back(&job, &flight, step);
        go_on(&job, &flight);
        assert_int_equal(flight.token_num, token_num);
        come_back(&job, &flight, step);
    }
    assert_in_range(counts[BATCH], STEPS * 85 / 100, STEPS * 95 / 100);
    for (uint32_t i = 0; i < BATCH; i++) {
        assert_in_range(counts[i], STEPS / 80, STEPS / 20);
    }
    run_flight_destroy(&flight);
    run_job_destroy(&job);
}

/* A trace whose routes say which layer and token they are of. */
static void write_trace(const char *path, uint32_t token_num)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        for (uint32_t token = 0; token < token_num; token++) {
            uint32_t first = (layer + token) % 6;
            (void)fprintf(file, "{\"layer\":%u,\"token\":%u,\"experts\":[%u,%u],\"weights\":[%u,%u]}\n", layer, token,
                          first, (first + 3) % 6, layer, token);
        }
    }
    assert_int_equal(fclose(file), 0);
}

static void a_trace_routes_instead_of_the_router(void **state)
{
    enum { TRACED = 11 }; /* of 16 tokens that the run has, so that it begins again within a micro-batch */
    char path[] = "/tmp/afd-test-flight-XXXXXX";
    int descriptor = mkstemp(path);
    run_job job = { 0 };
    run_options options = small_options();
    (void)state;
    assert_true(descriptor >= 0 && close(descriptor) == 0);
    write_trace(path, TRACED);
    options.trace_path = path;
    small_job_create(&job, &options);
    for (uint32_t i = 0; i < 4; i++) {
        run_flight flight;
        run_flight_create(&flight, &job.traffic, i / 2, i % 2);
        for (uint64_t round = 1; round <= 2 * LAYERS; round++) {
            go_on(&job, &flight);
            uint32_t layer = run_flight_layer(&flight);
            for (uint32_t token = 0; token < flight.token_num; token++) {
                uint32_t traced = (i * 4 + token) % TRACED;
                assert_int_equal(flight.experts[token * TOP_K], (layer + traced) % 6);
                assert_int_equal(flight.experts[token * TOP_K + 1], (layer + traced + 3) % 6);
                assert_true(flight.weights[token * TOP_K] == (float)layer);
                assert_true(flight.weights[token * TOP_K + 1] == (float)traced);
            }
            check_sheet(&job, &flight, round, layer);
            come_back(&job, &flight, round);
        }
        run_flight_destroy(&flight);
    }
    run_job_destroy(&job);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_layer_follows_from_the_one_before),
        cmocka_unit_test(tokens_of_different_flights_steps_and_seeds_differ),
        cmocka_unit_test(token_counts_vary),
        cmocka_unit_test(a_trace_routes_instead_of_the_router),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
