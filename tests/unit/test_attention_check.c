/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attention operators refuse: each check provoked alone, with the field, value and bound that it names; and in
 * pairs, of which the earlier is the one that is named. In every case everything is compared before and after.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "attention_world.h"
#include "cmocka_headers.h"

/* M=3 BS=4 E=3: 144 bytes of flags, slots of 80 bytes. Combine reads 4 tokens of 2 routed experts, H=32. */
enum { M = 3, BS = 4, E = 3, SLOT_BYTES = 80, INFO_BYTES = 144, TOP_K = 2, HIDDEN = 32, OUTPUT_BYTE = 0xEE };

/* All that is read for the awaited micro-batch 0 ends with the values of its last slot. */
enum { READ_BYTES = (BS * E - 1) * SLOT_BYTES + 2 * HIDDEN };

typedef enum patched { NOTHING, CONTEXT, ADDRESS, ARGUMENT, MICRO_BATCH } patched;

typedef struct patch {
    patched what;
    size_t at; /* in the context or the arguments */
    size_t bytes;
    uint64_t value; /* added, to an ADDRESS */
} patch;

typedef struct provocation {
    patch patches[2];
    bool of_schedule; /* the schedulers refuse it */
    bool of_combine;  /* combine with need_schedule does */
    afd_status status;
    const char *field;
    uint64_t value; /* not compared where it is an address */
    uint64_t bound;
} provocation;

#define IN(structure, field) offsetof(structure, field), sizeof(((structure *)0)->field)
#define ONE(field, value_) { { CONTEXT, IN(afd_schedule_context, field), (value_) }, { NOTHING, 0, 0, 0 } }
#define ADDED(field, value_) { { ADDRESS, IN(afd_schedule_context, field), (value_) }, { NOTHING, 0, 0, 0 } }
#define ARGS(field, value_) { { ARGUMENT, IN(afd_combine_args, field), (value_) }, { NOTHING, 0, 0, 0 } }
#define TWO(field_a, value_a, field_b, value_b)                                                                       \
    { { CONTEXT, IN(afd_schedule_context, field_a), (value_a) },                                                      \
      { CONTEXT, IN(afd_schedule_context, field_b), (value_b) } }

