/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and content of an FFN window, windows in private memory, the hand-over of one desc, and binding. */
#include <stdlib.h>
#include <string.h>

#include "afd/window.h"
#include "cmocka_headers.h"

static const afd_shape example = { .session_num = 3, .micro_batch_num = 2, .micro_batch_size = 5,
                                   .selected_expert_num = 3, .expert_num = 16, .attn_to_ffn_token_size = 32,
                                   .ffn_to_attn_token_size = 64 };

static void the_sizes_are_the_formulas_of_the_header(void **state)
{
    (void)state;
    for (uint32_t s = 1; s < 12; s++) {
        for (uint32_t n = 1; n < 12; n++) {
            for (uint32_t hs = 0; hs < 600; hs += 37) {
                afd_shape shape = { .session_num = s, .micro_batch_num = 3, .micro_batch_size = n,
                                    .selected_expert_num = 7, .attn_to_ffn_token_size = hs };
                afd_window_sizes sizes;
                uint64_t desc = 8 + 4 * 7 * (uint64_t)n;
                uint64_t info = s * 3 * desc;
                assert_int_equal(afd_ffn_window_measure(&shape, &sizes, NULL), AFD_OK);
                assert_int_equal(sizes.desc_bytes, desc);
                assert_int_equal(sizes.token_info_bytes, info);
                assert_int_equal(sizes.token_data_offset, (info + 511) / 512 * 512);
                assert_int_equal(sizes.token_data_bytes, (uint64_t)s * 3 * n * 7 * hs);
                assert_int_equal(sizes.window_bytes, sizes.token_data_offset + sizes.token_data_bytes);
            }
        }
    }
}

