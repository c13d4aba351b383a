/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reference/reference.h"

#include <math.h>
#include <stdlib.h>

#include "out.h"

enum { BF16_MANTISSA_BITS = 7, F16_MANTISSA_BITS = 10 };

/* By the definition of the formats: (-1)^sign * 1.mantissa * 2^(exponent - bias). */
static double decode(uint16_t value, int mantissa_bits, int bias)
{
    int exponent_max = (1 << (15 - mantissa_bits)) - 1;
    int exponent = (value & 0x7FFF) >> mantissa_bits;
    int mantissa = value & ((1 << mantissa_bits) - 1);
    double sign = (value & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == exponent_max) {
        return mantissa == 0 ? sign * HUGE_VAL : (double)NAN;
    }
    if (exponent == 0) {
        return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    }
    return sign * ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

static double value_of(uint16_t value, afd_token_type type)
{
    return type == AFD_TOKEN_F16 ? decode(value, F16_MANTISSA_BITS, 15) : decode(value, BF16_MANTISSA_BITS, 127);
}

/* To the nearest number of the format, ties to even, as what goes over the wire is rounded. Overflow is infinite. */
static double round_to(double value, afd_token_type type)
{
    int mantissa_bits = type == AFD_TOKEN_F16 ? F16_MANTISSA_BITS : BF16_MANTISSA_BITS;
    int exponent_min = type == AFD_TOKEN_F16 ? -14 : -126;
    int exponent = 0;
    if (!isfinite(value) || value == 0.0) {
        return value;
    }
    (void)frexp(value, &exponent); /* |value| in [0.5, 1) * 2^exponent */
    exponent = exponent - 1 > exponent_min ? exponent - 1 : exponent_min;
    double step = ldexp(1.0, exponent - mantissa_bits);
    double rounded = nearbyint(value / step) * step;
    return type == AFD_TOKEN_F16 && fabs(rounded) >= 65536.0 ? copysign(HUGE_VAL, rounded) : rounded;
}

void run_reference_create(run_reference *reference, const run_weights *weights)
{
    uint32_t hidden = weights->model->hidden;
    *reference = (run_reference){
        .weights = weights,
        .token = afd_cli_alloc(hidden, sizeof(double)),
        .inner = afd_cli_alloc((size_t)2 * weights->model->expert_width, sizeof(double)),
        .sums = afd_cli_alloc(hidden, sizeof(double)),
        .row = afd_cli_alloc(hidden, sizeof(double)),
    };
}

void run_reference_destroy(run_reference *reference)
{
    free(reference->token);
    free(reference->inner);
    free(reference->sums);
    free(reference->row);
    *reference = (run_reference){ 0 };
}

/* As the token type is defined: the largest magnitude becomes 127, the others follow in f32, ties to even. */
static void quantize(double *token, uint32_t hidden)
{
    float largest = 0.0F;
    for (uint32_t i = 0; i < hidden; i++) {
        float magnitude = fabsf((float)token[i]);
        largest = magnitude > largest ? magnitude : largest;
    }
    if (largest == 0.0F) {
        return;
    }
    float factor = 127.0F / largest;
    float scale = 1.0F / factor;
    for (uint32_t i = 0; i < hidden; i++) {
        token[i] = (double)scale * (double)nearbyintf((float)token[i] * factor);
    }
}

/* y[output_num] = W x, panel by panel as run/weights/weights.h lays them out. */
static void multiply(const uint16_t *weights, uint32_t input_num, uint32_t output_num, const double *x, double *y)
{
    for (uint32_t panel = 0; panel < output_num; panel += RUN_PANEL_OUTPUTS) {
        const uint16_t *panel_weights = weights + (size_t)panel * input_num;
        double sums[RUN_PANEL_OUTPUTS] = { 0 };
        for (uint32_t i = 0; i < input_num; i++) {
            const uint16_t *at = panel_weights + (size_t)(i / 2) * 2 * RUN_PANEL_OUTPUTS + i % 2;
            for (int j = 0; j < RUN_PANEL_OUTPUTS; j++) {
                union {
                    uint32_t bits;
                    float number;
                } weight = { (uint32_t)at[2 * j] << 16 };
                sums[j] += (double)weight.number * x[i];
            }
        }
        for (int j = 0; j < RUN_PANEL_OUTPUTS; j++) {
            y[panel + (uint32_t)j] = sums[j];
        }
    }
}

/* reference->sums = the expert's result, as it goes over the wire. */
static void compute_expert(run_reference *reference, uint32_t layer, uint32_t expert, afd_token_type type)
{
    uint32_t hidden = reference->weights->model->hidden;
    uint32_t width = reference->weights->model->expert_width;
    run_expert used = run_weights_expert(reference->weights, layer, expert);
    multiply(used.up, hidden, 2 * width, reference->token, reference->inner);
    for (uint32_t i = 0; i < width; i++) {
        double gate = reference->inner[i];
        reference->inner[i] = gate / (1.0 + exp(-gate)) * (double)used.up_scale * reference->inner[width + i];
    }
    multiply(used.down, width, hidden, reference->inner, reference->sums);
    for (uint32_t i = 0; i < hidden; i++) {
        reference->sums[i] = round_to((double)used.output_scale * reference->sums[i], type);
    }
}

void run_reference_compute(run_reference *reference, const run_reference_case *given)
{
    const run_model *model = reference->weights->model;
    for (uint32_t i = 0; i < model->hidden; i++) {
        reference->token[i] = value_of(given->token[i], given->type);
        reference->row[i] = 0.0;
    }
    if (given->quantize) {
        quantize(reference->token, model->hidden);
    }
    for (uint32_t slot = 0; slot < run_model_slot_num(model); slot++) {
        bool is_routed = slot < model->top_k;
        uint32_t expert = is_routed ? (uint32_t)given->experts[slot] : model->routed_expert_num + slot - model->top_k;
        double weight = is_routed ? (double)given->weights[slot] : 1.0;
        compute_expert(reference, given->layer, expert, given->type);
        for (uint32_t i = 0; i < model->hidden; i++) {
            reference->row[i] += weight * reference->sums[i];
        }
    }
}

double run_reference_error(const run_reference *reference, const uint16_t *got, afd_token_type type)
{
    uint32_t hidden = reference->weights->model->hidden;
    double squares = 0.0;
    double worst = 0.0;
    for (uint32_t i = 0; i < hidden; i++) {
        squares += reference->row[i] * reference->row[i];
    }
    double rms = sqrt(squares / hidden);
    for (uint32_t i = 0; i < hidden; i++) {
        double difference = fabs(value_of(got[i], type) - reference->row[i]);
        double error = difference == 0.0 ? 0.0 : difference / (fabs(reference->row[i]) + rms);
        if (!isfinite(error)) {
            return HUGE_VAL;
        }
        worst = error > worst ? error : worst;
    }
    return worst;
}
