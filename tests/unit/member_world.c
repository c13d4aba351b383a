/* SPDX-License-Identifier: Apache-2.0 */
#include "member_world.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "transport/ucx/plane.h"

typedef struct rank_arg {
    member_world *world;
    uint32_t rank;
} rank_arg;

static rank_arg rank_args[RANK_MAX];

static void observe(void *argument, const afd_event *event)
{
    observer_record *record = argument;
    assert_non_null(event->text);
    if (record->event_num < EVENT_MAX) {
        heard_event *heard = &record->events[record->event_num++];
        heard->event = *event;
        (void)strncpy(heard->text, event->text, TEXT_BYTES - 1);
        (void)strncpy(heard->host, event->host != NULL ? event->host : "", TEXT_BYTES - 1);
    }
}

const heard_event *find(const observer_record *record, afd_event_kind kind)
{
    for (uint32_t i = 0; i < record->event_num; i++) {
        if (record->events[i].event.kind == kind) {
            return &record->events[i];
        }
    }
    return NULL;
}

uint32_t count(const observer_record *record, afd_event_kind kind)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < record->event_num; i++) {
        num += record->events[i].event.kind == kind;
    }
    return num;
}

static afd_status run_experts(void *argument, const afd_experts_call *call)
{
    const rank_arg *arg = argument;
    const char *why = NULL;
    assert_true(layer_case_run_experts(&arg->world->c, arg->rank, call, &why));
    return AFD_OK;
}

void step_ranks(void *argument)
{
    member_world *world = argument;
    for (uint32_t rank = 0; rank < world->c.ffn_num; rank++) {
        if (world->ranks[rank] != NULL) {
            afd_status status = afd_ffn_worker_step(world->ranks[rank], NULL, NULL);
            assert_true(status == AFD_OK || status == AFD_NOT_YET || status == AFD_NOBODY_LIVE);
        }
    }
}

afd_wait stepping_wait(member_world *world)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = afd_clock_ns() + HANG_NS;
    wait.poll = step_ranks;
    wait.poll_arg = world;
    return wait;
}

void make_rank(member_world *world, uint32_t rank)
{
    afd_ffn_worker_options options = layer_case_ffn_options(&world->c, rank);
    afd_member_options members = world->options;
    afd_error error;
    rank_args[rank] = (rank_arg){ world, rank };
    options.experts = run_experts;
    options.experts_arg = &rank_args[rank];
    members.observer = observe;
    members.observer_arg = &world->rank_events[rank];
    members.listen = world->listen[rank];
    assert_int_equal(afd_ffn_worker_create(&options, &world->ranks[rank], NULL), AFD_OK);
    if (afd_ffn_worker_listen(world->ranks[rank], world->names[rank], &members, &error) != AFD_OK) {
        fail_msg("rank %" PRIu32 " does not listen: %s", rank, error.message);
    }
    const char *address = afd_ffn_worker_address(world->ranks[rank]);
    if (world->listen[rank] != NULL) {
        assert_non_null(address);
        (void)snprintf(world->addresses[rank], sizeof(world->addresses[rank]), "%s", address);
    } else {
        assert_null(address);
    }
}

void make_session(member_world *world, uint32_t number, uint32_t session)
{
    afd_attention_worker_options options = layer_case_attention_options(&world->c, session);
    assert_int_equal(afd_attention_worker_create(&options, &world->sessions[number], NULL), AFD_OK);
}

afd_status join_as(member_world *world, uint32_t number, afd_error *error)
{
    afd_wait wait = stepping_wait(world);
    afd_member_options members = world->options;
    members.observer = observe;
    members.observer_arg = &world->session_events[number];
    return afd_attention_worker_join(world->sessions[number], world->name_lists[number], &members, &wait, error);
}

member_world *new_world(uint32_t ffn_num, uint32_t group_size)
{
    static uint32_t world_num; /* a test that fails leaves its doors open */
    member_world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world_num++;
    world->c = (layer_case){
        .seed = 5,
        .attention_num = SESSION_MAX,
        .ffn_num = ffn_num,
        .micro_batch_num = 2,
        .micro_batch_size = 4,
        .layer_num = 4,
        .step_num = 1,
        .hidden = 32,
        .routed_num = 4,
        .shared_num = 0,
        .top_k = 2,
        .copy_max = 1,
        .sync_group_size = group_size,
        .type = AFD_TOKEN_F16,
    };
    layer_case_make(&world->c);
    world->options = (afd_member_options)AFD_MEMBER_OPTIONS_INIT;
    world->options.heartbeat_ns = UINT64_C(10000000);
    world->options.dead_ns = HANG_NS;
    world->options.deadline_ns = HANG_NS;
    for (uint32_t rank = 0; rank < ffn_num; rank++) {
        (void)snprintf(world->names[rank], sizeof(world->names[rank]), "test-members-%d-%" PRIu32 "-%" PRIu32,
                       (int)getpid(), world_num, rank);
        for (uint32_t session = 0; session < SESSION_MAX; session++) {
            world->name_lists[session][rank] = world->names[rank];
        }
    }
    return world;
}

