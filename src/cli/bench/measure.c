/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/measure.h"

#include <stdio.h>

#include "bench/companions.h"
#include "bench/random.h"
#include "bench/scheduling.h"
#include "bench/stage.h"

/* 100 rows are to take less than a minute; the largest shape takes its fewest rounds, not its time. */
#define ROW_BUDGET_NS UINT64_C(300000000)
#define WARM_UP_NS UINT64_C(30000000)

enum {
    ROUND_NUM_MIN = 8,
    ROUND_NUM_MAX = 4000,
    /* Results that are small are checked in every round, others in one of so many. */
    SMALL_RESULT_BYTES = 65536,
    CHECK_EVERY = 16
};

typedef struct course {
    const bench_plan *plan;
    bench_stage stage;
    bench_samples samples[BENCH_VARIANT_MAX];
    uint64_t random_state;
    uint64_t round;
    const char *wrong; /* the variant with a wrong result, NULL if none */
} course;

/* ---- rounds ---- */

static void take_sample(course *c, size_t number, bool is_recorded)
{
    const bench_stage *stage = &c->stage;
    double value_ns = stage->sample(stage->self, number);
    bool is_small = stage->result_bytes <= SMALL_RESULT_BYTES;
    if ((is_small || c->round % CHECK_EVERY == 0) && !stage->is_right(stage->self, number)) {
        c->wrong = stage->names[number];
    }
    if (is_recorded) {
        bench_samples_add(&c->samples[number], value_ns);
    }
}

/* Everybody once, in random order, so that none always follows the same one. */
static void play_round(course *c, bool is_recorded)
{
    size_t order[BENCH_VARIANT_MAX];
    for (size_t i = 0; i < c->stage.variant_num; i++) {
        size_t j = bench_random(&c->random_state) % (i + 1);
        order[i] = i; /* j may be i */
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < c->stage.variant_num && c->wrong == NULL; i++) {
        take_sample(c, order[i], is_recorded);
    }
    c->round++;
}

static bool is_enough(const course *c, uint64_t recorded_num, uint64_t elapsed_ns)
{
    uint64_t asked_num = c->plan->sample_num;
    if (asked_num > 0) {
        return recorded_num >= asked_num;
    }
    return recorded_num >= ROUND_NUM_MAX || (recorded_num >= ROUND_NUM_MIN && elapsed_ns >= ROW_BUDGET_NS);
}

static uint64_t play_rounds(course *c)
{
    uint64_t began_ns = afd_clock_ns();
    do {
        play_round(c, false);
    } while (afd_clock_ns() - began_ns < WARM_UP_NS && c->wrong == NULL);
    uint64_t recorded_num = 0;
    while (!is_enough(c, recorded_num, afd_clock_ns() - began_ns) && c->wrong == NULL) {
        play_round(c, true);
        recorded_num++;
    }
    return recorded_num;
}

/* ---- one row ---- */

static void conclude(course *c, bench_result *result)
{
    result->ours = bench_samples_percentiles(&c->samples[BENCH_OURS]);
    result->reference = bench_samples_percentiles(&c->samples[BENCH_REFERENCE]);
    for (size_t i = BENCH_FIRST_FLOOR; i < c->stage.variant_num; i++) {
        bench_percentiles floor = bench_samples_percentiles(&c->samples[i]);
        if (i == BENCH_FIRST_FLOOR || floor.p50_ns < result->floor.p50_ns) {
            result->floor = floor;
            result->floor_name = c->stage.names[i];
        }
    }
    result->overhead_ns = c->stage.overhead_ns;
    result->batch_num = c->stage.call_num;
    result->witness_ns = c->stage.witness_ns;
    if (c->wrong != NULL) {
        result->outcome = BENCH_WRONG;
        (void)snprintf(result->note, sizeof(result->note), "%s gave a wrong result in round %llu", c->wrong,
                       (unsigned long long)c->round);
    }
}

static void run_course(course *c, bench_result *result)
{
    for (size_t i = 0; i < c->stage.variant_num; i++) {
        c->samples[i] = bench_samples_new(c->plan->sample_num > 0 ? c->plan->sample_num : ROUND_NUM_MAX);
    }
    result->sample_num = play_rounds(c);
    conclude(c, result);
    for (size_t i = 0; i < c->stage.variant_num; i++) {
        bench_samples_free(&c->samples[i]);
    }
}

bool bench_stage_skip(bench_result *result, const char *why, const char *detail)
{
    result->outcome = BENCH_SKIPPED;
    (void)snprintf(result->note, sizeof(result->note), "%s%s%s", why, detail[0] != '\0' ? ": " : "", detail);
    return false;
}

bench_result bench_measure(const bench_plan *plan, const bench_row *row)
{
    bench_result result = { .row = row, .outcome = BENCH_MEASURED, .floor_name = "" };
    course c = { .plan = plan };
    bool begun = bench_row_is_companion(row) ? bench_companions_begin(&c.stage, plan, row, &result)
                                             : bench_scheduling_begin(&c.stage, plan, row, &result);
    if (begun) {
        run_course(&c, &result);
        c.stage.end(c.stage.self);
    }
    return result;
}
