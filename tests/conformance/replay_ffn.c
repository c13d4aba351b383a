/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays the recorded FFN scheduler cases: makes each case's input anew, checks by hash that it is the recorded one,
 * calls the scheduler, and compares everything that was recorded, bit for bit. Four times: through the waiting call and
 * through the one of one pass, each without and with a scheduler object of default options.
 *
 *     replay_ffn ffn_schedule.jsonl
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "vectors.h"

enum { OUTPUT_BYTE = 0xEE, INFO_BYTE = 0xA5, TOKEN_DATA_BYTES = 64, ALIGN_BYTES = 64 };

typedef struct case_buffer {
    uint8_t *bytes;
    size_t byte_num;
} case_buffer;

/* One case, ready to be called. */
typedef struct replay {
    const json_t *json;
    uint64_t session_num;
    uint64_t micro_batch_num;
    uint64_t id_num; /* BS*E */
    uint64_t seed;
    afd_schedule_context *context;
    case_buffer token_info;
    case_buffer token_data;
    case_buffer layer_ids;
    case_buffer session_ids;
    case_buffer micro_batch_ids;
    case_buffer expert_ids;
    afd_ffn_schedule_args args;
    void *scheduler_memory;
} replay;

/* How the scheduler is called. */
typedef struct call_manner {
    const char *text;
    bool poll;
    bool with_scheduler;
} call_manner;

typedef struct tally {
    const call_manner *manner;
    size_t case_num;
    size_t call_num;
    size_t failure_num;
} tally;

static case_buffer new_buffer(size_t byte_num, int fill)
{
    size_t rounded = (byte_num + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    case_buffer made = { .bytes = aligned_alloc(ALIGN_BYTES, rounded), .byte_num = byte_num };
    if (made.bytes == NULL) {
        abort();
    }
    memset(made.bytes, fill, byte_num);
    return made;
}

/* ---- making the input ---- */

static int32_t initial_flag(const replay *r, uint64_t session, uint64_t micro_batch)
{
    int64_t group = (int64_t)session / vector_int(r->json, "sync_group_size");
    uint64_t group_number = (uint64_t)group * r->micro_batch_num + micro_batch;
    uint64_t desc_number = session * r->micro_batch_num + micro_batch;
    bool forced = group == vector_int(r->json, "force_group") &&
                  (int64_t)micro_batch == vector_int(r->json, "force_mb");
    if (forced ||
        (int64_t)(vector_number(vector_number(r->seed, 4), group_number) & 255) < vector_int(r->json, "pg") ||
        (int64_t)(vector_number(vector_number(r->seed, 5), desc_number) & 255) < vector_int(r->json, "ps")) {
        return 1;
    }
    return vector_not_ready(vector_number(vector_number(r->seed, 6), desc_number));
}

static void fill_token_info(const replay *r)
{
    uint64_t layer_seed = vector_number(r->seed, 2);
    uint64_t expert_seed = vector_number(r->seed, 3);
    int32_t *word = (int32_t *)(void *)r->token_info.bytes;
    for (uint64_t d = 0; d < r->session_num * r->micro_batch_num; d++) {
        *word++ = initial_flag(r, d / r->micro_batch_num, d % r->micro_batch_num);
        *word++ = (int32_t)(uint32_t)vector_number(layer_seed, d);
        for (uint64_t k = 0; k < r->id_num; k++) {
            *word++ = (int32_t)(uint32_t)vector_number(expert_seed, d * r->id_num + k);
        }
    }
}

static void set(const replay *r, const char *field, uint64_t value)
{
    if (!vector_set_field((uint8_t *)r->context, field, value)) {
        (void)fprintf(stderr, "broken vectors: no field %s\n", field);
        exit(2);
    }
}

static void set_buffer(const replay *r, const char *field, const case_buffer *buffer)
{
    char size_field[64];
    (void)snprintf(size_field, sizeof(size_field), "%s_size", field);
    set(r, field, (uint64_t)(uintptr_t)buffer->bytes);
    set(r, size_field, buffer->byte_num);
}

static void fill_context(const replay *r)
{
    static const char *const counts[] = { "session_num", "micro_batch_num", "micro_batch_size", "selected_expert_num",
                                          "schedule_mode" };
    char field[64];
    vector_fill_context((uint8_t *)r->context, vector_number(r->seed, 1));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        (void)snprintf(field, sizeof(field), "common.%s", counts[i]);
        set(r, field, (uint64_t)vector_int(r->json, counts[i]));
    }
    set(r, "control.run_flag", (uint64_t)vector_int(r->json, "run_flag"));
    set(r, "ffn.polling_index", (uint64_t)vector_int(r->json, "polling_index"));
    set_buffer(r, "ffn.token_info_buf", &r->token_info);
    set_buffer(r, "ffn.token_data_buf", &r->token_data);
    set_buffer(r, "ffn.layer_ids_buf", &r->layer_ids);
    set_buffer(r, "ffn.session_ids_buf", &r->session_ids);
    set_buffer(r, "ffn.micro_batch_ids_buf", &r->micro_batch_ids);
    set_buffer(r, "ffn.expert_ids_buf", &r->expert_ids);
}

