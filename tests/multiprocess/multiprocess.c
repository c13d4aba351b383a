/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol between processes: the parent creates a named window and schedules, children join it and produce.
 *
 *     multiprocess ROUND_NUM [SEED]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "scheduling.h"

/* BS*E is odd in both, so that flags lie at the end of cache lines and right behind a neighbour's last id. */
static const afd_shape shapes[] = {
    { .session_num = 8, .micro_batch_num = 3, .micro_batch_size = 3, .selected_expert_num = 5 },
    { .session_num = 4, .micro_batch_num = 2, .micro_batch_size = 7, .selected_expert_num = 9,
      .attn_to_ffn_token_size = 64 },
};
enum { SHAPE_NUM = sizeof(shapes) / sizeof(shapes[0]) };

/* In every object and way to wait. Returns how many cases that were. */
static uint64_t run_group_size(traffic_plan *traffic, uint32_t group_size, uint32_t round_num)
{
    world_options options = { .memory = WORLD_SHARED_WINDOW, .shared_name = shared_name(), .group_size = group_size };
    uint64_t case_num = 0;
    for (int object = WORLD_NO_OBJECT; object <= WORLD_FAIR_OBJECT; object++) {
        for (int waiting = 0; waiting < WAITING_NUM; waiting++) {
            options.object = (world_object)object;
            options.waiting = (way_to_wait)waiting;
            traffic->seed++;
            run_full_traffic(&options, traffic, round_num);
            case_num++;
        }
    }
    return case_num;
}

static uint64_t run_shape(const afd_shape *shape, uint64_t seed, uint32_t round_num)
{
    traffic_plan traffic = { .shape = *shape, .seed = seed };
    const uint32_t group_sizes[] = { shape->session_num, shape->session_num / 2, 2, 1 };
    uint64_t case_num = 0;
    for (size_t i = 0; i < sizeof(group_sizes) / sizeof(group_sizes[0]); i++) {
        case_num += run_group_size(&traffic, group_sizes[i], round_num);
    }
    return case_num;
}

static void run_killed_in_every_mode(uint64_t seed)
{
    const uint32_t group_sizes[] = { 4, 2 };
    world_options options = { .memory = WORLD_SHARED_WINDOW, .shared_name = shared_name() };
    for (size_t i = 0; i < sizeof(group_sizes) / sizeof(group_sizes[0]); i++) {
        options.group_size = group_sizes[i];
        for (int object = WORLD_OBJECT; object <= WORLD_FAIR_OBJECT; object++) {
            options.object = (world_object)object;
            for (int waiting = WAITING_YIELD; waiting <= WAITING_BACKOFF; waiting++) {
                options.waiting = (way_to_wait)waiting;
                run_killed(&options, seed++);
            }
        }
    }
}

/* A test that fails leaves nothing either. The children have this from fork() as well, and must not use it. */
static pid_t test_pid;

static void remove_window(void)
{
    if (getpid() == test_pid) {
        (void)afd_window_remove(shared_name(), true, NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: multiprocess ROUND_NUM [SEED]\n");
        return 2;
    }
    uint32_t round_num = (uint32_t)strtoul(argv[1], NULL, 10);
    uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 10) : afd_clock_ns();
    uint64_t case_num = 0;
    if (round_num == 0) {
        traffic_fail("ROUND_NUM is 0");
    }
    test_pid = getpid();
    if (atexit(remove_window) != 0) {
        traffic_fail("atexit");
    }
    printf("seed %" PRIu64 ", %" PRIu32 " rounds\n", seed, round_num);
    for (int i = 0; i < SHAPE_NUM; i++) {
        case_num += run_shape(&shapes[i], seed, round_num);
    }
    printf("%" PRIu64 " cases, every word as it was sent\n", case_num);
    run_killed_in_every_mode(seed);
    printf("killed in the middle of a desc: named, dropped, the others finished\n");
    return 0;
}
