/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a batching call refuses: each check provoked alone, with the field, value and bound that it names; and together
 * with each that comes after it, of which the earlier is the one that is named. In every case everything that the call
 * could have written is compared before and after.
 */
#include <stdlib.h>
#include <string.h>

#include "batch_world.h"
#include "cmocka_headers.h"

/* S=4 M=3 BS=3 E=2, 3 of 4 sessions in the output area: a desc of 32 bytes, 384 of them all. */
enum { S = 4, M = 3, BS = 3, E = 2, A = 4, OUT_NUM = 3, H = 32, HS = 64, EXPERTS = 5, INFO_BYTES = 384 };
enum { DATA_BYTES = S * M * BS * E * HS };

/* A call about to be made, on copies that a provocation may bend. */
typedef struct call {
    batch_world *world;
    afd_schedule_context *context;
    const afd_ffn_batch_args *args_given;
    afd_ffn_batch_out *out_given;
    afd_ffn_batch_args *args;
    afd_ffn_batch_out *out;
} call;

typedef struct provocation {
    void (*provoke)(call *c);
    const char *field;
    uint64_t value; /* ANY: an address */
    uint64_t bound;
    afd_status status;
} provocation;

#define ANY UINT64_C(0xABABABABABABABAB)
#define MINUS(number) ((uint64_t)(-(int64_t)(number)))

/* ---- what can be wrong with every call ---- */

static void no_context(call *c) { c->context = NULL; }
static void no_args(call *c) { c->args_given = NULL; }
static void args_size(call *c) { c->args->size--; }
static void no_out(call *c) { c->out_given = NULL; }
static void out_size(call *c) { c->out->size++; }
static void no_sessions(call *c) { c->context->common.session_num = 0; }
static void no_micro_batches(call *c) { c->context->common.micro_batch_num = 0; }
static void no_tokens(call *c) { c->context->common.micro_batch_size = 0; }
static void no_slots(call *c) { c->context->common.selected_expert_num = 0; }
static void no_experts(call *c) { c->args->expert_num = 0; }
static void million_experts(call *c) { c->args->expert_num = 1000000; }
static void session_max_0(call *c) { c->args->session_max = 0; }
static void session_max_5(call *c) { c->args->session_max = S + 1; }
static void hidden_0(call *c) { c->args->hidden = 0; }
static void hidden_24(call *c) { c->args->hidden = 24; }
static void type_3(call *c) { c->args->type = (afd_token_type)3; }
static void ids_overflow(call *c)
{
    c->context->common.micro_batch_size = c->context->common.selected_expert_num = UINT32_MAX;
}
static void slots_overflow(call *c)
{
    /* The descs fit 64 bits, and the slots do not fit 63. */
    c->context->common.session_num = c->context->common.micro_batch_num = UINT32_C(1) << 30;
    c->context->common.micro_batch_size = 1;
    c->context->common.selected_expert_num = 8;
}
static void rows_do_not_count(call *c)
{
    c->context->common.micro_batch_size = 1 << 16;
    c->context->common.selected_expert_num = 1 << 15;
}
static void no_group_list(call *c) { c->out->group_list = NULL; }
static void odd_group_list(call *c) { c->out->group_list = (int64_t *)(void *)((char *)c->out->group_list + 4); }
static void no_scale(call *c)
{
    c->args->type = AFD_TOKEN_INT8;
    c->out->dynamic_scale = NULL;
}
static void odd_scale(call *c) { c->out->dynamic_scale = (float *)(void *)((char *)c->out->dynamic_scale + 2); }
static void odd_slots(call *c) { c->out->slots = (int64_t *)(void *)((char *)c->out->slots + 4); }
static void odd_layers(call *c) { c->out->layer_ids = (int32_t *)(void *)((char *)c->out->layer_ids + 1); }
static void odd_taken(call *c) { c->out->taken_sessions = (int32_t *)(void *)((char *)c->out->taken_sessions + 1); }
static void no_wild(call *c) { c->out->wild = NULL; }
static void no_session_ids(call *c) { c->out->session_ids = NULL; }
static void no_micro_batch_ids(call *c) { c->out->micro_batch_ids = NULL; }
static void no_token_ids(call *c) { c->out->token_ids = NULL; }
static void odd_offsets(call *c) { c->out->expert_offsets = (int32_t *)(void *)((char *)c->out->expert_offsets + 2); }
static void no_indices_at_all(call *c)
{
    c->out->slots = NULL;
    c->out->session_ids = c->out->micro_batch_ids = c->out->token_ids = c->out->expert_offsets = NULL;
}
static void no_workspace(call *c) { c->args->workspace = NULL; }
static void odd_workspace(call *c) { c->args->workspace = (char *)c->args->workspace + 4; }
static void short_workspace(call *c) { c->args->workspace_bytes--; }

