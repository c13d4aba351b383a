/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/variants.h"

#include "bench/floor.h"
#include "bench/reference.h"

static bench_instance *at(const bench_world *world, uint32_t instance)
{
    return &world->instances[instance];
}

static void *outputs(const bench_world *world, uint32_t instance)
{
    return (void *)(uintptr_t)at(world, instance)->context->ffn.expert_ids_buf;
}

/* ---- ours and the reference ---- */

/* That it took what it should is seen in the outputs afterwards. */
static void ours(bench_world *world, uint32_t instance)
{
    uint32_t taken_num;
    afd_error error;
    (void)afd_ffn_schedule(at(world, instance)->context, &world->args, &world->wait, &taken_num, &error);
}

static void ours_poll(bench_world *world, uint32_t instance)
{
    uint32_t taken_num;
    afd_error error;
    (void)afd_ffn_schedule_poll(at(world, instance)->context, &world->args, &taken_num, &error);
}

static void reference(bench_world *world, uint32_t instance)
{
    (void)bench_reference_schedule(at(world, instance)->context, (uint32_t)world->args.sync_group_size);
}

static void reference_poll(bench_world *world, uint32_t instance)
{
    (void)bench_reference_poll(at(world, instance)->context, (uint32_t)world->args.sync_group_size);
}

/* ---- floors of a call that finds everything ready ---- */

static void take_libc(bench_world *world, uint32_t instance)
{
    bench_floor_take_libc(outputs(world, instance), at(world, instance)->block, world->block_bytes);
}

static void take_fused(bench_world *world, uint32_t instance)
{
    bench_floor_take_fused(outputs(world, instance), at(world, instance)->block, world->block_bytes);
}

static void take_ahead(bench_world *world, uint32_t instance)
{
    bench_floor_take_ahead(outputs(world, instance), at(world, instance)->block, world->block_bytes);
}

/* ---- floors of a call that waits for a flag ---- */

/* The flag of the one session, a copy and a refill of its ids, and the flag given back. */
static void take_awaited(bench_world *world, bench_floor_take take)
{
    afd_ffn_desc *desc = bench_world_desc(world, 0, world->awaited, world->micro_batches[world->awaited]);
    bench_floor_spin(&desc->flag);
    take(outputs(world, 0), afd_ffn_desc_expert_ids(desc), world->id_num * sizeof(int32_t));
    __atomic_store_n(&desc->flag, AFD_FLAG_FREE, __ATOMIC_RELEASE);
}

static void awaited_libc(bench_world *world, uint32_t instance)
{
    (void)instance;
    take_awaited(world, bench_floor_take_libc);
}

static void awaited_fused(bench_world *world, uint32_t instance)
{
    (void)instance;
    take_awaited(world, bench_floor_take_fused);
}

/* All-sync: the others were copied while the last was awaited; what is left is to refill all, and to copy that one. */
static void last_of_all(bench_world *world, bench_floor_take take)
{
    take_awaited(world, take);
    bench_floor_refill(world->instances[0].block, world->block_bytes - world->id_num * sizeof(int32_t));
}

static void last_libc(bench_world *world, uint32_t instance)
{
    (void)instance;
    last_of_all(world, bench_floor_take_libc);
}

static void last_fused(bench_world *world, uint32_t instance)
{
    (void)instance;
    last_of_all(world, bench_floor_take_fused);
}

/* ---- floor of a pass that finds nothing ---- */

static void scan(bench_world *world, uint32_t instance)
{
    const afd_shape *shape = &world->row->shape;
    size_t flag_num = (size_t)shape->session_num * shape->micro_batch_num;
    (void)bench_floor_scan(at(world, instance)->token_info, flag_num, world->desc_bytes);
}

void bench_call_nothing(bench_world *world, uint32_t instance)
{
    (void)world;
    (void)instance;
}

/* ---- who takes part in what ---- */

#define NUM_OF(array) (sizeof(array) / sizeof((array)[0]))

size_t bench_variants(const bench_row *row, const bench_variant **variants)
{
    static const bench_variant schedule[] = { { "ours", BENCH_WINDOW, false, ours },
                                              { "reference", BENCH_WINDOW, false, reference },
                                              { "memcpy+memset", BENCH_BLOCK, true, take_libc },
                                              { "fused", BENCH_BLOCK, true, take_fused },
                                              { "fused+prefetch", BENCH_BLOCK, true, take_ahead } };
    static const bench_variant one_flag[] = { { "ours", BENCH_WINDOW, false, ours },
                                              { "reference", BENCH_WINDOW, false, reference },
                                              { "spin+memcpy+memset", BENCH_BLOCK, true, awaited_libc },
                                              { "spin+fused", BENCH_BLOCK, true, awaited_fused } };
    static const bench_variant last_flag[] = { { "ours", BENCH_WINDOW, false, ours },
                                               { "reference", BENCH_WINDOW, false, reference },
                                               { "spin+memcpy+refill", BENCH_BLOCK, true, last_libc },
                                               { "spin+fused+refill", BENCH_BLOCK, true, last_fused } };
    static const bench_variant idle[] = { { "ours", BENCH_WINDOW, false, ours_poll },
                                          { "reference", BENCH_WINDOW, false, reference_poll },
                                          { "bare loop", BENCH_WINDOW, true, scan } };
    if (row->kind == BENCH_SCHEDULE) {
        *variants = schedule;
        return NUM_OF(schedule);
    }
    if (row->kind == BENCH_IDLE) {
        *variants = idle;
        return NUM_OF(idle);
    }
    *variants = bench_row_is_allsync(row) ? last_flag : one_flag;
    return bench_row_is_allsync(row) ? NUM_OF(last_flag) : NUM_OF(one_flag);
}
