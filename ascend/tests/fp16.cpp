/* SPDX-License-Identifier: Apache-2.0 */
/* Every half-precision number survives the way to float and back, and what lies between rounds to the nearest, even. */
#include "aclnn/opdev/fp16_t.h"

#include <cmath>

namespace {
int failures = 0;

void expect(bool condition, const char *what, uint32_t number)
{
    if (!condition) {
        printf("FAILED: %s at 0x%x\n", what, number);
        failures++;
    }
}

op::fp16_t of_bits(uint32_t bits)
{
    op::fp16_t half;
    half.val = static_cast<uint16_t>(bits);
    return half;
}
} // namespace

int main()
{
    for (uint32_t bits = 0; bits <= 0xFFFF; bits++) {
        const float value = of_bits(bits);
        if ((bits & 0x7FFF) > 0x7C00) {
            expect(std::isnan(value) && std::isnan(op::fp16_t(value).toFloat()), "NaN", bits);
        } else {
            expect(op::fp16_t(value).val == bits, "there and back", bits);
        }
    }
    for (uint32_t bits = 0; bits < 0x7BFF; bits++) {
        const float low = of_bits(bits);
        const float high = of_bits(bits + 1);
        const float middle = low + (high - low) / 2; /* exact: a float has twice the bits */
        const uint32_t even = bits % 2 == 0 ? bits : bits + 1;
        expect(op::fp16_t(middle).val == even, "a tie", bits);
        expect(op::fp16_t(std::nextafterf(middle, 0)).val == bits, "below a tie", bits);
        expect(op::fp16_t(std::nextafterf(middle, 1e9F)).val == bits + 1, "above a tie", bits);
        expect(op::fp16_t(-middle).val == (even | 0x8000U), "a negative tie", bits);
    }
    expect(op::fp16_t(65519.0F).val == 0x7BFF && op::fp16_t(65520.0F).val == 0x7C00, "the largest", 0x7BFF);
    expect(op::fp16_t(1.0F).val == 0x3C00 && op::fp16_t(HUGE_VALF).val == 0x7C00, "one and infinity", 0);
    return failures == 0 ? 0 : 1;
}
