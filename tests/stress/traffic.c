/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    /* Words that a hash is made for beside the slots, which are numbered from 0. */
    HASH_LAYER_ID = 0x40000000,
    HASH_EMPTY_ROUND
};

uint32_t traffic_id_num(const traffic_plan *traffic)
{
    return traffic->shape.micro_batch_size * traffic->shape.selected_expert_num;
}

/* The finaliser of splitmix64: every bit of the result depends on every bit of the value. */
static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

uint64_t traffic_hash(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    return mix(mix(mix(mix(seed) ^ a) ^ b) ^ c);
}

static uint64_t round_hash(const traffic_plan *traffic, traffic_round round, uint32_t word)
{
    uint64_t place = ((uint64_t)round.session << 32) | round.micro_batch;
    return traffic_hash(traffic->seed, place, round.round, word);
}

int32_t traffic_layer_id(const traffic_plan *traffic, traffic_round round)
{
    uint64_t hash = round_hash(traffic, round, HASH_LAYER_ID);
    return hash % 4 < 2 ? (int32_t)(hash % 4) : (int32_t)(uint32_t)(hash >> 32);
}

/* One round in 16 has no token for this worker; of the others, three slots in four. */
static bool round_is_empty(const traffic_plan *traffic, traffic_round round)
{
    return round_hash(traffic, round, HASH_EMPTY_ROUND) % 16 == 0;
}

static bool slot_is_written(uint64_t slot_hash)
{
    return slot_hash % 4 != 0;
}

static int32_t written_id(uint64_t slot_hash)
{
    return (int32_t)((slot_hash >> 8) % AFD_EXPERT_ID_LIMIT);
}

static int32_t free_id(traffic_round round)
{
    return round.round == 0 ? AFD_EXPERT_ID_NONE : AFD_EXPERT_ID_REFILL;
}

int32_t traffic_expert_id(const traffic_plan *traffic, traffic_round round, uint32_t slot)
{
    uint64_t hash = round_hash(traffic, round, slot);
    return !round_is_empty(traffic, round) && slot_is_written(hash) ? written_id(hash) : free_id(round);
}

static void check_word(const char *what, traffic_round round, int32_t found, int32_t expected)
{
    if (found != expected) {
        traffic_fail("session %" PRIu32 " micro-batch %" PRIu32 " round %" PRIu32 ": %s is 0x%08" PRIx32
                     ", should be 0x%08" PRIx32,
                     round.session, round.micro_batch, round.round, what, (uint32_t)found, (uint32_t)expected);
    }
}

/* `next` is the round that will be written: the desc holds the layer of the one before and no id. */
void traffic_check_free(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round next)
{
    traffic_round last = { next.session, next.micro_batch, next.round - 1 };
    const int32_t *ids = afd_ffn_desc_expert_ids(desc);
    check_word("the flag of a free desc", next, afd_ffn_desc_peek_flag(desc), AFD_FLAG_FREE);
    check_word("the layer_id of a free desc", next, desc->layer_id,
               next.round == 0 ? 0 : traffic_layer_id(traffic, last));
    for (uint32_t slot = 0; slot < traffic_id_num(traffic); slot++) {
        check_word("an id of a free desc", next, ids[slot], free_id(next));
    }
}

void traffic_write_slots(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round round, uint32_t slot_num)
{
    int32_t *ids = afd_ffn_desc_expert_ids(desc);
    if (round_is_empty(traffic, round)) {
        return;
    }
    for (uint32_t slot = 0; slot < slot_num; slot++) {
        uint64_t hash = round_hash(traffic, round, slot);
        if (slot_is_written(hash)) {
            ids[slot] = written_id(hash);
        }
    }
}

bool traffic_produce(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round round)
{
    if (!afd_ffn_desc_is_free(desc)) {
        return false;
    }
    traffic_check_free(traffic, desc, round);
    traffic_write_slots(traffic, desc, round, traffic_id_num(traffic));
    desc->layer_id = traffic_layer_id(traffic, round);
    afd_ffn_desc_publish(desc);
    return true;
}

void traffic_check_published(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round round)
{
    const int32_t *ids = afd_ffn_desc_expert_ids(desc);
    check_word("the flag of a published desc", round, afd_ffn_desc_peek_flag(desc), AFD_FLAG_READY);
    check_word("the layer_id of a published desc", round, desc->layer_id, traffic_layer_id(traffic, round));
    for (uint32_t slot = 0; slot < traffic_id_num(traffic); slot++) {
        check_word("an id of a published desc", round, ids[slot], traffic_expert_id(traffic, round, slot));
    }
}

void traffic_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("FAILED: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}
