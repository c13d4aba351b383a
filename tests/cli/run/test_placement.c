/* SPDX-License-Identifier: Apache-2.0 */
/* Which expert is where: each exactly where the table says, and by one number. */
#include "cmocka_headers.h"
#include "run/placement.h"
#include "small_model.h"

typedef struct world {
    const run_model *model;
    uint32_t layer_num;
    uint32_t ffn_num;
    uint32_t copy_num;
} world;

static const int32_t *row_of(const run_placement *placement, uint32_t layer, uint32_t expert)
{
    return &placement->table.entries[((size_t)layer * placement->table.expert_num + expert) * placement->table.width];
}

/* That worker `ffn` has `expert` of `layer` under `id`, by what the worker itself goes by. */
static void check_copy(const run_placement *placement, uint32_t layer, uint32_t expert, int32_t ffn, int32_t id)
{
    assert_in_range(ffn, 0, placement->ffn_num - 1);
    uint32_t local_num = placement->local_nums[ffn];
    assert_in_range(id, 0, placement->layer_num * local_num - 1);
    assert_int_equal((uint32_t)id / local_num, layer);
    assert_int_equal(placement->local_experts[ffn][(uint32_t)id % local_num], expert);
}

/* A routed expert stands at the worker whose block it is in, of `ffn_num` cuts of [0, routed) as even as can be, and at
 * those that follow it round, as many as there are copies. */
static void check_routed(const world *given, const run_placement *placement, uint32_t layer, uint32_t expert)
{
    const int32_t *row = row_of(placement, layer, expert);
    uint32_t owner = 0;
    while (expert >= (uint64_t)given->model->routed_expert_num * (owner + 1) / given->ffn_num) {
        owner++;
    }
    assert_int_equal(row[0], given->copy_num);
    for (uint32_t copy = 0; copy < given->copy_num; copy++) {
        int32_t ffn = row[1 + 2 * copy];
        assert_true(((uint32_t)ffn + given->ffn_num - owner) % given->ffn_num < given->copy_num);
        assert_true(copy == 0 || ffn > row[2 * copy - 1]); /* none twice */
        check_copy(placement, layer, expert, ffn, row[2 + 2 * copy]);
    }
}

static void check_shared(const world *given, const run_placement *placement, uint32_t layer, uint32_t expert)
{
    const int32_t *row = row_of(placement, layer, expert);
    assert_int_equal(row[0], given->ffn_num);
    for (uint32_t ffn = 0; ffn < given->ffn_num; ffn++) {
        assert_int_equal(row[1 + 2 * ffn], ffn);
        check_copy(placement, layer, expert, row[1 + 2 * ffn], row[2 + 2 * ffn]);
    }
}

/* No worker has two experts of one number: what check_copy() found of all, counted. */
static void check_ids_are_unique(const world *given, const run_placement *placement)
{
    for (uint32_t ffn = 0; ffn < given->ffn_num; ffn++) {
        uint32_t id_num = given->layer_num * placement->local_nums[ffn];
        unsigned char *seen = test_calloc(id_num, 1);
        for (uint32_t row = 0; row < given->layer_num * run_model_expert_num(given->model); row++) {
            const int32_t *entry = &placement->table.entries[(size_t)row * placement->table.width];
            for (int32_t copy = 0; copy < entry[0]; copy++) {
                if (entry[1 + 2 * copy] == (int32_t)ffn) {
                    assert_int_equal(seen[entry[2 + 2 * copy]]++, 0);
                }
            }
        }
        for (uint32_t id = 0; id < id_num; id++) {
            assert_int_equal(seen[id], 1);
        }
        test_free(seen);
    }
}

static void check(const world *given)
{
    run_placement placement;
    run_placement_create(&placement, given->model, given->layer_num, given->ffn_num, given->copy_num);
    assert_int_equal(placement.table.layer_num, given->layer_num);
    assert_int_equal(placement.table.expert_num, run_model_expert_num(given->model));
    assert_int_equal(placement.table.width, 1 + 2 * given->ffn_num);
    for (uint32_t layer = 0; layer < given->layer_num; layer++) {
        for (uint32_t expert = 0; expert < run_model_expert_num(given->model); expert++) {
            if (expert < given->model->routed_expert_num) {
                check_routed(given, &placement, layer, expert);
            } else {
                check_shared(given, &placement, layer, expert);
            }
        }
    }
    check_ids_are_unique(given, &placement);
    run_placement_destroy(&placement);
}

static void every_expert_is_where_the_table_says(void **state)
{
    (void)state;
    for (uint32_t ffn_num = 1; ffn_num <= small_model.routed_expert_num; ffn_num++) {
        for (uint32_t copy_num = 1; copy_num <= ffn_num; copy_num++) {
            const world given = { &small_model, small_model.moe_layers, ffn_num, copy_num };
            check(&given);
        }
    }
}

static void experts_that_cannot_be_dealt_out_evenly_differ_by_one(void **state)
{
    const world given = { run_model_find("deepseek-v2-lite"), 3, 7, 1 };
    run_placement placement;
    (void)state;
    check(&given);
    run_placement_create(&placement, given.model, given.layer_num, given.ffn_num, given.copy_num);
    for (uint32_t ffn = 0; ffn < given.ffn_num; ffn++) {
        assert_in_range(placement.local_nums[ffn] - given.model->shared_expert_num, 64 / 7, 64 / 7 + 1);
    }
    run_placement_destroy(&placement);
}

static void a_model_without_shared_experts_has_one_copy_of_each(void **state)
{
    const world given = { run_model_find("mixtral-8x7b"), 2, 8, 1 };
    (void)state;
    check(&given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_expert_is_where_the_table_says),
        cmocka_unit_test(experts_that_cannot_be_dealt_out_evenly_differ_by_one),
        cmocka_unit_test(a_model_without_shared_experts_has_one_copy_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
