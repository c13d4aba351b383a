/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a dispatch refuses, one thing wrong at a time; what it refuses has changed no byte anywhere. */
#include <stdlib.h>
#include <string.h>

#include "cmocka_headers.h"
#include "dispatch_world.h"

enum { S = 3, M = 2, BS = 4, E = 3, K = 2, H = 32, LAYERS = 2, WRITERS = 3, FIRST_RANK = 5, ROUTED = 6 };

static dispatch_world *make_world(void)
{
    random_numbers numbers = { 7 };
    const dispatch_plan plan = {
        .shape = { .session_num = S, .micro_batch_num = M, .micro_batch_size = BS, .selected_expert_num = E,
                   .attn_to_ffn_token_size = H + 128, .ffn_to_attn_token_size = 2 * H },
        .writer_num = WRITERS, .first_rank = FIRST_RANK, .top_k = K, .routed_num = ROUTED, .layer_num = LAYERS,
        .copy_max = 2, .hidden = H, .type = AFD_TOKEN_BF16, .quantize = true, .smooth = true,
    };
    dispatch_world *world = dispatch_world_new(&plan, &numbers);
    world->args.session = 1;
    world->args.micro_batch = 1;
    world->args.layer_id = 1;
    return world;
}

static void expect_error(dispatch_world *world, const afd_dispatch_args *args, afd_status status, const char *field,
                         uint64_t value)
{
    afd_error error = { .field = "" };
    uint8_t *copy = dispatch_world_copy(world);
    assert_int_equal(afd_attention_dispatch(world->context, args, NULL, &error), status);
    assert_string_equal(error.field, field);
    assert_int_equal(error.value, value);
    assert_int_equal(error.status, status);
    assert_true(strlen(error.message) > 10);
    assert_int_equal(dispatch_world_first_difference(world, copy), world->block_bytes);
    free(copy);
}

static void expect_refused(dispatch_world *world, const afd_dispatch_args *args, const char *field, uint64_t value)
{
    expect_error(world, args, AFD_ERR_INVALID, field, value);
}

static void the_world_itself_is_right(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    assert_int_equal(afd_attention_dispatch(world->context, &world->args, NULL, NULL), AFD_OK);
    dispatch_world_free(world);
}

static void a_count_out_of_range_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    afd_dispatch_args args = world->args;
#define REFUSE(part, wrong, field, value)                                                                             \
    do {                                                                                                              \
        args = world->args;                                                                                           \
        args.part = (wrong);                                                                                          \
        expect_refused(world, &args, field, (uint64_t)(value));                                                       \
    } while (0)
    REFUSE(size, sizeof(args) - 1, "args.size", sizeof(args) - 1);
    REFUSE(session, S, "session", S);
    REFUSE(micro_batch, M, "micro_batch", M);
    REFUSE(micro_batch, UINT32_MAX, "micro_batch", UINT32_MAX);
    REFUSE(layer_id, -1, "layer_id", -1);
    REFUSE(layer_id, LAYERS, "layer_id", LAYERS);
    REFUSE(token_num, BS + 1, "token_num", BS + 1);
    REFUSE(hidden, 0, "hidden", 0);
    REFUSE(hidden, 24, "hidden", 24);
    REFUSE(type, AFD_TOKEN_INT8, "type", AFD_TOKEN_INT8);
    REFUSE(type, (afd_token_type)77, "type", 77);
    REFUSE(quantize, false, "smooth_scales", 0);
    REFUSE(top_k, 0, "top_k", 0);
    REFUSE(top_k, E + 1, "top_k", E + 1);
    REFUSE(experts.layer_num, 0, "experts.layer_num", 0);
    REFUSE(experts.expert_num, E - K, "experts.expert_num", E - K);
    REFUSE(experts.expert_num, 0, "experts.expert_num", 0);
    REFUSE(experts.width, 2, "experts.width", 2);
    REFUSE(writer_num, 0, "writer_num", 0);
    REFUSE(first_rank, -1, "first_rank", -1);
    REFUSE(first_rank, INT32_MAX - 2, "writer_num", WRITERS);
    args = world->args;
    args.experts.layer_num = args.experts.expert_num = args.experts.width = UINT32_MAX;
    expect_error(world, &args, AFD_ERR_OVERFLOW, "experts.entries", UINT64_C(0xFFFFFFFE00000001));
    dispatch_world_free(world);
}

