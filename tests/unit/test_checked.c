/* SPDX-License-Identifier: Apache-2.0 */
/* Checked arithmetic, at the edges of 64 bits. */
#include "base/checked.h"
#include "cmocka_headers.h"

/* Numbers around every power of two that matters: sums and products of them fall on both sides of the edge. */
static const uint64_t numbers[] = {
    0, 1, 2, 3, 4, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x100000001, UINT64_C(1) << 62,
    (UINT64_C(1) << 62) - 1, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX / 3, UINT64_MAX - 8, UINT64_MAX - 1, UINT64_MAX,
};

enum { NUMBER_NUM = sizeof(numbers) / sizeof(numbers[0]) };

static void a_product_is_right_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUMBER_NUM; i++) {
        for (size_t j = 0; j < NUMBER_NUM; j++) {
            uint64_t product = 0;
            bool fits = numbers[j] == 0 || numbers[i] <= UINT64_MAX / numbers[j];
            assert_int_equal(afd__mul_u64(numbers[i], numbers[j], &product), fits);
            if (fits) {
                assert_int_equal(product, numbers[i] * numbers[j]);
            }
        }
    }
}

static void a_sum_is_right_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUMBER_NUM; i++) {
        for (size_t j = 0; j < NUMBER_NUM; j++) {
            uint64_t sum = 0;
            bool fits = numbers[i] <= UINT64_MAX - numbers[j];
            assert_int_equal(afd__add_u64(numbers[i], numbers[j], &sum), fits);
            if (fits) {
                assert_int_equal(sum, numbers[i] + numbers[j]);
            }
        }
    }
}

static void rounding_up_gives_the_next_multiple_or_refuses(void **state)
{
    (void)state;
    for (uint64_t align = 1; align != 0; align <<= 1) {
        for (size_t i = 0; i < NUMBER_NUM; i++) {
            uint64_t rounded = 0;
            bool fits = numbers[i] <= UINT64_MAX - (align - 1);
            assert_int_equal(afd__round_up_u64(numbers[i], align, &rounded), fits);
            if (fits) {
                assert_int_equal(rounded % align, 0);
                assert_true(rounded >= numbers[i]);
                assert_true(rounded - numbers[i] < align);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_is_right_or_refused),
        cmocka_unit_test(a_sum_is_right_or_refused),
        cmocka_unit_test(rounding_up_gives_the_next_multiple_or_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
