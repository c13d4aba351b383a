/* SPDX-License-Identifier: Apache-2.0 */
/* The quantiser against the model's, which divides and rounds in long double, and in the cases that are defined. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention/quantize.h"
#include "base/cpu.h"
#include "cmocka_headers.h"
#include "plain_dispatch.h"

enum { H_MAX = 160, SLOT_BYTES = H_MAX + 36, GUARD = 0x5A };

typedef struct result {
    uint8_t slot[SLOT_BYTES + 8];
} result;

/* With these passes, at an odd address, with a guard on both sides. */
static result quantize_with(const afd__quantize_passes *passes, const afd__quantize_work *work)
{
    result made;
    memset(&made, GUARD, sizeof(made));
    afd__quantize_token_with(passes, made.slot + 1, work);
    return made;
}

/* The same in vectors of every width that this machine has, which all give the same bytes. */
static result quantize(const uint16_t *token, const float *scales, uint32_t hidden, afd_token_type type)
{
    result made;
    memset(&made, GUARD, sizeof(made));
    const afd__quantize_work work = { token, scales, hidden, type };
    afd__quantize_token(made.slot + 1, &work);
    result plain = quantize_with(&afd__quantize_plain, &work);
    assert_memory_equal(&made, &plain, sizeof(made));
#if defined(__x86_64__)
    if (afd__cpu_has_avx2()) {
        result wide = quantize_with(&afd__quantize_avx2, &work);
        assert_memory_equal(&wide, &plain, sizeof(wide));
    }
#endif
    return made;
}

static void expect_as_model(const uint16_t *token, const float *scales, uint32_t hidden, afd_token_type type)
{
    result expected;
    memset(&expected, GUARD, sizeof(expected));
    plain_quantize(expected.slot + 1, token, scales, hidden, type);
    result made = quantize(token, scales, hidden, type);
    assert_memory_equal(&made, &expected, sizeof(made));
}

static float scale_of(const result *made, uint32_t hidden)
{
    float scale;
    memcpy(&scale, made->slot + 1 + (hidden + 31) / 32 * 32, sizeof(scale));
    return scale;
}

static void random_tokens_are_as_the_model_says(void **state)
{
    (void)state;
    const char *given = getenv("AFD_TEST_SEED");
    random_numbers numbers = { given != NULL ? strtoull(given, NULL, 0) : 20261122 };
    (void)printf("seed %" PRIu64 "\n", numbers.state);
    for (int i = 0; i < 20000; i++) {
        uint16_t token[H_MAX];
        float scales[H_MAX];
        afd_token_type type = random_chance(&numbers, 50) ? AFD_TOKEN_F16 : AFD_TOKEN_BF16;
        uint32_t hidden = 16 * (1 + random_below(&numbers, H_MAX / 16));
        /* The same exponent for a whole token, so that its values differ in size as those of real ones do. */
        uint16_t mask = (uint16_t)random_u64(&numbers) | 0x83FF;
        uint16_t exponent = (uint16_t)random_u64(&numbers) & 0x7C00;
        for (uint32_t k = 0; k < hidden; k++) {
            token[k] = (uint16_t)((random_u64(&numbers) & mask) ^ exponent);
            scales[k] = (float)(int32_t)random_u64(&numbers) / (float)(1U << random_below(&numbers, 31));
        }
        expect_as_model(token, random_chance(&numbers, 50) ? scales : NULL, hidden, type);
    }
}

/* 127 is the largest, so d is 1 and every half is a tie: -2.5 -1.5 -0.5 0.5 1.5 2.5 and so on go to the even side. */
static void ties_go_to_the_even_side(void **state)
{
    (void)state;
    static const double values[16] = { 127,  0.5,   1.5,   2.5,    3.5, -0.5, -1.5, -2.5,
                                       -3.5, 125.5, 126.5, -126.5, 126, 0,    -1,   -127 };
    static const int8_t expected[16] = { 127, 0, 2, 2, 4, 0, -2, -2, -4, 126, 126, -126, 126, 0, -1, -127 };
    uint16_t token[16];
    for (uint32_t i = 0; i < 16; i++) {
        token[i] = 0;
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            if (plain_value((uint16_t)bits, AFD_TOKEN_F16) == values[i] && (bits & 0x7FFF) != 0) {
                token[i] = (uint16_t)bits;
            }
        }
    }
    result made = quantize(token, NULL, 16, AFD_TOKEN_F16);
    assert_memory_equal(made.slot + 1, expected, 16);
    assert_true(scale_of(&made, 16) == 1.0F);
    for (int i = 16; i < 32; i++) {
        assert_int_equal(made.slot[1 + i], 0); /* up to the scale */
    }
}