/* ---- with the output area alone ---- */

static void too_many_taken(call *c) { c->context->ffn.out_num = A + 1; }
static void fewer_wanted(call *c) { c->args->session_max = OUT_NUM - 1; }
static void short_layers(call *c) { c->context->ffn.layer_ids_buf_size = 4 * OUT_NUM - 1; }
static void null_layers(call *c) { c->context->ffn.layer_ids_buf = 0; }
static void short_sessions(call *c) { c->context->ffn.session_ids_buf_size = 4 * OUT_NUM - 1; }
static void null_sessions(call *c) { c->context->ffn.session_ids_buf = 0; }
static void short_micro_batches(call *c) { c->context->ffn.micro_batch_ids_buf_size = 0; }
static void odd_micro_batches(call *c) { c->context->ffn.micro_batch_ids_buf += 2; }
static void short_ids(call *c) { c->context->ffn.expert_ids_buf_size = 4 * OUT_NUM * BS * E - 1; }
static void null_ids(call *c) { c->context->ffn.expert_ids_buf = 0; }
static void session_4(call *c) { c->world->ffn->session_ids[OUT_NUM - 1] = S; }
static void session_minus_1(call *c) { c->world->ffn->session_ids[0] = -1; }
static void micro_batch_3(call *c) { c->world->ffn->micro_batch_ids[1] = M; }
static void wild_id(call *c)
{
    c->args->fail_on_wild = true;
    c->world->ffn->expert_ids[BS * E + 2 * E + 1] = EXPERTS;
}
static void other_layer(call *c)
{
    c->args->layer_num = 1;
    c->world->ffn->layer_ids[2] = 7;
}
static void no_token_data(call *c) { c->context->ffn.window.token_data_buf = 0; }
static void short_token_data(call *c) { c->context->ffn.window.token_data_buf_size = 0; }
static void slots_past_all_memory(call *c)
{
    c->context->common.session_num = INT32_MAX;
    c->context->common.micro_batch_num = 1 << 16;
    c->context->common.attn_to_ffn_token_size = UINT32_MAX;
    c->world->ffn->session_ids[0] = INT32_MAX - 1;
    c->context->ffn.window.token_data_buf_size = UINT64_MAX;
}

/* ---- with need_schedule alone ---- */

static void short_info(call *c) { c->context->ffn.window.token_info_buf_size = INFO_BYTES - 1; }
static void null_info(call *c) { c->context->ffn.window.token_info_buf = 0; }
static void odd_info(call *c) { c->context->ffn.window.token_info_buf += 2; }
static void polling_index_3(call *c) { c->context->ffn.polling_index = M; }
static void polling_index_wide(call *c) { c->context->ffn.polling_index = UINT64_C(1) << 32; }
static void wild_desc(call *c)
{
    c->args->fail_on_wild = true;
    afd_ffn_desc_expert_ids(ffn_world_desc(c->world->ffn, 2, 0))[3] = -2;
}
static void other_layer_desc(call *c)
{
    c->args->layer_num = 1;
    ffn_world_desc(c->world->ffn, 3, 0)->layer_id = 8;
}

