/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/pingpong.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>

enum { ROUND_TRIPS_TOGETHER = 100, WARM_UP_NUM = 10, LINE_BYTES = 128, NOT_READY = -1 };

typedef struct court {
    alignas(LINE_BYTES) atomic_uint ball;  /* odd: on its way there; even: back */
    alignas(LINE_BYTES) atomic_int readied; /* NOT_READY, then 0 or the errno of being tied to the CPU */
    int cpu;
} court;

static const unsigned int over = 0xFFFFFFFFU;

static void *return_balls(void *arg)
{
    court *shared = arg;
    int result = bench_cpus_pin(shared->cpu) ? 0 : errno;
    atomic_store_explicit(&shared->readied, result, memory_order_release);
    for (unsigned int served = 1;; served += 2) {
        unsigned int seen;
        do {
            seen = atomic_load_explicit(&shared->ball, memory_order_acquire);
        } while (seen != served && seen != over);
        if (seen == over) {
            return NULL;
        }
        atomic_store_explicit(&shared->ball, served + 1, memory_order_release);
    }
}

static void there_and_back_many(court *shared, unsigned int *ball)
{
    for (int i = 0; i < ROUND_TRIPS_TOGETHER; i++) {
        atomic_store_explicit(&shared->ball, *ball + 1, memory_order_release);
        *ball += 2;
        while (atomic_load_explicit(&shared->ball, memory_order_acquire) != *ball) {
        }
    }
}

/* Both must be where they belong before the first ball: on one CPU a round trip would take ms. */
static int wait_for_partner(court *shared)
{
    int result;
    while ((result = atomic_load_explicit(&shared->readied, memory_order_acquire)) == NOT_READY) {
        (void)sched_yield();
    }
    return result;
}

static void play(court *shared, const bench_clock *clock, int sample_num, bench_samples *samples)
{
    unsigned int ball = 0;
    for (int i = 0; i < WARM_UP_NUM + sample_num; i++) {
        uint64_t began = bench_ticks();
        there_and_back_many(shared, &ball);
        uint64_t ticks = bench_ticks() - began;
        if (i >= WARM_UP_NUM) {
            bench_samples_add(samples, (double)ticks * clock->ns_per_tick / ROUND_TRIPS_TOGETHER);
        }
    }
}

bool bench_pingpong(const bench_cpus *cpus, const bench_clock *clock, int sample_num,
                    bench_percentiles *there_and_back)
{
    court shared = { .cpu = cpus->partner, .readied = NOT_READY };
    pthread_t other;
    int result = pthread_create(&other, NULL, return_balls, &shared);
    if (result != 0) {
        errno = result;
        return false;
    }
    bench_samples samples = bench_samples_new((size_t)sample_num);
    result = wait_for_partner(&shared);
    if (result == 0) {
        play(&shared, clock, sample_num, &samples);
    }
    atomic_store_explicit(&shared.ball, over, memory_order_release);
    (void)pthread_join(other, NULL);
    *there_and_back = bench_samples_percentiles(&samples);
    bench_samples_free(&samples);
    errno = result;
    return result == 0;
}
