/* SPDX-License-Identifier: Apache-2.0 */
/* What workers are made from: every option that cannot be is refused with its field, the value and the bound. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "afd/worker.h"
#include "cmocka_headers.h"
#include "layer_case.h"

static afd_status no_experts(void *argument, const afd_experts_call *call)
{
    (void)argument;
    (void)call;
    return AFD_OK;
}

static afd_ffn_worker_options good_ffn_options(void)
{
    return (afd_ffn_worker_options){
        .size = sizeof(afd_ffn_worker_options),
        .shape = { .session_num = 4,
                   .micro_batch_num = 2,
                   .micro_batch_size = 3,
                   .selected_expert_num = 3,
                   .expert_num = 6,
                   .attn_to_ffn_token_size = 64,
                   .ffn_to_attn_token_size = 64 },
        .sync_group_size = 2,
        .hidden = 32,
        .type = AFD_TOKEN_F16,
        .result_type = AFD_TOKEN_BF16,
        .expert_num = 5,
        .experts = no_experts,
    };
}

/* Two routed experts and a shared one, the last with two copies. */
static const int32_t entries[3][5] = { { 1, 0, 0 }, { 1, 1, 0 }, { 2, 0, 1, 1, 1 } };

static afd_attention_worker_options good_attention_options(void)
{
    return (afd_attention_worker_options){
        .size = sizeof(afd_attention_worker_options),
        .shape = good_ffn_options().shape,
        .session = 3,
        .hidden = 32,
        .type = AFD_TOKEN_F16,
        .top_k = 2,
        .experts = { entries[0], 1, 3, 5 },
        .ffn_num = 2,
        .sync_group_size = 2,
    };
}

static void refuse_ffn(const afd_ffn_worker_options *options, const char *field, uint64_t value, uint64_t bound)
{
    afd_error error = { .message = "" };
    afd_ffn_worker *worker = NULL;
    assert_int_equal(afd_ffn_worker_create(options, &worker, &error), AFD_ERR_INVALID);
    assert_null(worker);
    assert_string_equal(error.field, field);
    assert_int_equal(error.value, value);
    assert_int_equal(error.bound, bound);
    assert_int_not_equal(error.message[0], 0);
    assert_int_equal(afd_ffn_worker_create(options, &worker, NULL), AFD_ERR_INVALID);
}

static void refuse_attention(const afd_attention_worker_options *options, const char *field, uint64_t value,
                             uint64_t bound)
{
    afd_error error = { .message = "" };
    afd_attention_worker *worker = NULL;
    assert_int_equal(afd_attention_worker_create(options, &worker, &error), AFD_ERR_INVALID);
    assert_null(worker);
    assert_string_equal(error.field, field);
    assert_int_equal(error.value, value);
    assert_int_equal(error.bound, bound);
    assert_int_not_equal(error.message[0], 0);
    assert_int_equal(afd_attention_worker_create(options, &worker, NULL), AFD_ERR_INVALID);
}

#define REFUSE(side, change, field, value, bound)                                                                     \
    do {                                                                                                              \
        afd_##side##_worker_options options = good_##side##_options();                                                \
        change;                                                                                                       \
        refuse_##side(&options, field, (uint64_t)(int64_t)(value), bound);                                            \
    } while (0)

