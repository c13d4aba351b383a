/* SPDX-License-Identifier: Apache-2.0 */
#include "companion.h"

#include <inttypes.h>
#include <string.h>

#include "traffic.h"

void companion_expect_ok(afd_status status, const afd_error *error, const char *who, uint32_t number)
{
    if (status != AFD_OK) {
        traffic_fail("%s %" PRIu32 ": %s: %s", who, number, afd_status_name(status),
                     status < 0 ? error->message : "it waited for too long");
    }
}

static uint64_t hash_of(const companion_case *c, companion_place at, uint32_t word)
{
    return traffic_hash(c->seed, (uint64_t)at.session << 32 | at.micro_batch, (uint64_t)at.round << 32 | at.token,
                        word);
}

uint32_t companion_token_num(const companion_case *c, companion_place at)
{
    at.token = TOKEN_MAX;
    uint64_t hash = hash_of(c, at, 0);
    return hash % 4 == 0 ? c->shape.micro_batch_size
                         : (uint32_t)(hash >> 8) % (c->shape.micro_batch_size + 1);
}

uint32_t companion_expert(const companion_case *c, companion_place at, uint32_t slot)
{
    return slot < c->top_k ? (uint32_t)hash_of(c, at, 100 + slot) % ROUTED_NUM : ROUTED_NUM + slot - c->top_k;
}

uint32_t companion_rank(companion_place at, uint32_t expert)
{
    return (expert < ROUTED_NUM ? expert : at.session) % FFN_NUM;
}

uint32_t companion_local_id(companion_place at, uint32_t expert)
{
    uint32_t local = expert < ROUTED_NUM ? expert / FFN_NUM : expert - ROUTED_NUM + ROUTED_NUM / FFN_NUM;
    return at.round % LAYER_NUM * LOCAL_NUM + local;
}

uint32_t companion_number(const companion_case *c, companion_place at, uint32_t column)
{
    switch (column) {
    case AT_SESSION: return at.session;
    case AT_MICRO_BATCH: return at.micro_batch;
    case AT_TOKEN: return at.token;
    case AT_ROUND: return at.round % SMALL;
    case AT_SLOT: return 0; /* the FFN side enters it */
    default: return (uint32_t)hash_of(c, at, column) % SMALL;
    }
}

uint16_t companion_bf16(uint32_t number)
{
    float value = (float)number;
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return (uint16_t)(bits >> 16);
}

void companion_check_number(const char *where, companion_place at, uint32_t column, uint16_t found, uint32_t expected)
{
    if (found != companion_bf16(expected)) {
        traffic_fail("%s: session %" PRIu32 ", micro-batch %" PRIu32 ", round %" PRIu32 ", token %" PRIu32
                     ", column %" PRIu32 " is 0x%04x, should be %" PRIu32,
                     where, at.session, at.micro_batch, at.round, at.token, column, found, expected);
    }
}

void companion_fill_table(companion_case *c)
{
    uint32_t expert_num = ROUTED_NUM + c->shape.selected_expert_num - c->top_k;
    for (uint32_t row = 0; row < LAYER_NUM * expert_num; row++) {
        uint32_t expert = row % expert_num;
        int32_t *entry = &c->table[row * TABLE_WIDTH];
        companion_place at = { .round = row / expert_num };
        entry[0] = expert < ROUTED_NUM ? 1 : FFN_NUM;
        for (uint32_t copy = 0; copy < (uint32_t)entry[0]; copy++) {
            at.session = copy;
            entry[1 + 2 * copy] = (int32_t)companion_rank(at, expert);
            entry[2 + 2 * copy] = (int32_t)companion_local_id(at, expert);
        }
    }
}

afd_wait companion_wait(const companion_case *c)
{
    afd_wait wait = AFD_WAIT_INIT(c->strategy);
    wait.deadline_ns = afd_clock_ns() + 60 * UINT64_C(1000000000);
    return wait;
}
