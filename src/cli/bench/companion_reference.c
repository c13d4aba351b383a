/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference of the benchmark for the scheduler's companions: their contract in plain C, with memcpy a row and a
 * loop a value, and no checks but those without which it would write somewhere else.
 *
 * This file is never tuned. It is what every figure is held against, in every version of libafd and on every machine,
 * so it changes only if it is found to be wrong. It shares no code with src/ffn, src/attention and src/transport.
 */
#include "bench/companion_reference.h"

#include <stdbool.h>
#include <string.h>

/* ---- 16-bit floats ---- */

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float widen(uint16_t half, afd_token_type type)
{
    if (type == AFD_TOKEN_BF16) {
        return float_of((uint32_t)half << 16);
    }
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F;
    uint32_t mantissa = half & 0x3FF;
    if (exponent == 0) {
        float magnitude = (float)mantissa * 0x1p-24F;
        return sign != 0 ? -magnitude : magnitude;
    }
    if (exponent == 31) {
        return float_of(sign | 0x7F800000 | mantissa << 13);
    }
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* bits / 2^shift, half to even; shift in [1, 31]. */
static uint32_t shift_to_even(uint32_t bits, uint32_t shift)
{
    uint32_t kept = bits >> shift;
    uint32_t rest = bits & ((UINT32_C(1) << shift) - 1);
    uint32_t half = UINT32_C(1) << (shift - 1);
    return kept + (rest > half || (rest == half && (kept & 1) != 0));
}

static uint16_t narrow(float value, afd_token_type type)
{
    uint32_t bits = bits_of(value);
    if (value != value) {
        return type == AFD_TOKEN_BF16 ? 0x7FC0 : 0x7E00;
    }
    if (type == AFD_TOKEN_BF16) {
        return (uint16_t)shift_to_even(bits, 16);
    }
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7FFFFFFF;
    uint32_t exponent = magnitude >> 23;
    if (exponent >= 143) { /* 2^16 and more */
        return (uint16_t)(sign | 0x7C00);
    }
    if (exponent >= 113) {
        return (uint16_t)(sign | shift_to_even(magnitude - (UINT32_C(112) << 23), 13));
    }
    if (exponent < 102) { /* less than half of the smallest */
        return (uint16_t)sign;
    }
    return (uint16_t)(sign | shift_to_even((magnitude & 0x7FFFFF) | 0x800000, 126 - exponent));
}

/* ---- dispatch ---- */

static int8_t round_to_even(float value)
{
    int whole = (int)value;
    float rest = value - (float)whole;
    bool is_odd = (whole & 1) != 0;
    if (rest > 0.5F || (rest == 0.5F && is_odd)) {
        whole++;
    } else if (rest < -0.5F || (rest == -0.5F && is_odd)) {
        whole--;
    }
    return (int8_t)whole;
}

static void quantize(char *slot, const uint16_t *token, const float *smooth_scales, uint32_t hidden,
                     afd_token_type type)
{
    float largest = 0;
    for (uint32_t h = 0; h < hidden; h++) {
        float value = widen(token[h], type) * (smooth_scales != NULL ? smooth_scales[h] : 1.0F);
        float magnitude = value < 0 ? -value : value;
        largest = magnitude > largest ? magnitude : largest;
    }
    float d = largest > 0 ? 127.0F / largest : 0;
    float scale = largest > 0 ? 1.0F / d : 0;
    for (uint32_t h = 0; h < hidden; h++) {
        float value = widen(token[h], type) * (smooth_scales != NULL ? smooth_scales[h] : 1.0F);
        slot[h] = (char)round_to_even(value * d);
    }
    memcpy(slot + (hidden + 31) / 32 * 32, &scale, sizeof(scale));
}

static void send(const afd_dispatch_args *args, uint32_t t, uint32_t expert, char *slot)
{
    const uint16_t *token = (const uint16_t *)args->tokens + (size_t)t * args->hidden;
    if (!args->quantize) {
        memcpy(slot, token, 2 * (size_t)args->hidden);
        return;
    }
    const float *smooth_scales = args->smooth_scales;
    quantize(slot, token, smooth_scales != NULL ? smooth_scales + (size_t)expert * args->hidden : NULL, args->hidden,
             args->type);
}

void bench_reference_dispatch(const afd_dispatch_args *args, uint32_t slot_num, const bench_reference_window *windows)
{
    uint32_t first_shared = args->experts.expert_num - (slot_num - args->top_k);
    for (uint32_t t = 0; t < args->token_num; t++) {
        for (uint32_t k = 0; k < slot_num; k++) {
            uint32_t expert = k < args->top_k ? (uint32_t)args->expert_ids[(size_t)t * args->top_k + k]
                                              : first_shared + k - args->top_k;
            const int32_t *row = args->experts.entries + (size_t)expert * args->experts.width;
            const int32_t *home = row + 1 + 2 * (args->session % (uint32_t)row[0]);
            const bench_reference_window *window = &windows[home[0]];
            size_t place = (size_t)t * slot_num + k;
            send(args, t, expert, window->data + place * window->slot_bytes);
            window->info[2 + place] = home[1];
        }
    }
    for (uint32_t rank = 0; rank < args->writer_num; rank++) {
        windows[rank].info[1] = args->layer_id;
        __atomic_store_n(&windows[rank].info[0], 1, __ATOMIC_RELEASE);
    }
}

/* ---- batching ---- */

void bench_reference_batch(const afd_schedule_context *context, const afd_ffn_batch_args *args, afd_ffn_batch_out *out)
{
    const size_t id_num = (size_t)context->common.micro_batch_size * context->common.selected_expert_num;
    const int32_t *session_ids = (const int32_t *)(uintptr_t)context->ffn.session_ids_buf;
    const int32_t *expert_ids = (const int32_t *)(uintptr_t)context->ffn.expert_ids_buf;
    const char *data = (const char *)(uintptr_t)context->ffn.window.token_data_buf;
    const size_t slot_bytes = context->common.attn_to_ffn_token_size;
    const size_t row_bytes = 2 * (size_t)args->hidden;
    uint64_t *cursors = args->workspace;
    memset(cursors, 0, args->expert_num * sizeof(*cursors));
    for (size_t i = 0; i < context->ffn.out_num * id_num; i++) {
        if (expert_ids[i] >= 0 && (uint32_t)expert_ids[i] < args->expert_num) {
            cursors[expert_ids[i]]++;
        }
    }
    out->row_num = 0;
    out->group_num = 0;
    memset(out->group_list, 0, args->expert_num * 2 * sizeof(*out->group_list));
    for (uint32_t e = 0; e < args->expert_num; e++) {
        uint64_t count = cursors[e];
        cursors[e] = out->row_num;
        if (count > 0) {
            out->group_list[2 * (size_t)out->group_num] = e;
            out->group_list[2 * (size_t)out->group_num + 1] = (int64_t)count;
            out->group_num++;
            out->row_num += count;
        }
    }
    for (uint32_t a = 0; a < context->ffn.out_num; a++) {
        for (size_t i = 0; i < id_num; i++) {
            int32_t expert = expert_ids[a * id_num + i];
            if (expert < 0 || (uint32_t)expert >= args->expert_num) {
                continue;
            }
            size_t slot = (size_t)session_ids[a] * id_num + i;
            uint64_t row = cursors[expert]++;
            out->slots[row] = (int64_t)slot;
            if (out->tokens != NULL) {
                memcpy((char *)out->tokens + row * row_bytes, data + slot * slot_bytes, row_bytes);
            }
        }
    }
}

/* ---- reply ---- */

void bench_reference_reply(const afd_ffn_reply_args *args, uint32_t slot_num, const bench_reference_window *windows)
{
    const size_t row_bytes = 2 * (size_t)args->hidden;
    for (uint64_t row = 0; row < args->row_num; row++) {
        const bench_reference_window *window = &windows[args->session_ids[row]];
        size_t place = (size_t)args->token_ids[row] * slot_num + (size_t)args->expert_offsets[row];
        memcpy(window->data + place * window->slot_bytes, (const char *)args->rows + row * row_bytes, row_bytes);
        __atomic_store_n(&window->info[place], 1, __ATOMIC_RELEASE);
    }
}

/* ---- combine ---- */

void bench_reference_combine(const afd_combine_args *args, uint32_t slot_num, const uint16_t *slots)
{
    uint16_t *output = args->output;
    for (uint32_t t = 0; t < args->token_num; t++) {
        for (uint32_t h = 0; h < args->hidden; h++) {
            float sum = 0;
            for (uint32_t k = 0; k < slot_num; k++) {
                float value = widen(slots[((size_t)t * slot_num + k) * args->hidden + h], args->type);
                float scale = k < args->top_k ? args->expert_scales[(size_t)t * args->top_k + k] : 1.0F;
                sum += scale * value;
            }
            output[(size_t)t * args->hidden + h] = narrow(sum, args->type);
        }
    }
}