static void the_options_of_an_ffn_worker_are_checked(void **state)
{
    (void)state;
    afd_ffn_worker *worker = NULL;
    afd_ffn_worker_options good = good_ffn_options();
    assert_int_equal(afd_ffn_worker_create(&good, &worker, NULL), AFD_OK);
    afd_ffn_worker_close(worker);

    refuse_ffn(NULL, "options", 0, 0);
    REFUSE(ffn, options.size--, "options.size", sizeof(options) - 1, sizeof(options));
    REFUSE(ffn, options.shape.session_num = 0, "shape.session_num", 0, 1);
    REFUSE(ffn, options.shape.micro_batch_num = 0, "shape.micro_batch_num", 0, 1);
    REFUSE(ffn, options.shape.micro_batch_size = 0, "shape.micro_batch_size", 0, 1);
    REFUSE(ffn, options.shape.selected_expert_num = 0, "shape.selected_expert_num", 0, 1);
    REFUSE(ffn, options.sync_group_size = 0, "options.sync_group_size", 0, 1);
    REFUSE(ffn, options.sync_group_size = 5, "options.sync_group_size", 5, 4);
    REFUSE(ffn, options.sync_group_size = 3, "options.sync_group_size", 3, 4);
    REFUSE(ffn, options.hidden = 0, "options.hidden", 0, 16);
    REFUSE(ffn, options.hidden = 24, "options.hidden", 24, 16);
    REFUSE(ffn, options.type = (afd_token_type)3, "options.type", 3, AFD_TOKEN_INT8);
    REFUSE(ffn, options.result_type = AFD_TOKEN_INT8, "options.result_type", 2, AFD_TOKEN_BF16);
    REFUSE(ffn, options.shape.attn_to_ffn_token_size = 60, "options.shape.attn_to_ffn_token_size", 60, 64);
    REFUSE(ffn, options.shape.attn_to_ffn_token_size = 66, "options.shape.attn_to_ffn_token_size", 66, 4);
    REFUSE(ffn, options.expert_num = 0, "options.expert_num", 0, 1);
    REFUSE(ffn, options.expert_num = AFD_EXPERT_ID_LIMIT, "options.expert_num", AFD_EXPERT_ID_LIMIT,
           AFD_EXPERT_ID_LIMIT - 1);
    REFUSE(ffn, options.experts = NULL, "options.experts", 0, 0);
}

/* An int8 token of 32 values is 36 bytes; the attention side needs the 160 that the original does. */
static void the_smallest_slot_is_enough(void **state)
{
    (void)state;
    afd_ffn_worker *worker = NULL;
    afd_ffn_worker_options smallest = good_ffn_options();
    smallest.type = AFD_TOKEN_INT8;
    smallest.shape.attn_to_ffn_token_size = 36;
    assert_int_equal(afd_ffn_worker_create(&smallest, &worker, NULL), AFD_OK);
    afd_ffn_worker_close(worker);
    REFUSE(ffn, options.type = AFD_TOKEN_INT8; options.shape.attn_to_ffn_token_size = 32,
           "options.shape.attn_to_ffn_token_size", 32, 36);
    REFUSE(attention, options.quantize = true; options.shape.attn_to_ffn_token_size = 156,
           "options.shape.attn_to_ffn_token_size", 156, 160);
}

static void the_options_of_an_attention_worker_are_checked(void **state)
{
    (void)state;
    afd_attention_worker *worker = NULL;
    afd_attention_worker_options good = good_attention_options();
    assert_int_equal(afd_attention_worker_create(&good, &worker, NULL), AFD_OK);
    afd_attention_worker_close(worker);

    refuse_attention(NULL, "options", 0, 0);
    REFUSE(attention, options.size++, "options.size", sizeof(options) + 1, sizeof(options));
    REFUSE(attention, options.shape.session_num = 0, "shape.session_num", 0, 1);
    REFUSE(attention, options.shape.micro_batch_num = 0, "shape.micro_batch_num", 0, 1);
    REFUSE(attention, options.shape.micro_batch_size = 0, "shape.micro_batch_size", 0, 1);
    REFUSE(attention, options.shape.selected_expert_num = 0, "shape.selected_expert_num", 0, 1);
    REFUSE(attention, options.sync_group_size = 0, "options.sync_group_size", 0, 1);
    REFUSE(attention, options.sync_group_size = 3, "options.sync_group_size", 3, 4);
    REFUSE(attention, options.session = 4, "options.session", 4, 3);
    REFUSE(attention, options.hidden = 8, "options.hidden", 8, 16);
    REFUSE(attention, options.type = AFD_TOKEN_INT8, "options.type", 2, AFD_TOKEN_BF16);
    REFUSE(attention, options.type = (afd_token_type)7, "options.type", 7, AFD_TOKEN_BF16);
    REFUSE(attention, options.shape.attn_to_ffn_token_size = 0, "options.shape.attn_to_ffn_token_size", 0, 64);
    REFUSE(attention, options.shape.ffn_to_attn_token_size = 60, "options.shape.ffn_to_attn_token_size", 60, 64);
    REFUSE(attention, options.top_k = 0, "options.top_k", 0, 1);
    REFUSE(attention, options.top_k = 4, "options.top_k", 4, 3);
    REFUSE(attention, options.shape.selected_expert_num = 70; options.top_k = 65, "options.top_k", 65, 64);
    REFUSE(attention, options.ffn_num = 0, "options.ffn_num", 0, 1);
}

