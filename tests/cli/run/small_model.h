/* SPDX-License-Identifier: Apache-2.0 */
/* A model that is computed in no time, and what several tests of a run's parts need. */
#ifndef SMALL_MODEL_H
#define SMALL_MODEL_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_numbers.h"
#include "run/model.h"

/* More outputs than inputs in one product, fewer in the other, and neither a power of two. */
static const run_model small_model = {
    .name = "small",
    .hidden = 320,
    .moe_layers = 3,
    .routed_expert_num = 6,
    .shared_expert_num = 1,
    .top_k = 2,
    .expert_width = 192,
};

/* For tests of random cases: AFD_TEST_SEED, else always the same; printed, so that a failure can be repeated. */
static inline random_numbers random_case(void)
{
    const char *text = getenv("AFD_TEST_SEED");
    random_numbers numbers = { text != NULL ? strtoull(text, NULL, 10) : 20240607 };
    printf("AFD_TEST_SEED=%" PRIu64 "\n", numbers.state);
    return numbers;
}

/* In [-1, 1). */
static inline double random_unit(random_numbers *numbers)
{
    return (double)(int32_t)(uint32_t)(random_u64(numbers) >> 32) / 2147483648.0;
}

/* bf16 by cutting off: enough for inputs. */
static inline uint16_t bf16_of(double number)
{
    float narrow = (float)number;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof(bits));
    return (uint16_t)(bits >> 16);
}

static inline double of_bf16(uint16_t value)
{
    uint32_t bits = (uint32_t)value << 16;
    float number;
    memcpy(&number, &bits, sizeof(number));
    return (double)number;
}

/* f16 of a normal number by cutting off. */
static inline uint16_t f16_of(double number)
{
    float narrow = (float)number;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof(bits));
    uint32_t rest = bits & 0x7FFFFFFFU;
    return (uint16_t)((bits >> 16 & 0x8000U) | (rest < 0x38800000U ? 0 : (rest - (112U << 23)) >> 13));
}

#endif
