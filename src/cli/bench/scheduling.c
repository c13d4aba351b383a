/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/scheduling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/flush.h"
#include "bench/partner.h"
#include "bench/pingpong.h"
#include "bench/random.h"
#include "bench/variants.h"
#include "out.h"

enum {
    OVERHEAD_SAMPLE_NUM = 200,
    /* An idle pass changes nothing, so passes are timed together until they have looked at so many flags. */
    IDLE_FLAGS_TOGETHER = 16384,
    IDLE_PASS_NUM_MAX = 512,
    /* How long a flag lets a call wait before it comes: until early work is surely done, and at a random moment of
     * a pass, of which a flag takes so long. */
    SETTLED_NS = 3000,
    SETTLED_BYTES_PER_NS = 8,
    COLD_FLAG_NS = 60, /* the first pass: warming the outputs has pushed the flags out of the near caches */
    FLAG_PASS_NS = 4
};

typedef struct scheduling {
    const bench_plan *plan;
    bench_world world;
    bench_partner *partner; /* NULL where the row needs none */
    const bench_variant *variants;
    uint32_t repeat_num;    /* calls on each instance that are timed together */
    double overhead_ns;     /* of all calls that are timed together: clock, call and serialising */
} scheduling;

/* ---- one sample ---- */

/* Brings memory into the row's state. The outputs are warmed last, except where what was just written must stay
 * nearer. */
static void prepare(scheduling *c, bench_target target)
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
static double time_calls(scheduling *c, void (*call)(bench_world *world, uint32_t instance))
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

static double net_ns(const scheduling *c, double gross_ns)
{
    double calls = (double)c->repeat_num * c->world.instance_num;
    return gross_ns > c->overhead_ns ? (gross_ns - c->overhead_ns) / calls : 0;
}

static void warm_part(void *world, uint32_t part)
{
    bench_world_warm_half(world, part);
}

static double sample_schedule(scheduling *c, const bench_variant *variant)
{
    prepare(c, variant->target);
    if (c->world.args.parts != NULL && variant == &c->variants[BENCH_OURS]) {
        /* Warm at the thread that writes them, as after the call before. */
        c->world.args.parts->run(c->world.args.parts->run_arg, warm_part, &c->world, 2);
        bench_settle();
    }
    return net_ns(c, time_calls(c, variant->call));
}

static double sample_idle(scheduling *c, const bench_variant *variant)
{
    /* What a pass without a result sets to 0, and the bare loop does not. */
    c->world.instances[0].context->ffn.out_num = variant->is_floor ? 0 : UINT32_MAX;
    return net_ns(c, time_calls(c, variant->call));
}

/* Everybody but the awaited session, who in groups is alone. For a floor one block less is what it does not copy. */
static void arm_others(scheduling *c, bench_target target)
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

static uint64_t delay_ticks(scheduling *c)
{
    const afd_shape *shape = &c->world.row->shape;
    uint64_t flag_num = (uint64_t)shape->session_num * shape->micro_batch_num;
    uint64_t early_ns = bench_row_is_allsync(c->world.row) ? c->world.block_bytes / SETTLED_BYTES_PER_NS : 0;
    uint64_t phase_ns = bench_world_random(&c->world) % (flag_num * FLAG_PASS_NS + 1000);
    uint64_t delay_ns = SETTLED_NS + flag_num * COLD_FLAG_NS + early_ns + phase_ns;
    return (uint64_t)((double)delay_ns / c->plan->clock.ns_per_tick);
}

/* From just before the flag is stored over there to the return of the call here. */
static double sample_flag(scheduling *c, const bench_variant *variant)
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

static double take_sample(void *self, size_t number)
{
    scheduling *c = self;
    const bench_variant *variant = &c->variants[number];
    switch (c->world.row->kind) {
    case BENCH_FLAG:
        return sample_flag(c, variant);
    case BENCH_IDLE:
        return sample_idle(c, variant);
    default:
        return sample_schedule(c, variant);
    }
}

static bool result_is_right(const void *self, size_t number)
{
    const scheduling *c = self;
    const bench_variant *variant = &c->variants[number];
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
    default:
        break;
    }
    return world->instances[0].context->ffn.out_num == 0;
}

/* ---- the stage ---- */

/* What the clock and the calls themselves cost, with calls that do nothing. */
static double measure_overhead(scheduling *c)
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

static double short_witness(const bench_plan *plan)
{
    bench_percentiles witness;
    bool known = bench_pingpong(&plan->cpus, &plan->clock, BENCH_PINGPONG_SHORT, &witness);
    return known ? witness.p50_ns : 0;
}

static void end(void *self)
{
    scheduling *c = self;
    if (c->partner != NULL) {
        bench_partner_end(c->partner);
    }
    bench_world_free(&c->world);
    free(c);
}

/* The thread on the other core, where the row needs it. */
static bool begin_partner(scheduling *c, bench_stage *stage)
{
    const bench_row *row = c->world.row;
    if (!bench_row_needs_partner(row)) {
        return true;
    }
    stage->witness_ns = short_witness(c->plan);
    c->partner = bench_partner_start(&c->world, c->plan->cpus.partner);
    if (c->partner != NULL && row->mode == BENCH_ALLSYNC_PARTS) {
        c->world.args.parts = bench_partner_parts(c->partner);
    }
    return c->partner != NULL;
}

static void fill_in(bench_stage *stage, scheduling *c)
{
    stage->self = c;
    stage->variant_num = bench_variants(c->world.row, &c->variants);
    for (size_t i = 0; i < stage->variant_num; i++) {
        stage->names[i] = c->variants[i].name;
    }
    stage->sample = take_sample;
    stage->is_right = result_is_right;
    stage->end = end;
    stage->call_num = c->repeat_num * c->world.instance_num;
    stage->result_bytes = c->world.block_bytes * c->world.instance_num;
}

bool bench_scheduling_begin(bench_stage *stage, const bench_plan *plan, const bench_row *row, bench_result *result)
{
    afd_error error;
    if (bench_row_needs_partner(row) && plan->cpus.partner < 0) {
        return bench_stage_skip(result, "it needs a second CPU", "");
    }
    scheduling *c = afd_cli_alloc(1, sizeof(*c));
    *c = (scheduling){ .plan = plan, .repeat_num = choose_repeat_num(row) };
    if (bench_world_new(&c->world, row, &error) != AFD_OK) {
        free(c);
        return bench_stage_skip(result, "its memory could not be made", error.message);
    }
    fill_in(stage, c);
    if (!begin_partner(c, stage)) {
        int system_error = errno;
        end(c);
        return bench_stage_skip(result, "there is no thread on the second CPU", strerror(system_error));
    }
    c->overhead_ns = measure_overhead(c);
    stage->overhead_ns = c->overhead_ns / stage->call_num;
    return true;
}