#define BAD(provoke_, field_, value_, bound_) { provoke_, field_, value_, bound_, AFD_ERR_INVALID }
#define BEFORE_THE_SOURCE                                                                                             \
    BAD(no_context, "context", 0, 8), BAD(no_args, "args", 0, 0),                                                     \
        BAD(args_size, "args.size", sizeof(afd_ffn_batch_args) - 1, sizeof(afd_ffn_batch_args)),                       \
        BAD(no_out, "out", 0, 0),                                                                                     \
        BAD(out_size, "out.size", sizeof(afd_ffn_batch_out) + 1, sizeof(afd_ffn_batch_out)),                           \
        BAD(no_sessions, "common.session_num", 0, 1), BAD(no_micro_batches, "common.micro_batch_num", 0, 1),          \
        BAD(no_tokens, "common.micro_batch_size", 0, 1), BAD(no_slots, "common.selected_expert_num", 0, 1),           \
        BAD(no_experts, "args.expert_num", 0, 999999), BAD(million_experts, "args.expert_num", 1000000, 999999),      \
        BAD(session_max_0, "args.session_max", 0, S), BAD(session_max_5, "args.session_max", S + 1, S),               \
        BAD(hidden_0, "args.hidden", 0, 16), BAD(hidden_24, "args.hidden", 24, 16), BAD(type_3, "args.type", 3, 2),   \
        { ids_overflow, "the token info", 0, UINT64_MAX, AFD_ERR_OVERFLOW },                                          \
        { slots_overflow, "the token info", 0, UINT64_MAX, AFD_ERR_OVERFLOW },                                        \
        BAD(rows_do_not_count, "args.session_max", A, 1)
#define BEHIND_THE_SOURCE                                                                                             \
    BAD(no_group_list, "out.group_list", 0, 8), BAD(odd_group_list, "out.group_list", ANY, 8),                        \
        BAD(no_scale, "out.dynamic_scale", 0, 4), BAD(odd_scale, "out.dynamic_scale", ANY, 4),                        \
        BAD(odd_slots, "out.slots", ANY, 8), BAD(odd_layers, "out.layer_ids", ANY, 4),                                \
        BAD(odd_taken, "out.taken_sessions", ANY, 4), BAD(no_wild, "out.wild", 0, 4),                                 \
        BAD(no_session_ids, "out.session_ids", 0, 4), BAD(no_indices_at_all, "out.session_ids", 0, 4),                \
        BAD(no_micro_batch_ids, "out.micro_batch_ids", 0, 4), BAD(no_token_ids, "out.token_ids", 0, 4),               \
        BAD(odd_offsets, "out.expert_offsets", ANY, 4), BAD(no_workspace, "args.workspace", 0, 8),                    \
        BAD(odd_workspace, "args.workspace", ANY, 8), BAD(short_workspace, "args.workspace_bytes", ANY, ANY)

