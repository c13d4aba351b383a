/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_world.h"

#include <stdlib.h>
#include <string.h>

#include "afd/transport.h"
#include "cmocka_headers.h"

layer_case world_case(void)
{
    return (layer_case){
        .seed = 7,
        .attention_num = 2,
        .ffn_num = 2,
        .micro_batch_num = 2,
        .micro_batch_size = 3,
        .layer_num = 4,
        .step_num = 1,
        .hidden = 32,
        .routed_num = 6,
        .shared_num = 1,
        .top_k = 2,
        .copy_max = 1,
        .sync_group_size = 1,
        .type = AFD_TOKEN_F16,
    };
}

static void *allocate(size_t count, size_t each)
{
    void *memory = calloc(count, each);
    assert_non_null(memory);
    return memory;
}

static void record_stage(void *argument, afd_stage stage, bool begins, uint32_t micro_batch, int32_t layer_id)
{
    stage_record *record = argument;
    if (record->event_num < WORLD_STAGE_MAX) {
        record->events[record->event_num++] = (stage_event){ stage, begins, micro_batch, layer_id };
    }
}

static afd_status run_experts(void *argument, const afd_experts_call *call)
{
    world_rank *rank = argument;
    const char *why = NULL;
    rank->call_num++;
    rank->last_group_num = call->group_num;
    rank->last_row_num = call->row_num;
    assert_true(layer_case_run_experts(&rank->world->c, rank->rank, call, &why));
    return rank->answer;
}

static void make_rank(worker_world *world, uint32_t number)
{
    world_rank *rank = &world->ranks[number];
    afd_ffn_worker_options options = layer_case_ffn_options(&world->c, number);
    rank->world = world;
    rank->rank = number;
    options.experts = run_experts;
    options.experts_arg = rank;
    options.observer = record_stage;
    options.observer_arg = &rank->stages;
    assert_int_equal(afd_ffn_worker_create(&options, &rank->worker, NULL), AFD_OK);
}

static void make_session(worker_world *world, uint32_t number)
{
    world_session *session = &world->sessions[number];
    const layer_case *c = &world->c;
    afd_attention_worker_options options = layer_case_attention_options(c, number);
    options.observer = record_stage;
    options.observer_arg = &session->stages;
    assert_int_equal(afd_attention_worker_create(&options, &session->worker, NULL), AFD_OK);
    for (uint32_t m = 0; m < c->micro_batch_num; m++) {
        session->tokens[m] = allocate((size_t)c->micro_batch_size * c->hidden, sizeof(uint16_t));
        session->expert_ids[m] = allocate((size_t)c->micro_batch_size * c->top_k, sizeof(int32_t));
        session->expert_scales[m] = allocate((size_t)c->micro_batch_size * c->top_k, sizeof(float));
    }
}

worker_world *world_new(const layer_case *c)
{
    worker_world *world = allocate(1, sizeof(*world));
    world->c = *c;
    layer_case_make(&world->c);
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        make_rank(world, rank);
    }
    for (uint32_t session = 0; session < c->attention_num; session++) {
        make_session(world, session);
    }
    return world;
}

static afd_writer *writer_into(afd_window *window)
{
    afd_writer *writer = NULL;
    assert_int_equal(afd_writer_local_create(window, &writer, NULL), AFD_OK);
    return writer;
}

afd_writer *world_writer_to_session(worker_world *world, uint32_t session)
{
    return writer_into(afd_attention_worker_window(world->sessions[session].worker));
}

afd_writer *world_writer_to_rank(worker_world *world, uint32_t rank)
{
    return writer_into(afd_ffn_worker_window(world->ranks[rank].worker));
}

void world_connect(worker_world *world)
{
    for (uint32_t rank = 0; rank < world->c.ffn_num; rank++) {
        for (uint32_t session = 0; session < world->c.attention_num; session++) {
            assert_int_equal(afd_ffn_worker_accept(world->ranks[rank].worker, session,
                                                   world_writer_to_session(world, session), NULL),
                             AFD_OK);
            assert_int_equal(afd_attention_worker_connect(world->sessions[session].worker, rank,
                                                          world_writer_to_rank(world, rank), NULL),
                             AFD_OK);
        }
    }
}

