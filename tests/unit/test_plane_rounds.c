/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds and answers over links: every row of every round compared with a plain model, whatever its shape and size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/wait.h"
#include "cmocka_headers.h"
#include "plane_world.h"

static uint64_t seed;

/* What one micro-batch of a guest has put: a bit a slot, and how many bytes of its row. */
typedef struct model_round {
    uint32_t slot_num;
    uint32_t put_num;
    uint32_t row_bytes[1024]; /* 0: nothing was put there */
    uint64_t salt;
    int32_t layer_id;
} model_round;

static model_round put_some(afd__link *link, uint32_t session, uint32_t micro_batch, random_numbers *numbers,
                            const model_round *among)
{
    const afd_writer *writer = afd__link_writer(link);
    const uint32_t percent = random_below(numbers, 5) * 25;
    model_round model = {
        .slot_num = writer->shape.micro_batch_size * writer->shape.selected_expert_num,
        .salt = random_u64(numbers),
        .layer_id = (int32_t)random_below(numbers, INT32_MAX),
    };
    /* From the last slot to the first in half of the cases: rows are in the order in which they were put. */
    const bool backward = random_chance(numbers, 50);
    for (uint32_t i = 0; i < model.slot_num; i++) {
        const uint32_t slot = backward ? model.slot_num - 1 - i : i;
        if ((among != NULL && among->row_bytes[slot] == 0) || !random_chance(numbers, percent)) {
            continue;
        }
        model.row_bytes[slot] = random_chance(numbers, 70) ? (uint32_t)writer->slot_bytes
                                                           : 1 + random_below(numbers, (uint32_t)writer->slot_bytes);
        plane_put(link, session, micro_batch, slot, model.row_bytes[slot], model.salt);
        model.put_num++;
    }
    return model;
}

static void expect_round(const plane_world *world, uint32_t session, uint32_t micro_batch, const model_round *model)
{
    afd_ffn_desc *desc = afd_window_desc(world->window, session, micro_batch);
    const int32_t *ids = afd_ffn_desc_expert_ids(desc);
    assert_int_equal(desc->layer_id, model->layer_id);
    for (uint32_t slot = 0; slot < model->slot_num; slot++) {
        if (model->row_bytes[slot] == 0) {
            assert_true(ids[slot] >= AFD_EXPERT_ID_LIMIT);
            continue;
        }
        assert_int_equal(ids[slot], slot);
        plane_expect_row(world->window, session, micro_batch, slot, model->row_bytes[slot],
                         world->shape.attn_to_ffn_token_size, model->salt);
    }
}

static void expect_answer(const plane_world *world, uint32_t guest, uint32_t micro_batch, const model_round *model)
{
    const afd_window *window = world->guests[guest].window;
    const int32_t *flags = afd_window_slot_flags(window, micro_batch);
    for (uint32_t slot = 0; slot < model->slot_num; slot++) {
        assert_int_equal(flags[slot], model->row_bytes[slot] == 0 ? AFD_FLAG_FREE : AFD_FLAG_READY);
        if (model->row_bytes[slot] != 0) {
            plane_expect_row(window, 0, micro_batch, slot, model->row_bytes[slot],
                             world->shape.ffn_to_attn_token_size, model->salt);
        }
    }
}

/* One round there and back. */
static void run_round(plane_world *world, uint32_t guest, uint32_t micro_batch, random_numbers *numbers)
{
    afd__link *link = world->guests[guest].link;
    afd__link *at_host = world->guests[guest].at_host;
    PROGRESS_UNTIL(world, afd_writer_is_free(afd__link_writer(link), guest, micro_batch));
    plane_clear_flags(world, guest, micro_batch);
    const model_round sent = put_some(link, guest, micro_batch, numbers, NULL);
    plane_publish(link, guest, micro_batch, sent.layer_id);
    assert_false(afd_writer_is_free(afd__link_writer(link), guest, micro_batch));
    PROGRESS_UNTIL(world, plane_desc_is_ready(world, guest, micro_batch));
    expect_round(world, guest, micro_batch, &sent);
    plane_take(world, guest, micro_batch);
    assert_false(afd_writer_is_free(afd__link_writer(link), guest, micro_batch));
    const model_round answer = put_some(at_host, guest, micro_batch, numbers, &sent);
    plane_publish(at_host, guest, micro_batch, 0);
    PROGRESS_UNTIL(world, afd_writer_is_free(afd__link_writer(link), guest, micro_batch));
    expect_answer(world, guest, micro_batch, &answer);
}

