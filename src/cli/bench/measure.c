/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/measure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/flush.h"
#include "bench/partner.h"
#include "bench/pingpong.h"
#include "bench/variants.h"

/* About 100 rows are to take less than a minute; the largest shape takes its fewest rounds, not its time. */
#define ROW_BUDGET_NS UINT64_C(300000000)
#define WARM_UP_NS UINT64_C(30000000)

enum {
    ROUND_NUM_MIN = 8,
    ROUND_NUM_MAX = 4000,
    OVERHEAD_SAMPLE_NUM = 200,
    /* An idle pass changes nothing, so passes are timed together until they have looked at so many flags. */
    IDLE_FLAGS_TOGETHER = 16384,
    IDLE_PASS_NUM_MAX = 512,
    /* Results that are small are checked in every round, others in one of so many. */
    SMALL_RESULT_BYTES = 65536,
    CHECK_EVERY = 16,
    /* How long a flag lets a call wait before it comes: until early work is surely done, and at a random moment of
     * a pass, of which a flag takes so long. */
    SETTLED_NS = 3000,
    SETTLED_BYTES_PER_NS = 8,
    COLD_FLAG_NS = 60, /* the first pass: warming the outputs has pushed the flags out of the near caches */
    FLAG_PASS_NS = 4
};

typedef struct course {
    const bench_plan *plan;
    bench_world world;
    bench_partner *partner; /* NULL where the row needs none */
    const bench_variant *variants;
    size_t variant_num;
    uint32_t repeat_num;    /* calls on each instance that are timed together */
    double overhead_ns;     /* of all calls that are timed together: clock, call and serialising */
    bench_samples samples[BENCH_VARIANT_MAX];
    uint64_t round;
    const char *wrong;      /* the variant with a wrong result, NULL if none */
} course;

/* ---- one sample ---- */

/* Brings memory into the row's state. The outputs are warmed last, except where what was just written must stay
 * nearer. */
static void prepare(course *c, bench_target target)
{
    uint32_t session_num = c->world.row->shape.session_num;
    bench_world_draw(&c->world);
    switch (c->world.row->state) {
    case BENCH_LOCAL:
    case BENCH_HAMMERED:
        bench_world_warm_outputs(&c->world);
        bench_world_arm(&c->world, target, 0, session_num);
        break;
    case BENCH_REMOTE:
        bench_partner_arm(c->partner, target, 0, session_num);
        bench_world_warm_outputs(&c->world);
        break;
    case BENCH_COLD:
        bench_world_arm(&c->world, target, 0, session_num);
        bench_world_flush(&c->world, target);
        bench_world_warm_outputs(&c->world);
        break;
    }
    bench_settle();
}

/* All calls that are timed together, in ns; calls do not overlap. */
static double time_calls(course *c, void (*call)(bench_world *world, uint32_t instance))
{
    uint64_t began = bench_ticks();
    for (uint32_t repeat = 0; repeat < c->repeat_num; repeat++) {
        for (uint32_t i = 0; i < c->world.instance_num; i++) {
            call(&c->world, i);
            bench_serialise();
        }
    }
    return (double)(bench_ticks() - began) * c->plan->clock.ns_per_tick;
}

static double net_ns(const course *c, double gross_ns)
{
    double calls = (double)c->repeat_num * c->world.instance_num;
    return gross_ns > c->overhead_ns ? (gross_ns - c->overhead_ns) / calls : 0;
}

static void warm_part(void *world, uint32_t part)
{
    bench_world_warm_half(world, part);
}

static double sample_schedule(course *c, const bench_variant *variant)
{
    prepare(c, variant->target);
    if (c->world.args.parts != NULL && variant == &c->variants[BENCH_OURS]) {
        /* Warm at the thread that writes them, as after the call before. */
        c->world.args.parts->run(c->world.args.parts->run_arg, warm_part, &c->world, 2);
        bench_settle();
    }
    return net_ns(c, time_calls(c, variant->call));
}

static double sample_idle(course *c, const bench_variant *variant)
{
    /* What a pass without a result sets to 0, and the bare loop does not. */
    c->world.instances[0].context->ffn.out_num = variant->is_floor ? 0 : UINT32_MAX;
    return net_ns(c, time_calls(c, variant->call));
}