/* In the order of the headers; combine's arguments stand between counts and buffers. */
static const provocation provocations[] = {
    { ONE(common.schedule_mode, 0), true, false, AFD_ERR_INVALID, "common.schedule_mode", 0, 1 },
    { ONE(common.schedule_mode, 2), true, false, AFD_ERR_INVALID, "common.schedule_mode", 2, 1 },
    { ONE(common.micro_batch_num, 0), true, true, AFD_ERR_INVALID, "common.micro_batch_num", 0, 1 },
    { ONE(common.micro_batch_size, 0), true, true, AFD_ERR_INVALID, "common.micro_batch_size", 0, 1 },
    { ONE(common.selected_expert_num, 0), true, true, AFD_ERR_INVALID, "common.selected_expert_num", 0, 1 },
    { ARGS(token_num, BS + 1), false, true, AFD_ERR_INVALID, "args.token_num", BS + 1, BS },
    { ARGS(token_num, UINT32_MAX), false, true, AFD_ERR_INVALID, "args.token_num", UINT32_MAX, BS },
    { ARGS(top_k, 0), false, true, AFD_ERR_INVALID, "args.top_k", 0, 1 },
    { ARGS(top_k, E + 1), false, true, AFD_ERR_INVALID, "args.top_k", E + 1, E },
    { ARGS(hidden, 0), false, true, AFD_ERR_INVALID, "args.hidden", 0, 16 },
    { ARGS(hidden, 24), false, true, AFD_ERR_INVALID, "args.hidden", 24, 16 },
    { ARGS(type, AFD_TOKEN_INT8), false, true, AFD_ERR_INVALID, "args.type", 2, 1 },
    { ARGS(type, 77), false, true, AFD_ERR_INVALID, "args.type", 77, 1 },
    { ARGS(expert_scales, 0), false, true, AFD_ERR_INVALID, "args.expert_scales", 0, 0 },
    { ARGS(output, 0), false, true, AFD_ERR_INVALID, "args.output", 0, 0 },
    { ONE(attention.window.token_info_buf, 0), true, true, AFD_ERR_INVALID, "attention.token_info_buf", 0, 0 },
    { ONE(attention.window.token_data_buf, 0), true, false, AFD_ERR_INVALID, "attention.token_data_buf", 0, 0 },
    { TWO(common.micro_batch_size, UINT32_MAX, common.selected_expert_num, UINT32_MAX), true, true, AFD_ERR_OVERFLOW,
      "the token info", 0, UINT64_MAX },
    { TWO(common.micro_batch_num, UINT32_MAX, common.micro_batch_size, UINT32_MAX), true, true, AFD_ERR_OVERFLOW,
      "the token info", 0, UINT64_MAX },
    { ONE(attention.window.token_info_buf_size, INFO_BYTES - 1), true, true, AFD_ERR_INVALID,
      "attention.token_info_buf_size", INFO_BYTES - 1, INFO_BYTES },
    { ONE(attention.window.token_info_buf_size, 0), true, true, AFD_ERR_INVALID, "attention.token_info_buf_size", 0,
      INFO_BYTES },
    { ONE(attention.micro_batch_id, M), true, true, AFD_ERR_INVALID, "attention.micro_batch_id", M, M },
    { ONE(attention.micro_batch_id, UINT32_MAX), true, true, AFD_ERR_INVALID, "attention.micro_batch_id", UINT32_MAX,
      M },
    { { { MICRO_BATCH, 0, 0, M }, { NOTHING, 0, 0, 0 } }, true, false, AFD_ERR_INVALID, "micro_batch", M, M },
    { { { MICRO_BATCH, 0, 0, UINT32_MAX - 1 }, { NOTHING, 0, 0, 0 } }, true, false, AFD_ERR_INVALID, "micro_batch",
      UINT32_MAX - 1, M },
    { ADDED(attention.window.token_info_buf, 1), true, true, AFD_ERR_INVALID, "attention.token_info_buf", 0, 4 },
    { ADDED(attention.window.token_info_buf, 2), true, true, AFD_ERR_INVALID, "attention.token_info_buf", 0, 4 },
    { ONE(attention.window.token_data_buf_size, READ_BYTES - 1), false, true, AFD_ERR_INVALID,
      "attention.token_data_buf_size", READ_BYTES - 1, READ_BYTES },
};

enum { PROVOCATION_NUM = sizeof(provocations) / sizeof(provocations[0]) };

/* A call that would succeed at once: everything is ready. */
typedef struct ready_call {
    attention_world *world;
    afd_combine_args args;
    uint32_t micro_batch;
    float scales[BS * TOP_K];
    uint8_t output[BS * HIDDEN * 2];
} ready_call;

static void start(ready_call *call)
{
    *call = (ready_call){ .world = attention_world_new(M, BS, E, SLOT_BYTES), .micro_batch = AFD_MICRO_BATCH_NEXT };
    for (uint32_t m = 0; m < M; m++) {
        attention_world_arm(call->world, m, AFD_FLAG_READY);
    }
    memset(call->output, OUTPUT_BYTE, sizeof(call->output));
    call->args = (afd_combine_args)AFD_COMBINE_ARGS_INIT;
    call->args.token_num = BS;
    call->args.top_k = TOP_K;
    call->args.hidden = HIDDEN;
    call->args.expert_scales = call->scales;
    call->args.output = call->output;
    call->args.need_schedule = true;
}

static void apply_one(const patch *p, ready_call *call)
{
    uint8_t *base = p->what == ARGUMENT ? (uint8_t *)&call->args : (uint8_t *)call->world->context;
    uint64_t value = p->value;
    if (p->what == MICRO_BATCH) {
        call->micro_batch = (uint32_t)value;
    } else if (p->what != NOTHING) {
        if (p->what == ADDRESS) {
            uint64_t old = 0;
            memcpy(&old, base + p->at, sizeof(old));
            value += old;
        }
        memcpy(base + p->at, &value, p->bytes);
    }
}

static void apply(const provocation *p, ready_call *call)
{
    apply_one(&p->patches[0], call);
    apply_one(&p->patches[1], call);
}