static void send(worker_world *world, uint32_t session, uint32_t micro_batch)
{
    world_session *sender = &world->sessions[session];
    const layer_round *round = &sender->rounds[micro_batch];
    assert_int_equal(afd_attention_worker_dispatch(sender->worker, micro_batch, round->layer_id,
                                                   sender->tokens[micro_batch],
                                                   layer_case_token_num(&world->c, round),
                                                   sender->expert_ids[micro_batch], NULL, NULL),
                     AFD_OK);
}

static void prepare(worker_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id)
{
    world_session *sender = &world->sessions[session];
    layer_round *round = &sender->rounds[micro_batch];
    uint32_t step = round->step + 1;
    *round = (layer_round){ session, micro_batch, step, layer_id };
    layer_case_tokens(&world->c, round, sender->tokens[micro_batch]);
    layer_case_route(&world->c, round, sender->expert_ids[micro_batch], sender->expert_scales[micro_batch]);
}

void world_dispatch(worker_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id)
{
    prepare(world, session, micro_batch, layer_id);
    send(world, session, micro_batch);
}

void world_dispatch_tokens(worker_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id,
                           uint32_t token_num)
{
    do {
        prepare(world, session, micro_batch, layer_id);
    } while (layer_case_token_num(&world->c, &world->sessions[session].rounds[micro_batch]) != token_num);
    send(world, session, micro_batch);
}

void world_dispatch_to(worker_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id, int32_t expert)
{
    const layer_case *c = &world->c;
    world_session *sender = &world->sessions[session];
    do { /* rounds without a token would show nothing here */
        prepare(world, session, micro_batch, layer_id);
    } while (layer_case_token_num(c, &sender->rounds[micro_batch]) == 0);
    for (uint32_t i = 0; i < c->micro_batch_size * c->top_k; i++) {
        sender->expert_ids[micro_batch][i] = expert;
    }
    send(world, session, micro_batch);
}

void world_answer(worker_world *world)
{
    for (uint32_t rank = 0; rank < world->c.ffn_num; rank++) {
        afd_status status = AFD_OK;
        while (status == AFD_OK) {
            status = afd_ffn_worker_step(world->ranks[rank].worker, NULL, NULL);
        }
        assert_int_equal(status, AFD_NOT_YET);
    }
}

void world_collect(worker_world *world, uint32_t session, uint32_t micro_batch)
{
    const layer_case *c = &world->c;
    world_session *receiver = &world->sessions[session];
    const layer_round *round = &receiver->rounds[micro_batch];
    size_t value_num = (size_t)c->micro_batch_size * c->hidden;
    uint16_t *output = allocate(value_num, sizeof(*output));
    uint16_t *expected = allocate(value_num, sizeof(*expected));
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = 1; /* all is there, or never will be */
    assert_int_equal(afd_attention_worker_collect(receiver->worker, micro_batch, receiver->expert_scales[micro_batch],
                                                  output, &wait, NULL),
                     AFD_OK);
    layer_case_expect(c, round, receiver->tokens[micro_batch], receiver->expert_ids[micro_batch],
                      receiver->expert_scales[micro_batch], expected);
    assert_memory_equal(output, expected, value_num * sizeof(*output)); /* both 0 where nothing was sent */
    free(expected);
    free(output);
}

void world_free(worker_world *world)
{
    for (uint32_t session = 0; session < world->c.attention_num; session++) {
        for (uint32_t rank = 0; rank < world->c.ffn_num; rank++) { /* writers go before the windows */
            (void)afd_ffn_worker_drop(world->ranks[rank].worker, session, NULL);
        }
        afd_attention_worker_close(world->sessions[session].worker);
        for (uint32_t m = 0; m < world->c.micro_batch_num; m++) {
            free(world->sessions[session].tokens[m]);
            free(world->sessions[session].expert_ids[m]);
            free(world->sessions[session].expert_scales[m]);
        }
    }
    for (uint32_t rank = 0; rank < world->c.ffn_num; rank++) {
        afd_ffn_worker_close(world->ranks[rank].worker);
    }
    layer_case_free(&world->c);
    free(world);
}

afd_wait world_expired_wait(afd_late *late, uint32_t late_capacity)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = 1;
    wait.late = late;
    wait.late_capacity = late_capacity;
    return wait;
}

void world_expect_error(const afd_error *error, const char *field, uint64_t value, uint64_t bound)
{
    assert_string_equal(error->field, field);
    assert_int_equal(error->value, value);
    assert_int_equal(error->bound, bound);
    assert_int_not_equal(error->message[0], 0);
}
