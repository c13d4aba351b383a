/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole loop as threads: attention workers and FFN workers from 1x1 to 8x4, every size of sync group, every token
 * type, random shapes, placements, routings and batch sizes, and sessions that leave before the others; every row that
 * comes back is compared with the plain model.
 *
 *     workers STEP_NUM [SEED]      how often a micro-batch goes through all layers of a case; the seed is printed
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "afd/transport.h"
#include "layer_parties.h"
#include "traffic.h"

enum { ATTENTION_MAX = 8, FFN_MAX = 4 };

typedef struct thread_world {
    ffn_party ffn[FFN_MAX];
    attention_party attention[ATTENTION_MAX];
    pthread_t ffn_threads[FFN_MAX];
    pthread_t attention_threads[ATTENTION_MAX];
    int32_t left[ATTENTION_MAX];
} thread_world;

static void *run_ffn(void *argument)
{
    ffn_party_run(argument);
    return NULL;
}

static void *run_attention(void *argument)
{
    attention_party_run(argument);
    return NULL;
}

static void start(pthread_t *thread, void *(*function)(void *), void *argument)
{
    if (pthread_create(thread, NULL, function, argument) != 0) {
        traffic_fail("no thread for a worker");
    }
}

static afd_writer *writer_into(afd_window *window)
{
    afd_error error;
    afd_writer *writer = NULL;
    if (afd_writer_local_create(window, &writer, &error) != AFD_OK) {
        traffic_fail("a writer: %s", error.message);
    }
    return writer;
}

static void make_workers(thread_world *world, const layer_case *c)
{
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        world->ffn[rank] = (ffn_party){ .c = c, .rank = rank, .left = world->left };
        ffn_party_make(&world->ffn[rank], NULL);
    }
    for (uint32_t session = 0; session < c->attention_num; session++) {
        world->attention[session] = (attention_party){ .c = c, .session = session, .left = world->left };
        attention_party_make(&world->attention[session], NULL);
    }
}

static void connect_workers(thread_world *world, const layer_case *c)
{
    afd_error error;
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        for (uint32_t session = 0; session < c->attention_num; session++) {
            afd_ffn_worker *ffn = world->ffn[rank].worker;
            afd_attention_worker *attention = world->attention[session].worker;
            afd_writer *back = writer_into(afd_attention_worker_window(attention));
            afd_writer *forth = writer_into(afd_ffn_worker_window(ffn));
            if (afd_ffn_worker_accept(ffn, session, back, &error) != AFD_OK ||
                afd_attention_worker_connect(attention, rank, forth, &error) != AFD_OK) {
                traffic_fail("session %" PRIu32 " and rank %" PRIu32 ": %s", session, rank, error.message);
            }
        }
    }
}

/* What one side sent the other got; nothing was lost on the way, and nothing came twice. */
static uint64_t check_counters(const thread_world *world, const layer_case *c)
{
    afd_worker_counters counters;
    uint64_t sent = 0;
    uint64_t answered = 0;
    for (uint32_t session = 0; session < c->attention_num; session++) {
        afd_attention_worker_count(world->attention[session].worker, &counters);
        sent += counters.row_num;
    }
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        afd_ffn_worker_count(world->ffn[rank].worker, &counters);
        answered += counters.row_num;
        if (counters.wild_num != 0 || counters.byte_num != counters.row_num * (2 * (uint64_t)c->hidden + 4)) {
            traffic_fail("rank %" PRIu32 " counts %" PRIu64 " wild ids, %" PRIu64 " bytes for %" PRIu64 " rows", rank,
                         counters.wild_num, counters.byte_num, counters.row_num);
        }
    }
    if (sent != answered) {
        traffic_fail("%" PRIu64 " slots were sent and %" PRIu64 " answered", sent, answered);
    }
    return sent;
}

/* Returns how many slots went round. */
static uint64_t run_case(const layer_case *c)
{
    thread_world world = { .left = { 0 } };
    make_workers(&world, c);
    connect_workers(&world, c);
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        start(&world.ffn_threads[rank], run_ffn, &world.ffn[rank]);
    }
    for (uint32_t session = 0; session < c->attention_num; session++) {
        start(&world.attention_threads[session], run_attention, &world.attention[session]);
    }
    for (uint32_t session = 0; session < c->attention_num; session++) {
        (void)pthread_join(world.attention_threads[session], NULL);
    }
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        (void)pthread_join(world.ffn_threads[rank], NULL);
    }
    uint64_t slot_num = check_counters(&world, c);
    for (uint32_t session = 0; session < c->attention_num; session++) { /* every FFN worker has dropped them all */
        afd_attention_worker_close(world.attention[session].worker);
    }
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        afd_ffn_worker_close(world.ffn[rank].worker);
    }
    return slot_num;
}

typedef struct case_list {
    uint64_t seed;
    uint32_t step_num;
    uint64_t case_num;
    uint64_t slot_num;
} case_list;

/* f16, bf16, and int8 made from either in turn. */
static void run_types(case_list *cases, uint32_t attention_num, uint32_t ffn_num, uint32_t group_size)
{
    for (int type = 0; type < 3; type++) {
        layer_case c = {
            .seed = cases->seed + cases->case_num,
            .attention_num = attention_num,
            .ffn_num = ffn_num,
            .sync_group_size = group_size,
            .step_num = cases->step_num,
            .quantize = type == 2,
            .type = (type == 2 ? cases->case_num / 3 : (uint64_t)type) % 2 == 0 ? AFD_TOKEN_F16 : AFD_TOKEN_BF16,
        };
        layer_case_draw(&c);
        cases->slot_num += run_case(&c);
        cases->case_num++;
        layer_case_free(&c);
    }
}

int main(int argc, char **argv)
{
    case_list cases = { .seed = afd_clock_ns() };
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: workers STEP_NUM [SEED]\n");
        return 2;
    }
    cases.step_num = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc == 3) {
        cases.seed = strtoull(argv[2], NULL, 10);
    }
    if (cases.step_num == 0) {
        traffic_fail("STEP_NUM is 0");
    }
    printf("seed %" PRIu64 ", %" PRIu32 " steps\n", cases.seed, cases.step_num);
    (void)fflush(stdout);
    for (uint32_t attention_num = 1; attention_num <= ATTENTION_MAX; attention_num++) {
        for (uint32_t ffn_num = 1; ffn_num <= FFN_MAX; ffn_num++) {
            for (uint32_t group_size = 1; group_size <= attention_num; group_size++) {
                if (attention_num % group_size == 0) {
                    run_types(&cases, attention_num, ffn_num, group_size);
                }
            }
        }
    }
    printf("%" PRIu64 " cases, %" PRIu64 " slots, every row as the model has it\n", cases.case_num, cases.slot_num);
    return 0;
}