static void zeros_give_zeros_and_the_scale_0(void **state)
{
    (void)state;
    uint16_t token[32];
    for (int i = 0; i < 32; i++) {
        token[i] = i % 2 == 0 ? 0 : 0x8000;
    }
    for (int type = AFD_TOKEN_F16; type <= AFD_TOKEN_BF16; type++) {
        result made = quantize(token, NULL, 32, (afd_token_type)type);
        const uint8_t zeros[36] = { 0 };
        assert_memory_equal(made.slot + 1, zeros, 36);
        assert_int_equal(made.slot[0], GUARD);
        assert_int_equal(made.slot[37], GUARD);
    }
}

/* bf16 0x0400 is 2^-119, and 0x03FF the next below. */
static void what_is_too_small_for_a_scale_counts_as_zeros(void **state)
{
    (void)state;
    uint16_t token[16] = { 0x8400, 0x03FF };
    result made = quantize(token, NULL, 16, AFD_TOKEN_BF16);
    assert_int_equal((int8_t)made.slot[1], -127);
    assert_int_equal((int8_t)made.slot[2], 127); /* 127 * 255 / 256 is 126.504 */
    assert_true(scale_of(&made, 16) >= 0x1p-126F);
    token[0] = 0x83FF;
    made = quantize(token, NULL, 16, AFD_TOKEN_BF16);
    assert_int_equal(made.slot[1], 0);
    assert_int_equal(made.slot[2], 0);
    assert_true(scale_of(&made, 16) == 0.0F);
    token[0] = 1; /* the smallest there is */
    expect_as_model(token, NULL, 16, AFD_TOKEN_BF16);
}

static void expect_nan(const result *made, uint32_t hidden)
{
    float scale = scale_of(made, hidden);
    assert_true(scale != scale);
    for (uint32_t i = 0; i < hidden; i++) {
        assert_int_equal(made->slot[1 + i], 0);
    }
}

static void a_value_that_is_not_finite_makes_the_scale_nan(void **state)
{
    (void)state;
    static const uint16_t f16[] = { 0x7C00, 0xFC00, 0x7E00, 0xFE00, 0x7C01, 0xFFFF };
    static const uint16_t bf16[] = { 0x7F80, 0xFF80, 0x7FC0, 0xFFC0, 0x7F81, 0xFFFF };
    for (int i = 0; i < 6; i++) {
        for (uint32_t at = 0; at < 32; at++) {
            uint16_t token[32] = { 0x3C00, 0x4000, 0x1234 };
            token[at] = f16[i];
            result made = quantize(token, NULL, 32, AFD_TOKEN_F16);
            expect_nan(&made, 32);
            token[at] = bf16[i];
            made = quantize(token, NULL, 32, AFD_TOKEN_BF16);
            expect_nan(&made, 32);
        }
    }
}

static void a_smooth_scale_that_overflows_does_so_too(void **state)
{
    (void)state;
    uint16_t token[16] = { 0x7B00, 0x3C00 };
    float scales[16] = { 3.0e38F, 1.0F };
    result made = quantize(token, scales, 16, AFD_TOKEN_F16);
    expect_nan(&made, 16);
    scales[0] = 1.0F;
    token[5] = 0;
    scales[5] = 1.0F / 0x1p-127F; /* no infinity: 0 * it is 0 */
    expect_as_model(token, scales, 16, AFD_TOKEN_F16);
}

static void the_largest_bf16_is_quantised(void **state)
{
    (void)state;
    uint16_t token[16] = { 0x7F7F, 0xFF7F, 0x7F00, 0x0001 };
    result made = quantize(token, NULL, 16, AFD_TOKEN_BF16);
    assert_int_equal((int8_t)made.slot[1], 127);
    assert_int_equal((int8_t)made.slot[2], -127);
    expect_as_model(token, NULL, 16, AFD_TOKEN_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_tokens_are_as_the_model_says),
        cmocka_unit_test(ties_go_to_the_even_side),
        cmocka_unit_test(zeros_give_zeros_and_the_scale_0),
        cmocka_unit_test(what_is_too_small_for_a_scale_counts_as_zeros),
        cmocka_unit_test(a_value_that_is_not_finite_makes_the_scale_nan),
        cmocka_unit_test(a_smooth_scale_that_overflows_does_so_too),
        cmocka_unit_test(the_largest_bf16_is_quantised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
