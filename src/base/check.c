/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <inttypes.h>

#include "base/error.h"

afd_status afd__check_not_null(const char *field, const void *pointer, afd_error *error)
{
    if (pointer != NULL) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, 0, 0, "%s is null", field);
}

afd_status afd__check_range(const char *field, uint64_t value, uint64_t low, uint64_t high, afd_error *error)
{
    if (value >= low && value <= high) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, value, value < low ? low : high,
                     "%s is %" PRIu64 ", must be in [%" PRIu64 ", %" PRIu64 "]", field, value, low, high);
}

afd_status afd__fail_size(const char *field, size_t size, size_t expected, const char *initialiser, afd_error *error)
{
    return afd__fail(error, AFD_ERR_INVALID, field, size, expected, "%s is %zu, must be %zu: initialise it with %s",
                     field, size, expected, initialiser);
}

afd_status afd__check_hidden(const char *field, uint32_t hidden, afd_error *error)
{
    if (hidden != 0 && hidden % AFD_HIDDEN_MULTIPLE == 0) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, hidden, AFD_HIDDEN_MULTIPLE,
                     "%s is %" PRIu32 ", must be a multiple of %d and not 0", field, hidden, AFD_HIDDEN_MULTIPLE);
}

afd_status afd__check_float_type(const char *field, afd_token_type type, afd_error *error)
{
    if (type == AFD_TOKEN_F16 || type == AFD_TOKEN_BF16) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, (uint64_t)(int64_t)type, AFD_TOKEN_BF16,
                     "%s is %d, must be %d (f16) or %d (bf16)", field, (int)type, AFD_TOKEN_F16, AFD_TOKEN_BF16);
}
