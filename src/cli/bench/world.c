/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/flush.h"
#include "bench/random.h"
#include "out.h"

enum {
    LINE_BYTES = 64,
    /* Instances of a short call: 32 of (2,2,2,5), contexts and all, fit the smallest first-level cache there is. */
    SHORT_TAKE_BYTES = 512,
    SHORT_INSTANCE_NUM = 32,
    DEADLINE_S = 30
};

static size_t round_up(size_t bytes, size_t align)
{
    return (bytes + align - 1) / align * align;
}

/* ---- making ---- */

static uint32_t choose_instance_num(const bench_world *world)
{
    bool is_short = world->row->kind == BENCH_SCHEDULE && world->block_bytes <= SHORT_TAKE_BYTES;
    return is_short ? SHORT_INSTANCE_NUM : 1;
}

static void *map_memory(size_t bytes, afd_error *error)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        *error = (afd_error){ .status = AFD_ERR_NO_MEMORY, .field = "memory", .value = bytes, .system_error = errno };
        (void)snprintf(error->message, sizeof(error->message), "cannot map %zu bytes: %s", bytes, strerror(errno));
        return NULL;
    }
    return memory;
}

/* The window and the context of the one instance, from the calls that a user makes. */
static afd_status make_one(bench_world *world, afd_error *error)
{
    bench_instance *instance = &world->instances[0];
    afd_status status = afd_ffn_context_create(&world->row->shape, &instance->context, error);
    if (status == AFD_OK) {
        status = afd_ffn_window_create_private(&world->row->shape, &world->window, error);
    }
    if (status == AFD_OK) {
        status = afd_window_bind(world->window, instance->context, error);
    }
    if (status == AFD_OK) {
        instance->token_info = (char *)afd_window_desc(world->window, 0, 0);
    }
    return status;
}

static afd_status make_packed(bench_world *world, uint32_t number, char *memory, size_t context_bytes,
                              afd_error *error)
{
    bench_instance *instance = &world->instances[number];
    const afd_shape *shape = &world->row->shape;
    size_t window_bytes = round_up(world->token_info_bytes, AFD_TOKEN_INFO_ALIGN_BYTES);
    char *window = memory + context_bytes;
    afd_status status = afd_ffn_context_layout(shape, memory, context_bytes, &instance->context, error);
    if (status == AFD_OK) {
        status = afd_ffn_window_format(shape, window, window_bytes, error);
    }
    instance->token_info = window;
    instance->context->ffn.window = (afd_window_fields){
        .token_info_buf = (uint64_t)(uintptr_t)window,
        .token_info_buf_size = world->token_info_bytes,
        .token_data_buf = (uint64_t)(uintptr_t)window + window_bytes,
    };
    return status;
}

/* Many instances, one after the other in one piece of memory. */
static afd_status make_many(bench_world *world, afd_error *error)
{
    uint64_t footprint = 0;
    afd_status status = afd_ffn_context_footprint(&world->row->shape, &footprint, error);
    if (status != AFD_OK) {
        return status;
    }
    size_t context_bytes = round_up((size_t)footprint, LINE_BYTES);
    size_t stride = context_bytes + round_up(world->token_info_bytes, AFD_TOKEN_INFO_ALIGN_BYTES);
    world->arena_bytes = stride * world->instance_num;
    world->arena = map_memory(world->arena_bytes, error);
    if (world->arena == NULL) {
        return error->status;
    }
    for (uint32_t i = 0; i < world->instance_num && status == AFD_OK; i++) {
        status = make_packed(world, i, (char *)world->arena + i * stride, context_bytes, error);
    }
    return status;
}

