/* SPDX-License-Identifier: Apache-2.0 */
/* How large a token is in its slot. */
#include "afd/token.h"
#include "cmocka_headers.h"

static void a_16_bit_token_is_its_values(void **state)
{
    (void)state;
    assert_int_equal(afd_token_bytes(AFD_TOKEN_F16, 7168), 14336);
    assert_int_equal(afd_token_bytes(AFD_TOKEN_BF16, 2880), 5760);
    assert_int_equal(afd_token_slot_bytes(AFD_TOKEN_F16, 7168), 14336);
    assert_int_equal(afd_token_slot_bytes(AFD_TOKEN_BF16, 2880), 5760);
}

static void an_int8_token_has_its_scale_at_the_next_multiple_of_32(void **state)
{
    (void)state;
    assert_int_equal(afd_token_scale_offset(7168), 7168);
    assert_int_equal(afd_token_bytes(AFD_TOKEN_INT8, 7168), 7172);
    assert_int_equal(afd_token_scale_offset(1040), 1056);
    assert_int_equal(afd_token_bytes(AFD_TOKEN_INT8, 1040), 1060);
    assert_int_equal(afd_token_scale_offset(0), 0);
}

static void an_int8_slot_is_as_large_as_the_original_writes(void **state)
{
    (void)state;
    assert_int_equal(afd_token_slot_bytes(AFD_TOKEN_INT8, 7168), 7296);
    for (uint32_t hidden = AFD_HIDDEN_MULTIPLE; hidden <= 8192; hidden += AFD_HIDDEN_MULTIPLE) {
        assert_true(afd_token_slot_bytes(AFD_TOKEN_INT8, hidden) >= afd_token_bytes(AFD_TOKEN_INT8, hidden));
    }
}

static void the_largest_hidden_does_not_wrap(void **state)
{
    (void)state;
    assert_int_equal(afd_token_bytes(AFD_TOKEN_F16, UINT32_MAX), UINT64_C(0x1FFFFFFFE));
    assert_int_equal(afd_token_scale_offset(UINT32_MAX), UINT64_C(0x100000000));
    assert_int_equal(afd_token_bytes(AFD_TOKEN_INT8, UINT32_MAX), UINT64_C(0x100000004));
    assert_int_equal(afd_token_slot_bytes(AFD_TOKEN_INT8, UINT32_MAX), UINT64_C(0x10000007F));
}

static void a_type_that_does_not_exist_has_no_bytes(void **state)
{
    (void)state;
    assert_int_equal(afd_token_bytes((afd_token_type)3, 16), 0);
    assert_int_equal(afd_token_slot_bytes((afd_token_type)-1, 16), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_16_bit_token_is_its_values),
        cmocka_unit_test(an_int8_token_has_its_scale_at_the_next_multiple_of_32),
        cmocka_unit_test(an_int8_slot_is_as_large_as_the_original_writes),
        cmocka_unit_test(the_largest_hidden_does_not_wrap),
        cmocka_unit_test(a_type_that_does_not_exist_has_no_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
