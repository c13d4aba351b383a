/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole loop, smallest: one attention worker and one FFN worker, a thread each, send a micro-batch of two tokens
 * through three layers. Expert e doubles a token and adds e; a layer adds the two experts of a token up, half and half.
 * Build it against an installed libafd with:  cc workers.c $(pkg-config --cflags --libs libafd) -lpthread
 */
#include <afd/transport.h>
#include <afd/worker.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKENS = 2, TOP_K = 2, EXPERTS = 4, LAYERS = 3, HIDDEN = 16 };

/* What both sides must agree on: one session, one micro-batch in flight, slots of one bf16 token. */
static const afd_shape shape = {
    .session_num = 1,
    .micro_batch_num = 1,
    .micro_batch_size = TOKENS,
    .selected_expert_num = TOP_K,
    .expert_num = EXPERTS,
    .attn_to_ffn_token_size = HIDDEN * sizeof(uint16_t),
    .ffn_to_attn_token_size = HIDDEN * sizeof(uint16_t),
};

/* Which FFN worker has an expert, and under which number: {copies, (rank, number)}. The same in all layers here. */
static const int32_t table[EXPERTS][3] = { { 1, 0, 0 }, { 1, 0, 1 }, { 1, 0, 2 }, { 1, 0, 3 } };

static _Noreturn void fail(const char *what, const afd_error *error)
{
    fprintf(stderr, "workers: %s: %s\n", what, error->message);
    _Exit(1); /* the other thread may be anywhere */
}

/* A bf16 is the upper half of a float; the numbers in here are small and round. */
static float widen(uint16_t half)
{
    union { uint32_t bits; float value; } word = { .bits = (uint32_t)half << 16 };
    return word.value;
}

static uint16_t narrow(float value)
{
    union { float value; uint32_t bits; } word = { .value = value };
    return (uint16_t)(word.bits >> 16);
}

/* An engine's grouped matmul goes here. The rows are sorted by expert; group_list says which and how many. */
static afd_status experts(void *arg, const afd_experts_call *call)
{
    const uint16_t *token = call->tokens;
    uint16_t *result = call->results;
    (void)arg;
    for (uint32_t g = 0; g < call->group_num; g++) {
        int64_t expert = call->group_list[2 * g];
        int64_t value_num = call->group_list[2 * g + 1] * call->hidden;
        for (int64_t i = 0; i < value_num; i++) {
            *result++ = narrow(2 * widen(*token++) + (float)expert);
        }
    }
    return AFD_OK;
}

static void *run_ffn(void *arg)
{
    afd_error error;
    afd_status status;
    do {
        status = afd_ffn_worker_await(arg, NULL, NULL, &error); /* until the context is stopped */
    } while (status == AFD_OK);
    if (status != AFD_STOPPED) {
        fail("FFN worker", &error);
    }
    return NULL;
}

static void run_attention(afd_attention_worker *worker)
{
    static const int32_t expert_ids[TOKENS][TOP_K] = { { 0, 1 }, { 2, 3 } };
    static const float expert_scales[TOKENS][TOP_K] = { { 0.5F, 0.5F }, { 0.5F, 0.5F } };
    uint16_t tokens[TOKENS][HIDDEN];
    afd_error error;
    for (int i = 0; i < TOKENS * HIDDEN; i++) {
        tokens[i / HIDDEN][i % HIDDEN] = narrow(1);
    }
    for (int32_t layer = 0; layer < LAYERS; layer++) { /* an engine computes attention here */
        if (afd_attention_worker_dispatch(worker, 0, layer, tokens, TOKENS, expert_ids[0], NULL, &error) != AFD_OK ||
            afd_attention_worker_collect(worker, 0, expert_scales[0], tokens, NULL, &error) != AFD_OK) {
            fail("attention worker", &error);
        }
        printf("layer %d  token 0: %g  token 1: %g\n", layer, (double)widen(tokens[0][0]), (double)widen(tokens[1][0]));
    }
}

int main(void)
{
    const afd_ffn_worker_options ffn_options = {
        .size = sizeof(ffn_options), .shape = shape, .sync_group_size = 1, .hidden = HIDDEN, .type = AFD_TOKEN_BF16,
        .result_type = AFD_TOKEN_BF16, .expert_num = EXPERTS, .experts = experts,
    };
    const afd_attention_worker_options attention_options = {
        .size = sizeof(attention_options), .shape = shape, .hidden = HIDDEN, .type = AFD_TOKEN_BF16, .top_k = TOP_K,
        .experts = { table[0], 1, EXPERTS, 3 }, .ffn_num = 1, .sync_group_size = 1,
    };
    afd_ffn_worker *ffn = NULL;
    afd_attention_worker *attention = NULL;
    afd_writer *forth = NULL;
    afd_writer *back = NULL;
    afd_error error;
    if (afd_ffn_worker_create(&ffn_options, &ffn, &error) != AFD_OK ||
        afd_attention_worker_create(&attention_options, &attention, &error) != AFD_OK ||
        afd_writer_local_create(afd_ffn_worker_window(ffn), &forth, &error) != AFD_OK ||
        afd_writer_local_create(afd_attention_worker_window(attention), &back, &error) != AFD_OK ||
        afd_attention_worker_connect(attention, 0, forth, &error) != AFD_OK ||
        afd_ffn_worker_accept(ffn, 0, back, &error) != AFD_OK) {
        fail("setting up", &error);
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_ffn, ffn) != 0) {
        return 1;
    }
    run_attention(attention);
    afd_context_stop(afd_ffn_worker_context(ffn));
    pthread_join(thread, NULL);
    (void)afd_ffn_worker_drop(ffn, 0, NULL); /* a writer goes before the window that it writes into */
    afd_attention_worker_close(attention);
    afd_ffn_worker_close(ffn);
    return 0;
}