/* The floors' blocks lie in huge pages where the system has them: what pages cost is part of what they show. */
static afd_status make_blocks(bench_world *world, afd_error *error)
{
    size_t stride = round_up(world->block_bytes, LINE_BYTES);
    world->blocks_bytes = stride * world->instance_num;
    world->blocks = map_memory(world->blocks_bytes, error);
    if (world->blocks == NULL) {
        return error->status;
    }
    (void)madvise(world->blocks, world->blocks_bytes, MADV_HUGEPAGE);
    memset(world->blocks, 0, world->blocks_bytes);
    for (uint32_t i = 0; i < world->instance_num; i++) {
        world->instances[i].block = (int32_t *)(void *)((char *)world->blocks + i * stride);
    }
    return AFD_OK;
}

static afd_status make_scheduler(bench_world *world, afd_error *error)
{
    const afd_shape *shape = &world->row->shape;
    if (world->row->mode != BENCH_ALLSYNC_OBJECT) {
        return AFD_OK;
    }
    uint64_t bytes = afd_ffn_scheduler_footprint(shape->session_num, shape->micro_batch_num);
    world->scheduler_memory = afd_cli_alloc(1, bytes);
    return afd_ffn_scheduler_new(shape->session_num, shape->micro_batch_num, NULL, world->scheduler_memory, bytes,
                                 &world->args.scheduler, error);
}

afd_status bench_world_new(bench_world *world, const bench_row *row, afd_error *error)
{
    afd_window_sizes sizes;
    afd_status status = afd_ffn_window_measure(&row->shape, &sizes, error);
    if (status != AFD_OK) {
        return status;
    }
    uint32_t session_num = row->shape.session_num;
    *world = (bench_world){
        .row = row,
        .id_num = (size_t)row->shape.micro_batch_size * row->shape.selected_expert_num,
        .desc_bytes = sizes.desc_bytes,
        .token_info_bytes = sizes.token_info_bytes,
        .args = AFD_FFN_SCHEDULE_ARGS_INIT(bench_row_is_allsync(row) ? (int32_t)session_num : 1),
        .wait = AFD_WAIT_INIT(AFD_WAIT_SPIN),
        .random_state = session_num,
    };
    world->block_bytes = session_num * world->id_num * sizeof(int32_t);
    world->instance_num = choose_instance_num(world);
    world->instances = afd_cli_alloc(world->instance_num, sizeof(*world->instances));
    world->micro_batches = afd_cli_alloc(session_num, sizeof(*world->micro_batches));
    status = world->instance_num == 1 ? make_one(world, error) : make_many(world, error);
    if (status == AFD_OK) {
        status = make_blocks(world, error);
    }
    if (status == AFD_OK) {
        status = make_scheduler(world, error);
    }
    if (status != AFD_OK) {
        bench_world_free(world);
        return status;
    }
    bench_world_warm_outputs(world);
    return AFD_OK;
}

void bench_world_free(bench_world *world)
{
    if (world->arena == NULL) {
        afd_context_destroy(world->instances[0].context);
        afd_window_close(world->window);
    } else {
        (void)munmap(world->arena, world->arena_bytes);
    }
    if (world->blocks != NULL) {
        (void)munmap(world->blocks, world->blocks_bytes);
    }
    free(world->scheduler_memory);
    free(world->instances);
    free(world->micro_batches);
}

/* ---- arming ---- */

uint64_t bench_world_random(bench_world *world)
{
    return bench_random(&world->random_state);
}

static void reset_call(bench_world *world, uint32_t micro_batch)
{
    world->wait.deadline_ns = afd_clock_ns() + DEADLINE_S * UINT64_C(1000000000);
    for (uint32_t i = 0; i < world->instance_num; i++) {
        world->instances[i].context->ffn.polling_index = micro_batch;
        world->instances[i].context->ffn.out_num = 0;
    }
}

