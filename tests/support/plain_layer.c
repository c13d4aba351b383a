/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How a 16-bit float is made: sign, exponent, mantissa. */
typedef struct float_format {
    int mantissa_bits;
    int bias;
} float_format;

static float_format format_of(afd_token_type type)
{
    return type == AFD_TOKEN_F16 ? (float_format){ 10, 15 } : (float_format){ 7, 127 };
}

float plain_widen(afd_token_type type, uint16_t bits)
{
    float_format format = format_of(type);
    int mantissa = bits & ((1 << format.mantissa_bits) - 1);
    int exponent = (bits & 0x7FFF) >> format.mantissa_bits;
    double value = exponent == 0
                       ? ldexp(mantissa, 1 - format.bias - format.mantissa_bits)
                       : ldexp(mantissa + (1 << format.mantissa_bits), exponent - format.bias - format.mantissa_bits);
    return (float)((bits & 0x8000) != 0 ? -value : value);
}

uint16_t plain_narrow(afd_token_type type, float value)
{
    float_format format = format_of(type);
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent = 0;
    (void)frexp(fabs((double)value), &exponent); /* |value| is in [2^(exponent-1), 2^exponent) */
    exponent = exponent - 1 < 1 - format.bias ? 1 - format.bias : exponent - 1;
    /* In units of the last mantissa bit, which a double holds exactly; nearbyint rounds ties to even. */
    double units = nearbyint(ldexp(fabs((double)value), format.mantissa_bits - exponent));
    if (units == ldexp(1, format.mantissa_bits + 1)) { /* rounded up to the next power of two */
        units /= 2;
        exponent++;
    }
    if (units < ldexp(1, format.mantissa_bits)) { /* subnormal, or zero */
        return (uint16_t)(sign | (uint16_t)units);
    }
    int biased = exponent + format.bias;
    if (biased > 2 * format.bias) {
        return (uint16_t)(sign | ((2 * format.bias + 1) << format.mantissa_bits)); /* infinity */
    }
    int mantissa = (int)units - (1 << format.mantissa_bits);
    return (uint16_t)(sign | (biased << format.mantissa_bits) | mantissa);
}

uint16_t plain_value(afd_token_type type, uint64_t bits)
{
    float_format format = format_of(type);
    int mantissa = (int)(bits & ((UINT64_C(1) << format.mantissa_bits) - 1));
    int exponent = format.bias - 7 + (int)((bits >> 16) % 11);
    int sign = (int)(bits >> 63);
    return (uint16_t)(sign << 15 | exponent << format.mantissa_bits | mantissa);
}

void plain_quantize(afd_token_type type, const uint16_t *token, const float *smooth, uint32_t hidden, int8_t *values,
                    float *scale)
{
    float largest = 0;
    for (uint32_t h = 0; h < hidden; h++) {
        float value = plain_widen(type, token[h]) * (smooth == NULL ? 1.0F : smooth[h]);
        largest = fabsf(value) > largest ? fabsf(value) : largest;
    }
    float factor = largest == 0 ? 0 : 127.0F / largest;
    for (uint32_t h = 0; h < hidden; h++) {
        float value = plain_widen(type, token[h]) * (smooth == NULL ? 1.0F : smooth[h]);
        values[h] = (int8_t)nearbyintf(value * factor);
    }
    *scale = largest == 0 ? 0 : 1.0F / factor;
}

static uint64_t mix(uint64_t state, uint64_t value)
{
    uint64_t z = (state ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
    return z ^ z >> 32;
}

static uint64_t digest(afd_token_type type, const void *token, float scale, uint32_t hidden)
{
    uint64_t state = hidden;
    for (uint32_t h = 0; h < hidden; h++) {
        state = mix(state, type == AFD_TOKEN_INT8 ? ((const uint8_t *)token)[h] : ((const uint16_t *)token)[h]);
    }
    if (type == AFD_TOKEN_INT8) {
        uint32_t bits = 0;
        memcpy(&bits, &scale, sizeof(bits));
        state = mix(state, bits);
    }
    return state;
}

void plain_expert(int32_t layer_id, uint32_t expert, afd_token_type type, const void *token, float scale,
                  uint32_t hidden, afd_token_type result_type, uint16_t *result)
{
    uint64_t state = mix(mix(digest(type, token, scale, hidden), (uint64_t)layer_id), expert);
    for (uint32_t h = 0; h < hidden; h++) {
        result[h] = plain_value(result_type, mix(state, h));
    }
}

/* The result of slot k's expert for the token. */
static void run_expert(const plain_layer *layer, const uint16_t *token, uint32_t expert, uint16_t *result)
{
    const float *smooth =
        layer->smooth_scales == NULL ? NULL : layer->smooth_scales + (size_t)expert * layer->hidden;
    if (!layer->quantize) {
        plain_expert(layer->layer_id, expert, layer->type, token, 0, layer->hidden, layer->type, result);
        return;
    }
    int8_t *values = malloc(layer->hidden);
    float scale = 0;
    if (values == NULL) {
        abort();
    }
    plain_quantize(layer->type, token, smooth, layer->hidden, values, &scale);
    plain_expert(layer->layer_id, expert, AFD_TOKEN_INT8, values, scale, layer->hidden, layer->type, result);
    free(values);
}

void plain_layer_run(const plain_layer *layer, const uint16_t *token, const int32_t *expert_ids,
                     const float *expert_scales, uint16_t *output)
{
    uint16_t *result = malloc(layer->hidden * sizeof(*result));
    float *sums = calloc(layer->hidden, sizeof(*sums));
    if (result == NULL || sums == NULL) {
        abort();
    }
    for (uint32_t k = 0; k < layer->top_k + layer->shared_num; k++) {
        bool is_routed = k < layer->top_k;
        uint32_t expert = is_routed ? (uint32_t)expert_ids[k] : layer->routed_num + k - layer->top_k;
        run_expert(layer, token, expert, result);
        for (uint32_t h = 0; h < layer->hidden; h++) {
            /* volatile, so that product and sum are rounded one after the other on every machine */
            volatile float product = plain_widen(layer->type, result[h]) * (is_routed ? expert_scales[k] : 1.0F);
            sums[h] += product;
        }
    }
    for (uint32_t h = 0; h < layer->hidden; h++) {
        output[h] = plain_narrow(layer->type, sums[h]);
    }
    free(sums);
    free(result);
}