/* In the order of src/ffn/batch_check.c; behind it what is found with the ids at hand. */
static const provocation of_area[] = {
    BEFORE_THE_SOURCE,
    BAD(too_many_taken, "ffn.out_num", A + 1, A),
    BAD(fewer_wanted, "ffn.out_num", OUT_NUM, OUT_NUM - 1),
    BAD(short_layers, "ffn.layer_ids_buf_size", 4 * OUT_NUM - 1, 4 * OUT_NUM),
    BAD(null_layers, "ffn.layer_ids_buf", 0, 4),
    BAD(short_sessions, "ffn.session_ids_buf_size", 4 * OUT_NUM - 1, 4 * OUT_NUM),
    BAD(null_sessions, "ffn.session_ids_buf", 0, 4),
    BAD(short_micro_batches, "ffn.micro_batch_ids_buf_size", 0, 4 * OUT_NUM),
    BAD(odd_micro_batches, "ffn.micro_batch_ids_buf", ANY, 4),
    BAD(short_ids, "ffn.expert_ids_buf_size", 4 * OUT_NUM * BS * E - 1, 4 * OUT_NUM * BS * E),
    BAD(null_ids, "ffn.expert_ids_buf", 0, 4),
    BEHIND_THE_SOURCE,
    BAD(session_minus_1, "ffn.session_ids", MINUS(1), S),
    BAD(micro_batch_3, "ffn.micro_batch_ids", M, M),
    BAD(session_4, "ffn.session_ids", S, S),
    BAD(wild_id, "expert_id", EXPERTS, EXPERTS),
    BAD(other_layer, "layer_id", 7, 3),
    BAD(no_token_data, "ffn.token_data_buf", 0, 0),
    BAD(short_token_data, "ffn.token_data_buf_size", 0, (0 * M * BS * E + BS * E - 1) * HS + 2 * H),
    BAD(slots_past_all_memory, "ffn.token_data_buf_size", UINT64_MAX, UINT64_MAX),
};

static const provocation of_window[] = {
    BEFORE_THE_SOURCE,
    BAD(short_info, "ffn.token_info_buf_size", INFO_BYTES - 1, INFO_BYTES),
    BAD(null_info, "ffn.token_info_buf", 0, 4),
    BAD(odd_info, "ffn.token_info_buf", ANY, 4),
    BAD(polling_index_3, "ffn.polling_index", M, M),
    BAD(polling_index_wide, "ffn.polling_index", UINT64_C(1) << 32, M),
    BAD(fewer_wanted, "args.session_max", OUT_NUM - 1, S),
    BEHIND_THE_SOURCE,
    BAD(wild_desc, "expert_id", MINUS(2), EXPERTS),
    BAD(other_layer_desc, "layer_id", 8, 3),
    BAD(no_token_data, "ffn.token_data_buf", 0, 0),
    BAD(short_token_data, "ffn.token_data_buf_size", 0, (BS * E - 1) * HS + 2 * H),
};

/* A world that is good as it stands: three sessions in the output area, and everybody ready at micro-batch 0. */
static batch_world *good_world(bool need_schedule)
{
    const afd_shape shape = { .session_num = S, .micro_batch_num = M, .micro_batch_size = BS,
                              .selected_expert_num = E, .attn_to_ffn_token_size = HS };
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    args.expert_num = EXPERTS;
    args.session_max = A;
    args.hidden = H;
    args.type = AFD_TOKEN_BF16;
    args.need_schedule = need_schedule;
    batch_world *world = batch_world_new(&shape, &args, DATA_BYTES);
    for (uint32_t s = 0; s < S; s++) {
        ffn_world_arm(world->ffn, s, 0, 0, AFD_FLAG_READY);
        ffn_world_desc(world->ffn, s, 0)->layer_id = 3;
        for (uint32_t i = 0; i < BS * E; i++) {
            afd_ffn_desc_expert_ids(ffn_world_desc(world->ffn, s, 0))[i] = (int32_t)(i % EXPERTS);
        }
    }
    for (uint32_t k = 0; k < OUT_NUM; k++) {
        world->ffn->session_ids[k] = (int32_t)k;
        world->ffn->micro_batch_ids[k] = 0;
        world->ffn->layer_ids[k] = 3;
        for (uint32_t i = 0; i < BS * E; i++) {
            world->ffn->expert_ids[k * BS * E + i] = (int32_t)(i % EXPERTS);
        }
    }
    world->ffn->context->ffn.out_num = OUT_NUM;
    return world;
}

