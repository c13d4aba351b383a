/* SPDX-License-Identifier: Apache-2.0 */
/* Attention windows, in private and in shared memory, and the contexts that are bound to them. */
#include <stdlib.h>
#include <string.h>

#include "afd/window.h"
#include "cmocka_headers.h"
#include "window_helpers.h"

/* 2 micro-batches of 5 tokens with 3 slots of 64 bytes: 60 bytes of flags each, 120 in all, 1920 of data. */
enum { FLAGS_BYTES = 60, INFO_BYTES = 120, DATA_OFFSET = 512, DATA_BYTES = 1920, WINDOW_BYTES = 2432 };
enum { HEADER_BYTES = 8192, KIND_OFFSET = 12, SESSIONS_OFFSET = 48, TO_ATTENTION_OFFSET = 72 };

static void the_sizes_are_the_formulas_of_the_header(void **state)
{
    (void)state;
    for (uint32_t m = 1; m < 12; m++) {
        for (uint32_t bs = 1; bs < 12; bs++) {
            for (uint32_t hs = 0; hs < 600; hs += 37) {
                afd_shape shape = { .session_num = 1 + bs % 3, .micro_batch_num = m, .micro_batch_size = bs,
                                    .selected_expert_num = 7, .ffn_to_attn_token_size = hs };
                afd_window_sizes sizes;
                uint64_t info = (uint64_t)4 * m * bs * 7;
                assert_int_equal(afd_attention_window_measure(&shape, &sizes, NULL), AFD_OK);
                assert_int_equal(sizes.desc_bytes, info / m);
                assert_int_equal(sizes.token_info_bytes, info);
                assert_int_equal(sizes.token_data_offset, (info + 511) / 512 * 512);
                assert_int_equal(sizes.token_data_bytes, (uint64_t)m * bs * 7 * hs);
                assert_int_equal(sizes.window_bytes, sizes.token_data_offset + sizes.token_data_bytes);
            }
        }
    }
}

static void counts_of_zero_and_sizes_that_do_not_fit_are_refused_by_every_call(void **state)
{
    (void)state;
    const uint32_t max = UINT32_MAX;
    const uint32_t half = UINT32_C(1) << 31;
    const struct {
        uint32_t counts[5];
        afd_status status;
        const char *field;
    } rows[] = {
        { { 0, 1, 1, 1, 1 }, AFD_ERR_INVALID, "shape.session_num" },
        { { 1, 0, 1, 1, 1 }, AFD_ERR_INVALID, "shape.micro_batch_num" },
        { { 1, 1, 0, 1, 1 }, AFD_ERR_INVALID, "shape.micro_batch_size" },
        { { 1, 1, 1, 0, 1 }, AFD_ERR_INVALID, "shape.selected_expert_num" },
        { { 1, 1, half, half, 0 }, AFD_ERR_OVERFLOW, "the window" },
        { { 1, max, max, 1, 0 }, AFD_ERR_OVERFLOW, "the window" },
        { { 1, 1 << 16, 1 << 16, 1, max }, AFD_ERR_OVERFLOW, "the window" }, /* the data and the info together */
        { { 1, 1 << 16, 1 << 16, 2, max }, AFD_ERR_OVERFLOW, "the window" }, /* the data */
        { { 1, 1, 0xFFFFFFFC, 0x40000001, 0 }, AFD_ERR_OVERFLOW, "the window" }, /* fits, rounded up it does not */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint32_t *counts = rows[i].counts;
        afd_shape shape = { .session_num = counts[0], .micro_batch_num = counts[1], .micro_batch_size = counts[2],
                            .selected_expert_num = counts[3], .ffn_to_attn_token_size = counts[4] };
        afd_window *window = NULL;
        afd_window_sizes sizes;
        afd_error error;
        int32_t memory[4];
        assert_int_equal(afd_attention_window_measure(&shape, &sizes, &error), rows[i].status);
        assert_string_equal(error.field, rows[i].field);
        assert_int_equal(afd_attention_window_format(&shape, memory, UINT64_MAX, NULL), rows[i].status);
        assert_int_equal(afd_attention_window_create_private(&shape, &window, NULL), rows[i].status);
        assert_int_equal(afd_attention_window_create_shared("test-not-made", &shape, &window, NULL), rows[i].status);
        assert_null(window);
    }
    assert_int_equal(afd_attention_window_measure(NULL, NULL, NULL), AFD_ERR_INVALID);
}

