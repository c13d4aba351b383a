/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/companions.h"

#include <stdint.h>
#include <stdlib.h>

#include "bench/companion.h"
#include "bench/flush.h"
#include "bench/ticks.h"
#include "out.h"

enum { LINE_BYTES = 64 };

typedef struct companions {
    const bench_plan *plan;
    bench_companion world;
} companions;

/* ---- states ---- */

/* One word in every line is read and written, so that the whole line comes here, changed. */
static void write_lines(char *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        volatile char *word = memory + at;
        *word = *word;
    }
}

/* A word in every line becomes what no result has there. */
static void spoil_lines(char *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        volatile char *word = memory + at;
        *word = (char)~*word;
    }
}

static void for_each_piece(const bench_pieces *pieces, void (*each)(char *memory, size_t bytes))
{
    for (size_t i = 0; i < pieces->num; i++) {
        each(pieces->at[i], pieces->bytes);
    }
}

static void flush_lines(char *memory, size_t bytes)
{
    bench_flush(memory, bytes);
}

/* In `local` what is read is written last and so is nearest; in `cold` it is flushed before the outputs are warmed. */
static void prepare_call(companions *c)
{
    bench_companion *world = &c->world;
    const bool is_cold = world->row->state == BENCH_COLD;
    for (size_t i = 0; i < world->read_num && is_cold; i++) {
        for_each_piece(&world->reads[i], write_lines);
        for_each_piece(&world->reads[i], flush_lines);
    }
    for_each_piece(&world->writes, spoil_lines);
    for (size_t i = 0; i < world->read_num && !is_cold; i++) {
        for_each_piece(&world->reads[i], write_lines);
    }
    if (world->operator->reset != NULL) {
        world->operator->reset(world);
    }
}

static void prepare_floor(companions *c)
{
    const bench_floor_work *floor = &c->world.floor;
    if (c->world.row->state == BENCH_COLD) {
        write_lines(floor->from, floor->from_bytes);
        bench_flush(floor->from, floor->from_bytes);
        spoil_lines(floor->to, floor->to_bytes);
    } else {
        spoil_lines(floor->to, floor->to_bytes);
        write_lines(floor->from, floor->from_bytes);
    }
}

/* ---- one sample ---- */

static void call(bench_companion *world, size_t variant)
{
    if (variant == BENCH_OURS) {
        world->operator->ours(world);
    } else if (variant == BENCH_REFERENCE) {
        world->operator->reference(world);
    } else {
        world->operator->floors[variant - BENCH_FIRST_FLOOR]->move(&world->floor);
    }
}

/* Every call lasts for microseconds, so what the clock costs is all that is subtracted. */
static double take_sample(void *self, size_t variant)
{
    companions *c = self;
    (variant < BENCH_FIRST_FLOOR ? prepare_call : prepare_floor)(c);
    bench_settle();
    uint64_t began = bench_ticks();
    call(&c->world, variant);
    double gross_ns = (double)(bench_ticks() - began) * c->plan->clock.ns_per_tick;
    return gross_ns > c->plan->clock.cost_ns ? gross_ns - c->plan->clock.cost_ns : 0;
}

static bool result_is_right(const void *self, size_t variant)
{
    const bench_companion *world = &((const companions *)self)->world;
    if (variant >= BENCH_FIRST_FLOOR) {
        return world->operator->floors[variant - BENCH_FIRST_FLOOR]->is_right(&world->floor);
    }
    return world->failed == NULL && world->operator->is_right(world);
}

/* ---- the stage ---- */

static void end(void *self)
{
    companions *c = self;
    bench_companion_free(&c->world);
    free(c);
}

static const bench_operator *operator_of(const bench_row *row)
{
    switch (row->kind) {
    case BENCH_DISPATCH:
        return &bench_dispatch;
    case BENCH_DISPATCH_INT8:
        return &bench_dispatch_int8;
    case BENCH_BATCH:
        return &bench_batch;
    case BENCH_INDEX:
        return &bench_index;
    case BENCH_REPLY:
        return &bench_reply;
    default:
        return &bench_combine;
    }
}

static void fill_in(bench_stage *stage, companions *c)
{
    const bench_operator *operator = c->world.operator;
    *stage = (bench_stage){ .self = c,
                            .variant_num = BENCH_FIRST_FLOOR + operator->floor_num,
                            .names = { "ours", "reference" },
                            .sample = take_sample,
                            .is_right = result_is_right,
                            .end = end,
                            .call_num = 1,
                            .overhead_ns = c->plan->clock.cost_ns,
                            .result_bytes = c->world.writes.num * c->world.writes.bytes };
    for (size_t i = 0; i < operator->floor_num; i++) {
        stage->names[BENCH_FIRST_FLOOR + i] = operator->floors[i]->name;
    }
}

bool bench_companions_begin(bench_stage *stage, const bench_plan *plan, const bench_row *row, bench_result *result)
{
    companions *c = afd_cli_alloc(1, sizeof(*c));
    afd_error error;
    *c = (companions){ .plan = plan,
                       .world = { .row = row,
                                  .operator = operator_of(row),
                                  .shape = row->shape,
                                  .token_num = row->shape.micro_batch_size,
                                  .slot_num = row->shape.selected_expert_num,
                                  .top_k = row->top_k,
                                  .hidden = row->hidden,
                                  .type = row->type,
                                  .random_state = row->hidden } };
    if (c->world.operator->make(&c->world, &error) != AFD_OK) {
        end(c);
        return bench_stage_skip(result, "its memory could not be made", error.message);
    }
    fill_in(stage, c);
    return true;
}
