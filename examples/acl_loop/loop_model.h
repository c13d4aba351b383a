/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model that the loop runs, as pure functions of a seed: hidden rows, routing, where the experts are and what they
 * compute. Nothing in here knows how tokens travel, so that two programs which move them in different ways can be held
 * against each other byte for byte. Plain C, and C++.
 *
 * A bf16 row goes through a layer as  sum over k of weight[k] * expert[k](row)  + the shared experts' results, where an
 * expert is  y = a * x + b  with small a of four significant bits: a * x is exact in f32, so a compiler that contracts
 * it with the sum into one instruction changes nothing.
 */
#ifndef LOOP_MODEL_H
#define LOOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct loop_options {
    uint32_t attention_num;   /* A attention ranks: the sessions of every FFN rank */
    uint32_t ffn_num;         /* F FFN ranks */
    uint32_t layer_num;       /* L */
    uint32_t batch_size;      /* BS, tokens of a micro-batch at most */
    uint32_t micro_batch_num; /* M in flight */
    uint32_t step_num;
    uint32_t hidden;          /* H */
    uint32_t top_k;           /* K routed experts a token */
    uint32_t shared_num;      /* shared experts, each with a copy on every FFN rank */
    uint32_t routed_num;      /* routed experts, dealt out to the FFN ranks in turn */
    uint32_t seed;
    bool processes;           /* a rank is a process, else a thread */
    bool quantize;            /* tokens travel as int8 with a scale */
    bool groups;              /* sync groups of one, and sessions at different layers; else all-sync */
    bool ffn_first;           /* the FFN ranks come before the attention ranks in the world */
    bool time;                /* full batches in every step, digests of the last alone, times to stderr */
} loop_options;

/* E: the slots of a token, and the experts of a layer. */
static inline uint32_t loop_slot_num(const loop_options *o)
{
    return o->top_k + o->shared_num;
}

static inline uint32_t loop_expert_num(const loop_options *o)
{
    return o->routed_num + o->shared_num;
}

