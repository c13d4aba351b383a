/* SPDX-License-Identifier: Apache-2.0 */
/* The adding up of combine in vectors of every width, against one value after the other: the same bits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention/combine.h"
#include "base/cpu.h"
#include "base/half.h"
#include "cmocka_headers.h"
#include "random_numbers.h"

enum { HIDDEN_MAX = 208, TOKEN_MAX = 3, SLOT_MAX = 5, GAP_MAX = 40, OUTPUT_BYTES = 2 * HIDDEN_MAX * TOKEN_MAX };
enum { GUARD = 0x5A, CASE_NUM = 20000 };

typedef struct width {
    const char *name;
    void (*combine)(const afd__combine_work *work);
} width;

static size_t widths_here(width widths[2])
{
    size_t num = 0;
    widths[num++] = (width){ "plain", afd__combine_rows };
#if defined(__x86_64__)
    if (afd__cpu_has_avx2()) {
        widths[num++] = (width){ "avx2", afd__combine_rows_avx2 };
    }
#endif
    return num;
}

static float widen(afd_token_type type, uint16_t half)
{
    return type == AFD_TOKEN_BF16 ? afd__bf16_to_f32(half) : afd__f16_to_f32(half);
}

static uint16_t narrow(afd_token_type type, float value)
{
    return type == AFD_TOKEN_BF16 ? afd__f32_to_bf16(value) : afd__f32_to_f16(value);
}

static uint16_t expected_half(const afd__combine_work *work, uint32_t t, uint32_t h)
{
    float sum = 0;
    for (uint32_t k = 0; k < work->slot_num; k++) {
        uint16_t half;
        memcpy(&half, work->slots + ((size_t)t * work->slot_num + k) * work->slot_bytes + 2 * (size_t)h, sizeof(half));
        float value = widen(work->type, half);
        float product = k < work->top_k ? work->scales[t * work->top_k + k] * value : value;
        sum += product;
    }
    return narrow(work->type, sum);
}

static bool is_nan(afd_token_type type, uint16_t half)
{
    return (half & 0x7FFF) > (type == AFD_TOKEN_BF16 ? 0x7F80 : 0x7C00);
}

/* Which of several NaNs a sum of them becomes is the compiler's choice; that it is one is not. */
static void expect_sums(const char *name, const afd__combine_work *work, const char *output)
{
    for (uint32_t t = 0; t < work->token_num; t++) {
        for (uint32_t h = 0; h < work->hidden; h++) {
            uint16_t made;
            uint16_t expected = expected_half(work, t, h);
            memcpy(&made, output + ((size_t)t * work->hidden + h) * 2, sizeof(made));
            if (made != expected && !(is_nan(work->type, made) && is_nan(work->type, expected))) {
                fail_msg("%s, type %d, H %" PRIu32 ": token %" PRIu32 ", value %" PRIu32 " is 0x%04x, must be 0x%04x",
                         name, (int)work->type, work->hidden, t, h, made, expected);
            }
        }
    }
    size_t end = 2 * (size_t)work->token_num * work->hidden;
    assert_int_equal((unsigned char)output[-1], GUARD);
    assert_int_equal((unsigned char)output[end], GUARD);
}

static void expect_all_widths(afd__combine_work *work)
{
    width widths[2];
    size_t num = widths_here(widths);
    for (size_t i = 0; i < num; i++) {
        char output[1 + OUTPUT_BYTES + 1];
        memset(output, GUARD, sizeof(output));
        work->output = output + 1; /* odd */
        widths[i].combine(work);
        expect_sums(widths[i].name, work, output + 1);
    }
}

/* Of any size, or such that sums of them meet in the same places and rounding has ties to decide. */
static float random_scale(random_numbers *numbers)
{
    if (random_chance(numbers, 30)) {
        return afd__f32_of_bits((uint32_t)random_u64(numbers));
    }
    return (float)(int32_t)random_below(numbers, 512) / 256.0F - 1.0F;
}

static void random_slots_are_added_up_alike(void **state)
{
    (void)state;
    const char *given = getenv("AFD_TEST_SEED");
    random_numbers numbers = { given != NULL ? strtoull(given, NULL, 0) : 20261123 };
    (void)printf("seed %" PRIu64 "\n", numbers.state);
    for (int i = 0; i < CASE_NUM; i++) {
        float scales[TOKEN_MAX * SLOT_MAX];
        afd__combine_work work = {
            .token_num = 1 + random_below(&numbers, TOKEN_MAX),
            .slot_num = 1 + random_below(&numbers, SLOT_MAX),
            .hidden = 16 * (1 + random_below(&numbers, HIDDEN_MAX / 16)),
            .type = random_chance(&numbers, 50) ? AFD_TOKEN_F16 : AFD_TOKEN_BF16,
            .scales = scales,
        };
        work.top_k = 1 + random_below(&numbers, work.slot_num);
        work.slot_bytes = 2 * (size_t)work.hidden + random_below(&numbers, GAP_MAX); /* odd ones too */
        size_t end = (work.token_num * work.slot_num - 1) * work.slot_bytes + 2 * (size_t)work.hidden;
        char *slots = malloc(end); /* to its last byte, for AddressSanitizer */
        assert_non_null(slots);
        const uint64_t all_finite = UINT64_C(0xBFFFBFFFBFFFBFFF);
        uint64_t keep = random_chance(&numbers, 50) ? UINT64_MAX : all_finite;
        for (size_t at = 0; at < end; at += sizeof(uint64_t)) {
            uint64_t bits = random_u64(&numbers) & keep;
            memcpy(slots + at, &bits, end - at < sizeof(bits) ? end - at : sizeof(bits));
        }
        for (int s = 0; s < TOKEN_MAX * SLOT_MAX; s++) {
            scales[s] = random_scale(&numbers);
        }
        work.slots = slots;
        expect_all_widths(&work);
        free(slots);
    }
}

/* One token, one routed slot: all values are `half`, and the result is narrowed from scale times it. */
static void expect_product(afd_token_type type, uint16_t half, float scale)
{
    uint16_t slots[16];
    for (int h = 0; h < 16; h++) {
        slots[h] = half;
    }
    afd__combine_work work = { .slots = (const char *)slots, .slot_bytes = sizeof(slots), .token_num = 1, .slot_num = 1,
                               .top_k = 1, .hidden = 16, .type = type, .scales = &scale };
    expect_all_widths(&work);
}

static void every_half_and_every_tie_is_rounded_alike(void **state)
{
    (void)state;
    for (int type = AFD_TOKEN_F16; type <= AFD_TOKEN_BF16; type++) {
        const uint16_t one = type == AFD_TOKEN_BF16 ? 0x3F80 : 0x3C00;
        for (uint32_t half = 0; half < 0x10000; half++) {
            expect_product((afd_token_type)type, (uint16_t)half, 1.0F);
            /* In the middle between it and the next, and on both sides of the middle. */
            uint32_t middle = afd__f32_bits(0.5F * widen((afd_token_type)type, (uint16_t)half) +
                                            0.5F * widen((afd_token_type)type, (uint16_t)(half + 1)));
            for (uint32_t around = middle - 1; around != middle + 2; around++) {
                expect_product((afd_token_type)type, one, afd__f32_of_bits(around));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_slots_are_added_up_alike),
        cmocka_unit_test(every_half_and_every_tie_is_rounded_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
