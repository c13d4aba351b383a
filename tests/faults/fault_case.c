/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_case.h"

#include <inttypes.h>
#include <stdio.h>

#include "afd/member.h"
#include "layer_parties.h"
#include "random_numbers.h"

typedef struct kind_facts {
    const char *text;
    char side;
    int reason;
    int transports;
} kind_facts;

static const kind_facts facts[FAULT_KIND_NUM] = {
#define FAULT_KIND_FACTS(name, text, side, reason, transports) [name] = { text, side, reason, transports },
    FAULT_KIND_MAP(FAULT_KIND_FACTS)
#undef FAULT_KIND_FACTS
};

const char *fault_kind_text(fault_kind kind)
{
    return facts[kind].text;
}

char fault_side(fault_kind kind)
{
    return facts[kind].side;
}

int fault_reason(const fault_case *f)
{
    const int reason = facts[f->kind].reason;
    return f->transport != FAULT_ON_SHM && reason == AFD_DROP_EXITED ? AFD_DROP_CLOSED : reason;
}

bool fault_is_deadly(fault_kind kind)
{
    return facts[kind].reason == AFD_DROP_EXITED;
}

bool fault_is_of_network(fault_kind kind)
{
    return kind == FAULT_LOSS || kind == FAULT_CUT_ATTENTION || kind == FAULT_CUT_FFN;
}

/* The kinds of a transport, in turn. */
static fault_kind kind_of(fault_transport transport, uint32_t number)
{
    fault_kind kinds[FAULT_KIND_NUM];
    uint32_t num = 0;
    for (fault_kind kind = 0; kind < FAULT_KIND_NUM; kind++) {
        if ((facts[kind].transports & (int)transport) != 0) {
            kinds[num++] = kind;
        }
    }
    return kinds[number % num];
}

/* Whether tokens of any session go to a rank: its experts may all have a copy that is used instead. */
static bool gets_tokens(const layer_case *c, uint32_t rank)
{
    for (uint32_t session = 0; session < c->attention_num; session++) {
        for (uint32_t expert = 0; expert < c->routed_num + c->shared_num; expert++) {
            if (layer_case_rank_of(c, session, expert) == rank) {
                return true;
            }
        }
    }
    return false;
}

/* A session, or a rank that works. */
static uint32_t draw_victim(const fault_case *f, random_numbers *numbers)
{
    const layer_case *c = &f->layer;
    if (fault_side(f->kind) != 'f') {
        return random_below(numbers, c->attention_num);
    }
    uint32_t rank = random_below(numbers, c->ffn_num);
    while (!gets_tokens(c, rank)) {
        rank = (rank + 1) % c->ffn_num;
    }
    return rank;
}

/* One that the victim comes by: an int8 row is made in its place, and not put. */
static afd__fault_point draw_point(const fault_case *f, random_numbers *numbers)
{
    /* A desc or a message that is complete. */
    const bool spoils = f->kind == FAULT_WILD_IDS || f->kind == FAULT_WILD_FLAGS || f->kind == FAULT_WILD_MESSAGE;
    /* Over UCX whoever receives writes into its own window, and may be struck in the middle of that, too. */
    const bool receives = f->transport != FAULT_ON_SHM && !spoils && random_chance(numbers, 30);
    if (fault_side(f->kind) != 'f') {
        if (receives) {
            return random_chance(numbers, 50) ? AFD__FAULT_REPLY : AFD__FAULT_ANSWER;
        }
        return spoils || f->layer.quantize || random_chance(numbers, 50) ? AFD__FAULT_PUBLISH : AFD__FAULT_PUT;
    }
    if (receives) {
        return random_chance(numbers, 50) ? AFD__FAULT_PUT : AFD__FAULT_PUBLISH;
    }
    return (afd__fault_point)(AFD__FAULT_TAKE + random_below(numbers, 4));
}

/* All-sync, or groups of one. In groups between these, sessions that join while others run can come to wait for each
 * other until the deadline (CAVEATS.md), and then somebody is dropped whom nothing has struck. */
static uint32_t draw_group(const fault_case *f, random_numbers *numbers)
{
    const bool all_sync = random_chance(numbers, 50) || f->kind == FAULT_SLOW_ATTENTION; /* whom somebody waits for */
    return all_sync ? f->layer.attention_num : 1;
}

void fault_case_draw(fault_case *f, fault_transport transport, uint64_t seed, uint32_t number)
{
    random_numbers numbers = { seed };
    const fault_kind kind = kind_of(transport, number);
    *f = (fault_case){ .seed = seed, .transport = transport, .kind = kind, .load_ms = FAULT_LOAD_MS };
    layer_case *c = &f->layer;
    c->seed = random_u64(&numbers);
    c->attention_num = 2 + random_below(&numbers, FAULT_SESSIONS_MAX - 1);
    c->ffn_num = f->kind == FAULT_LOSE_FFN ? 2 + random_below(&numbers, 2) : 1 + random_below(&numbers, 3);
    c->sync_group_size = draw_group(f, &numbers);
    c->step_num = UINT32_MAX; /* until the run says that it is enough */
    c->type = random_chance(&numbers, 50) ? AFD_TOKEN_F16 : AFD_TOKEN_BF16;
    c->quantize = random_chance(&numbers, 25);
    layer_case_draw(c);
    if (f->kind == FAULT_LOSE_FFN) { /* every expert has a living copy then */
        layer_case_free(c);
        c->copy_min = 2;
        c->copy_max = c->ffn_num;
        layer_case_make(c);
    }
    f->victim = draw_victim(f, &numbers);
    f->point = draw_point(f, &numbers);
    f->hit = 1 + random_below(&numbers, 20);
}

void fault_case_print(const fault_case *f)
{
    fprintf(stderr, "fault: seed %" PRIu64 " kind '%s' victim %c%" PRIu32 " point %d hit %" PRIu32 "\n", f->seed,
            fault_kind_text(f->kind), fault_side(f->kind), f->victim, (int)f->point, f->hit);
    layer_case_print(&f->layer);
}