static void formatting_frees_every_flag_and_touches_nothing_else(void **state)
{
    (void)state;
    static _Alignas(8) unsigned char memory[WINDOW_BYTES + 8];
    afd_error error;
    memset(memory, 0x5A, sizeof(memory));
    assert_int_equal(afd_attention_window_format(&small_shape, memory + 1, WINDOW_BYTES, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "memory");
    assert_int_equal(afd_attention_window_format(&small_shape, memory, WINDOW_BYTES - 1, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "bytes");
    assert_int_equal(error.bound, WINDOW_BYTES);
    assert_int_equal(memory[0], 0x5A);
    assert_int_equal(afd_attention_window_format(&small_shape, memory, WINDOW_BYTES, NULL), AFD_OK);
    for (size_t i = 0; i < sizeof(memory); i++) {
        assert_int_equal(memory[i], i < INFO_BYTES ? 0 : 0x5A);
    }
}

static void flags_and_token_data_lie_where_the_format_says(void **state)
{
    (void)state;
    afd_window *window = NULL;
    afd_window *ffn = NULL;
    assert_int_equal(afd_attention_window_create_private(&small_shape, &window, NULL), AFD_OK);
    assert_int_equal(afd_ffn_window_create_private(&small_shape, &ffn, NULL), AFD_OK);
    char *flags = (char *)afd_window_slot_flags(window, 0);
    assert_non_null(flags);
    assert_ptr_equal(afd_window_slot_flags(window, 1), flags + FLAGS_BYTES);
    assert_ptr_equal(afd_window_token_data(window, 0, 0), flags + DATA_OFFSET);
    assert_ptr_equal(afd_window_token_data(window, 0, 1), flags + DATA_OFFSET + DATA_BYTES / 2);
    assert_null(afd_window_slot_flags(window, 2));
    assert_null(afd_window_token_data(window, 0, 2));
    assert_null(afd_window_token_data(window, 1, 0)); /* it has one session, whatever the shape says */
    assert_null(afd_window_desc(window, 0, 0));
    assert_null(afd_window_slot_flags(ffn, 0));
    assert_non_null(afd_window_desc(ffn, 2, 1));
    afd_window_close(ffn);
    afd_window_close(window);
}

static void a_window_without_data_has_flags_alone(void **state)
{
    (void)state;
    afd_shape shape = small_shape;
    afd_window *window = NULL;
    shape.ffn_to_attn_token_size = 0; /* what goes to the FFN does not matter here */
    assert_int_equal(afd_attention_window_create_private(&shape, &window, NULL), AFD_OK);
    assert_non_null(afd_window_slot_flags(window, 0));
    assert_null(afd_window_token_data(window, 0, 0));
    afd_window_close(window);
}

static void publishing_a_slot_writes_its_flag_alone(void **state)
{
    (void)state;
    int32_t flags[3] = { 7, 0, 7 };
    afd_slot_publish(&flags[1]);
    assert_int_equal(afd_slot_peek_flag(&flags[1]), AFD_FLAG_READY);
    assert_int_equal(flags[0], 7);
    assert_int_equal(flags[2], 7);
    flags[1] = -5;
    assert_int_equal(afd_slot_peek_flag(&flags[1]), -5);
}

static void binding_fills_in_the_side_of_the_windows_kind(void **state)
{
    (void)state;
    afd_window *window = NULL;
    afd_schedule_context *context = NULL;
    afd_error error;
    assert_int_equal(afd_attention_window_create_private(&small_shape, &window, NULL), AFD_OK);
    assert_int_equal(afd_attention_context_create(&small_shape, &context, NULL), AFD_OK);
    afd_schedule_context expected = *context;
    expected.attention.window.token_info_buf = (uint64_t)(uintptr_t)afd_window_slot_flags(window, 0);
    expected.attention.window.token_info_buf_size = INFO_BYTES;
    expected.attention.window.token_data_buf = (uint64_t)(uintptr_t)afd_window_token_data(window, 0, 0);
    expected.attention.window.token_data_buf_size = DATA_BYTES;
    assert_int_equal(afd_window_bind(window, context, NULL), AFD_OK);
    assert_memory_equal(context, &expected, sizeof(expected));
    context->common.ffn_to_attn_token_size++;
    assert_int_equal(afd_window_bind(window, context, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "common.ffn_to_attn_token_size");
    afd_context_destroy(context);
    afd_window_close(window);
}

/* ---- contexts ---- */

static void a_fresh_context_awaits_micro_batch_0_and_has_no_outputs(void **state)
{
    (void)state;
    static _Alignas(64) unsigned char memory[AFD_CONTEXT_BYTES + 64];
    afd_schedule_context expected;
    afd_schedule_context *laid_out = NULL;
    afd_schedule_context *created = NULL;
    memset(&expected, 0, sizeof(expected));
    expected.common.session_num = 3;
    expected.common.micro_batch_num = 2;
    expected.common.micro_batch_size = 5;
    expected.common.selected_expert_num = 3;
    expected.common.expert_num = 16;
    expected.common.attn_to_ffn_token_size = 32;
    expected.common.ffn_to_attn_token_size = 64;
    expected.common.schedule_mode = AFD_SCHEDULE_MODE_ATTENTION;
    expected.control.run_flag = 1;
    expected.attention.micro_batch_id = 1;
    memset(memory, 0x5A, sizeof(memory));
    assert_int_equal(afd_attention_context_layout(&small_shape, memory, AFD_CONTEXT_BYTES, &laid_out, NULL), AFD_OK);
    assert_ptr_equal(laid_out, memory);
    assert_memory_equal(laid_out, &expected, sizeof(expected));
    assert_int_equal(memory[AFD_CONTEXT_BYTES], 0x5A);
    assert_int_equal(afd_attention_context_create(&small_shape, &created, NULL), AFD_OK);
    assert_memory_equal(created, &expected, sizeof(expected));
    afd_context_destroy(created);
}

static void a_context_that_cannot_be_made_is_refused(void **state)
{
    (void)state;
    static _Alignas(64) unsigned char memory[AFD_CONTEXT_BYTES];
    afd_schedule_context *context = NULL;
    afd_shape shape = small_shape;
    afd_error error;
    const struct {
        const afd_shape *shape;
        void *memory;
        uint64_t bytes;
        const char *field;
    } rows[] = {
        { NULL, memory, AFD_CONTEXT_BYTES, "shape" },
        { &shape, memory, AFD_CONTEXT_BYTES, "shape.selected_expert_num" },
        { &small_shape, NULL, AFD_CONTEXT_BYTES, "memory" },
        { &small_shape, memory + 8, AFD_CONTEXT_BYTES, "memory" },
        { &small_shape, memory, AFD_CONTEXT_BYTES - 1, "bytes" },
    };
    shape.selected_expert_num = 0;
    memset(memory, 0x5A, sizeof(memory));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(afd_attention_context_layout(rows[i].shape, rows[i].memory, rows[i].bytes, &context, &error),
                         AFD_ERR_INVALID);
        assert_string_equal(error.field, rows[i].field);
        assert_int_equal(memory[0], 0x5A);
    }
    assert_int_equal(afd_attention_context_create(NULL, &context, NULL), AFD_ERR_INVALID);
    assert_int_equal(afd_attention_context_create(&shape, &context, NULL), AFD_ERR_INVALID);
    assert_null(context);
}

/* ---- shared memory ---- */

static void who_joins_sees_the_kind_and_the_same_memory(void **state)
{
    (void)state;
    const char *name = name_of("attention");
    afd_window *mine = NULL;
    afd_window *theirs = NULL;
    afd_window_info info;
    assert_int_equal(afd_attention_window_create_shared(name, &small_shape, &mine, NULL), AFD_OK);
    assert_int_equal(afd_window_join(name, AFD_WINDOW_WRITE, &theirs, NULL), AFD_OK);
    afd_window_describe(theirs, &info);
    assert_int_equal(info.kind, AFD_WINDOW_ATTENTION);
    assert_int_equal(info.sizes.window_bytes, WINDOW_BYTES);
    assert_int_equal(info.file_bytes, HEADER_BYTES + WINDOW_BYTES);
    afd_slot_publish(&afd_window_slot_flags(theirs, 1)[14]);
    memset(afd_window_token_data(theirs, 0, 1), 0x77, DATA_BYTES / 2);
    assert_int_equal(afd_slot_peek_flag(&afd_window_slot_flags(mine, 1)[14]), AFD_FLAG_READY);
    assert_int_equal(((unsigned char *)afd_window_token_data(mine, 0, 1))[DATA_BYTES / 2 - 1], 0x77);
    afd_window_close(theirs);
    afd_window_close(mine);
    assert_false(name_exists(name));
    mine = create_window(name);
    afd_window_describe(mine, &info);
    assert_int_equal(info.kind, AFD_WINDOW_FFN);
    afd_window_close(mine);
}

static afd_status join_status(const char *name, afd_error *error)
{
    afd_window *window = NULL;
    afd_status status = afd_window_join(name, AFD_WINDOW_WRITE, &window, error);
    afd_window_close(window);
    return status;
}

/* The sizes in a header must be those of its own kind. */
static void a_header_of_the_other_kind_is_refused(void **state)
{
    (void)state;
    const uint32_t kinds[] = { AFD_WINDOW_FFN, AFD_WINDOW_ATTENTION, 0, 3, 0x10001 };
    const char *name = name_of("kind");
    for (uint32_t of = AFD_WINDOW_FFN; of <= AFD_WINDOW_ATTENTION; of++) {
        afd_window *window = NULL;
        afd_error error;
        assert_int_equal(of == AFD_WINDOW_FFN ? afd_ffn_window_create_shared(name, &small_shape, &window, NULL)
                                              : afd_attention_window_create_shared(name, &small_shape, &window, NULL),
                         AFD_OK);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            patch_file(name, KIND_OFFSET, &kinds[i], sizeof(kinds[i]));
            assert_int_equal(join_status(name, &error), kinds[i] == of ? AFD_OK : AFD_ERR_BAD_WINDOW);
            if (kinds[i] != of) {
                assert_string_equal(error.field, i < 2 ? "header.token_info_bytes" : "header.kind");
            }
        }
        afd_window_close(window);
    }
}

/* S is no dimension of it, but no window has none; the slots' size is that of the way back. */
static void the_counts_that_measure_an_attention_window_are_its_own(void **state)
{
    (void)state;
    const char *name = name_of("counts");
    const uint32_t four = 4;
    const uint32_t zero = 0;
    const uint32_t three = 3;
    const uint32_t other = 65;
    afd_window *window = NULL;
    afd_error error;
    assert_int_equal(afd_attention_window_create_shared(name, &small_shape, &window, NULL), AFD_OK);
    patch_file(name, SESSIONS_OFFSET, &four, sizeof(four));
    assert_int_equal(join_status(name, &error), AFD_OK);
    patch_file(name, SESSIONS_OFFSET, &zero, sizeof(zero));
    assert_int_equal(join_status(name, &error), AFD_ERR_BAD_WINDOW);
    assert_string_equal(error.field, "shape.session_num");
    patch_file(name, SESSIONS_OFFSET, &three, sizeof(three));
    patch_file(name, TO_ATTENTION_OFFSET, &other, sizeof(other));
    assert_int_equal(join_status(name, &error), AFD_ERR_BAD_WINDOW);
    assert_string_equal(error.field, "header.token_data_bytes");
    afd_window_close(window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sizes_are_the_formulas_of_the_header),
        cmocka_unit_test(counts_of_zero_and_sizes_that_do_not_fit_are_refused_by_every_call),
        cmocka_unit_test(formatting_frees_every_flag_and_touches_nothing_else),
        cmocka_unit_test(flags_and_token_data_lie_where_the_format_says),
        cmocka_unit_test(a_window_without_data_has_flags_alone),
        cmocka_unit_test(publishing_a_slot_writes_its_flag_alone),
        cmocka_unit_test(binding_fills_in_the_side_of_the_windows_kind),
        cmocka_unit_test(a_fresh_context_awaits_micro_batch_0_and_has_no_outputs),
        cmocka_unit_test(a_context_that_cannot_be_made_is_refused),
        cmocka_unit_test(who_joins_sees_the_kind_and_the_same_memory),
        cmocka_unit_test(a_header_of_the_other_kind_is_refused),
        cmocka_unit_test(the_counts_that_measure_an_attention_window_are_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, remove_leftovers);
}