static void rounds_and_answers_of_random_shapes_arrive_as_they_were_put(void **state)
{
    (void)state;
    random_numbers numbers = { seed };
    for (int world_num = 0; world_num < 12; world_num++) {
        plane_world world = { 0 };
        const plane_sizes sizes = {
            .micro_batch_num = 1 + random_below(&numbers, 3),
            .micro_batch_size = 1 + random_below(&numbers, 32),
            .selected_expert_num = 1 + random_below(&numbers, 9),
            .to_ffn_bytes = 1 + random_below(&numbers, 3000),
            .to_attention_bytes = 1 + random_below(&numbers, 3000),
        };
        plane_world_open(&world, &sizes, 1 + random_below(&numbers, PLANE_GUEST_MAX));
        for (uint32_t guest = 0; guest < world.guest_num; guest++) {
            plane_world_attach(&world, guest);
        }
        for (int round_num = 0; round_num < 30; round_num++) {
            run_round(&world, random_below(&numbers, world.guest_num), random_below(&numbers, sizes.micro_batch_num),
                      &numbers);
        }
        const afd__plane_counters counters = afd__plane_count(world.plane);
        assert_int_equal(counters.stale_num, 0);
        assert_int_equal(counters.garbage_num, 0);
        plane_world_close(&world);
    }
}

static void messages_of_every_size_arrive_eager_or_fetched(void **state)
{
    (void)state;
    random_numbers numbers = { seed + 1 };
    for (uint32_t row_bytes = 8; row_bytes <= 4U << 20; row_bytes *= 8) {
        plane_world world = { 0 };
        const plane_sizes sizes = { 2, 1, 2, row_bytes, row_bytes + 1 };
        plane_world_open(&world, &sizes, 1);
        plane_world_attach(&world, 0);
        for (uint32_t round_num = 0; round_num < 8; round_num++) {
            run_round(&world, 0, round_num % 2, &numbers);
        }
        plane_world_close(&world);
    }
}

static void several_micro_batches_are_under_way_at_once(void **state)
{
    (void)state;
    plane_world world = { 0 };
    const plane_sizes sizes = { 3, 4, 2, 4096, 4096 };
    plane_world_open(&world, &sizes, 2);
    plane_world_attach(&world, 0);
    plane_world_attach(&world, 1);
    for (uint32_t guest = 0; guest < 2; guest++) {
        for (uint32_t m = 0; m < 3; m++) {
            plane_put(world.guests[guest].link, guest, m, m, 4096, guest * 10 + m);
            plane_publish(world.guests[guest].link, guest, m, (int32_t)m);
        }
    }
    for (uint32_t guest = 0; guest < 2; guest++) {
        for (uint32_t m = 0; m < 3; m++) {
            PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, guest, m));
            plane_expect_row(world.window, guest, m, m, 4096, 4096, guest * 10 + m);
            plane_take(&world, guest, m);
            plane_put(world.guests[guest].at_host, guest, m, m, 4096, guest * 10 + m + 100);
            plane_publish(world.guests[guest].at_host, guest, m, 0);
        }
    }
    for (uint32_t guest = 0; guest < 2; guest++) {
        for (uint32_t m = 0; m < 3; m++) {
            PROGRESS_UNTIL(&world, plane_ready_num(&world, guest, m) == 1);
            plane_expect_row(world.guests[guest].window, 0, m, m, 4096, 4096, guest * 10 + m + 100);
        }
    }
    plane_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_and_answers_of_random_shapes_arrive_as_they_were_put),
        cmocka_unit_test(messages_of_every_size_arrive_eager_or_fetched),
        cmocka_unit_test(several_micro_batches_are_under_way_at_once),
    };
    const char *text = getenv("AFD_TEST_SEED");
    seed = text != NULL ? strtoull(text, NULL, 0) : 1;
    plane_world_require_ucx();
    (void)printf("AFD_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