static void smooth_scales_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    afd_dispatch_args args = world->args;
    args.experts.layer_num = args.experts.expert_num = UINT32_MAX / 4;
    args.experts.width = 3;
    args.hidden = UINT32_MAX - 15;
    expect_error(world, &args, AFD_ERR_OVERFLOW, "smooth_scales",
                 (uint64_t)(UINT32_MAX / 4) * (UINT32_MAX / 4));
    dispatch_world_free(world);
}

static void memory_that_is_missing_or_crooked_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    afd_dispatch_args args = world->args;
    afd_error error;
    const char *crooked = (const char *)world->tokens + 1;
    REFUSE(tokens, NULL, "tokens", 0);
    REFUSE(tokens, crooked, "tokens", (uintptr_t)crooked);
    REFUSE(expert_ids, NULL, "expert_ids", 0);
    REFUSE(experts.entries, NULL, "experts.entries", 0);
    REFUSE(writers, NULL, "writers", 0);
    crooked = (const char *)world->expert_ids + 2;
    REFUSE(expert_ids, (const int32_t *)(uintptr_t)crooked, "expert_ids", (uintptr_t)crooked);
    crooked = (const char *)world->table + 2;
    REFUSE(experts.entries, (const int32_t *)(uintptr_t)crooked, "experts.entries", (uintptr_t)crooked);
    crooked = (const char *)world->smooth_scales + 1;
    REFUSE(smooth_scales, (const float *)(uintptr_t)crooked, "smooth_scales", (uintptr_t)crooked);
    expect_refused(world, NULL, "args", 0);
    assert_int_equal(afd_attention_dispatch(NULL, &world->args, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "context");
    dispatch_world_free(world);
}

static void a_context_without_a_window_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    const afd_schedule_context right = *world->context;
    afd_window_fields *window = &world->context->attention.window;
    window->token_info_buf = 0;
    expect_refused(world, &world->args, "attention.token_info_buf", 0);
    window->token_info_buf = right.attention.window.token_info_buf + 2;
    expect_refused(world, &world->args, "attention.token_info_buf", window->token_info_buf);
    *world->context = right;
    window->token_info_buf_size = 4 * M * BS * E - 1;
    expect_refused(world, &world->args, "attention.token_info_buf_size", 4 * M * BS * E - 1);
    *world->context = right;
    world->context->common.micro_batch_num = 0;
    expect_refused(world, &world->args, "common.micro_batch_num", 0);
    *world->context = right;
    world->context->common.micro_batch_num = world->context->common.micro_batch_size = UINT32_MAX;
    expect_error(world, &world->args, AFD_ERR_OVERFLOW, "the token info", 0);
    dispatch_world_free(world);
}

static void a_writer_into_another_window_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    afd_writer *writer = world->writers[2];
    const afd_writer right = *writer;
    afd_writer_ops old_ops = *right.ops;
    old_ops.size--;
#define REFUSE_WRITER(part, wrong)                                                                                    \
    do {                                                                                                              \
        writer->part = (wrong);                                                                                       \
        expect_refused(world, &world->args, "writers", 2);                                                            \
        *writer = right;                                                                                              \
    } while (0)
    REFUSE_WRITER(ops, NULL);
    REFUSE_WRITER(ops, &old_ops);
    REFUSE_WRITER(kind, AFD_WINDOW_ATTENTION);
    REFUSE_WRITER(shape.micro_batch_num, M + 1);
    REFUSE_WRITER(shape.micro_batch_size, BS + 1);
    REFUSE_WRITER(shape.selected_expert_num, E - 1);
    REFUSE_WRITER(slot_bytes, H + 127); /* the original's bound */
    writer->shape.session_num = 1;
    expect_refused(world, &world->args, "session", 1);
    *writer = right;
    world->writers[2] = NULL;
    expect_refused(world, &world->args, "writers", 2);
    world->writers[2] = writer;
    assert_int_equal(afd_attention_dispatch(world->context, &world->args, NULL, NULL), AFD_OK);
    dispatch_world_free(world);
}

static void an_expert_id_out_of_range_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    const int32_t wrong[] = { -1, ROUTED, INT32_MIN, INT32_MAX };
    for (int i = 0; i < 4; i++) {
        for (int at = 0; at < BS * K; at++) {
            int32_t right = world->expert_ids[at];
            world->expert_ids[at] = wrong[i];
            expect_refused(world, &world->args, "expert_ids", (uint64_t)(int64_t)wrong[i]);
            world->expert_ids[at] = right;
        }
    }
    dispatch_world_free(world);
}