static void expect_refused(bool need_schedule, const provocation *first, const provocation *second)
{
    batch_world *world = good_world(need_schedule);
    afd_ffn_batch_args args = world->args;
    afd_ffn_batch_out out = world->out;
    call c = { world, world->ffn->context, &args, &out, &args, &out };
    afd_error error = { .field = "" };
    if (second != NULL) {
        second->provoke(&c);
        c.context = world->ffn->context; /* that it is missing comes first, and is provoked alone */
    }
    first->provoke(&c);
    uint8_t *window_before = ffn_world_copy(world->ffn);
    uint8_t *before = batch_world_copy(world);
    const afd_ffn_batch_out counts = out;
    afd_status status = afd_ffn_batch(c.context, c.args_given, c.out_given, NULL, &error);
    if (status != first->status || strcmp(error.field, first->field) != 0) {
        fail_msg("%s is not refused, or under the name %s", first->field, error.field);
    }
    assert_int_equal(error.status, status);
    if (second == NULL && first->value != ANY) {
        assert_int_equal(error.value, first->value);
    }
    if (second == NULL && first->bound != ANY) {
        assert_int_equal(error.bound, first->bound);
    }
    assert_true(error.message[0] != '\0');
    assert_true(ffn_world_equals(world->ffn, window_before));
    assert_memory_equal(world->block, before, world->block_bytes);
    assert_memory_equal(&out, &counts, sizeof(out));
    free(window_before);
    free(before);
    batch_world_free(world);
}

static void what_is_good_is_accepted(void **state)
{
    (void)state;
    for (int need_schedule = 0; need_schedule <= 1; need_schedule++) {
        batch_world *world = good_world(need_schedule == 1);
        assert_int_equal(batch_world_call(world, NULL, NULL), AFD_OK);
        assert_int_equal(world->out.taken_num, need_schedule ? S : OUT_NUM);
        assert_int_equal(world->out.row_num, world->out.taken_num * BS * E);
        batch_world_free(world);
    }
}

static void each_check_names_field_value_and_bound(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(of_area) / sizeof(of_area[0]); i++) {
        expect_refused(false, &of_area[i], NULL);
    }
    for (size_t i = 0; i < sizeof(of_window) / sizeof(of_window[0]); i++) {
        expect_refused(true, &of_window[i], NULL);
    }
}

/* Only neighbours that do not undo each other: the later is provoked first, the earlier on top of it. */
static void the_earlier_of_two_is_named(void **state)
{
    (void)state;
    const struct {
        bool need_schedule;
        const provocation *provocations;
        size_t num;
    } lists[2] = {
        { false, of_area, sizeof(of_area) / sizeof(of_area[0]) },
        { true, of_window, sizeof(of_window) / sizeof(of_window[0]) },
    };
    for (int list = 0; list < 2; list++) {
        const provocation *provocations = lists[list].provocations;
        for (size_t i = 1; i < lists[list].num; i++) {
            const provocation *earlier = &provocations[i - 1];
            const provocation *later = &provocations[i];
            if (strcmp(earlier->field, later->field) != 0 && earlier->provoke != slots_overflow) {
                expect_refused(lists[list].need_schedule, earlier, later);
            }
        }
    }
}

static void a_wild_id_is_named_with_session_token_slot_and_value(void **state)
{
    (void)state;
    batch_world *world = good_world(true);
    afd_error error;
    world->args.fail_on_wild = true;
    afd_ffn_desc_expert_ids(ffn_world_desc(world->ffn, 2, 0))[2 * E + 1] = 999999;
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.message, "the expert id of session 2, micro-batch 0, token 2, slot 1 is 999999, must be "
                                       "in [0, 5), or at least 1000000 for an empty slot");
    assert_int_equal(ffn_world_desc(world->ffn, 0, 0)->flag, AFD_FLAG_READY);
    batch_world_free(world);
}

static void layers_that_differ_are_named_with_both_sessions(void **state)
{
    (void)state;
    batch_world *world = good_world(true);
    afd_error error;
    world->args.layer_num = 1;
    ffn_world_desc(world->ffn, 3, 0)->layer_id = 9;
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.message,
                        "session 0 is at layer 3 and session 3 at layer 9; with args.layer_num 1 all must be at one");
    world->args.layer_num = 0;
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_OK);
    assert_int_equal(world->out.layer_ids[0], 3);
    assert_int_equal(world->out.layer_ids[3], 9);
    batch_world_free(world);
}

