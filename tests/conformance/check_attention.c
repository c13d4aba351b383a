/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the input of each recorded attention scheduler case and checks by hash that it is the recorded one. There is no
 * attention scheduler yet to be called on it; what is held here is that the cases can be made.
 *
 *     check_attention attention_schedule.jsonl
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

enum { INFO_BYTE = 0xA5, TOKEN_DATA_BYTES = 64 };

typedef struct tally {
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

static void make_context(const json_t *json, size_t token_info_bytes, uint8_t context[1024])
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
    set(context, "attention.token_info_buf_size", token_info_bytes);
    set(context, "attention.token_data_buf_size", TOKEN_DATA_BYTES);
    for (size_t i = 0; i < json_array_size(patches); i++) {
        const json_t *patch = json_array_get(patches, i);
        set(context, vector_text(patch, "f"), vector_u64(patch, "v"));
    }
}

static void expect(const json_t *json, tally *t, const char *key, uint64_t got)
{
    if (got != vector_u64(json, key)) {
        t->failure_num++;
        (void)printf("FAILED: %s (%s): %s is 0x%" PRIx64 "\n", vector_text(json, "id"), vector_text(json, "kind"), key,
                     got);
    }
}

static void check_case(const json_t *json, void *arg)
{
    tally *t = arg;
    size_t token_info_bytes = 0;
    uint8_t context[1024];
    uint8_t *token_info = make_token_info(json, &token_info_bytes);
    make_context(json, token_info_bytes, context);
    expect(json, t, "h_token_info_before", vector_hash(token_info, token_info_bytes));
    expect(json, t, "h_ctx_before", vector_context_hash(context));
    free(token_info);
    t->case_num++;
}

int main(int argc, char **argv)
{
    tally t = { 0 };
    if (argc != 2) {
        (void)fprintf(stderr, "usage: check_attention attention_schedule.jsonl\n");
        return 2;
    }
    (void)vector_each_line(argv[1], check_case, &t);
    (void)printf("inputs of %zu attention cases made, %zu differences\n", t.case_num, t.failure_num);
    return t.failure_num == 0 && t.case_num > 0 ? 0 : 1;
}