member_world *new_world_between_hosts(uint32_t ffn_num, uint32_t group_size)
{
    member_world *world = new_world(ffn_num, group_size);
    for (uint32_t rank = 0; rank < ffn_num; rank++) {
        world->listen[rank] = "127.0.0.1:0";
        for (uint32_t session = 0; session < SESSION_MAX; session++) {
            world->name_lists[session][rank] = world->addresses[rank];
        }
    }
    return world;
}

afd_status send_one(member_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id,
                           afd_error *error)
{
    afd_wait wait = stepping_wait(world);
    for (uint32_t i = 0; i < 4 * 2; i++) {
        world->expert_ids[i] = (int32_t)(i % world->c.routed_num);
        world->scales[i] = 1;
    }
    return afd_attention_worker_dispatch(world->sessions[session], micro_batch, layer_id, world->tokens, 4,
                                         world->expert_ids, &wait, error);
}

afd_status collect_one(member_world *world, uint32_t session, uint32_t micro_batch, afd_error *error)
{
    afd_wait wait = stepping_wait(world);
    return afd_attention_worker_collect(world->sessions[session], micro_batch, world->scales, world->output, &wait,
                                        error);
}

void join_both(member_world *world)
{
    for (uint32_t session = 0; session < SESSION_MAX; session++) {
        make_session(world, session, session);
        assert_int_equal(join_as(world, session, NULL), AFD_OK);
    }
    for (uint32_t m = 0; world->c.sync_group_size == SESSION_MAX && m < world->c.micro_batch_num; m++) {
        assert_int_equal(send_one(world, 0, m, 0, NULL), AFD_OK);
        assert_int_equal(collect_one(world, 0, m, NULL), AFD_OK);
    }
}

void make_the_other_late(member_world *world)
{
    world->options.deadline_ns = 50 * UINT64_C(1000000);
    make_rank(world, 0);
    join_both(world);
    assert_int_equal(send_one(world, 0, 0, 3, NULL), AFD_OK);
    assert_int_equal(collect_one(world, 0, 0, NULL), AFD_OK); /* alone, after the deadline */
}

member_world *full_world(uint32_t ffn_num, uint32_t group_size)
{
    member_world *world = new_world(ffn_num, group_size);
    for (uint32_t rank = 0; rank < ffn_num; rank++) {
        make_rank(world, rank);
    }
    join_both(world);
    return world;
}

void free_world(member_world *world)
{
    for (uint32_t i = 0; i < SESSION_MAX; i++) {
        afd_attention_worker_close(world->sessions[i]);
    }
    for (uint32_t rank = 0; rank < world->c.ffn_num; rank++) {
        afd_ffn_worker_close(world->ranks[rank]);
    }
    layer_case_free(&world->c);
    free(world);
}

const heard_event *await_event(member_world *world, const observer_record *record, afd_event_kind kind)
{
    uint64_t began_ns = afd_clock_ns();
    while (find(record, kind) == NULL) {
        assert_true(afd_clock_ns() - began_ns < HANG_NS);
        step_ranks(world);
    }
    return find(record, kind);
}

/* ---- between hosts ---- */

void require_ucx(void)
{
    afd__plane *plane = NULL;
    afd__address address;
    afd_error error;
    assert_int_equal(afd__address_parse("127.0.0.1:0", true, &address, NULL), AFD_OK);
    const afd__plane_options options = { .listen = &address, .half_open_max = 1, .patience_ns = 1 };
    if (afd__plane_open(&options, &plane, &error) == AFD_ERR_NOT_FOUND) {
        printf("skipped: %s\n", error.message);
        exit(77);
    }
    afd__plane_close(plane);
}

static bool can_bind(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool can = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return can;
}

uint16_t free_port(void)
{
    static uint32_t asked_num;
    for (;;) { /* below those that the system gives to who asks for any */
        uint32_t number = (uint32_t)getpid() * 8 + 2 * asked_num++;
        uint16_t port = (uint16_t)(20000 + number % 12000);
        if (can_bind(port) && can_bind((uint16_t)(port + 1))) {
            return port;
        }
    }
}
