/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

enum { LINE_BYTES = 64, GUARD_BYTES = 64, GUARD_BYTE = 0xC3 };

static void expect_ok(afd_status status, const afd_error *error)
{
    if (status != AFD_OK) {
        traffic_fail("%s: %s", afd_status_name(status), error->message);
    }
}

static char *allocate_lines(uint64_t bytes)
{
    char *memory = aligned_alloc(LINE_BYTES, (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
    if (memory == NULL) {
        traffic_fail("no memory for the world");
    }
    return memory;
}

/* Memory of the caller's, as an engine with windows of its own has it: no padding behind the last desc. */
static void use_plain_memory(stress_world *world, const afd_window_sizes *sizes)
{
    afd_error error;
    /* A fresh window is padded to 512 bytes; the guard takes the padding's place once it is made. */
    world->block = allocate_lines(GUARD_BYTES + sizes->window_bytes + GUARD_BYTES);
    world->token_info = world->block + GUARD_BYTES;
    expect_ok(afd_ffn_window_format(&world->shape, world->token_info, sizes->window_bytes, &error), &error);
    memset(world->block, GUARD_BYTE, GUARD_BYTES);
    memset(world->token_info + sizes->token_info_bytes, GUARD_BYTE, GUARD_BYTES);
    afd_window_fields *fields = &world->context->ffn.window;
    fields->token_info_buf = (uint64_t)(uintptr_t)world->token_info;
    fields->token_info_buf_size = sizes->token_info_bytes;
    fields->token_data_buf = fields->token_info_buf + sizes->token_data_offset;
}

static void use_window(stress_world *world)
{
    afd_error error;
    const char *name = world->options.shared_name;
    afd_status status = world->options.memory == WORLD_SHARED_WINDOW
                            ? afd_ffn_window_create_shared(name, &world->shape, &world->window, &error)
                            : afd_ffn_window_create_private(&world->shape, &world->window, &error);
    expect_ok(status, &error);
    expect_ok(afd_window_bind(world->window, world->context, &error), &error);
    world->token_info = (char *)afd_window_desc(world->window, 0, 0);
}

static void make_scheduler(stress_world *world)
{
    const afd_shape *shape = &world->shape;
    afd_error error;
    afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    uint64_t bytes = afd_ffn_scheduler_footprint(shape->session_num, shape->micro_batch_num);
    options.fair = world->options.object == WORLD_FAIR_OBJECT;
    options.start_empty = world->options.start_empty;
    world->scheduler_memory = allocate_lines(bytes);
    expect_ok(afd_ffn_scheduler_new(shape->session_num, shape->micro_batch_num, &options, world->scheduler_memory,
                                    bytes, &world->scheduler, &error),
              &error);
}

stress_world world_new(const afd_shape *shape, const world_options *options)
{
    stress_world made = { .options = *options, .shape = *shape };
    afd_error error;
    afd_window_sizes sizes;
    expect_ok(afd_ffn_window_measure(shape, &sizes, &error), &error);
    expect_ok(afd_ffn_context_create(shape, &made.context, &error), &error);
    made.token_info_bytes = sizes.token_info_bytes;
    made.desc_bytes = sizes.desc_bytes;
    if (options->memory == WORLD_PLAIN_MEMORY) {
        use_plain_memory(&made, &sizes);
    } else {
        use_window(&made);
    }
    if (options->object != WORLD_NO_OBJECT) {
        make_scheduler(&made);
    }
    return made;
}

afd_ffn_desc *world_desc(const stress_world *world, uint32_t session, uint32_t micro_batch)
{
    uint64_t number = (uint64_t)session * world->shape.micro_batch_num + micro_batch;
    return (afd_ffn_desc *)(void *)(world->token_info + number * world->desc_bytes);
}

static afd_status poll_until_something(const stress_world *world, const afd_ffn_schedule_args *args,
                                       const afd_wait *wait, uint32_t *taken_num, afd_error *error)
{
    for (;;) {
        afd_status status = afd_ffn_schedule_poll(world->context, args, taken_num, error);
        if (status != AFD_NOT_YET) {
            return status;
        }
        if (wait->poll != NULL) {
            wait->poll(wait->poll_arg);
        }
        (void)sched_yield();
    }
}

/* A spinning scheduler on a machine with fewer free cores than pollers keeps the producers that it waits for from their
 * core, a time slice for every round. So it makes room now and then, from poll, which is outside of the strategy. */
typedef struct shared_core {
    const afd_wait *caller;
    uint32_t pass_num;
} shared_core;

enum { SPIN_PASSES_A_TURN = 256 };

static void poll_and_share_core(void *argument)
{
    shared_core *core = argument;
    if (core->caller->poll != NULL) {
        core->caller->poll(core->caller->poll_arg);
    }
    if (++core->pass_num % SPIN_PASSES_A_TURN == 0) {
        (void)sched_yield();
    }
}

static afd_status spin(const stress_world *world, const afd_ffn_schedule_args *args, afd_wait *wait,
                       uint32_t *taken_num, afd_error *error)
{
    afd_wait shared = *wait;
    shared_core core = { .caller = wait };
    shared.strategy = AFD_WAIT_SPIN;
    shared.poll = poll_and_share_core;
    shared.poll_arg = &core;
    afd_status status = afd_ffn_schedule(world->context, args, &shared, taken_num, error);
    wait->late_num = shared.late_num;
    return status;
}

afd_status world_schedule(const stress_world *world, afd_wait *wait, uint32_t *taken_num)
{
    afd_error error;
    afd_status status = AFD_NOT_YET;
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)world->options.group_size);
    args.scheduler = world->scheduler;
    switch (world->options.waiting) {
    case WAITING_POLL:
        status = poll_until_something(world, &args, wait, taken_num, &error);
        break;
    case WAITING_SPIN:
        status = spin(world, &args, wait, taken_num, &error);
        break;
    default:
        wait->strategy = world->options.waiting == WAITING_BACKOFF ? AFD_WAIT_BACKOFF : AFD_WAIT_YIELD;
        status = afd_ffn_schedule(world->context, &args, wait, taken_num, &error);
        break;
    }
    if (status < 0) {
        traffic_fail("%s: %s", afd_status_name(status), error.message);
    }
    return status;
}

static void check_guard(const char *guard, const char *where)
{
    for (int i = 0; i < GUARD_BYTES; i++) {
        if ((unsigned char)guard[i] != GUARD_BYTE) {
            traffic_fail("byte %d of the guard %s the token info was written", i, where);
        }
    }
}

void world_free(stress_world *world)
{
    if (world->block != NULL) {
        check_guard(world->block, "before");
        check_guard(world->token_info + world->token_info_bytes, "behind");
    }
    free(world->block);
    free(world->scheduler_memory);
    afd_context_destroy(world->context);
    afd_window_close(world->window);
}
