/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions that join and leave while others run, as threads with windows in private memory: one to three FFN workers
 * serve, one to four attention threads join at random times, send all rounds of a case, compare every row with the
 * plain model, leave, and come again. All-sync and groups.
 *
 *     members TURN_NUM STEP_NUM [SEED]      how often each thread joins, and how much it sends each time
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "afd/member.h"
#include "layer_parties.h"
#include "random_numbers.h"
#include "traffic.h"

enum { ATTENTION_MAX = 4, FFN_MAX = 3, NAME_BYTES = 64, LATE_NUM = 4 };

#define HANG_NS (UINT64_C(120) * 1000000000)

typedef struct member_world {
    const layer_case *c;
    uint32_t turn_num;
    char names[FFN_MAX][NAME_BYTES];
    const char *name_list[FFN_MAX];
    int32_t drain;            /* atomic */
    int32_t left[ATTENTION_MAX];
    uint32_t listening_num;   /* atomic */
    uint64_t drop_num;        /* atomic: events that nobody expects here */
} member_world;

typedef struct member_thread {
    member_world *world;
    uint32_t number;
    pthread_t thread;
} member_thread;

/* Nobody loses a place here: the times are such that only a hang could reach them. */
static void observe(void *argument, const afd_event *event)
{
    member_world *world = argument;
    if (event->kind == AFD_EVENT_DROPPED || event->kind == AFD_EVENT_LOST || event->kind == AFD_EVENT_REFUSED ||
        event->kind == AFD_EVENT_LATE || event->kind == AFD_EVENT_WILD_ID) {
        fprintf(stderr, "unexpected: %s\n", event->text);
        (void)__atomic_add_fetch(&world->drop_num, 1, __ATOMIC_RELAXED);
    }
}

static afd_member_options options_of(member_world *world)
{
    afd_member_options options = AFD_MEMBER_OPTIONS_INIT;
    options.heartbeat_ns = UINT64_C(20000000);
    options.dead_ns = HANG_NS;
    options.deadline_ns = HANG_NS / 2;
    options.drain_ns = HANG_NS;
    options.drain = &world->drain;
    options.observer = observe;
    options.observer_arg = world;
    return options;
}

static void *be_ffn(void *argument)
{
    member_thread *me = argument;
    member_world *world = me->world;
    ffn_party party = { .c = world->c, .rank = me->number, .left = world->left };
    afd_member_options options = options_of(world);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_error error;
    ffn_party_make(&party, NULL);
    if (afd_ffn_worker_listen(party.worker, world->names[me->number], &options, &error) != AFD_OK) {
        traffic_fail("rank %" PRIu32 " listens: %s", me->number, error.message);
    }
    afd_status status = afd_ffn_worker_serve(party.worker, &wait, &error);
    if (status != AFD_STOPPED) {
        layer_case_print(world->c);
        traffic_fail("rank %" PRIu32 " serves: %s: %s", me->number, afd_status_name(status),
                     status < 0 ? error.message : "");
    }
    afd_ffn_worker_close(party.worker);
    return NULL;
}

static void rest(random_numbers *numbers)
{
    struct timespec pause = { .tv_nsec = (long)random_below(numbers, 3000000) };
    if (random_chance(numbers, 60)) {
        (void)nanosleep(&pause, NULL);
    }
}

static void take_part(member_thread *me)
{
    member_world *world = me->world;
    attention_party party = { .c = world->c, .session = me->number, .left = world->left };
    afd_member_options options = options_of(world);
    afd_late late[LATE_NUM];
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_error error;
    wait.deadline_ns = afd_clock_ns() + HANG_NS;
    wait.late = late;
    wait.late_capacity = LATE_NUM;
    attention_party_make(&party, NULL);
    afd_status status = afd_attention_worker_join(party.worker, world->name_list, &options, &wait, &error);
    if (status != AFD_OK) {
        layer_case_print(world->c);
        traffic_fail("session %" PRIu32 " joins: %s: %s", me->number, afd_status_name(status),
                     status < 0 ? error.message : "");
    }
    attention_party_run(&party);
    wait.deadline_ns = afd_clock_ns() + HANG_NS;
    status = afd_attention_worker_leave(party.worker, &wait, &error);
    if (status != AFD_OK) {
        layer_case_print(world->c);
        traffic_fail("session %" PRIu32 " leaves: %s: %s", me->number, afd_status_name(status),
                     status < 0 ? error.message : "");
    }
    afd_attention_worker_close(party.worker);
}