static void sizes_that_do_not_fit_are_refused_by_every_call(void **state)
{
    (void)state;
    const uint32_t max = UINT32_MAX;
    const uint32_t half = UINT32_C(1) << 31;
    const uint32_t shapes[][5] = {
        { 1, 1, half, half, 0 },
        { 1, 1, half - 1, half + 1, 0 },
        { max, max, 1, 1, 0 },
        { 1, 1, 1 << 16, 1 << 16, max },      /* the data fits; the data and the info do not */
        { 1 << 16, 1 << 16, 1 << 16, 1, max }, /* the data */
        { 1, 1, 0xFFFFFFFC, 0x40000001, 0 },  /* the info fits, rounded up to 512 it does not */
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        afd_shape shape = { .session_num = shapes[i][0], .micro_batch_num = shapes[i][1],
                            .micro_batch_size = shapes[i][2], .selected_expert_num = shapes[i][3],
                            .attn_to_ffn_token_size = shapes[i][4] };
        afd_window_sizes sizes;
        afd_window_sizes before;
        afd_window *window = NULL;
        afd_error error;
        int32_t memory[4];
        memset(&sizes, 0x33, sizeof(sizes));
        before = sizes;
        assert_int_equal(afd_ffn_window_measure(&shape, &sizes, &error), AFD_ERR_OVERFLOW);
        assert_int_equal(error.bound, UINT64_MAX);
        assert_memory_equal(&sizes, &before, sizeof(sizes));
        assert_int_equal(afd_ffn_window_format(&shape, memory, UINT64_MAX, NULL), AFD_ERR_OVERFLOW);
        assert_int_equal(afd_ffn_window_create_private(&shape, &window, NULL), AFD_ERR_OVERFLOW);
        assert_int_equal(afd_ffn_window_create_shared("test-too-large", &shape, &window, NULL), AFD_ERR_OVERFLOW);
        assert_null(window);
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
        afd_window_sizes sizes;
        afd_error error;
        *counts[i] = 0;
        assert_int_equal(afd_ffn_window_measure(&shape, &sizes, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, fields[i]);
        assert_int_equal(error.bound, 1);
    }
    assert_int_equal(afd_ffn_window_measure(NULL, NULL, NULL), AFD_ERR_INVALID);
}

static void formatting_frees_every_flag_and_fills_in_the_sentinel(void **state)
{
    (void)state;
    enum { DESC_WORDS = 17, DESC_NUM = 6 };
    afd_window_sizes sizes;
    assert_int_equal(afd_ffn_window_measure(&example, &sizes, NULL), AFD_OK);
    int32_t *words = malloc(sizes.window_bytes);
    assert_non_null(words);
    memset(words, 0xA5, sizes.window_bytes);
    assert_int_equal(afd_ffn_window_format(&example, words, sizes.window_bytes, NULL), AFD_OK);
    for (int d = 0; d < DESC_NUM; d++) {
        const int32_t *desc = words + d * DESC_WORDS;
        assert_int_equal(desc[0], 0);
        assert_int_equal(desc[1], 0);
        for (int i = 2; i < DESC_WORDS; i++) {
            assert_int_equal(desc[i], 0x7FFFFFFF);
        }
    }
    /* Neither the padding nor the token data is touched: its pages come when they are first written. */
    const unsigned char *bytes = (const unsigned char *)words;
    for (uint64_t i = sizes.token_info_bytes; i < sizes.window_bytes; i++) {
        assert_int_equal(bytes[i], 0xA5);
    }
    free(words);
}

static void formatting_refuses_memory_that_is_misaligned_or_too_small(void **state)
{
    (void)state;
    afd_window_sizes sizes;
    afd_error error;
    assert_int_equal(afd_ffn_window_measure(&example, &sizes, NULL), AFD_OK);
    unsigned char *memory = calloc(1, sizes.window_bytes + 4);
    unsigned char *before = calloc(1, sizes.window_bytes + 4);
    assert_non_null(memory);
    assert_non_null(before);
    for (unsigned int shift = 1; shift < 4; shift++) {
        assert_int_equal(afd_ffn_window_format(&example, memory + shift, sizes.window_bytes, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "memory");
        assert_int_equal(error.bound, 4);
    }
    assert_int_equal(afd_ffn_window_format(&example, NULL, sizes.window_bytes, &error), AFD_ERR_INVALID);
    assert_int_equal(afd_ffn_window_format(&example, memory, sizes.window_bytes - 1, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "bytes");
    assert_int_equal(error.value, sizes.window_bytes - 1);
    assert_int_equal(error.bound, sizes.window_bytes);
    assert_memory_equal(memory, before, sizes.window_bytes + 4);
    free(memory);
    free(before);
}

static afd_window *create(const afd_shape *shape)
{
    afd_window *window = NULL;
    assert_int_equal(afd_ffn_window_create_private(shape, &window, NULL), AFD_OK);
    return window;
}

static void a_private_window_describes_itself_and_has_no_name(void **state)
{
    (void)state;
    afd_window *window = create(&example);
    afd_window_info info;
    afd_window_sizes sizes;
    afd_window_describe(window, &info);
    assert_int_equal(afd_ffn_window_measure(&example, &sizes, NULL), AFD_OK);
    assert_string_equal(info.name, "");
    assert_string_equal(info.problem, "");
    assert_true(info.valid);
    assert_memory_equal(&info.shape, &example, sizeof(example));
    assert_memory_equal(&info.sizes, &sizes, sizeof(sizes));
    assert_int_equal(info.owner, AFD_OWNER_ALIVE);
    assert_int_equal(info.replaced_pid, 0);
    assert_int_equal(info.file_bytes, 0);
    assert_true(info.generation > 0);
    afd_window_close(window);
    afd_window_close(NULL);
}

static void descs_and_token_data_lie_where_the_format_says(void **state)
{
    (void)state;
    afd_window *window = create(&example);
    afd_window_info info;
    afd_window_describe(window, &info);
    const char *start = (const char *)afd_window_desc(window, 0, 0);
    for (uint32_t s = 0; s < 3; s++) {
        for (uint32_t m = 0; m < 2; m++) {
            uint64_t number = s * 2 + m;
            afd_ffn_desc *desc = afd_window_desc(window, s, m);
            char *data = afd_window_token_data(window, s, m);
            assert_int_equal((const char *)desc - start, number * (8 + 4 * 15));
            assert_int_equal(data - start, info.sizes.token_data_offset + number * 15 * 32);
            memset(data, 0x11, 15 * 32); /* all of it is there, to the last byte */
            assert_int_equal(afd_ffn_desc_peek_flag(desc), AFD_FLAG_FREE);
            assert_int_equal(afd_ffn_desc_expert_ids(desc)[14], AFD_EXPERT_ID_NONE);
        }
    }
    afd_window_close(window);
}

static void what_is_out_of_range_is_null(void **state)
{
    (void)state;
    afd_window *window = create(&example);
    assert_null(afd_window_desc(window, 3, 0));
    assert_null(afd_window_desc(window, 0, 2));
    assert_null(afd_window_desc(window, UINT32_MAX, UINT32_MAX));
    assert_null(afd_window_token_data(window, 3, 0));
    assert_null(afd_window_token_data(window, 0, 2));
    afd_window_close(window);
    afd_shape without_data = example;
    without_data.attn_to_ffn_token_size = 0;
    window = create(&without_data);
    assert_non_null(afd_window_desc(window, 2, 1));
    assert_null(afd_window_token_data(window, 0, 0));
    afd_window_close(window);
}

static void only_a_flag_of_one_keeps_a_producer_out(void **state)
{
    (void)state;
    const int32_t flags[] = { 0, 1, 2, -1, 256, 0x7F7F7F7F, INT32_MIN };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        afd_ffn_desc desc = { .flag = flags[i], .layer_id = 9 };
        assert_int_equal(afd_ffn_desc_is_free(&desc), flags[i] != 1);
        assert_int_equal(afd_ffn_desc_peek_flag(&desc), flags[i]);
        assert_int_equal(afd_ffn_desc_peek_layer_id(&desc), 9);
        assert_int_equal(desc.flag, flags[i]);
    }
}

static void publishing_writes_the_flag_and_nothing_beside_it(void **state)
{
    (void)state;
    int32_t words[4] = { 0x55, 0, 0x66, 0x77 };
    afd_ffn_desc_publish((afd_ffn_desc *)(void *)&words[1]);
    const int32_t expected[4] = { 0x55, 1, 0x66, 0x77 };
    assert_memory_equal(words, expected, sizeof(words));
}

static void binding_fills_in_the_four_window_fields_and_nothing_else(void **state)
{
    (void)state;
    afd_window *window = create(&example);
    afd_window_info info;
    afd_schedule_context *context = NULL;
    assert_int_equal(afd_ffn_context_create(&example, &context, NULL), AFD_OK);
    afd_window_describe(window, &info);
    afd_schedule_context expected = *context;
    expected.ffn.window.token_info_buf = (uint64_t)(uintptr_t)afd_window_desc(window, 0, 0);
    expected.ffn.window.token_info_buf_size = info.sizes.token_info_bytes;
    expected.ffn.window.token_data_buf = (uint64_t)(uintptr_t)afd_window_token_data(window, 0, 0);
    expected.ffn.window.token_data_buf_size = info.sizes.token_data_bytes;
    assert_int_equal(afd_window_bind(window, context, NULL), AFD_OK);
    assert_memory_equal(context, &expected, sizeof(expected));
    afd_context_destroy(context);
    afd_window_close(window);
}

static void binding_refuses_a_context_with_other_counts(void **state)
{
    (void)state;
    const char *fields[] = { "common.session_num", "common.micro_batch_num", "common.micro_batch_size",
                             "common.selected_expert_num", "common.expert_num", "common.attn_to_ffn_token_size",
                             "common.ffn_to_attn_token_size" };
    afd_window *window = create(&example);
    for (int i = 0; i < 7; i++) {
        afd_shape shape = example;
        uint32_t *counts[] = { &shape.session_num, &shape.micro_batch_num, &shape.micro_batch_size,
                               &shape.selected_expert_num, &shape.expert_num, &shape.attn_to_ffn_token_size,
                               &shape.ffn_to_attn_token_size };
        afd_schedule_context *context = NULL;
        afd_error error;
        uint32_t right = *counts[i];
        *counts[i] = right + 1;
        assert_int_equal(afd_ffn_context_create(&shape, &context, NULL), AFD_OK);
        afd_schedule_context before = *context;
        assert_int_equal(afd_window_bind(window, context, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, fields[i]);
        assert_int_equal(error.value, right + 1);
        assert_int_equal(error.bound, right);
        assert_memory_equal(context, &before, sizeof(before));
        afd_context_destroy(context);
    }
    afd_window_close(window);
}

static void a_private_window_has_no_file_format(void **state)
{
    (void)state;
    afd_window *window = create(&example);
    afd_error error;
    assert_int_equal(afd_window_dump(window, "/dev/null/never", &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "window");
    assert_int_equal(afd_window_dump(window, NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "path");
    afd_window_close(window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sizes_are_the_formulas_of_the_header),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused_by_every_call),
        cmocka_unit_test(a_count_of_zero_is_named),
        cmocka_unit_test(formatting_frees_every_flag_and_fills_in_the_sentinel),
        cmocka_unit_test(formatting_refuses_memory_that_is_misaligned_or_too_small),
        cmocka_unit_test(a_private_window_describes_itself_and_has_no_name),
        cmocka_unit_test(descs_and_token_data_lie_where_the_format_says),
        cmocka_unit_test(what_is_out_of_range_is_null),
        cmocka_unit_test(only_a_flag_of_one_keeps_a_producer_out),
        cmocka_unit_test(publishing_writes_the_flag_and_nothing_beside_it),
        cmocka_unit_test(binding_fills_in_the_four_window_fields_and_nothing_else),
        cmocka_unit_test(binding_refuses_a_context_with_other_counts),
        cmocka_unit_test(a_private_window_has_no_file_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
