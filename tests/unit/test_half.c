/* SPDX-License-Identifier: Apache-2.0 */
/* The 16-bit floats, against their definition in plain_half.h: every one of them, and every tie between two. */
#include "base/half.h"

#include <math.h>

#include "cmocka_headers.h"
#include "plain_half.h"
#include "random_numbers.h"

/* A format, and the code under test. */
typedef struct half_case {
    const char *name;
    const plain_half_format *format;
    float (*widen)(uint16_t half);
    uint16_t (*narrow)(float value);
} half_case;

static const half_case cases[] = {
    { "f16", &plain_f16, afd__f16_to_f32, afd__f32_to_f16 },
    { "bf16", &plain_bf16, afd__bf16_to_f32, afd__f32_to_bf16 },
};

enum { CASE_NUM = sizeof(cases) / sizeof(cases[0]), HALF_NUM = 65536, HALF_SIGN = 0x8000 };

static void every_half_widens_to_what_its_bits_stand_for(void **state)
{
    (void)state;
    for (int c = 0; c < CASE_NUM; c++) {
        const half_case *tried = &cases[c];
        const plain_half_format *format = tried->format;
        for (uint32_t i = 0; i < HALF_NUM; i++) {
            uint16_t half = (uint16_t)i;
            float wide = tried->widen(half);
            uint32_t bits = afd__f32_bits(wide);
            assert_int_equal(bits >> 31, half >> 15);
            if (plain_half_is_nan(format, half)) {
                assert_true(isnan(wide));
                assert_true(bits & AFD__F32_QUIET || half == bits >> 16);
            } else if ((half & 0x7FFF) == plain_half_infinity(format)) {
                assert_true(isinf(wide));
            } else {
                assert_true(fabs((double)wide) == plain_half_magnitude(format, half));
            }
        }
    }
}

static void every_half_comes_back_as_it_was(void **state)
{
    (void)state;
    for (int c = 0; c < CASE_NUM; c++) {
        const half_case *tried = &cases[c];
        const plain_half_format *format = tried->format;
        uint16_t quiet = (uint16_t)(1 << (format->mantissa_bits - 1));
        for (uint32_t i = 0; i < HALF_NUM; i++) {
            uint16_t half = (uint16_t)i;
            uint16_t expected = plain_half_is_nan(format, half) ? half | quiet : half;
            assert_int_equal(tried->narrow(tried->widen(half)), expected);
        }
    }
}

static void expect_nearest(const half_case *tried, float value)
{
    uint16_t expected = plain_half_nearest(tried->format, value);
    uint16_t narrowed = tried->narrow(value);
    if (narrowed != expected) {
        fail_msg("%s of %a is 0x%04x, must be 0x%04x", tried->name, (double)value, narrowed, expected);
    }
}

/* The value and the floats around it, of both signs. */
static void expect_nearest_around(const half_case *tried, float value)
{
    const float around[] = { nextafterf(value, 0.0f), value, nextafterf(value, INFINITY) };
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        expect_nearest(tried, around[i]);
        expect_nearest(tried, -around[i]);
    }
}

/* Every half and every tie between two neighbours, which a float holds exactly, and what stands next to them. */
static void ties_go_to_the_even_neighbour(void **state)
{
    (void)state;
    for (int c = 0; c < CASE_NUM; c++) {
        const half_case *tried = &cases[c];
        const plain_half_format *format = tried->format;
        for (uint16_t half = 0; half < plain_half_infinity(format); half++) {
            double here = plain_half_magnitude(format, half);
            double tie = (here + plain_half_magnitude(format, (uint16_t)(half + 1))) / 2;
            assert_true((double)(float)tie == tie);
            expect_nearest_around(tried, (float)here);
            expect_nearest_around(tried, (float)tie);
        }
    }
}

static void floats_round_to_the_nearest_half(void **state)
{
    enum { RANDOM_NUM = 400000, STRIDE = 65521 };
    random_numbers numbers = { .state = 20 };
    (void)state;
    for (int c = 0; c < CASE_NUM; c++) {
        for (uint64_t bits = 0; bits < AFD__F32_INFINITY; bits += STRIDE) {
            expect_nearest(&cases[c], afd__f32_of_bits((uint32_t)bits));
        }
        for (int i = 0; i < RANDOM_NUM; i++) {
            float value = afd__f32_of_bits((uint32_t)random_u64(&numbers));
            if (!isnan(value)) {
                expect_nearest(&cases[c], value);
            }
        }
        expect_nearest(&cases[c], INFINITY);
        expect_nearest(&cases[c], -INFINITY);
    }
}

static void a_nan_stays_one_and_keeps_its_sign(void **state)
{
    enum { STRIDE = 97 };
    (void)state;
    for (int c = 0; c < CASE_NUM; c++) {
        const half_case *tried = &cases[c];
        const plain_half_format *format = tried->format;
        for (uint64_t bits = AFD__F32_INFINITY + 1; bits < AFD__F32_SIGN; bits += STRIDE) {
            uint16_t positive = tried->narrow(afd__f32_of_bits((uint32_t)bits));
            uint16_t negative = tried->narrow(afd__f32_of_bits((uint32_t)bits | AFD__F32_SIGN));
            assert_true(plain_half_is_nan(format, positive));
            assert_true(positive & 1 << (format->mantissa_bits - 1));
            assert_int_equal(positive >> 15, 0);
            assert_int_equal(negative, positive | HALF_SIGN);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_widens_to_what_its_bits_stand_for),
        cmocka_unit_test(every_half_comes_back_as_it_was),
        cmocka_unit_test(ties_go_to_the_even_neighbour),
        cmocka_unit_test(floats_round_to_the_nearest_half),
        cmocka_unit_test(a_nan_stays_one_and_keeps_its_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