static void a_scheduler_object_has_to_fit(void **state)
{
    (void)state;
    static _Alignas(8) char memory[1024];
    batch_world *world = good_world(true);
    afd_error error;
    assert_int_equal(afd_ffn_scheduler_new(S, M + 1, NULL, memory, sizeof(memory), &world->args.scheduler, NULL),
                     AFD_OK);
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.scheduler.micro_batch_num");
    batch_world_free(world);
}

static void more_members_than_session_max_are_refused_and_nothing_is_taken(void **state)
{
    (void)state;
    static _Alignas(8) char memory[1024];
    batch_world *world = good_world(true);
    afd_error error;
    assert_int_equal(afd_ffn_scheduler_new(S, M, NULL, memory, sizeof(memory), &world->args.scheduler, NULL), AFD_OK);
    assert_int_equal(afd_ffn_scheduler_drop(world->args.scheduler, 0, NULL), AFD_OK);
    world->args.session_max = 2;
    uint8_t *before = ffn_world_copy(world->ffn);
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.session_max");
    assert_int_equal(error.value, 2);
    assert_int_equal(error.bound, 3);
    assert_true(ffn_world_equals(world->ffn, before));
    assert_int_equal(afd_ffn_scheduler_drop(world->args.scheduler, 2, NULL), AFD_OK);
    assert_int_equal(batch_world_call(world, NULL, &error), AFD_OK);
    assert_int_equal(world->out.taken_num, 2);
    free(before);
    batch_world_free(world);
}

static void a_wait_that_is_wrong_is_refused(void **state)
{
    (void)state;
    batch_world *world = good_world(true);
    afd_wait wait = AFD_WAIT_INIT((afd_wait_strategy)3);
    afd_error error;
    assert_int_equal(batch_world_call(world, &wait, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "wait.strategy");
    assert_int_equal(ffn_world_desc(world->ffn, 0, 0)->flag, AFD_FLAG_READY);
    batch_world_free(world);
}

static void the_workspace_is_measured(void **state)
{
    (void)state;
    batch_world *world = good_world(false);
    afd_schedule_context *context = world->ffn->context;
    afd_ffn_batch_args args = world->args;
    uint64_t bytes = afd_ffn_batch_workspace_bytes(context, &args);
    assert_true(bytes >= 4 * EXPERTS + 4 * A * BS * E);
    args.expert_num++;
    assert_int_equal(afd_ffn_batch_workspace_bytes(context, &args), bytes + 4);
    args.size--;
    assert_int_equal(afd_ffn_batch_workspace_bytes(context, &args), 0);
    assert_int_equal(afd_ffn_batch_workspace_bytes(context, NULL), 0);
    assert_int_equal(afd_ffn_batch_workspace_bytes(NULL, &world->args), 0);
    context->common.micro_batch_size = UINT32_MAX;
    assert_int_equal(afd_ffn_batch_workspace_bytes(context, &world->args), 0);
    context->common.selected_expert_num = UINT32_MAX;
    assert_int_equal(afd_ffn_batch_workspace_bytes(context, &world->args), 0);
    batch_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_good_is_accepted),
        cmocka_unit_test(each_check_names_field_value_and_bound),
        cmocka_unit_test(the_earlier_of_two_is_named),
        cmocka_unit_test(a_wild_id_is_named_with_session_token_slot_and_value),
        cmocka_unit_test(layers_that_differ_are_named_with_both_sessions),
        cmocka_unit_test(a_scheduler_object_has_to_fit),
        cmocka_unit_test(more_members_than_session_max_are_refused_and_nothing_is_taken),
        cmocka_unit_test(a_wait_that_is_wrong_is_refused),
        cmocka_unit_test(the_workspace_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