/* Five numbers to one that looks random (the finaliser of splitmix64 after each). */
static inline uint64_t loop_hash(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    const uint64_t words[5] = { a, b, c, d, e };
    uint64_t hash = 0;
    for (int i = 0; i < 5; i++) {
        hash = (hash ^ words[i]) + UINT64_C(0x9E3779B97F4A7C15);
        hash = (hash ^ (hash >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        hash = (hash ^ (hash >> 27)) * UINT64_C(0x94D049BB133111EB);
        hash ^= hash >> 31;
    }
    return hash;
}

/* A bf16 is the upper half of a float; rounded to nearest even. No value of the loop is a NaN. */
static inline float loop_widen(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline uint16_t loop_narrow(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bits += 0x7FFFU + ((bits >> 16) & 1U);
    return (uint16_t)(bits >> 16);
}

/*
 * How many tokens a session has in a micro-batch of a step: it changes from step to step between all, some and none,
 * and with it the batches that an FFN rank sees.
 */
static inline uint32_t loop_token_num(const loop_options *o, uint32_t step, uint32_t session, uint32_t micro_batch)
{
    if (o->time) {
        return o->batch_size;
    }
    switch (step % 4) {
    case 0: return o->batch_size;
    case 1: return 1 + (7 * session + 3 * micro_batch + step) % o->batch_size;
    case 2: return (session + micro_batch) % 2 == 0 ? 0 : o->batch_size;
    default: return (o->batch_size + 1) / 2;
    }
}

/* The layer that is the index-th on a session's way. In groups of one nobody waits for the others, so each session
 * begins at another layer, and an FFN rank finds several layers in one batch. */
static inline uint32_t loop_layer(const loop_options *o, uint32_t session, uint32_t index)
{
    return o->groups ? (index + session) % o->layer_num : index;
}

/* rows[token_num][H] of bf16: what goes into the first layer. */
static inline void loop_hidden_rows(const loop_options *o, uint32_t step, uint32_t session, uint32_t micro_batch,
                                    uint32_t token_num, uint16_t *rows)
{
    for (uint32_t token = 0; token < token_num; token++) {
        const uint64_t hash = loop_hash(o->seed, step, session, micro_batch, token);
        for (uint32_t i = 0; i < o->hidden; i++) {
            const uint64_t bits = (hash ^ (i * UINT64_C(0x9E3779B97F4A7C15))) * UINT64_C(0xD6E8FEB86659FD93);
            *rows++ = loop_narrow((float)((int)(bits >> 56) - 128) / 64.0F);
        }
    }
}

/* The K experts with the highest scores, best first, and their shares of the sum of these scores. */
static inline void loop_route_token(const loop_options *o, uint64_t hash, int32_t *expert_ids, float *weights)
{
    uint32_t best[64];
    float sum = 0;
    for (uint32_t k = 0; k < o->top_k; k++) {
        best[k] = 0;
    }
    for (uint32_t expert = 0; expert < o->routed_num; expert++) {
        /* Never 0, and another for each: the expert's number is in the lower bits. */
        uint32_t score = (uint32_t)(loop_hash(hash, expert, 0, 0, 0) >> 48) + 1;
        score = score << 10 | expert;
        for (uint32_t k = 0; k < o->top_k; k++) {
            if (score > best[k]) {
                const uint32_t worse = best[k];
                best[k] = score;
                score = worse;
            }
        }
    }
    for (uint32_t k = 0; k < o->top_k; k++) {
        const uint32_t score = best[k] >> 10;
        expert_ids[k] = (int32_t)(best[k] & 1023U);
        weights[k] = (float)score;
        sum += weights[k];
    }
    for (uint32_t k = 0; k < o->top_k; k++) {
        weights[k] /= sum;
    }
}

/* expert_ids[token_num][K] and weights[token_num][K] of a micro-batch at a layer. */
static inline void loop_route(const loop_options *o, uint32_t step, uint32_t session, uint32_t micro_batch,
                              uint32_t layer, uint32_t token_num, int32_t *expert_ids, float *weights)
{
    const uint64_t hash = loop_hash(o->seed + UINT64_C(1), step, session, micro_batch, layer);
    for (uint32_t token = 0; token < token_num; token++) {
        const size_t first = (size_t)token * o->top_k;
        loop_route_token(o, hash + token, expert_ids + first, weights + first);
    }
}

/* Experts that an FFN rank has of one layer; its id for expert e of them at layer l is l * loop_local_num() + e. */
static inline uint32_t loop_local_routed_num(const loop_options *o)
{
    return (o->routed_num + o->ffn_num - 1) / o->ffn_num;
}

static inline uint32_t loop_local_num(const loop_options *o)
{
    return loop_local_routed_num(o) + o->shared_num;
}

/* Words of a row of the expert table: the number of copies, then (rank, id) of each. */
static inline uint32_t loop_table_width(const loop_options *o)
{
    return 1 + 2 * o->ffn_num;
}

/* table[L][loop_expert_num()][loop_table_width()]: where every expert is, `first_rank` the first FFN rank's number. */
static inline void loop_expert_table(const loop_options *o, uint32_t first_rank, int32_t *table)
{
    const uint32_t local_routed_num = loop_local_routed_num(o);
    for (uint32_t layer = 0; layer < o->layer_num; layer++) {
        const uint32_t first_id = layer * loop_local_num(o);
        for (uint32_t expert = 0; expert < loop_expert_num(o); expert++, table += loop_table_width(o)) {
            memset(table, 0, loop_table_width(o) * sizeof(*table));
            if (expert < o->routed_num) {
                table[0] = 1;
                table[1] = (int32_t)(first_rank + expert % o->ffn_num);
                table[2] = (int32_t)(first_id + expert / o->ffn_num);
                continue;
            }
            table[0] = (int32_t)o->ffn_num;
            for (uint32_t ffn = 0; ffn < o->ffn_num; ffn++) {
                table[1 + 2 * ffn] = (int32_t)(first_rank + ffn);
                table[2 + 2 * ffn] = (int32_t)(first_id + local_routed_num + expert - o->routed_num);
            }
        }
    }
}

/* scales[L][loop_expert_num()][H]: factors before a row is quantised, here powers of two. */
static inline void loop_smooth_scales(const loop_options *o, float *scales)
{
    for (uint32_t layer = 0; layer < o->layer_num; layer++) {
        for (uint32_t expert = 0; expert < loop_expert_num(o); expert++) {
            for (uint32_t i = 0; i < o->hidden; i++) {
                *scales++ = (i + expert + layer) % 3 == 0 ? 0.5F : 1.0F;
            }
        }
    }
}

/*
 * What an expert computes for one row, results[H] in bf16. `id` is the FFN rank's own, of batching's group list. Rows
 * are bf16, or int8 with their scale where the options say so.
 */
static inline void loop_expert(const loop_options *o, uint32_t ffn, int64_t id, const void *row, float scale,
                               uint16_t *results)
{
    const uint32_t layer = (uint32_t)id / loop_local_num(o);
    const uint32_t local = (uint32_t)id % loop_local_num(o);
    const uint32_t local_routed_num = loop_local_routed_num(o);
    const uint32_t expert =
        local < local_routed_num ? local * o->ffn_num + ffn : o->routed_num + local - local_routed_num;
    const uint64_t hash = loop_hash(o->seed + UINT64_C(2), layer, expert, 0, 0);
    const float a = (float)((int)(2 * (hash % 8)) - 7) / 16.0F;
    const float b = (float)((int)((hash >> 8) % 17) - 8) / 32.0F;
    if (o->quantize) {
        const int8_t *values = (const int8_t *)row;
        for (uint32_t i = 0; i < o->hidden; i++) {
            results[i] = loop_narrow(a * loop_widen(loop_narrow((float)values[i] * scale)) + b);
        }
    } else {
        const uint16_t *values = (const uint16_t *)row;
        for (uint32_t i = 0; i < o->hidden; i++) {
            results[i] = loop_narrow(a * loop_widen(values[i]) + b);
        }
    }
}

/* FNV-1a, 64 bits. */
static inline uint64_t loop_digest(const void *bytes, size_t byte_num)
{
    const unsigned char *byte = (const unsigned char *)bytes;
    uint64_t digest = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < byte_num; i++) {
        digest = (digest ^ byte[i]) * UINT64_C(0x100000001B3);
    }
    return digest;
}

#endif