static void the_table_of_experts_is_checked(void **state)
{
    (void)state;
    int32_t table[3][5];
    REFUSE(attention, options.experts.entries = NULL, "options.experts.entries", 0, 0);
    REFUSE(attention, options.experts.layer_num = 0, "options.experts.layer_num", 0, 1);
    REFUSE(attention, options.experts.expert_num = 1, "options.experts.expert_num", 1, 2);
    REFUSE(attention, options.experts.width = 2, "options.experts.width", 2, 3);
    REFUSE(attention, options.ffn_num = 1, "options.experts.entries", 1, 1);

    memcpy(table, entries, sizeof(table));
    table[2][0] = 3;
    REFUSE(attention, options.experts.entries = table[0], "options.experts.entries", 3, 2);
    table[2][0] = 0;
    REFUSE(attention, options.experts.entries = table[0], "options.experts.entries", 0, 2);
    memcpy(table, entries, sizeof(table));
    table[2][3] = -1;
    REFUSE(attention, options.experts.entries = table[0], "options.experts.entries", -1, 2);
    table[2][3] = 1;
    table[2][4] = -7;
    REFUSE(attention, options.experts.entries = table[0], "options.experts.entries", -7, AFD_EXPERT_ID_LIMIT);
    table[2][4] = AFD_EXPERT_ID_LIMIT;
    REFUSE(attention, options.experts.entries = table[0], "options.experts.entries", AFD_EXPERT_ID_LIMIT,
           AFD_EXPERT_ID_LIMIT);
}

static void a_shape_that_fits_no_integer_is_an_overflow(void **state)
{
    (void)state;
    afd_error error;
    afd_ffn_worker *ffn = NULL;
    afd_attention_worker *attention = NULL;
    afd_ffn_worker_options ffn_options = good_ffn_options();
    afd_attention_worker_options attention_options = good_attention_options();
    ffn_options.shape.session_num = UINT32_MAX / 9;
    ffn_options.shape.micro_batch_num = UINT32_MAX;
    ffn_options.shape.attn_to_ffn_token_size = UINT32_MAX - 3;
    ffn_options.sync_group_size = 1;
    assert_int_equal(afd_ffn_worker_create(&ffn_options, &ffn, &error), AFD_ERR_OVERFLOW);
    ffn_options.shape.session_num++;
    assert_int_equal(afd_ffn_worker_create(&ffn_options, &ffn, &error), AFD_ERR_OVERFLOW);
    assert_string_equal(error.field, "options.shape.session_num");
    assert_int_equal(error.value, UINT32_MAX / 9 + 1);
    assert_int_equal(error.bound, UINT32_MAX / 9);
    attention_options.shape.micro_batch_num = UINT32_MAX;
    attention_options.shape.micro_batch_size = UINT32_MAX;
    assert_int_equal(afd_attention_worker_create(&attention_options, &attention, &error), AFD_ERR_OVERFLOW);
    assert_null(ffn);
    assert_null(attention);
}

/* The window fits what a process can address, the batch with its results does not; where the address space is smaller,
 * as under sanitizers, the window does not either. */
