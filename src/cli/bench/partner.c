/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/partner.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bench/ticks.h"
#include "out.h"

enum { LINE_BYTES = 128, NOT_READY = -1 };

typedef enum request { ARM, WRITE_AWAITED, PUBLISH, PART, END } request;

/* A side a cache line, so that answering and hammering do not take from the other what it looks at. */
struct bench_partner {
    /* Written by who asks: the request, then its number. */
    alignas(LINE_BYTES) atomic_uint asked;
    request what;
    bench_target target;
    uint32_t first;
    uint32_t end;
    int cpu;
    uint64_t due_ticks;
    void (*part)(void *part_arg, uint32_t index);
    void *part_arg;
    bench_world *world;
    afd_part_runner parts;
    pthread_t thread;
    /* Written by the thread on the other core. */
    alignas(LINE_BYTES) atomic_uint answered;
    atomic_int readied;       /* NOT_READY, then 0 or the errno of being tied to the CPU */
    uint64_t published_ticks; /* the answer to PUBLISH */
    uint64_t hammer_state;
};

/*
 * One write of a producer into a desc that is not taken now: flag 0 again, which is its to write while the desc is
 * free, and the first and the last of the ids. The last id shares its cache line with the flag of the next desc. In
 * rows of kind schedule the last micro-batch is the one that is taken; in idle rows none is.
 */
static void hammer(bench_partner *partner)
{
    bench_world *world = partner->world;
    const afd_shape *shape = &world->row->shape;
    uint32_t hammered_num = shape->micro_batch_num - (world->row->kind == BENCH_IDLE ? 0 : 1);
    partner->hammer_state = partner->hammer_state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    uint32_t chance = (uint32_t)(partner->hammer_state >> 33);
    uint32_t session = chance % shape->session_num;
    uint32_t instance = chance % world->instance_num;
    afd_ffn_desc *desc = bench_world_desc(world, instance, session, (chance >> 11) % hammered_num);
    int32_t *ids = afd_ffn_desc_expert_ids(desc);
    __atomic_store_n(&desc->flag, AFD_FLAG_FREE, __ATOMIC_RELAXED);
    ids[0] = (int32_t)(chance & 0x7FFFFU);
    ids[world->id_num - 1] = (int32_t)(chance & 0x7FFFFU);
}

static void publish_when_due(bench_partner *partner)
{
    uint64_t now;
    while ((now = bench_ticks()) < partner->due_ticks) {
        bench_relax();
    }
    bench_world_publish_awaited(partner->world);
    partner->published_ticks = now;
}

static void serve(bench_partner *partner)
{
    switch (partner->what) {
    case ARM:
        bench_world_arm(partner->world, partner->target, partner->first, partner->end);
        break;
    case WRITE_AWAITED:
        bench_world_write_awaited(partner->world);
        break;
    case PUBLISH:
        publish_when_due(partner);
        break;
    case PART:
        partner->part(partner->part_arg, 1);
        break;
    case END:
        break;
    }
}

/* Hammers or rests until there is a request. */
static void wait_for_request(bench_partner *partner, unsigned int number)
{
    bool hammers = partner->world->row->state == BENCH_HAMMERED;
    while (atomic_load_explicit(&partner->asked, memory_order_acquire) != number) {
        if (hammers) {
            hammer(partner);
        } else {
            bench_relax();
        }
    }
}

static void *run_partner(void *arg)
{
    bench_partner *partner = arg;
    int result = bench_cpus_pin(partner->cpu) ? 0 : errno;
    atomic_store_explicit(&partner->readied, result, memory_order_release);
    request last = result == 0 ? ARM : END;
    for (unsigned int number = 1; last != END; number++) {
        wait_for_request(partner, number);
        last = partner->what;
        serve(partner);
        atomic_store_explicit(&partner->answered, number, memory_order_release);
    }
    return NULL;
}

static void ask(bench_partner *partner)
{
    unsigned int number = atomic_load_explicit(&partner->asked, memory_order_relaxed) + 1;
    atomic_store_explicit(&partner->asked, number, memory_order_release);
}

static void wait_for_answer(const bench_partner *partner)
{
    unsigned int number = atomic_load_explicit(&partner->asked, memory_order_relaxed);
    while (atomic_load_explicit(&partner->answered, memory_order_acquire) != number) {
        bench_relax();
    }
}

/* An afd_part_runner's run(), for the two parts that bench_partner_parts() asks for. */
static void run_two_parts(void *arg, void (*part)(void *part_arg, uint32_t index), void *part_arg, uint32_t part_num)
{
    bench_partner *partner = arg;
    (void)part_num;
    partner->what = PART;
    partner->part = part;
    partner->part_arg = part_arg;
    ask(partner);
    part(part_arg, 0);
    wait_for_answer(partner);
}

bench_partner *bench_partner_start(bench_world *world, int cpu)
{
    bench_partner *partner = aligned_alloc(LINE_BYTES, sizeof(*partner));
    if (partner == NULL) {
        return NULL;
    }
    *partner = (bench_partner){ .world = world, .cpu = cpu, .hammer_state = 1, .readied = NOT_READY };
    partner->parts = (afd_part_runner){ sizeof(partner->parts), 2, run_two_parts, partner };
    int result = pthread_create(&partner->thread, NULL, run_partner, partner);
    if (result != 0) {
        free(partner);
        errno = result;
        return NULL;
    }
    while ((result = atomic_load_explicit(&partner->readied, memory_order_acquire)) == NOT_READY) {
        (void)sched_yield();
    }
    if (result != 0) {
        (void)pthread_join(partner->thread, NULL);
        free(partner);
        errno = result;
        return NULL;
    }
    return partner;
}

void bench_partner_end(bench_partner *partner)
{
    partner->what = END;
    ask(partner);
    (void)pthread_join(partner->thread, NULL);
    free(partner);
}

void bench_partner_arm(bench_partner *partner, bench_target target, uint32_t first, uint32_t end)
{
    partner->what = ARM;
    partner->target = target;
    partner->first = first;
    partner->end = end;
    ask(partner);
    wait_for_answer(partner);
}

const afd_part_runner *bench_partner_parts(bench_partner *partner)
{
    return &partner->parts;
}

void bench_partner_write_awaited(bench_partner *partner)
{
    partner->what = WRITE_AWAITED;
    ask(partner);
    wait_for_answer(partner);
}

void bench_partner_publish_later(bench_partner *partner, uint64_t delay_ticks)
{
    partner->what = PUBLISH;
    partner->due_ticks = bench_ticks() + delay_ticks;
    ask(partner);
}

uint64_t bench_partner_published(bench_partner *partner)
{
    wait_for_answer(partner);
    return partner->published_ticks;
}