/* Everybody but the awaited session, who in groups is alone. For a floor one block less is what it does not copy. */
static void arm_others(course *c, bench_target target)
{
    const bench_row *row = c->world.row;
    uint32_t session_num = row->shape.session_num;
    uint32_t awaited = target == BENCH_BLOCK ? session_num - 1 : c->world.awaited;
    const uint32_t ranges[2][2] = { { 0, awaited }, { awaited + 1, session_num } };
    for (size_t i = 0; i < 2 && bench_row_is_allsync(row); i++) {
        if (ranges[i][0] >= ranges[i][1]) {
            continue;
        }
        if (row->state == BENCH_REMOTE) {
            bench_partner_arm(c->partner, target, ranges[i][0], ranges[i][1]);
        } else {
            bench_world_arm(&c->world, target, ranges[i][0], ranges[i][1]);
        }
    }
}

static uint64_t delay_ticks(course *c)
{
    const afd_shape *shape = &c->world.row->shape;
    uint64_t flag_num = (uint64_t)shape->session_num * shape->micro_batch_num;
    uint64_t early_ns = bench_row_is_allsync(c->world.row) ? c->world.block_bytes / SETTLED_BYTES_PER_NS : 0;
    uint64_t phase_ns = bench_world_random(&c->world) % (flag_num * FLAG_PASS_NS + 1000);
    uint64_t delay_ns = SETTLED_NS + flag_num * COLD_FLAG_NS + early_ns + phase_ns;
    return (uint64_t)((double)delay_ns / c->plan->clock.ns_per_tick);
}

/* From just before the flag is stored over there to the return of the call here. */
static double sample_flag(course *c, const bench_variant *variant)
{
    bench_world_draw(&c->world);
    bench_world_warm_outputs(&c->world);
    arm_others(c, variant->target);
    bench_partner_write_awaited(c->partner);
    bench_settle();
    bench_partner_publish_later(c->partner, delay_ticks(c));
    variant->call(&c->world, 0);
    uint64_t returned = bench_ticks();
    uint64_t published = bench_partner_published(c->partner);
    double gross_ns = (double)(int64_t)(returned - published) * c->plan->clock.ns_per_tick;
    return gross_ns - c->plan->clock.cost_ns;
}

/* ---- rounds ---- */

static bool result_is_right(const course *c, const bench_variant *variant)
{
    const bench_world *world = &c->world;
    bool is_window = variant->target == BENCH_WINDOW;
    switch (world->row->kind) {
    case BENCH_SCHEDULE:
        return bench_world_is_taken(world, variant->target);
    case BENCH_FLAG:
        if (is_window && bench_row_is_allsync(world->row)) {
            return bench_world_is_taken(world, BENCH_WINDOW);
        }
        return (!is_window || world->instances[0].context->ffn.out_num == 1) &&
               bench_world_awaited_is_taken(world, 0, is_window);
    case BENCH_IDLE:
        break;
    }
    return world->instances[0].context->ffn.out_num == 0;
}

static void take_sample(course *c, size_t number, bool is_recorded)
{
    const bench_variant *variant = &c->variants[number];
    double value_ns = 0;
    switch (c->world.row->kind) {
    case BENCH_SCHEDULE:
        value_ns = sample_schedule(c, variant);
        break;
    case BENCH_FLAG:
        value_ns = sample_flag(c, variant);
        break;
    case BENCH_IDLE:
        value_ns = sample_idle(c, variant);
        break;
    }
    bool is_small = c->world.block_bytes * c->world.instance_num <= SMALL_RESULT_BYTES;
    if ((is_small || c->round % CHECK_EVERY == 0) && !result_is_right(c, variant)) {
        c->wrong = variant->name;
    }
    if (is_recorded) {
        bench_samples_add(&c->samples[number], value_ns);
    }
}

