/* SPDX-License-Identifier: Apache-2.0 */
#include "run/hidden/hidden.h"

#include <math.h>
#include <string.h>

#include "run/random.h"

/* Angles whose sine and cosine are fractions, so that turning by them keeps lengths without a table of sines. */
typedef struct turn {
    float cosine;
    float sine;
} turn;

static const turn turns[] = {
    { 3.0F / 5.0F, 4.0F / 5.0F },
    { 5.0F / 13.0F, 12.0F / 13.0F },
    { 15.0F / 17.0F, 8.0F / 17.0F },
    { 24.0F / 25.0F, -7.0F / 25.0F },
};

enum { TURN_NUM = sizeof(turns) / sizeof(turns[0]) };

static float widen(uint16_t value)
{
    uint32_t bits = (uint32_t)value << 16;
    float number;
    memcpy(&number, &bits, sizeof(number));
    return number;
}

/* To nearest, ties to even. A NaN stays one. */
static uint16_t narrow(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof(bits));
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
        return (uint16_t)(bits >> 16 | 0x40U);
    }
    return (uint16_t)((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

void run_hidden_begin(uint64_t token_seed, uint32_t hidden, uint16_t *state)
{
    static const float root_of_three = 1.7320508F; /* makes the mean square of a number in [-1, 1) one */
    run_random random = run_random_of(token_seed, 'h', 0, 0);
    for (uint32_t i = 0; i < hidden; i++) {
        state[i] = narrow(root_of_three * run_random_unit(&random));
    }
}

static float scale_of(uint32_t hidden, const uint16_t *state, const uint16_t *combined)
{
    double squares = 0.0;
    for (uint32_t i = 0; i < hidden; i++) {
        double sum = (double)widen(state[i]) + (double)widen(combined[i]);
        squares += sum * sum;
    }
    /* The small number keeps a token of zeros one of zeros. */
    return 1.0F / sqrtf((float)(squares / hidden) + 1e-12F);
}

void run_hidden_advance(uint32_t layer, uint32_t hidden, const uint16_t *state, const uint16_t *combined,
                        uint16_t *next)
{
    float scale = scale_of(hidden, state, combined);
    uint32_t half = hidden / 2;
    run_random random = run_random_of(layer, 'm', 0, 0);
    uint32_t shift = (uint32_t)(run_random_next(&random) % hidden);
    uint32_t first_turn = (uint32_t)run_random_next(&random);
    for (uint32_t i = 0; i < half; i++) {
        turn by = turns[(first_turn + i) % TURN_NUM];
        float a = scale * (widen(state[i]) + widen(combined[i]));
        float b = scale * (widen(state[half + i]) + widen(combined[half + i]));
        next[(i + shift) % hidden] = narrow(by.cosine * a - by.sine * b);
        next[(half + i + shift) % hidden] = narrow(by.sine * a + by.cosine * b);
    }
}

void run_hidden_features(uint32_t hidden, const uint16_t *state, float features[RUN_ROUTER_WIDTH])
{
    run_random random = run_random_of('f', 0, 0, 0);
    memset(features, 0, RUN_ROUTER_WIDTH * sizeof(features[0]));
    uint64_t signs = 0;
    for (uint32_t i = 0; i < hidden; i++) {
        signs = i % 64 == 0 ? run_random_next(&random) : signs >> 1;
        float value = widen(state[i]);
        features[i % RUN_ROUTER_WIDTH] += (signs & 1) != 0 ? value : -value;
    }
    float scale = sqrtf((float)RUN_ROUTER_WIDTH / (3.0F * (float)hidden));
    for (int i = 0; i < RUN_ROUTER_WIDTH; i++) {
        features[i] *= scale;
    }
}
