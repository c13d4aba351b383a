/* SPDX-License-Identifier: Apache-2.0 */
#include "early_helpers.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_headers.h"

static size_t window_bytes(const early *t)
{
    return (size_t)t->world->shape.session_num * t->world->shape.micro_batch_num * t->world->desc_bytes;
}

void early_expect_window_unchanged(const early *t)
{
    assert_memory_equal(t->world->token_info, t->window, window_bytes(t));
}

/* Of what the test itself changes in the window. */
static void note_window(early *t)
{
    memcpy(t->window, t->world->token_info, window_bytes(t));
}

static void go_through_script(void *arg)
{
    early *t = arg;
    early_expect_window_unchanged(t);
    t->script(t, t->step++);
    note_window(t);
}

early early_begin(void)
{
    early t = { .world = ffn_world_new(S, M, BS, E, 4) };
    uint64_t bytes = afd_ffn_scheduler_footprint(S, M);
    void *memory = malloc(bytes);
    t.window = malloc(window_bytes(&t));
    assert_non_null(memory);
    assert_non_null(t.window);
    assert_int_equal(afd_ffn_scheduler_new(S, M, NULL, memory, bytes, &t.scheduler, NULL), AFD_OK);
    t.args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT(S);
    t.args.scheduler = t.scheduler;
    t.wait = (afd_wait)AFD_WAIT_INIT(AFD_WAIT_SPIN);
    t.world->context->ffn.polling_index = POLLED;
    return t;
}

void early_end(early *t)
{
    free(t->window);
    free(t->scheduler);
    ffn_world_free(t->world);
}

void early_arm(early *t, uint32_t session, uint32_t round)
{
    ffn_world_arm(t->world, session, POLLED, round, AFD_FLAG_READY);
}

afd_status early_poll(early *t)
{
    return afd_ffn_schedule_poll(t->world->context, &t->args, NULL, NULL);
}

afd_status early_wait(early *t, void (*script)(early *t, int step), uint32_t *taken_num)
{
    t->script = script;
    t->step = 0;
    t->wait.poll = go_through_script;
    t->wait.poll_arg = t;
    t->wait.stop = &t->stop;
    note_window(t);
    return afd_ffn_schedule(t->world->context, &t->args, &t->wait, taken_num, NULL);
}

bool early_row_is_copy(const early *t, uint32_t row, uint32_t session, uint32_t round)
{
    const ffn_world *world = t->world;
    for (uint64_t i = 0; i < world->id_num; i++) {
        if (world->expert_ids[row * world->id_num + i] != ffn_world_expert_id(session, POLLED, round, i)) {
            return false;
        }
    }
    return world->layer_ids[row] == ffn_world_layer_id(session, POLLED, round);
}

bool early_row_is_untouched(const early *t, uint32_t row)
{
    int32_t pattern = 0;
    memset(&pattern, FFN_WORLD_OUTPUT_BYTE, sizeof(pattern));
    for (uint64_t i = 0; i < t->world->id_num; i++) {
        if (t->world->expert_ids[row * t->world->id_num + i] != pattern) {
            return false;
        }
    }
    return t->world->layer_ids[row] == pattern && t->world->session_ids[row] == pattern &&
           t->world->micro_batch_ids[row] == pattern;
}

void early_scribble(early *t)
{
    memset(t->world->expert_ids, 0x33, 4 * S * t->world->id_num);
}

static void expect_given_back(const early *t, uint32_t session)
{
    afd_ffn_desc *desc = ffn_world_desc(t->world, session, POLLED);
    assert_int_equal(desc->flag, AFD_FLAG_FREE);
    for (uint64_t i = 0; i < t->world->id_num; i++) {
        assert_int_equal(afd_ffn_desc_expert_ids(desc)[i], AFD_EXPERT_ID_REFILL);
    }
}

void early_expect_rows(const early *t, const uint32_t *sessions, const uint32_t *rounds, uint32_t num)
{
    assert_int_equal(t->world->context->ffn.out_num, num);
    assert_int_equal(t->world->context->ffn.polling_index, (POLLED + 1) % M);
    for (uint32_t k = 0; k < num; k++) {
        assert_true(ffn_world_row_is(t->world, k, sessions[k], POLLED, rounds[k]));
        expect_given_back(t, sessions[k]);
    }
}

void early_expect_all(const early *t, uint32_t round)
{
    const uint32_t sessions[S] = { 0, 1, 2, 3 };
    const uint32_t rounds[S] = { round, round, round, round };
    early_expect_rows(t, sessions, rounds, S);
}