static void expect_error(const provocation *p, afd_status status, afd_error *error)
{
    assert_int_equal(status, p->status);
    assert_int_equal(error->status, p->status);
    assert_string_equal(error->field, p->field);
    assert_int_equal(error->bound, p->bound);
    if (p->patches[0].what != ADDRESS) {
        assert_int_equal(error->value, p->value);
    }
    assert_true(strlen(error->message) > 0);
    memset(error, 0xAA, sizeof(*error));
}

static void expect_schedule_refusal(const provocation *p, ready_call *call)
{
    afd_schedule_context *context = call->world->context;
    uint32_t ready = 77;
    afd_error error;
    expect_error(p, afd_attention_schedule_check(context, call->micro_batch, &error), &error);
    expect_error(p, afd_attention_schedule(context, call->micro_batch, NULL, &ready, &error), &error);
    expect_error(p, afd_attention_schedule_poll(context, call->micro_batch, &ready, &error), &error);
    assert_int_equal(afd_attention_schedule(context, call->micro_batch, NULL, NULL, NULL), p->status);
    assert_int_equal(ready, 77);
}

static void expect_refusal(const provocation *p, ready_call *call, bool of_schedule, bool of_combine)
{
    afd_error error;
    uint8_t *before = attention_world_copy(call->world);
    if (of_schedule) {
        expect_schedule_refusal(p, call);
    }
    if (of_combine) {
        expect_error(p, afd_attention_combine(call->world->context, &call->args, NULL, &error), &error);
    }
    assert_true(attention_world_equals(call->world, before));
    for (size_t i = 0; i < sizeof(call->output); i++) {
        assert_int_equal(call->output[i], OUTPUT_BYTE);
    }
    free(before);
}

static void each_check_names_its_field_and_nothing_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROVOCATION_NUM; i++) {
        const provocation *p = &provocations[i];
        ready_call call;
        start(&call);
        assert_int_equal(afd_attention_schedule_check(call.world->context, call.micro_batch, NULL), AFD_OK);
        apply(p, &call);
        expect_refusal(p, &call, p->of_schedule, p->of_combine);
        attention_world_free(call.world);
    }
}

static bool share_a_place(const provocation *a, const provocation *b)
{
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            bool is_argument = a->patches[i].what == ARGUMENT;
            if (a->patches[i].what != NOTHING && b->patches[j].what != NOTHING &&
                is_argument == (b->patches[j].what == ARGUMENT) && a->patches[i].at == b->patches[j].at) {
                return true;
            }
        }
    }
    return false;
}

static void of_two_that_are_wrong_the_earlier_is_named(void **state)
{
    (void)state;
    int pair_num = 0;
    for (size_t i = 0; i < PROVOCATION_NUM; i++) {
        for (size_t j = i + 1; j < PROVOCATION_NUM; j++) {
            const provocation *first = &provocations[i];
            const provocation *second = &provocations[j];
            ready_call call;
            /* Counts that do not fit would bend what an earlier check compares with. */
            if (share_a_place(first, second) || second->status == AFD_ERR_OVERFLOW) {
                continue;
            }
            start(&call);
            apply(first, &call);
            apply(second, &call);
            expect_refusal(first, &call, first->of_schedule && second->of_schedule,
                           first->of_combine && second->of_combine);
            pair_num++;
            attention_world_free(call.world);
        }
    }
    assert_true(pair_num > 200);
}