static void apply_patches(replay *r)
{
    const json_t *list = vector_list(r->json, "patch");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *patch = json_array_get(list, i);
        const char *field = vector_text(patch, "f");
        uint64_t value = vector_u64(patch, "v"); /* a negative one comes as its two's complement */
        if (strcmp(field, "arg.sync_group_size") == 0) {
            r->args.sync_group_size = (int32_t)(uint32_t)value;
        } else if (strcmp(field, "arg.execute_mode") == 0) {
            r->args.execute_mode = (int32_t)(uint32_t)value;
        } else {
            set(r, field, value);
        }
    }
}

static void add_scheduler(replay *r)
{
    uint32_t session_num = (uint32_t)r->session_num;
    uint32_t micro_batch_num = (uint32_t)r->micro_batch_num;
    uint64_t bytes = afd_ffn_scheduler_footprint(session_num, micro_batch_num);
    r->scheduler_memory = malloc(bytes);
    if (r->scheduler_memory == NULL || afd_ffn_scheduler_new(session_num, micro_batch_num, NULL, r->scheduler_memory,
                                                             bytes, &r->args.scheduler, NULL) != AFD_OK) {
        abort();
    }
}

static replay start_replay(const json_t *json, const call_manner *manner)
{
    replay r = { .json = json, .seed = vector_u64(json, "seed") };
    r.session_num = (uint64_t)vector_int(json, "session_num");
    r.micro_batch_num = (uint64_t)vector_int(json, "micro_batch_num");
    r.id_num = (uint64_t)(vector_int(json, "micro_batch_size") * vector_int(json, "selected_expert_num"));
    size_t row_bytes = 4 * r.session_num + (size_t)vector_int(json, "slack_ids");
    r.token_info = new_buffer(r.session_num * r.micro_batch_num * (8 + 4 * r.id_num) +
                                  (size_t)vector_int(json, "slack_token_info"), INFO_BYTE);
    r.token_data = new_buffer(TOKEN_DATA_BYTES, 0);
    r.layer_ids = new_buffer(row_bytes, OUTPUT_BYTE);
    r.session_ids = new_buffer(row_bytes, OUTPUT_BYTE);
    r.micro_batch_ids = new_buffer(row_bytes, OUTPUT_BYTE);
    r.expert_ids = new_buffer(4 * r.session_num * r.id_num + (size_t)vector_int(json, "slack_expert"), OUTPUT_BYTE);
    r.context = (afd_schedule_context *)(void *)new_buffer(AFD_CONTEXT_BYTES, 0).bytes;
    r.args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)vector_int(json, "sync_group_size"));
    r.args.execute_mode = (int32_t)vector_int(json, "execute_mode");
    fill_token_info(&r);
    fill_context(&r);
    if (manner->with_scheduler) {
        add_scheduler(&r);
    }
    apply_patches(&r);
    return r;
}

static void end_replay(replay *r)
{
    const case_buffer buffers[] = { r->token_info, r->token_data, r->layer_ids, r->session_ids, r->micro_batch_ids,
                               r->expert_ids };
    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        free(buffers[i].bytes);
    }
    free(r->context);
    free(r->scheduler_memory);
}

/* ---- comparing ---- */

static void expect(const replay *r, tally *t, const char *what, uint64_t got, uint64_t recorded)
{
    if (got != recorded) {
        t->failure_num++;
        (void)printf("FAILED: %s (%s), %s: %s is 0x%" PRIx64 ", recorded was 0x%" PRIx64 "\n",
                     vector_text(r->json, "id"), vector_text(r->json, "kind"), t->manner->text, what, got, recorded);
    }
}

static void expect_ids(const replay *r, tally *t, const char *key, const case_buffer *ids)
{
    const json_t *recorded = vector_list(r->json, key);
    const int32_t *got = (const int32_t *)(const void *)ids->bytes;
    for (size_t k = 0; k < json_array_size(recorded); k++) {
        expect(r, t, key, (uint64_t)(int64_t)got[k], (uint64_t)json_integer_value(json_array_get(recorded, k)));
    }
}

static bool is_untouched(const case_buffer *buffer, size_t from)
{
    for (size_t i = from; i < buffer->byte_num; i++) {
        if (buffer->bytes[i] != OUTPUT_BYTE) {
            return false;
        }
    }
    return true;
}

