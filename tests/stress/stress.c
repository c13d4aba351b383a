/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol as threads over one mapping: producers write, publish and reuse slots while the scheduler runs in every
 * mode, and every word that it hands out is checked. Under ThreadSanitizer this is also the race detector of the
 * windows, because it sees neither other processes nor a second mapping of the same memory.
 *
 *     stress ROUND_NUM [SEED]      rounds a (session, micro-batch) in each of the cases; the seed is printed
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "modes.h"

enum { LINE_BYTES = 64 };

/* gcc says it with a macro, clang 14 with a feature. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER true
#elif defined(__has_feature)
#define UNDER_SANITIZER (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define UNDER_SANITIZER false
#endif

typedef struct case_list {
    uint64_t seed;
    uint32_t round_num;
    uint64_t case_num;
    uint64_t row_num;
} case_list;

/* With BS*E odd, descs lie at all multiples of 4, flags at the end of a line among them, and an id ends where the next
 * desc's flag begins. The last shape is even, and wide enough for vector code to run long. */
static const afd_shape shapes[] = {
    { .session_num = 8, .micro_batch_num = 3, .micro_batch_size = 3, .selected_expert_num = 5 },
    { .session_num = 4, .micro_batch_num = 3, .micro_batch_size = 1, .selected_expert_num = 1 },
    { .session_num = 6, .micro_batch_num = 4, .micro_batch_size = 7, .selected_expert_num = 9 },
    { .session_num = 4, .micro_batch_num = 2, .micro_batch_size = 32, .selected_expert_num = 8 },
};
enum { SHAPE_NUM = sizeof(shapes) / sizeof(shapes[0]) };

/* The tests rest on this: in a window that starts on a line, some flag is the last word of one. */
static void check_shape_straddles(const afd_shape *shape)
{
    afd_window_sizes sizes;
    if (afd_ffn_window_measure(shape, &sizes, NULL) != AFD_OK) {
        traffic_fail("a shape cannot be measured");
    }
    uint32_t desc_num = shape->session_num * shape->micro_batch_num;
    bool odd = shape->micro_batch_size * shape->selected_expert_num % 2 == 1;
    bool straddles = false;
    for (uint32_t i = 0; i < desc_num; i++) {
        straddles = straddles || i * sizes.desc_bytes % LINE_BYTES == LINE_BYTES - sizeof(int32_t);
    }
    if (odd && !straddles) {
        traffic_fail("no flag of S=%" PRIu32 " M=%" PRIu32 " BS=%" PRIu32 " E=%" PRIu32 " lies at the end of a line",
                     shape->session_num, shape->micro_batch_num, shape->micro_batch_size, shape->selected_expert_num);
    }
}

static void run_ways_to_wait(case_list *cases, stress_case stress)
{
    for (int waiting = 0; waiting < WAITING_NUM; waiting++) {
        stress.options.waiting = (way_to_wait)waiting;
        stress.traffic.seed = cases->seed + cases->case_num++;
        cases->row_num += run_full_traffic(&stress);
        if (stress.options.object != WORLD_NO_OBJECT) {
            stress.traffic.seed = cases->seed + cases->case_num++;
            cases->row_num += run_live_set(&stress);
        }
    }
}

static void run_group_size(case_list *cases, const afd_shape *shape, uint32_t group_size)
{
    for (int object = WORLD_NO_OBJECT; object <= WORLD_FAIR_OBJECT; object++) {
        for (int memory = WORLD_PLAIN_MEMORY; memory <= WORLD_PRIVATE_WINDOW; memory++) {
            run_ways_to_wait(cases, (stress_case){
                                        .traffic = { .shape = *shape },
                                        .options = { .group_size = group_size,
                                                     .memory = (world_memory)memory,
                                                     .object = (world_object)object },
                                        .round_num = cases->round_num,
                                    });
        }
    }
}

static void run_shape(case_list *cases, const afd_shape *shape)
{
    const uint32_t half = shape->session_num / 2;
    check_shape_straddles(shape);
    run_group_size(cases, shape, shape->session_num);
    run_group_size(cases, shape, half);
    run_group_size(cases, shape, 1);
    if (half != 2) {
        run_group_size(cases, shape, 2);
    }
}

int main(int argc, char **argv)
{
    case_list cases = { .seed = afd_clock_ns() };
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: stress ROUND_NUM [SEED]\n");
        return 2;
    }
    cases.round_num = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc == 3) {
        cases.seed = strtoull(argv[2], NULL, 10);
    }
    if (cases.round_num == 0) {
        traffic_fail("ROUND_NUM is 0");
    }
    if (UNDER_SANITIZER) {
        cases.round_num = (cases.round_num + 9) / 10;
    }
    printf("seed %" PRIu64 ", %" PRIu32 " rounds\n", cases.seed, cases.round_num);
    (void)fflush(stdout);
    for (int i = 0; i < SHAPE_NUM; i++) {
        run_shape(&cases, &shapes[i]);
    }
    printf("%" PRIu64 " cases, %" PRIu64 " rows, every word as it was sent\n", cases.case_num, cases.row_num);
    return 0;
}