static void buffers_that_cannot_be_reserved_are_no_memory_with_the_size(void **state)
{
    (void)state;
    afd_error error;
    afd_ffn_worker *worker = NULL;
    afd_ffn_worker_options options = good_ffn_options();
    options.shape = (afd_shape){ .session_num = 25,
                                 .micro_batch_num = 1,
                                 .micro_batch_size = 100,
                                 .selected_expert_num = 10,
                                 .attn_to_ffn_token_size = 4294967044 };
    options.sync_group_size = 1;
    options.hidden = 4294967040;
    options.type = AFD_TOKEN_INT8;
    assert_int_equal(afd_ffn_worker_create(&options, &worker, &error), AFD_ERR_NO_MEMORY);
    assert_null(worker);
    if (strcmp(error.field, "window_bytes") != 0) {
        assert_string_equal(error.field, "the buffers of batches");
        assert_true(error.value > UINT64_C(25000) * 3 * options.hidden);
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long total = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    (void)fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The deployment with the largest batch that was seen: two buffers of 4.7 GB. */
static void only_what_is_used_becomes_resident(void **state)
{
    (void)state;
    afd_ffn_worker *worker = NULL;
    afd_ffn_worker_options options = good_ffn_options();
    options.shape = (afd_shape){ .session_num = 288,
                                 .micro_batch_num = 1,
                                 .micro_batch_size = 128,
                                 .selected_expert_num = 9,
                                 .attn_to_ffn_token_size = 14336 };
    options.sync_group_size = 288;
    options.hidden = 7168;
    options.expert_num = 257 * 58;
    uint64_t before = resident_bytes();
    assert_int_equal(afd_ffn_worker_create(&options, &worker, NULL), AFD_OK);
    assert_int_equal(afd_ffn_worker_step(worker, NULL, NULL), AFD_NOBODY_LIVE);
    assert_true(resident_bytes() < before + (UINT64_C(100) << 20));
    afd_ffn_worker_close(worker);
}

static void a_shared_window_has_its_name(void **state)
{
    (void)state;
    char name[AFD_WINDOW_NAME_MAX + 1];
    afd_error error;
    afd_ffn_worker *ffn = NULL;
    afd_attention_worker *attention = NULL;
    afd_window_info info;
    afd_ffn_worker_options ffn_options = good_ffn_options();
    afd_attention_worker_options attention_options = good_attention_options();
    (void)snprintf(name, sizeof(name), "test-worker-options-%d", (int)getpid());
    ffn_options.window_name = name;
    attention_options.window_name = name;
    assert_int_equal(afd_ffn_worker_create(&ffn_options, &ffn, NULL), AFD_OK);
    afd_window_describe(afd_ffn_worker_window(ffn), &info);
    assert_string_equal(info.name, name);
    assert_int_equal(info.kind, AFD_WINDOW_FFN);
    assert_int_equal(afd_attention_worker_create(&attention_options, &attention, &error), AFD_ERR_EXISTS);
    assert_null(attention);
    afd_ffn_worker_close(ffn);
    assert_int_equal(afd_attention_worker_create(&attention_options, &attention, &error), AFD_OK);
    afd_window_describe(afd_attention_worker_window(attention), &info);
    assert_int_equal(info.kind, AFD_WINDOW_ATTENTION);
    afd_attention_worker_close(attention);
    attention_options.window_name = "no/such/name";
    assert_int_equal(afd_attention_worker_create(&attention_options, &attention, &error), AFD_ERR_INVALID);
}

static void closing_nothing_is_allowed(void **state)
{
    (void)state;
    afd_ffn_worker_close(NULL);
    afd_attention_worker_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_options_of_an_ffn_worker_are_checked),
        cmocka_unit_test(the_smallest_slot_is_enough),
        cmocka_unit_test(the_options_of_an_attention_worker_are_checked),
        cmocka_unit_test(the_table_of_experts_is_checked),
        cmocka_unit_test(a_shape_that_fits_no_integer_is_an_overflow),
        cmocka_unit_test(buffers_that_cannot_be_reserved_are_no_memory_with_the_size),
        cmocka_unit_test(only_what_is_used_becomes_resident),
        cmocka_unit_test(a_shared_window_has_its_name),
        cmocka_unit_test(closing_nothing_is_allowed),
    };
    return cmocka_run_group_tests_name("worker options", tests, NULL, NULL);
}
