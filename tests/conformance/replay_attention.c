/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays the recorded attention scheduler cases: makes each case's input anew, checks by hash that it is the recorded
 * one, calls the scheduler, and compares everything that was recorded, bit for bit. Twice: through the waiting call and
 * through the one of one pass.
 *
 *     replay_attention attention_schedule.jsonl
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/attention.h"
#include "vectors.h"

enum { INFO_BYTE = 0xA5, TOKEN_DATA_BYTES = 64, NOT_WRITTEN = 77 };

typedef struct tally {
    bool poll; /* which of the two calls */
    size_t case_num;
    size_t failure_num;
} tally;

static void set(uint8_t context[1024], const char *field, uint64_t value)
{
    if (!vector_set_field(context, field, value)) {
        (void)fprintf(stderr, "broken vectors: no field %s\n", field);
        exit(2);
    }
}

/* All the flags of the attention window, and the slack behind them. */
static uint8_t *make_token_info(const json_t *json, size_t *byte_num)
{
    uint64_t seed = vector_u64(json, "seed");
    uint64_t micro_batch_num = (uint64_t)vector_int(json, "micro_batch_num");
    uint64_t id_num = (uint64_t)(vector_int(json, "micro_batch_size") * vector_int(json, "selected_expert_num"));
    uint64_t awaited = ((uint64_t)vector_int(json, "micro_batch_id") + 1) % micro_batch_num;
    uint64_t flag_num = micro_batch_num * id_num;
    *byte_num = 4 * flag_num + (size_t)vector_int(json, "slack_token_info");
    int32_t *flags = malloc(*byte_num);
    if (flags == NULL) {
        abort();
    }
    memset(flags, INFO_BYTE, *byte_num);
    for (uint64_t i = 0; i < flag_num; i++) {
        bool all_ready = vector_int(json, "run_flag") != 0 && i / id_num == awaited;
        bool ready = all_ready || (int64_t)(vector_number(vector_number(seed, 2), i) & 255) < vector_int(json, "p");
        flags[i] = ready ? 1 : vector_not_ready(vector_number(vector_number(seed, 3), i));
    }
    return (uint8_t *)flags;
}

static void make_context(const json_t *json, uint8_t *token_info, size_t token_info_bytes, uint8_t *token_data,
                         uint8_t context[1024])
{
    static const char *const counts[] = { "session_num", "micro_batch_num", "micro_batch_size", "selected_expert_num",
                                          "schedule_mode" };
    const json_t *patches = vector_list(json, "patch");
    char field[64];
    vector_fill_context(context, vector_number(vector_u64(json, "seed"), 1));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        (void)snprintf(field, sizeof(field), "common.%s", counts[i]);
        set(context, field, (uint64_t)vector_int(json, counts[i]));
    }
    set(context, "control.run_flag", (uint64_t)vector_int(json, "run_flag"));
    set(context, "attention.micro_batch_id", (uint64_t)vector_int(json, "micro_batch_id"));
    set(context, "attention.token_info_buf", (uint64_t)(uintptr_t)token_info);
    set(context, "attention.token_info_buf_size", token_info_bytes);
    set(context, "attention.token_data_buf", (uint64_t)(uintptr_t)token_data);
    set(context, "attention.token_data_buf_size", TOKEN_DATA_BYTES);
    for (size_t i = 0; i < json_array_size(patches); i++) {
        const json_t *patch = json_array_get(patches, i);
        set(context, vector_text(patch, "f"), vector_u64(patch, "v"));
    }
}

static void expect_value(const json_t *json, tally *t, const char *what, uint64_t got, uint64_t recorded)
{
    if (got != recorded) {
        t->failure_num++;
        (void)printf("FAILED: %s (%s), %s: %s is 0x%" PRIx64 ", recorded was 0x%" PRIx64 "\n",
                     vector_text(json, "id"), vector_text(json, "kind"), t->poll ? "poll" : "schedule", what, got,
                     recorded);
    }
}

static void expect_hash(const json_t *json, tally *t, const char *key, uint64_t got)
{
    expect_value(json, t, key, got, vector_u64(json, key));
}

/* The original's three answers. */
static uint64_t recorded_code(afd_status status)
{
    switch (status) {
    case AFD_OK:
    case AFD_STOPPED:
        return 0;
    case AFD_ERR_INVALID:
        return 1;
    case AFD_ERR_OVERFLOW:
        return 2;
    default:
        return 99;
    }
}

static void call(const json_t *json, tally *t, afd_schedule_context *context)
{
    uint32_t ready = NOT_WRITTEN;
    bool is_stopped = afd_attention_schedule_check(context, AFD_MICRO_BATCH_NEXT, NULL) == AFD_OK &&
                      context->control.run_flag == 0;
    afd_status status = t->poll ? afd_attention_schedule_poll(context, AFD_MICRO_BATCH_NEXT, &ready, NULL)
                                : afd_attention_schedule(context, AFD_MICRO_BATCH_NEXT, NULL, &ready, NULL);
    uint64_t code = (uint64_t)vector_int(json, "rc");
    expect_value(json, t, "rc", recorded_code(status), code);
    expect_value(json, t, "whether it was stopped", status == AFD_STOPPED, is_stopped);
    expect_value(json, t, "micro_batch_id_after", context->attention.micro_batch_id,
                 (uint64_t)vector_int(json, "micro_batch_id_after"));
    expect_value(json, t, "ready", ready, status == AFD_OK ? context->attention.micro_batch_id : NOT_WRITTEN);
}

static void replay_case(const json_t *json, void *arg)
{
    tally *t = arg;
    size_t token_info_bytes = 0;
    uint8_t token_data[TOKEN_DATA_BYTES] = { 0 };
    afd_schedule_context context;
    uint8_t *bytes = (uint8_t *)&context;
    uint8_t *token_info = make_token_info(json, &token_info_bytes);
    make_context(json, token_info, token_info_bytes, token_data, bytes);
    expect_hash(json, t, "h_token_info_before", vector_hash(token_info, token_info_bytes));
    expect_hash(json, t, "h_ctx_before", vector_context_hash(bytes));
    call(json, t, &context);
    expect_hash(json, t, "h_token_info", vector_hash(token_info, token_info_bytes));
    expect_hash(json, t, "h_ctx", vector_context_hash(bytes));
    free(token_info);
    t->case_num++;
}

int main(int argc, char **argv)
{
    size_t failure_num = 0;
    size_t case_num = 0;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: replay_attention attention_schedule.jsonl\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        tally t = { .poll = i == 1 };
        (void)vector_each_line(argv[1], replay_case, &t);
        (void)printf("%s: %zu cases, %zu differences\n",
                     t.poll ? "afd_attention_schedule_poll" : "afd_attention_schedule", t.case_num, t.failure_num);
        failure_num += t.failure_num;
        case_num = t.case_num;
    }
    return failure_num == 0 && case_num > 0 ? 0 : 1;
}
