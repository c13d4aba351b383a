/* SPDX-License-Identifier: Apache-2.0 */
/* A half-precision number for C++ programs that fill and print fp16 tensors. Empty in C. */
#ifndef AFD_ASCEND_ACLNN_OPDEV_FP16_T_H
#define AFD_ASCEND_ACLNN_OPDEV_FP16_T_H

#include "acl/acl_base.h"

#ifdef __cplusplus

#include <cstring>

namespace op {

/*
 * IEEE 754 binary16. From float it rounds to nearest, ties to even; NaN stays NaN; what is too large becomes infinite.
 */
struct fp16_t {
    uint16_t val;

    fp16_t() : val(0) {}
    fp16_t(float value) : val(from_float(value)) {} /* implicit, as programs write `fp16_t x = 1.5f` */

    operator float() const { return to_float(val); }
    float toFloat() const { return to_float(val); }

private:
    static uint32_t shift_right_to_even(uint32_t value, uint32_t bits)
    {
        const uint32_t kept = value >> bits;
        const uint32_t rest = value & ((1U << bits) - 1U);
        const uint32_t half = 1U << (bits - 1U);
        return kept + ((rest > half || (rest == half && (kept & 1U) != 0)) ? 1U : 0U);
    }

    static uint16_t from_float(float value)
    {
        uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof(bits));
        const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
        const uint32_t magnitude = bits & 0x7FFFFFFFU;
        uint32_t half = 0;
        if (magnitude > 0x7F800000U) {
            half = 0x7E00U;
        } else if (magnitude >= 0x47800000U) { /* 65536 and more */
            half = 0x7C00U;
        } else if (magnitude >= 0x38800000U) { /* 2^-14, the smallest normal; rounding may carry into the exponent */
            half = shift_right_to_even(magnitude - 0x38000000U, 13U);
        } else if (magnitude >= 0x33000000U) { /* 2^-25, half of the smallest subnormal */
            const uint32_t exponent = magnitude >> 23;
            half = shift_right_to_even((magnitude & 0x7FFFFFU) | 0x800000U, 126U - exponent);
        }
        return static_cast<uint16_t>(sign | half);
    }

    static float to_float(uint16_t half)
    {
        const uint32_t sign = (half & 0x8000U) << 16;
        const uint32_t exponent = (half >> 10) & 0x1FU;
        const uint32_t fraction = half & 0x3FFU;
        if (exponent == 0) { /* zero and subnormals are multiples of 2^-24, exact in float */
            const float magnitude = static_cast<float>(fraction) * 5.9604644775390625e-8F;
            return sign != 0 ? -magnitude : magnitude;
        }
        const uint32_t bits = sign | ((exponent == 31U ? 255U : exponent + 112U) << 23) | (fraction << 13);
        float value = 0;
        std::memcpy(&value, &bits, sizeof(value));
        return value;
    }
};

static_assert(sizeof(fp16_t) == 2, "fp16_t lies in tensors");

} /* namespace op */

#endif

#endif