/* Everybody once, in random order, so that none always follows the same one. */
static void play_round(course *c, bool is_recorded)
{
    size_t order[BENCH_VARIANT_MAX];
    for (size_t i = 0; i < c->variant_num; i++) {
        size_t j = bench_world_random(&c->world) % (i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < c->variant_num && c->wrong == NULL; i++) {
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

/* What the clock and the calls themselves cost, with calls that do nothing. */
static double measure_overhead(course *c)
{
    bench_samples samples = bench_samples_new(OVERHEAD_SAMPLE_NUM);
    for (int i = 0; i < OVERHEAD_SAMPLE_NUM; i++) {
        bench_samples_add(&samples, time_calls(c, bench_call_nothing));
    }
    double overhead_ns = bench_samples_mean(&samples);
    bench_samples_free(&samples);
    return overhead_ns;
}

static uint32_t choose_repeat_num(const bench_row *row)
{
    uint64_t flag_num = (uint64_t)row->shape.session_num * row->shape.micro_batch_num;
    if (row->kind != BENCH_IDLE || flag_num >= IDLE_FLAGS_TOGETHER) {
        return 1;
    }
    uint64_t pass_num = IDLE_FLAGS_TOGETHER / flag_num;
    return (uint32_t)(pass_num < IDLE_PASS_NUM_MAX ? pass_num : IDLE_PASS_NUM_MAX);
}

/* ---- one row ---- */

static void conclude(course *c, bench_result *result)
{
    result->ours = bench_samples_percentiles(&c->samples[BENCH_OURS]);
    result->reference = bench_samples_percentiles(&c->samples[BENCH_REFERENCE]);
    for (size_t i = BENCH_FIRST_FLOOR; i < c->variant_num; i++) {
        bench_percentiles floor = bench_samples_percentiles(&c->samples[i]);
        if (i == BENCH_FIRST_FLOOR || floor.p50_ns < result->floor.p50_ns) {
            result->floor = floor;
            result->floor_name = c->variants[i].name;
        }
    }
    result->overhead_ns = c->overhead_ns / ((double)c->repeat_num * c->world.instance_num);
    result->batch_num = c->repeat_num * c->world.instance_num;
    if (c->wrong != NULL) {
        result->outcome = BENCH_WRONG;
        (void)snprintf(result->note, sizeof(result->note), "%s gave a wrong result in round %llu", c->wrong,
                       (unsigned long long)c->round);
    }
}

static void run_course(course *c, bench_result *result)
{
    c->overhead_ns = measure_overhead(c);
    for (size_t i = 0; i < c->variant_num; i++) {
        c->samples[i] = bench_samples_new(c->plan->sample_num > 0 ? c->plan->sample_num : ROUND_NUM_MAX);
    }
    result->sample_num = play_rounds(c);
    conclude(c, result);
    for (size_t i = 0; i < c->variant_num; i++) {
        bench_samples_free(&c->samples[i]);
    }
}

static double short_witness(const bench_plan *plan)
{
    bench_percentiles witness;
    bool known = bench_pingpong(&plan->cpus, &plan->clock, BENCH_PINGPONG_SHORT, &witness);
    return known ? witness.p50_ns : 0;
}

static bench_result skip(bench_result result, const char *why, const char *detail)
{
    result.outcome = BENCH_SKIPPED;
    (void)snprintf(result.note, sizeof(result.note), "%s%s%s", why, detail[0] != '\0' ? ": " : "", detail);
    return result;
}

bench_result bench_measure(const bench_plan *plan, const bench_row *row)
{
    bench_result result = { .row = row, .outcome = BENCH_MEASURED, .floor_name = "" };
    course c = { .plan = plan, .repeat_num = choose_repeat_num(row) };
    afd_error error;
    if (bench_row_needs_partner(row) && plan->cpus.partner < 0) {
        return skip(result, "it needs a second CPU", "");
    }
    if (bench_world_new(&c.world, row, &error) != AFD_OK) {
        return skip(result, "its memory could not be made", error.message);
    }
    c.variant_num = bench_variants(row, &c.variants);
    if (bench_row_needs_partner(row)) {
        result.witness_ns = short_witness(plan);
        c.partner = bench_partner_start(&c.world, plan->cpus.partner);
        if (c.partner == NULL) {
            int system_error = errno;
            bench_world_free(&c.world);
            return skip(result, "there is no thread on the second CPU", strerror(system_error));
        }
    }
    if (row->mode == BENCH_ALLSYNC_PARTS) {
        c.world.args.parts = bench_partner_parts(c.partner);
    }
    run_course(&c, &result);
    if (c.partner != NULL) {
        bench_partner_end(c.partner);
    }
    bench_world_free(&c.world);
    return result;
}