/* For the row of an expert that is used: nothing in it that this session looks at may be out of range. */
static void expect_row_refused(dispatch_world *world, int32_t *row)
{
    const int32_t right[5] = { row[0], row[1], row[2], row[3], row[4] };
    const int32_t copy_nums[] = { 0, -1, INT32_MIN, 4, INT32_MAX }; /* the width is 5 to 7 */
    const int32_t ranks[] = { FIRST_RANK - 1, FIRST_RANK + WRITERS, -1, INT32_MIN, INT32_MAX };
    const int32_t ids[] = { -1, AFD_EXPERT_ID_LIMIT, INT32_MIN, AFD_EXPERT_ID_NONE };
    int32_t copy = 1 % right[0]; /* the session is 1 */
    for (int i = 0; i < 5; i++) {
        row[0] = copy_nums[i];
        expect_refused(world, &world->args, "experts.entries", (uint64_t)(int64_t)row[0]);
        row[0] = right[0];
        row[1 + 2 * copy] = ranks[i];
        expect_refused(world, &world->args, "experts.entries", (uint64_t)(int64_t)ranks[i]);
        row[1 + 2 * copy] = right[1 + 2 * copy];
    }
    for (int i = 0; i < 4; i++) {
        row[2 + 2 * copy] = ids[i];
        expect_refused(world, &world->args, "experts.entries", (uint64_t)(int64_t)ids[i]);
        row[2 + 2 * copy] = right[2 + 2 * copy];
    }
}

static void a_table_entry_out_of_range_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    const afd_expert_table *table = &world->args.experts;
    int32_t *layer = world->table + (size_t)table->expert_num * table->width; /* layer 1 */
    expect_row_refused(world, layer + (size_t)world->expert_ids[0] * table->width);
    expect_row_refused(world, layer + (size_t)world->expert_ids[BS * K - 1] * table->width);
    expect_row_refused(world, layer + (size_t)ROUTED * table->width); /* the shared one */
    world->table[0] = 0; /* another layer's rows are not looked at */
    assert_int_equal(afd_attention_dispatch(world->context, &world->args, NULL, NULL), AFD_OK);
    dispatch_world_free(world);
}

static void a_mask_with_a_hole_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    const uint8_t masks[3][BS] = { { 0, 1, 1, 1 }, { 1, 0, 0, 1 }, { 1, 2, 0, 0 } };
    const uint64_t tokens[3] = { 1, 3, 1 };
    for (int i = 0; i < 3; i++) {
        afd_dispatch_args args = world->args;
        args.active_mask = masks[i];
        expect_refused(world, &args, "active_mask", tokens[i]);
    }
    dispatch_world_free(world);
}

static void a_round_that_is_open_is_refused_by_its_token_and_slot(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    afd_error error;
    for (uint32_t i = 0; i < BS * E; i++) {
        world->own_flags[BS * E + i] = 1;
        expect_refused(world, &world->args, "micro_batch", 1);
        assert_int_equal(afd_attention_dispatch(world->context, &world->args, NULL, &error), AFD_ERR_INVALID);
        assert_int_equal(error.bound, i);
        if (i == 7) {
            assert_non_null(strstr(error.message, "token 2 slot 1"));
        }
        world->own_flags[BS * E + i] = 0;
    }
    world->own_flags[BS * E - 1] = 1; /* of another micro-batch */
    world->own_flags[BS * E] = 2;     /* not ready */
    assert_int_equal(afd_attention_dispatch(world->context, &world->args, NULL, NULL), AFD_OK);
    dispatch_world_free(world);
}

static void a_wait_that_is_wrong_is_refused(void **state)
{
    (void)state;
    dispatch_world *world = make_world();
    afd_wait wait = AFD_WAIT_INIT((afd_wait_strategy)9);
    afd_error error;
    uint8_t *copy = dispatch_world_copy(world);
    assert_int_equal(afd_attention_dispatch(world->context, &world->args, &wait, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "wait.strategy");
    assert_int_equal(dispatch_world_first_difference(world, copy), world->block_bytes);
    free(copy);
    dispatch_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_world_itself_is_right),
        cmocka_unit_test(a_count_out_of_range_is_refused),
        cmocka_unit_test(smooth_scales_that_do_not_fit_are_refused),
        cmocka_unit_test(memory_that_is_missing_or_crooked_is_refused),
        cmocka_unit_test(a_context_without_a_window_is_refused),
        cmocka_unit_test(a_writer_into_another_window_is_refused),
        cmocka_unit_test(an_expert_id_out_of_range_is_refused),
        cmocka_unit_test(a_table_entry_out_of_range_is_refused),
        cmocka_unit_test(a_mask_with_a_hole_is_refused),
        cmocka_unit_test(a_round_that_is_open_is_refused_by_its_token_and_slot),
        cmocka_unit_test(a_wait_that_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