void bench_world_draw(bench_world *world)
{
    const afd_shape *shape = &world->row->shape;
    uint32_t micro_batch = bench_random_below(&world->random_state, shape->micro_batch_num);
    /* The descs before it are the ones that are hammered. */
    if (world->row->state == BENCH_HAMMERED) {
        micro_batch = shape->micro_batch_num - 1;
    }
    world->draw++;
    for (uint32_t s = 0; s < shape->session_num; s++) {
        if (!bench_row_is_allsync(world->row) && world->row->state != BENCH_HAMMERED) {
            micro_batch = bench_random_below(&world->random_state, shape->micro_batch_num);
        }
        world->micro_batches[s] = micro_batch;
    }
    world->awaited = bench_random_below(&world->random_state, shape->session_num);
    reset_call(world, micro_batch);
}

afd_ffn_desc *bench_world_desc(const bench_world *world, uint32_t instance, uint32_t session, uint32_t micro_batch)
{
    size_t number = (size_t)session * world->row->shape.micro_batch_num + micro_batch;
    return (afd_ffn_desc *)(void *)(world->instances[instance].token_info + number * world->desc_bytes);
}

static afd_ffn_desc *armed_desc(const bench_world *world, uint32_t instance, uint32_t session)
{
    return bench_world_desc(world, instance, session, world->micro_batches[session]);
}

/* The first id of a session in this draw; the others count up from it. All are below AFD_EXPERT_ID_LIMIT. */
static int32_t first_id(const bench_world *world, uint32_t instance, uint32_t session)
{
    uint32_t mixed = (world->draw * 2654435761U) ^ (session * 40503U) ^ (instance * 65599U);
    return (int32_t)(mixed & 0x7FFFFU);
}

static int32_t layer_of(const bench_world *world)
{
    return (int32_t)(world->draw & 0x3FFU);
}

static void write_ids(const bench_world *world, int32_t *ids, uint32_t instance, uint32_t session)
{
    int32_t id = first_id(world, instance, session);
    for (size_t i = 0; i < world->id_num; i++) {
        ids[i] = id + (int32_t)i;
    }
}

static bool ids_are(const bench_world *world, const int32_t *ids, uint32_t instance, uint32_t session)
{
    int32_t id = first_id(world, instance, session);
    bool equal = true;
    for (size_t i = 0; i < world->id_num; i++) {
        equal &= ids[i] == id + (int32_t)i;
    }
    return equal;
}

static void write_desc(const bench_world *world, uint32_t instance, uint32_t session)
{
    afd_ffn_desc *desc = armed_desc(world, instance, session);
    write_ids(world, afd_ffn_desc_expert_ids(desc), instance, session);
    desc->layer_id = layer_of(world);
}

void bench_world_arm(bench_world *world, bench_target target, uint32_t first, uint32_t end)
{
    for (uint32_t i = 0; i < world->instance_num; i++) {
        for (uint32_t s = first; s < end; s++) {
            if (target == BENCH_BLOCK) {
                write_ids(world, world->instances[i].block + s * world->id_num, i, s);
            } else {
                write_desc(world, i, s);
                afd_ffn_desc_publish(armed_desc(world, i, s));
            }
        }
    }
}

void bench_world_write_awaited(bench_world *world)
{
    write_desc(world, 0, world->awaited);
}

void bench_world_publish_awaited(bench_world *world)
{
    afd_ffn_desc_publish(armed_desc(world, 0, world->awaited));
}

void bench_world_flush(const bench_world *world, bench_target target)
{
    for (uint32_t i = 0; i < world->instance_num; i++) {
        if (target == BENCH_WINDOW) {
            bench_flush(world->instances[i].token_info, world->token_info_bytes);
        } else {
            bench_flush(world->instances[i].block, world->block_bytes);
        }
    }
}

static void scribble(uint64_t address, size_t bytes)
{
    for (size_t i = 0; i + sizeof(int32_t) <= bytes; i += LINE_BYTES) {
        *(int32_t *)(uintptr_t)(address + i) = -1;
    }
}

