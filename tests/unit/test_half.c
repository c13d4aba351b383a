/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16-bit floats, against their definition: every one of them as an exact sum of powers of two in a double, and
 * rounding as the search for the nearest of all of them.
 */
#include "base/half.h"

#include <math.h>

#include "cmocka_headers.h"
#include "random_numbers.h"

/* A format by its two widths, and the code under test. */
typedef struct half_format {
    const char *name;
    int exponent_bits;
    int mantissa_bits;
    float (*widen)(uint16_t half);
    uint16_t (*narrow)(float value);
} half_format;

static const half_format formats[] = {
    { "f16", 5, 10, afd__f16_to_f32, afd__f32_to_f16 },
    { "bf16", 8, 7, afd__bf16_to_f32, afd__f32_to_bf16 },
};

enum { FORMAT_NUM = sizeof(formats) / sizeof(formats[0]), HALF_NUM = 65536, HALF_SIGN = 0x8000 };

static uint16_t infinity_of(const half_format *format)
{
    return (uint16_t)(((1 << format->exponent_bits) - 1) << format->mantissa_bits);
}

static bool is_nan(const half_format *format, uint16_t half)
{
    return (half & 0x7FFF) > infinity_of(format);
}

/* The magnitude that the bits of a finite number stand for; for infinity, what would come after the largest. */
static double magnitude_of(const half_format *format, uint16_t half)
{
    int bias = (1 << (format->exponent_bits - 1)) - 1;
    int exponent = (half & 0x7FFF) >> format->mantissa_bits;
    int mantissa = half & ((1 << format->mantissa_bits) - 1);
    if (exponent == 0) {
        return ldexp(mantissa, 1 - bias - format->mantissa_bits);
    }
    return ldexp(mantissa + (1 << format->mantissa_bits), exponent - bias - format->mantissa_bits);
}

/* The nearest of all halves, found by halving the interval; of two that are as near, the even one. */
static uint16_t nearest(const half_format *format, float value)
{
    double wanted = fabs((double)value);
    uint16_t sign = signbit(value) ? HALF_SIGN : 0;
    uint16_t below = 0;
    uint16_t above = infinity_of(format);
    if (isinf(value) || wanted >= magnitude_of(format, above)) {
        return sign | above;
    }
    while (above - below > 1) {
        uint16_t middle = (uint16_t)((below + above) / 2);
        *(magnitude_of(format, middle) <= wanted ? &below : &above) = middle;
    }
    double to_below = wanted - magnitude_of(format, below); /* exact: both have few bits */
    double to_above = magnitude_of(format, above) - wanted;
    bool goes_up = to_above < to_below || (to_above == to_below && below % 2 != 0);
    return sign | (goes_up ? above : below);
}

static void every_half_widens_to_what_its_bits_stand_for(void **state)
{
    (void)state;
    for (int f = 0; f < FORMAT_NUM; f++) {
        const half_format *format = &formats[f];
        for (uint32_t i = 0; i < HALF_NUM; i++) {
            uint16_t half = (uint16_t)i;
            float wide = format->widen(half);
            uint32_t bits = afd__f32_bits(wide);
            assert_int_equal(bits >> 31, half >> 15);
            if (is_nan(format, half)) {
                assert_true(isnan(wide));
                assert_true(bits & AFD__F32_QUIET || half == bits >> 16);
            } else if ((half & 0x7FFF) == infinity_of(format)) {
                assert_true(isinf(wide));
            } else {
                assert_true(fabs((double)wide) == magnitude_of(format, half));
            }
        }
    }
}

static void every_half_comes_back_as_it_was(void **state)
{
    (void)state;
    for (int f = 0; f < FORMAT_NUM; f++) {
        const half_format *format = &formats[f];
        uint16_t quiet = (uint16_t)(1 << (format->mantissa_bits - 1));
        for (uint32_t i = 0; i < HALF_NUM; i++) {
            uint16_t half = (uint16_t)i;
            uint16_t expected = is_nan(format, half) ? half | quiet : half;
            assert_int_equal(format->narrow(format->widen(half)), expected);
        }
    }
}

static void expect_nearest(const half_format *format, float value)
{
    uint16_t expected = nearest(format, value);
    uint16_t narrowed = format->narrow(value);
    if (narrowed != expected) {
        fail_msg("%s of %a is 0x%04x, must be 0x%04x", format->name, (double)value, narrowed, expected);
    }
}

/* The value and the floats around it, of both signs. */
static void expect_nearest_around(const half_format *format, float value)
{
    const float around[] = { nextafterf(value, 0.0f), value, nextafterf(value, INFINITY) };
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        expect_nearest(format, around[i]);
        expect_nearest(format, -around[i]);
    }
}

/* Every half and every tie between two neighbours, which a float holds exactly, and what stands next to them. */
static void ties_go_to_the_even_neighbour(void **state)
{
    (void)state;
    for (int f = 0; f < FORMAT_NUM; f++) {
        const half_format *format = &formats[f];
        for (uint16_t half = 0; half < infinity_of(format); half++) {
            double here = magnitude_of(format, half);
            double tie = (here + magnitude_of(format, (uint16_t)(half + 1))) / 2;
            assert_true((double)(float)tie == tie);
            expect_nearest_around(format, (float)here);
            expect_nearest_around(format, (float)tie);
        }
    }
}

static void floats_round_to_the_nearest_half(void **state)
{
    enum { RANDOM_NUM = 400000, STRIDE = 65521 };
    random_numbers numbers = { .state = 20 };
    (void)state;
    for (int f = 0; f < FORMAT_NUM; f++) {
        for (uint64_t bits = 0; bits < AFD__F32_INFINITY; bits += STRIDE) {
            expect_nearest(&formats[f], afd__f32_of_bits((uint32_t)bits));
        }
        for (int i = 0; i < RANDOM_NUM; i++) {
            float value = afd__f32_of_bits((uint32_t)random_u64(&numbers));
            if (!isnan(value)) {
                expect_nearest(&formats[f], value);
            }
        }
        expect_nearest(&formats[f], INFINITY);
        expect_nearest(&formats[f], -INFINITY);
    }
}

static void a_nan_stays_one_and_keeps_its_sign(void **state)
{
    enum { STRIDE = 97 };
    (void)state;
    for (int f = 0; f < FORMAT_NUM; f++) {
        const half_format *format = &formats[f];
        for (uint64_t bits = AFD__F32_INFINITY + 1; bits < AFD__F32_SIGN; bits += STRIDE) {
            uint16_t positive = format->narrow(afd__f32_of_bits((uint32_t)bits));
            uint16_t negative = format->narrow(afd__f32_of_bits((uint32_t)bits | AFD__F32_SIGN));
            assert_true(is_nan(format, positive));
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