static void expect_outputs(const replay *r, tally *t, size_t row_num)
{
    size_t expert_bytes = row_num * 4 * r->id_num;
    expect_ids(r, t, "layer_ids", &r->layer_ids);
    expect_ids(r, t, "session_ids", &r->session_ids);
    expect_ids(r, t, "micro_batch_ids", &r->micro_batch_ids);
    expect(r, t, "h_expert", vector_hash(r->expert_ids.bytes, expert_bytes), vector_u64(r->json, "h_expert"));
    bool untouched = is_untouched(&r->layer_ids, 4 * row_num) && is_untouched(&r->session_ids, 4 * row_num) &&
                     is_untouched(&r->micro_batch_ids, 4 * row_num) && is_untouched(&r->expert_ids, expert_bytes);
    expect(r, t, "tail_untouched", untouched, (uint64_t)vector_int(r->json, "tail_untouched"));
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

static afd_status call_once(const replay *r, const call_manner *manner, uint32_t *taken_num)
{
    return manner->poll ? afd_ffn_schedule_poll(r->context, &r->args, taken_num, NULL)
                        : afd_ffn_schedule(r->context, &r->args, NULL, taken_num, NULL);
}

static void clear_outputs(const replay *r)
{
    size_t row_bytes = 4 * r->session_num;
    memset(r->layer_ids.bytes, OUTPUT_BYTE, row_bytes);
    memset(r->session_ids.bytes, OUTPUT_BYTE, row_bytes);
    memset(r->micro_batch_ids.bytes, OUTPUT_BYTE, row_bytes);
    memset(r->expert_ids.bytes, OUTPUT_BYTE, row_bytes * r->id_num);
}

static void make_calls(const replay *r, tally *t)
{
    const json_t *out_nums = vector_list(r->json, "out_nums");
    uint64_t code = (uint64_t)vector_int(r->json, "rc");
    size_t call_num = (size_t)vector_int(r->json, "calls");
    expect(r, t, "the length of out_nums", json_array_size(out_nums), call_num);
    for (size_t i = 0; i < call_num; i++) {
        uint32_t taken_num = 77;
        if (i > 0) {
            clear_outputs(r);
        }
        afd_status status = call_once(r, t->manner, &taken_num);
        expect(r, t, "rc", recorded_code(status), code);
        expect(r, t, "out_nums", r->context->ffn.out_num, (uint64_t)json_integer_value(json_array_get(out_nums, i)));
        expect(r, t, "taken_num", taken_num, code == 0 ? r->context->ffn.out_num : 0);
        expect(r, t, "whether anything was taken", status == AFD_OK, code == 0 && r->context->ffn.out_num > 0);
        t->call_num++;
    }
}

static void replay_case(const json_t *json, void *arg)
{
    tally *t = arg;
    replay r = start_replay(json, t->manner);
    const uint8_t *context = (const uint8_t *)r.context;
    expect(&r, t, "h_token_info_before", vector_hash(r.token_info.bytes, r.token_info.byte_num),
           vector_u64(json, "h_token_info_before"));
    expect(&r, t, "h_ctx_before", vector_context_hash(context), vector_u64(json, "h_ctx_before"));
    make_calls(&r, t);
    expect(&r, t, "out_num", r.context->ffn.out_num, (uint64_t)vector_int(json, "out_num"));
    expect(&r, t, "polling_index_after", r.context->ffn.polling_index, vector_u64(json, "polling_index_after"));
    expect_outputs(&r, t, vector_int(json, "rc") == 0 ? (size_t)vector_int(json, "out_num") : 0);
    expect(&r, t, "h_token_info", vector_hash(r.token_info.bytes, r.token_info.byte_num),
           vector_u64(json, "h_token_info"));
    expect(&r, t, "h_ctx", vector_context_hash(context), vector_u64(json, "h_ctx"));
    end_replay(&r);
    t->case_num++;
}

int main(int argc, char **argv)
{
    static const call_manner manners[] = {
        { "afd_ffn_schedule", false, false },
        { "afd_ffn_schedule_poll", true, false },
        { "afd_ffn_schedule with a scheduler object", false, true },
        { "afd_ffn_schedule_poll with a scheduler object", true, true },
    };
    size_t failure_num = 0;
    size_t case_num = 0;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: replay_ffn ffn_schedule.jsonl\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        tally t = { .manner = &manners[i] };
        (void)vector_each_line(argv[1], replay_case, &t);
        (void)printf("%s: %zu cases, %zu calls, %zu differences\n", t.manner->text, t.case_num, t.call_num,
                     t.failure_num);
        failure_num += t.failure_num;
        case_num = t.case_num;
    }
    return failure_num == 0 && case_num > 0 ? 0 : 1;
}