void bench_world_warm_outputs(const bench_world *world)
{
    size_t rows_bytes = world->row->shape.session_num * sizeof(int32_t);
    for (uint32_t i = 0; i < world->instance_num; i++) {
        const afd_schedule_context *context = world->instances[i].context;
        scribble(context->ffn.layer_ids_buf, rows_bytes);
        scribble(context->ffn.session_ids_buf, rows_bytes);
        scribble(context->ffn.micro_batch_ids_buf, rows_bytes);
        scribble(context->ffn.expert_ids_buf, world->block_bytes);
    }
}

/* As ffn.h says how a call is cut: so many descs at a time, and only if they are so many bytes. */
void bench_world_warm_half(const bench_world *world, uint32_t half)
{
    enum { CUT_DESC_NUM = 256, CUT_BYTES_MIN = 128 * 1024 };
    const uint32_t session_num = world->row->shape.session_num;
    const size_t row_bytes = world->id_num * sizeof(int32_t);
    const uint64_t ids = world->instances[0].context->ffn.expert_ids_buf;
    for (uint32_t first = 0; first < session_num; first += CUT_DESC_NUM) {
        uint32_t num = session_num - first < CUT_DESC_NUM ? session_num - first : CUT_DESC_NUM;
        uint32_t split = num * (sizeof(afd_ffn_desc) + row_bytes) < CUT_BYTES_MIN ? num : num / 2;
        uint32_t begin = half == 0 ? 0 : split;
        uint32_t end = half == 0 ? split : num;
        scribble(ids + (first + begin) * row_bytes, (end - begin) * row_bytes);
    }
}

/* ---- looking at the results ---- */

static bool is_refilled(const bench_world *world, const int32_t *ids)
{
    bool equal = true;
    for (size_t i = 0; i < world->id_num; i++) {
        equal &= ids[i] == AFD_EXPERT_ID_REFILL;
    }
    return equal;
}

static bool desc_is_given_back(const bench_world *world, uint32_t instance, uint32_t session)
{
    afd_ffn_desc *desc = armed_desc(world, instance, session);
    return afd_ffn_desc_is_free(desc) && is_refilled(world, afd_ffn_desc_expert_ids(desc));
}

/* Who row k is said to be. */
static bool row_is_named(const bench_world *world, uint32_t instance, uint32_t k, uint32_t session)
{
    const afd_schedule_context *context = world->instances[instance].context;
    return afd_context_session_ids(context)[k] == (int32_t)session &&
           afd_context_micro_batch_ids(context)[k] == (int32_t)world->micro_batches[session] &&
           afd_context_layer_ids(context)[k] == layer_of(world);
}

static bool row_has_ids(const bench_world *world, uint32_t instance, uint32_t k, uint32_t session)
{
    const int32_t *ids = afd_context_expert_ids(world->instances[instance].context);
    return ids_are(world, ids + k * world->id_num, instance, session);
}

static bool instance_is_taken(const bench_world *world, bench_target target, uint32_t instance)
{
    uint32_t session_num = world->row->shape.session_num;
    bool right = target == BENCH_BLOCK || world->instances[instance].context->ffn.out_num == session_num;
    for (uint32_t s = 0; s < session_num && right; s++) {
        right = row_has_ids(world, instance, s, s);
        if (target == BENCH_BLOCK) {
            right = right && is_refilled(world, world->instances[instance].block + s * world->id_num);
        } else {
            right = right && row_is_named(world, instance, s, s) && desc_is_given_back(world, instance, s);
        }
    }
    return right;
}

bool bench_world_is_taken(const bench_world *world, bench_target target)
{
    bool right = true;
    for (uint32_t i = 0; i < world->instance_num && right; i++) {
        right = instance_is_taken(world, target, i);
    }
    return right;
}

bool bench_world_awaited_is_taken(const bench_world *world, uint32_t out_row, bool with_names)
{
    return row_has_ids(world, 0, out_row, world->awaited) && desc_is_given_back(world, 0, world->awaited) &&
           (!with_names || row_is_named(world, 0, out_row, world->awaited));
}
