/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes over a token: the largest magnitude, then the values. Nothing is kept between them: converting a value
 * again costs less than a buffer for tokens of any size.
 */
#include "attention/quantize.h"

#include <string.h>

#include "base/cpu.h"
#include "base/half.h"

static const float limit = 127.0F;
static const float smallest = 0x1p-119F;         /* below it, 1 / d would be no normal float any more */
static const int32_t infinity_bits = 0x7F800000; /* magnitudes are compared as bits: NaN > infinity > all others */
static const uint32_t nan_scale_bits = UINT32_C(0x7FC00000);

/* Returns the scale. */
static float quantize(const afd__quantize_passes *passes, uint8_t *slot, const afd__quantize_work *work)
{
    int32_t largest_bits = passes->find_largest(work);
    float largest = afd__f32_of_bits((uint32_t)largest_bits);
    if (largest_bits >= infinity_bits || largest < smallest) {
        memset(slot, 0, work->hidden);
        return largest_bits >= infinity_bits ? afd__f32_of_bits(nan_scale_bits) : 0.0F;
    }
    float d = limit / largest;
    passes->write_values(slot, work, d);
    return 1.0F / d;
}

void afd__quantize_token_with(const afd__quantize_passes *passes, void *slot, const afd__quantize_work *work)
{
    uint8_t *bytes = slot;
    float scale = quantize(passes, bytes, work);
    uint64_t scale_offset = afd_token_scale_offset(work->hidden);
    memset(bytes + work->hidden, 0, scale_offset - work->hidden);
    memcpy(bytes + scale_offset, &scale, sizeof(scale));
}

void afd__quantize_token(void *slot, const afd__quantize_work *work)
{
    const afd__quantize_passes *passes = &afd__quantize_plain;
#if defined(__x86_64__)
    if (afd__cpu_has_avx2()) {
        passes = &afd__quantize_avx2;
    }
#endif
    afd__quantize_token_with(passes, slot, work);
}