static void a_missing_context_or_argument_is_refused(void **state)
{
    (void)state;
    ready_call call;
    afd_error error;
    start(&call);
    uint8_t *before = attention_world_copy(call.world);
    afd_schedule_context *crooked = (afd_schedule_context *)(void *)((char *)call.world->context + 4);
    assert_int_equal(afd_attention_schedule(NULL, 0, NULL, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "context");
    assert_int_equal(afd_attention_schedule_poll(crooked, 0, NULL, &error), AFD_ERR_INVALID);
    assert_int_equal(error.bound, 8);
    assert_int_equal(afd_attention_combine(NULL, &call.args, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "context");
    assert_int_equal(afd_attention_combine(call.world->context, NULL, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args");
    call.args.size -= 8;
    assert_int_equal(afd_attention_combine(call.world->context, &call.args, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.size");
    assert_int_equal(error.bound, sizeof(call.args));
    assert_true(attention_world_equals(call.world, before));
    free(before);
    attention_world_free(call.world);
}

static void a_wait_that_is_wrong_is_refused_before_anything_is_written(void **state)
{
    (void)state;
    ready_call call;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_error error;
    start(&call);
    uint8_t *before = attention_world_copy(call.world);
    wait.late_capacity = 1;
    assert_int_equal(afd_attention_schedule(call.world->context, 0, &wait, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "wait.late");
    assert_int_equal(afd_attention_combine(call.world->context, &call.args, &wait, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "wait.late");
    assert_true(attention_world_equals(call.world, before));
    assert_int_equal(call.output[0], OUTPUT_BYTE);
    free(before);
    attention_world_free(call.world);
}

static void more_routed_experts_than_the_contract_has_are_refused(void **state)
{
    (void)state;
    ready_call call;
    afd_error error;
    start(&call);
    call.world->context->common.selected_expert_num = 70;
    call.args.top_k = 65;
    assert_int_equal(afd_attention_combine(call.world->context, &call.args, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "args.top_k");
    assert_int_equal(error.bound, 64);
    attention_world_free(call.world);
}

/* Strides and places whose products wrap in 32 or in 64 bits. */
static void token_data_that_cannot_be_there_is_refused(void **state)
{
    (void)state;
    const struct {
        uint32_t micro_batch_num;
        uint32_t micro_batch_size;
        uint32_t selected_expert_num;
        uint32_t slot_bytes;
        uint32_t hidden;
        afd_status status;
    } rows[] = {
        { 1 << 16, 1 << 16, 1, 1 << 16, 16, AFD_ERR_INVALID },        /* wraps in 32 bits */
        { 1, 4, 3, UINT32_MAX, UINT32_MAX - 15, AFD_ERR_INVALID },    /* 2*H does not fit 32 bits */
        { UINT32_MAX, UINT32_MAX, 2, 0x80000000, 16, AFD_ERR_OVERFLOW },
        { UINT32_MAX, UINT32_MAX, UINT32_MAX, 32, 16, AFD_ERR_OVERFLOW },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ready_call call;
        afd_error error;
        start(&call);
        afd_schedule_context *context = call.world->context;
        context->common.micro_batch_num = rows[i].micro_batch_num;
        context->common.micro_batch_size = rows[i].micro_batch_size;
        context->common.selected_expert_num = rows[i].selected_expert_num;
        context->common.ffn_to_attn_token_size = rows[i].slot_bytes;
        context->attention.micro_batch_id = rows[i].micro_batch_num - 1;
        call.args.need_schedule = false;
        call.args.top_k = 1;
        call.args.hidden = rows[i].hidden;
        call.args.token_num = 1;
        assert_int_equal(afd_attention_combine(context, &call.args, NULL, &error), rows[i].status);
        assert_string_equal(error.field,
                            rows[i].status == AFD_ERR_OVERFLOW ? "the token data" : "attention.token_data_buf_size");
        attention_world_free(call.world);
    }
}

static void what_is_not_the_operators_is_not_looked_at(void **state)
{
    (void)state;
    ready_call call;
    uint32_t ready = 77;
    start(&call);
    afd_schedule_context *context = call.world->context;
    memset(&context->ffn, 0xA5, sizeof(context->ffn));
    context->common.session_num = 0;
    context->common.expert_num = 0;
    assert_int_equal(afd_attention_schedule(context, AFD_MICRO_BATCH_NEXT, NULL, &ready, NULL), AFD_OK);
    assert_int_equal(ready, 0);
    /* Without need_schedule, neither the mode nor the flags. */
    context->common.schedule_mode = 0;
    context->attention.window.token_info_buf = 0;
    call.args.need_schedule = false;
    assert_int_equal(afd_attention_combine(context, &call.args, NULL, NULL), AFD_OK);
    attention_world_free(call.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_names_its_field_and_nothing_is_written),
        cmocka_unit_test(of_two_that_are_wrong_the_earlier_is_named),
        cmocka_unit_test(a_missing_context_or_argument_is_refused),
        cmocka_unit_test(a_wait_that_is_wrong_is_refused_before_anything_is_written),
        cmocka_unit_test(more_routed_experts_than_the_contract_has_are_refused),
        cmocka_unit_test(token_data_that_cannot_be_there_is_refused),
        cmocka_unit_test(what_is_not_the_operators_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
