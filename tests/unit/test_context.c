/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and layout of a context and its outputs, its run flag, its printer. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/context.h"
#include "cmocka_headers.h"

static const afd_shape example = { .session_num = 5, .micro_batch_num = 3, .micro_batch_size = 7,
                                   .selected_expert_num = 3, .expert_num = 33, .attn_to_ffn_token_size = 96,
                                   .ffn_to_attn_token_size = 160 };

static uint64_t up64(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static uint64_t footprint_of(const afd_shape *shape)
{
    uint64_t bytes = 0;
    assert_int_equal(afd_ffn_context_footprint(shape, &bytes, NULL), AFD_OK);
    return bytes;
}

static void the_footprint_is_the_formula_of_the_header(void **state)
{
    (void)state;
    for (uint32_t s = 1; s < 40; s++) {
        for (uint32_t n = 1; n < 40; n++) {
            afd_shape shape = { .session_num = s, .micro_batch_num = 2, .micro_batch_size = n,
                                .selected_expert_num = 3 };
            uint64_t rows = 4 * (uint64_t)s;
            assert_int_equal(footprint_of(&shape), 1024 + 3 * up64(rows) + up64(rows * n * 3));
        }
    }
}

static void a_count_of_zero_is_named(void **state)
{
    (void)state;
    const char *fields[] = { "shape.session_num", "shape.micro_batch_num", "shape.micro_batch_size",
                             "shape.selected_expert_num" };
    for (int i = 0; i < 4; i++) {
        afd_shape shape = example;
        uint32_t *counts[] = { &shape.session_num, &shape.micro_batch_num, &shape.micro_batch_size,
                               &shape.selected_expert_num };
        uint64_t bytes = 77;
        afd_error error;
        for (int later = i; later < 4; later++) {
            *counts[later] = 0; /* the first is the one that is reported */
        }
        assert_int_equal(afd_ffn_context_footprint(&shape, &bytes, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, fields[i]);
        assert_int_equal(error.value, 0);
        assert_int_equal(error.bound, 1);
        assert_int_equal(bytes, 77);
    }
}

static void a_missing_shape_is_refused(void **state)
{
    (void)state;
    uint64_t bytes = 77;
    afd_error error;
    assert_int_equal(afd_ffn_context_footprint(NULL, &bytes, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "shape");
    assert_int_equal(bytes, 77);
}

static void sizes_that_do_not_fit_are_refused_by_every_call(void **state)
{
    (void)state;
    const uint32_t max = UINT32_MAX;
    const uint32_t half = UINT32_C(1) << 31;
    const uint32_t shapes[][4] = {
        { 1, 1, half, half },         /* 4*BS*E = 2^64 */
        { 1, 1, half - 1, half + 1 }, /* 4*BS*E = 2^64 - 4, and a desc has 8 more */
        { max, max, 1, 1 },           /* S*M*desc */
        { 1, max, max, max },
        { max, 1, max, max },
        { 4, 1, half, half / 4 },     /* 4*S*BS*E = 2^64 */
        { 1, 1, 0xFFFFFFFC, 0x40000001 }, /* 4*BS*E = 2^64 - 16: each buffer fits, their sum does not */
        { max, max, max, max },
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        afd_shape shape = { .session_num = shapes[i][0], .micro_batch_num = shapes[i][1],
                            .micro_batch_size = shapes[i][2], .selected_expert_num = shapes[i][3] };
        afd_schedule_context *context = NULL;
        uint64_t bytes = 77;
        afd_error error;
        _Alignas(64) char memory[64];
        assert_int_equal(afd_ffn_context_footprint(&shape, &bytes, &error), AFD_ERR_OVERFLOW);
        assert_int_equal(error.bound, UINT64_MAX);
        assert_int_equal(bytes, 77);
        assert_int_equal(afd_ffn_context_layout(&shape, memory, UINT64_MAX, &context, NULL), AFD_ERR_OVERFLOW);
        assert_int_equal(afd_ffn_context_create(&shape, &context, NULL), AFD_ERR_OVERFLOW);
        assert_null(context);
    }
}

static void a_context_that_no_machine_holds_is_out_of_memory(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer's allocator ends the process instead of returning NULL */
#else
    afd_shape shape = { .session_num = 1, .micro_batch_num = 1, .micro_batch_size = UINT32_C(1) << 31,
                        .selected_expert_num = UINT32_C(1) << 28 };
    afd_schedule_context *context = NULL;
    afd_error error;
    assert_int_equal(afd_ffn_context_create(&shape, &context, &error), AFD_ERR_NO_MEMORY);
    assert_int_equal(error.value, footprint_of(&shape));
    assert_null(context);
#endif
}

static void *aligned(uint64_t bytes)
{
    void *memory = aligned_alloc(64, up64(bytes));
    assert_non_null(memory);
    memset(memory, 0xA5, up64(bytes));
    return memory;
}

static void check_fields(const afd_schedule_context *context)
{
    assert_int_equal(context->common.session_num, 5);
    assert_int_equal(context->common.micro_batch_num, 3);
    assert_int_equal(context->common.micro_batch_size, 7);
    assert_int_equal(context->common.selected_expert_num, 3);
    assert_int_equal(context->common.expert_num, 33);
    assert_int_equal(context->common.attn_to_ffn_token_size, 96);
    assert_int_equal(context->common.ffn_to_attn_token_size, 160);
    assert_int_equal(context->common.schedule_mode, AFD_SCHEDULE_MODE_FFN);
    assert_int_equal(context->control.run_flag, 1);
    assert_int_equal(context->attention.micro_batch_id, 2);
    assert_int_equal(context->ffn.window.token_info_buf, 0);
    assert_int_equal(context->ffn.window.token_data_buf, 0);
    assert_int_equal(context->ffn.polling_index, 0);
    assert_int_equal(context->ffn.out_num, 0);
    assert_int_equal(context->ffn.layer_ids_buf_size, 20);
    assert_int_equal(context->ffn.session_ids_buf_size, 20);
    assert_int_equal(context->ffn.micro_batch_ids_buf_size, 20);
    assert_int_equal(context->ffn.expert_ids_buf_size, 20 * 21);
}

static bool inside(const void *memory, uint64_t memory_bytes, const void *part, uint64_t part_bytes)
{
    uintptr_t first = (uintptr_t)memory;
    uintptr_t at = (uintptr_t)part;
    return at >= first && at + part_bytes <= first + memory_bytes;
}

static void a_layout_fills_in_the_context_and_puts_its_outputs_behind_it(void **state)
{
    (void)state;
    uint64_t bytes = footprint_of(&example);
    void *memory = aligned(bytes);
    afd_schedule_context *context = NULL;
    assert_int_equal(afd_ffn_context_layout(&example, memory, bytes, &context, NULL), AFD_OK);
    assert_ptr_equal(context, memory);
    check_fields(context);
    const int32_t *outputs[] = { afd_context_layer_ids(context), afd_context_session_ids(context),
                                 afd_context_micro_batch_ids(context), afd_context_expert_ids(context) };
    const uint64_t addresses[] = { context->ffn.layer_ids_buf, context->ffn.session_ids_buf,
                                   context->ffn.micro_batch_ids_buf, context->ffn.expert_ids_buf };
    const uint64_t sizes[] = { 20, 20, 20, 420 };
    for (int i = 0; i < 4; i++) {
        assert_int_equal((uint64_t)(uintptr_t)outputs[i], addresses[i]);
        assert_int_equal(addresses[i] % 64, 0);
        assert_true(inside(memory, bytes, outputs[i], sizes[i]));
        assert_false(inside(outputs[i], sizes[i], context, 1024));
        assert_true(addresses[i] >= (uint64_t)(uintptr_t)context + 1024);
        for (int j = 0; j < i; j++) {
            assert_true(addresses[i] >= addresses[j] + sizes[j] || addresses[j] >= addresses[i] + sizes[i]);
        }
    }
    free(memory);
}

static void a_layout_writes_no_byte_past_its_footprint(void **state)
{
    (void)state;
    uint64_t bytes = footprint_of(&example);
    unsigned char *memory = aligned(bytes + 64);
    afd_schedule_context *context = NULL;
    assert_int_equal(afd_ffn_context_layout(&example, memory, bytes + 64, &context, NULL), AFD_OK);
    for (uint64_t i = bytes; i < bytes + 64; i++) {
        assert_int_equal(memory[i], 0xA5);
    }
    free(memory);
}

static void memory_that_is_misaligned_or_too_small_is_refused_and_untouched(void **state)
{
    (void)state;
    uint64_t bytes = footprint_of(&example);
    unsigned char *memory = aligned(bytes + 64);
    unsigned char *before = aligned(bytes + 64);
    afd_schedule_context *context = NULL;
    afd_error error;
    for (unsigned int shift = 1; shift < 64; shift++) {
        assert_int_equal(afd_ffn_context_layout(&example, memory + shift, bytes, &context, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "memory");
        assert_int_equal(error.value, (uint64_t)(uintptr_t)(memory + shift));
        assert_int_equal(error.bound, 64);
    }
    assert_int_equal(afd_ffn_context_layout(&example, NULL, bytes, &context, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "memory");
    assert_int_equal(afd_ffn_context_layout(&example, memory, bytes - 1, &context, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "bytes");
    assert_int_equal(error.value, bytes - 1);
    assert_int_equal(error.bound, bytes);
    assert_null(context);
    assert_memory_equal(memory, before, bytes + 64);
    free(memory);
    free(before);
}

static void create_gives_the_same_context_in_memory_of_its_own(void **state)
{
    (void)state;
    afd_schedule_context *context = NULL;
    assert_int_equal(afd_ffn_context_create(&example, &context, NULL), AFD_OK);
    check_fields(context);
    afd_context_destroy(context);
    afd_context_destroy(NULL);
}

static void stop_and_start_write_the_run_flag_and_nothing_else(void **state)
{
    (void)state;
    afd_schedule_context context;
    afd_schedule_context expected;
    memset(&context, 0x5D, sizeof(context));
    expected = context;
    afd_context_stop(&context);
    expected.control.run_flag = 0;
    assert_memory_equal(&context, &expected, sizeof(context));
    afd_context_start(&context);
    expected.control.run_flag = 1;
    assert_memory_equal(&context, &expected, sizeof(context));
}

/* Whether `text` has exactly this line. */
static bool has_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    return at != NULL && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void a_description_has_every_field_on_a_line(void **state)
{
    (void)state;
    /* Wild addresses: they are printed and not followed. */
    afd_schedule_context context;
    char text[4096];
    char line[128];
    memset(&context, 0x5D, sizeof(context));
    context.common.session_num = 4;
    context.common.schedule_mode = -3;
    context.control.run_flag = -1;
    context.ffn.polling_index = UINT64_MAX;
    context.ffn.out_num = 17;
    context.ffn.expert_ids_buf = 0xABC;
    context.ffn.expert_ids_buf_size = 12;
    size_t length = afd_context_describe(&context, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    const char *lines[] = { "common.session_num 4", "common.schedule_mode -3", "control.run_flag -1", "ffn.out_num 17",
                            "ffn.polling_index 18446744073709551615", "ffn.expert_ids_buf 0xabc 12 bytes" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_true(has_line(text, lines[i]));
    }
    const char *others[] = { "common.micro_batch_num", "common.micro_batch_size", "common.selected_expert_num",
                             "common.expert_num", "common.attn_to_ffn_token_size", "common.ffn_to_attn_token_size",
                             "attention.micro_batch_id" };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void)snprintf(line, sizeof(line), "%s %" PRIu32, others[i], UINT32_C(0x5D5D5D5D));
        assert_true(has_line(text, line));
    }
    const char *buffers[] = { "attention.token_info_buf", "attention.token_data_buf", "ffn.token_info_buf",
                              "ffn.token_data_buf", "ffn.layer_ids_buf", "ffn.session_ids_buf",
                              "ffn.micro_batch_ids_buf" };
    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        (void)snprintf(line, sizeof(line), "%s 0x%" PRIx64 " %" PRIu64 " bytes", buffers[i],
                       UINT64_C(0x5D5D5D5D5D5D5D5D), UINT64_C(0x5D5D5D5D5D5D5D5D));
        assert_true(has_line(text, line));
    }
}

static void a_description_that_is_cut_is_terminated_and_says_its_whole_length(void **state)
{
    (void)state;
    afd_schedule_context context;
    char whole[4096];
    char cut[4096];
    memset(&context, 0x5D, sizeof(context));
    size_t length = afd_context_describe(&context, whole, sizeof(whole));
    assert_int_equal(afd_context_describe(&context, NULL, 0), length);
    for (size_t room = 1; room <= length + 1; room++) {
        memset(cut, '#', sizeof(cut));
        assert_int_equal(afd_context_describe(&context, cut, room), length);
        assert_int_equal(strlen(cut), room - 1);
        assert_memory_equal(cut, whole, room - 1);
        assert_int_equal(cut[room], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_footprint_is_the_formula_of_the_header),
        cmocka_unit_test(a_count_of_zero_is_named),
        cmocka_unit_test(a_missing_shape_is_refused),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused_by_every_call),
        cmocka_unit_test(a_context_that_no_machine_holds_is_out_of_memory),
        cmocka_unit_test(a_layout_fills_in_the_context_and_puts_its_outputs_behind_it),
        cmocka_unit_test(a_layout_writes_no_byte_past_its_footprint),
        cmocka_unit_test(memory_that_is_misaligned_or_too_small_is_refused_and_untouched),
        cmocka_unit_test(create_gives_the_same_context_in_memory_of_its_own),
        cmocka_unit_test(stop_and_start_write_the_run_flag_and_nothing_else),
        cmocka_unit_test(a_description_has_every_field_on_a_line),
        cmocka_unit_test(a_description_that_is_cut_is_terminated_and_says_its_whole_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
