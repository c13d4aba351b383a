/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "companion.h"
#include "traffic.h"

static void send_round(const companion_party *self, companion_place at)
{
    const companion_case *c = self->c;
    uint16_t tokens[TOKEN_MAX * HIDDEN];
    int32_t expert_ids[TOKEN_MAX * SLOT_MAX];
    afd_error error;
    afd_wait wait = companion_wait(c);
    afd_dispatch_args args = AFD_DISPATCH_ARGS_INIT;
    args.token_num = companion_token_num(c, at);
    for (at.token = 0; at.token < args.token_num; at.token++) {
        for (uint32_t column = 0; column < HIDDEN; column++) {
            tokens[at.token * HIDDEN + column] = companion_bf16(companion_number(c, at, column));
        }
        for (uint32_t slot = 0; slot < c->top_k; slot++) {
            expert_ids[at.token * c->top_k + slot] = (int32_t)companion_expert(c, at, slot);
        }
    }
    args.session = at.session;
    args.micro_batch = at.micro_batch;
    args.layer_id = (int32_t)(at.round % LAYER_NUM);
    args.round = at.round;
    args.tokens = tokens;
    args.hidden = HIDDEN;
    args.type = AFD_TOKEN_BF16;
    args.expert_ids = expert_ids;
    args.top_k = c->top_k;
    args.experts = (afd_expert_table){ c->table, LAYER_NUM, ROUTED_NUM + c->shape.selected_expert_num - c->top_k,
                                       TABLE_WIDTH };
    args.writers = self->writers;
    args.writer_num = FFN_NUM;
    companion_expect_ok(afd_attention_dispatch(self->context, &args, &wait, &error), &error, "dispatch of session",
                        at.session);
}

/* Slot 0 counts twice: whatever a column holds comes back E + 1 times. */
static void check_output(const companion_case *c, companion_place at, const uint16_t *output)
{
    uint32_t slot_num = c->shape.selected_expert_num;
    for (uint32_t column = 0; column < HIDDEN; column++) {
        uint32_t expected = column == AT_SLOT ? slot_num * (slot_num + 1) / 2 + 1
                                              : companion_number(c, at, column) * (slot_num + 1);
        companion_check_number("combined", at, column, output[column], expected);
    }
}

static void combine_round(const companion_party *self, companion_place at)
{
    const companion_case *c = self->c;
    uint16_t output[TOKEN_MAX * HIDDEN];
    float scales[TOKEN_MAX * SLOT_MAX];
    afd_error error;
    afd_wait wait = companion_wait(c);
    afd_combine_args args = AFD_COMBINE_ARGS_INIT;
    args.token_num = companion_token_num(c, at);
    for (uint32_t i = 0; i < args.token_num * c->top_k; i++) {
        scales[i] = i % c->top_k == 0 ? 2.0F : 1.0F;
    }
    args.top_k = c->top_k;
    args.hidden = HIDDEN;
    args.type = AFD_TOKEN_BF16;
    args.expert_scales = scales;
    args.need_schedule = true;
    args.output = output;
    companion_expect_ok(afd_attention_combine(self->context, &args, &wait, &error), &error, "combine of session",
                        at.session);
    if (self->context->attention.micro_batch_id != at.micro_batch) {
        traffic_fail("combine took micro-batch %" PRIu32 ", should take %" PRIu32,
                     self->context->attention.micro_batch_id, at.micro_batch);
    }
    for (at.token = 0; at.token < args.token_num; at.token++) {
        check_output(c, at, &output[at.token * HIDDEN]);
    }
}

void *companion_run_attention(void *argument)
{
    const companion_party *self = argument;
    const companion_case *c = self->c;
    companion_place at = { .session = self->number };
    for (at.micro_batch = 0; at.micro_batch < c->shape.micro_batch_num; at.micro_batch++) {
        send_round(self, at);
    }
    for (uint32_t round = 0; round < c->round_num; round++) {
        for (at.micro_batch = 0; at.micro_batch < c->shape.micro_batch_num; at.micro_batch++) {
            at.round = round;
            combine_round(self, at);
            at.round = round + 1;
            if (at.round < c->round_num) {
                send_round(self, at);
            }
        }
    }
    return NULL;
}