static void *be_attention(void *argument)
{
    member_thread *me = argument;
    random_numbers numbers = { me->world->c->seed + 77 * me->number };
    for (uint32_t turn = 0; turn < me->world->turn_num; turn++) {
        rest(&numbers);
        take_part(me);
    }
    return NULL;
}

static void start(member_thread *thread, member_world *world, uint32_t number, void *(*be)(void *))
{
    *thread = (member_thread){ .world = world, .number = number };
    if (pthread_create(&thread->thread, NULL, be, thread) != 0) {
        traffic_fail("no thread for a worker");
    }
}

/* FFN workers and attention workers in any order: some begin before there is a door to knock at. */
static void run_case(const layer_case *c, uint32_t turn_num)
{
    member_world world = { .c = c, .turn_num = turn_num };
    member_thread ffn[FFN_MAX];
    member_thread attention[ATTENTION_MAX];
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        (void)snprintf(world.names[rank], NAME_BYTES, "members-%d-%" PRIu32, (int)getpid(), rank);
        world.name_list[rank] = world.names[rank];
    }
    for (uint32_t session = 0; session < c->attention_num; session++) {
        start(&attention[session], &world, session, be_attention);
    }
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        start(&ffn[rank], &world, rank, be_ffn);
    }
    for (uint32_t session = 0; session < c->attention_num; session++) {
        (void)pthread_join(attention[session].thread, NULL);
    }
    afd_stop_raise(&world.drain);
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        (void)pthread_join(ffn[rank].thread, NULL);
    }
    if (__atomic_load_n(&world.drop_num, __ATOMIC_RELAXED) != 0) {
        layer_case_print(c);
        traffic_fail("somebody lost a place, or was refused one");
    }
}

/* In groups of more than one, but not of all, sessions must join before the first step (CAVEATS.md). */
static bool is_allowed(uint32_t attention_num, uint32_t group_size)
{
    return group_size == attention_num || group_size == 1;
}

int main(int argc, char **argv)
{
    uint64_t seed = afd_clock_ns();
    uint64_t case_num = 0;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: members TURN_NUM STEP_NUM [SEED]\n");
        return 2;
    }
    uint32_t turn_num = (uint32_t)strtoul(argv[1], NULL, 10);
    uint32_t step_num = (uint32_t)strtoul(argv[2], NULL, 10);
    if (argc == 4) {
        seed = strtoull(argv[3], NULL, 10);
    }
    if (turn_num == 0 || step_num == 0) {
        traffic_fail("TURN_NUM or STEP_NUM is 0");
    }
    printf("seed %" PRIu64 ", %" PRIu32 " turns of %" PRIu32 " steps\n", seed, turn_num, step_num);
    (void)fflush(stdout);
    for (uint32_t attention_num = 1; attention_num <= ATTENTION_MAX; attention_num++) {
        for (uint32_t ffn_num = 1; ffn_num <= FFN_MAX; ffn_num++) {
            for (uint32_t group_size = 1; group_size <= attention_num; group_size++) {
                if (!is_allowed(attention_num, group_size)) {
                    continue;
                }
                layer_case c = {
                    .seed = seed + case_num,
                    .attention_num = attention_num,
                    .ffn_num = ffn_num,
                    .sync_group_size = group_size,
                    .step_num = step_num,
                    .quantize = case_num % 5 == 4,
                    .type = case_num % 2 == 0 ? AFD_TOKEN_F16 : AFD_TOKEN_BF16,
                };
                layer_case_draw(&c);
                run_case(&c, turn_num);
                layer_case_free(&c);
                case_num++;
            }
        }
    }
    printf("%" PRIu64 " cases, every row as the model has it\n", case_num);
    return 0;
}
