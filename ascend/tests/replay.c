/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays the recorded FFN scheduler cases through the front: memory from aclrtMalloc, both phases, a stream. What was
 * recorded must come out bit for bit, and a refusal must come where the front finds it: an execute_mode other than 0 in
 * the first phase (161002), anything else at the stream (507018).
 *
 *     replay ffn_schedule.jsonl
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "vectors.h"

enum { OUTPUT_BYTE = 0xEE, INFO_BYTE = 0xA5, CONTEXT_BYTES = 1024, OUT_NUM_OFFSET = 576, POLLING_INDEX_OFFSET = 416 };

typedef struct buffer {
    uint8_t *bytes;
    size_t byte_num;
} buffer;

enum { TOKEN_INFO, TOKEN_DATA, LAYER_IDS, SESSION_IDS, MICRO_BATCH_IDS, EXPERT_IDS, BUFFER_NUM };

static const char *const buffer_names[BUFFER_NUM] = { "token_info_buf",  "token_data_buf",      "layer_ids_buf",
                                                      "session_ids_buf", "micro_batch_ids_buf", "expert_ids_buf" };

typedef struct replay {
    const json_t *json;
    uint64_t session_num;
    uint64_t micro_batch_num;
    uint64_t id_num;
    uint8_t *context;
    buffer buffers[BUFFER_NUM];
    int32_t sync_group_size;
    int32_t execute_mode;
} replay;

static size_t failure_num;
static aclrtStream stream;

static void must(int code, const char *what)
{
    if (code != 0) {
        const char *message = aclGetRecentErrMsg();
        (void)fprintf(stderr, "%s: %d %s\n", what, code, message != NULL ? message : "");
        exit(2);
    }
}

static void expect(const replay *r, const char *what, uint64_t got, uint64_t recorded)
{
    if (got != recorded) {
        failure_num++;
        (void)printf("FAILED: %s: %s is 0x%" PRIx64 ", recorded was 0x%" PRIx64 "\n", vector_text(r->json, "id"), what,
                     got, recorded);
    }
}

/* ---- making the input ---- */

static buffer new_buffer(size_t byte_num, int fill)
{
    buffer made = { .byte_num = byte_num };
    void *memory = NULL;
    must(aclrtMalloc(&memory, byte_num, ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
    must(aclrtMemset(memory, byte_num, fill, byte_num), "aclrtMemset");
    made.bytes = memory;
    return made;
}

static bool is_ready(const replay *r, uint64_t seed, uint64_t session, uint64_t micro_batch)
{
    const int64_t group = (int64_t)session / vector_int(r->json, "sync_group_size");
    const uint64_t of_group = vector_number(vector_number(seed, 4), (uint64_t)group * r->micro_batch_num + micro_batch);
    const uint64_t of_desc = vector_number(vector_number(seed, 5), session * r->micro_batch_num + micro_batch);
    return (group == vector_int(r->json, "force_group") && (int64_t)micro_batch == vector_int(r->json, "force_mb")) ||
           (int64_t)(of_group & 255) < vector_int(r->json, "pg") ||
           (int64_t)(of_desc & 255) < vector_int(r->json, "ps");
}

static void fill_token_info(const replay *r, uint64_t seed)
{
    int32_t *word = (int32_t *)(void *)r->buffers[TOKEN_INFO].bytes;
    for (uint64_t d = 0; d < r->session_num * r->micro_batch_num; d++) {
        const bool ready = is_ready(r, seed, d / r->micro_batch_num, d % r->micro_batch_num);
        *word++ = ready ? 1 : vector_not_ready(vector_number(vector_number(seed, 6), d));
        *word++ = (int32_t)(uint32_t)vector_number(vector_number(seed, 2), d);
        for (uint64_t k = 0; k < r->id_num; k++) {
            *word++ = (int32_t)(uint32_t)vector_number(vector_number(seed, 3), d * r->id_num + k);
        }
    }
}

static void set(const replay *r, const char *folder, const char *field, uint64_t value)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "%s%s", folder, field);
    if (!vector_set_field(r->context, name, value)) {
        (void)fprintf(stderr, "broken vectors: no field %s\n", name);
        exit(2);
    }
}

static void fill_context(const replay *r, uint64_t seed)
{
    static const char *const counts[] = { "session_num", "micro_batch_num", "micro_batch_size", "selected_expert_num",
                                          "schedule_mode" };
    vector_fill_context(r->context, vector_number(seed, 1));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        set(r, "common.", counts[i], (uint64_t)vector_int(r->json, counts[i]));
    }
    set(r, "control.", "run_flag", (uint64_t)vector_int(r->json, "run_flag"));
    set(r, "ffn.", "polling_index", (uint64_t)vector_int(r->json, "polling_index"));
    for (int i = 0; i < BUFFER_NUM; i++) {
        char size_name[64];
        (void)snprintf(size_name, sizeof(size_name), "%s_size", buffer_names[i]);
        set(r, "ffn.", buffer_names[i], (uint64_t)(uintptr_t)r->buffers[i].bytes);
        set(r, "ffn.", size_name, r->buffers[i].byte_num);
    }
}

static void apply_patches(replay *r)
{
    const json_t *list = vector_list(r->json, "patch");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *patch = json_array_get(list, i);
        const char *field = vector_text(patch, "f");
        const uint64_t value = vector_u64(patch, "v");
        if (strcmp(field, "arg.sync_group_size") == 0) {
            r->sync_group_size = (int32_t)(uint32_t)value;
        } else if (strcmp(field, "arg.execute_mode") == 0) {
            r->execute_mode = (int32_t)(uint32_t)value;
        } else {
            set(r, "", field, value);
        }
    }
}

static replay start_replay(const json_t *json)
{
    const uint64_t seed = vector_u64(json, "seed");
    replay r = { .json = json };
    r.session_num = (uint64_t)vector_int(json, "session_num");
    r.micro_batch_num = (uint64_t)vector_int(json, "micro_batch_num");
    r.id_num = (uint64_t)(vector_int(json, "micro_batch_size") * vector_int(json, "selected_expert_num"));
    r.sync_group_size = (int32_t)vector_int(json, "sync_group_size");
    r.execute_mode = (int32_t)vector_int(json, "execute_mode");
    const size_t row_bytes = 4 * r.session_num + (size_t)vector_int(json, "slack_ids");
    const size_t info_bytes = r.session_num * r.micro_batch_num * (8 + 4 * r.id_num);
    r.buffers[TOKEN_INFO] = new_buffer(info_bytes + (size_t)vector_int(json, "slack_token_info"), INFO_BYTE);
    r.buffers[TOKEN_DATA] = new_buffer(64, 0);
    r.buffers[LAYER_IDS] = new_buffer(row_bytes, OUTPUT_BYTE);
    r.buffers[SESSION_IDS] = new_buffer(row_bytes, OUTPUT_BYTE);
    r.buffers[MICRO_BATCH_IDS] = new_buffer(row_bytes, OUTPUT_BYTE);
    r.buffers[EXPERT_IDS] = new_buffer(4 * r.session_num * r.id_num + (size_t)vector_int(json, "slack_expert"),
                                       OUTPUT_BYTE);
    r.context = new_buffer(CONTEXT_BYTES, 0).bytes;
    fill_token_info(&r, seed);
    fill_context(&r, seed);
    apply_patches(&r);
    return r;
}

static void end_replay(const replay *r)
{
    for (int i = 0; i < BUFFER_NUM; i++) {
        must(aclrtFree(r->buffers[i].bytes), "aclrtFree");
    }
    must(aclrtFree(r->context), "aclrtFree");
}

/* ---- calling ---- */

static uint64_t read_field(const replay *r, size_t offset, size_t byte_num)
{
    uint64_t value = 0;
    memcpy(&value, r->context + offset, byte_num);
    return value;
}

/* What the front returned in the phase in which it returned something, in the words of the recording. */
static int call_front(const replay *r)
{
    const int64_t dim = CONTEXT_BYTES;
    const int64_t stride = 1;
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    aclTensor *tensor = aclCreateTensor(&dim, 1, ACL_INT8, &stride, 0, ACL_FORMAT_ND, &dim, 1, r->context);
    const int planned = aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(tensor, r->sync_group_size, r->execute_mode,
                                                                       &workspace_size, &executor);
    must(aclDestroyTensor(tensor), "aclDestroyTensor");
    if (planned != 0) {
        return planned;
    }
    must(aclnnInplaceFfnWorkerScheduler(NULL, workspace_size, executor, stream), "the second phase");
    return aclrtSynchronizeStream(stream);
}

static int expected_code(const replay *r)
{
    if (vector_int(r->json, "rc") == 0) {
        return 0;
    }
    return r->execute_mode != 0 ? 161002 : ACL_ERROR_RT_AICPU_EXCEPTION;
}

static void make_calls(const replay *r)
{
    const json_t *out_nums = vector_list(r->json, "out_nums");
    for (size_t i = 0; i < json_array_size(out_nums); i++) {
        for (int k = LAYER_IDS; i > 0 && k < BUFFER_NUM; k++) {
            const size_t bytes = 4 * r->session_num * (k == EXPERT_IDS ? r->id_num : 1);
            memset(r->buffers[k].bytes, OUTPUT_BYTE, bytes);
        }
        expect(r, "the code", (uint64_t)call_front(r), (uint64_t)expected_code(r));
        expect(r, "whether there is a sentence", aclGetRecentErrMsg() != NULL, expected_code(r) != 0);
        expect(r, "out_nums", read_field(r, OUT_NUM_OFFSET, 4),
               (uint64_t)json_integer_value(json_array_get(out_nums, i)));
    }
}

/* ---- comparing ---- */

static void expect_ids(const replay *r, const char *key, const buffer *ids)
{
    const json_t *recorded = vector_list(r->json, key);
    const int32_t *got = (const int32_t *)(const void *)ids->bytes;
    for (size_t k = 0; k < json_array_size(recorded); k++) {
        expect(r, key, (uint64_t)(int64_t)got[k], (uint64_t)json_integer_value(json_array_get(recorded, k)));
    }
}

static void expect_tail(const replay *r, const buffer *ids, size_t from)
{
    for (size_t i = from; i < ids->byte_num; i++) {
        if (ids->bytes[i] != OUTPUT_BYTE) {
            expect(r, "a byte past out_num", ids->bytes[i], OUTPUT_BYTE);
            return;
        }
    }
}

static void expect_outputs(const replay *r)
{
    const size_t row_num = vector_int(r->json, "rc") == 0 ? (size_t)vector_int(r->json, "out_num") : 0;
    const size_t expert_bytes = row_num * 4 * r->id_num;
    expect_ids(r, "layer_ids", &r->buffers[LAYER_IDS]);
    expect_ids(r, "session_ids", &r->buffers[SESSION_IDS]);
    expect_ids(r, "micro_batch_ids", &r->buffers[MICRO_BATCH_IDS]);
    expect(r, "h_expert", vector_hash(r->buffers[EXPERT_IDS].bytes, expert_bytes), vector_u64(r->json, "h_expert"));
    for (int k = LAYER_IDS; k < BUFFER_NUM; k++) {
        expect_tail(r, &r->buffers[k], k == EXPERT_IDS ? expert_bytes : 4 * row_num);
    }
    expect(r, "out_num", read_field(r, OUT_NUM_OFFSET, 4), (uint64_t)vector_int(r->json, "out_num"));
    expect(r, "polling_index_after", read_field(r, POLLING_INDEX_OFFSET, 8),
           vector_u64(r->json, "polling_index_after"));
}

static void replay_case(const json_t *json, void *arg)
{
    replay r = start_replay(json);
    const buffer *info = &r.buffers[TOKEN_INFO];
    (void)arg;
    expect(&r, "h_token_info_before", vector_hash(info->bytes, info->byte_num),
           vector_u64(json, "h_token_info_before"));
    expect(&r, "h_ctx_before", vector_context_hash(r.context), vector_u64(json, "h_ctx_before"));
    make_calls(&r);
    expect_outputs(&r);
    expect(&r, "h_token_info", vector_hash(info->bytes, info->byte_num), vector_u64(json, "h_token_info"));
    expect(&r, "h_ctx", vector_context_hash(r.context), vector_u64(json, "h_ctx"));
    end_replay(&r);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: replay ffn_schedule.jsonl\n");
        return 2;
    }
    must(aclInit(NULL), "aclInit");
    must(aclrtSetDevice(0), "aclrtSetDevice");
    must(aclrtCreateStream(&stream), "aclrtCreateStream");
    const size_t case_num = vector_each_line(argv[1], replay_case, NULL);
    must(aclrtDestroyStream(stream), "aclrtDestroyStream");
    must(aclFinalize(), "aclFinalize");
    (void)printf("%zu cases, %zu differences\n", case_num, failure_num);
    return failure_num == 0 && case_num > 0 ? 0 : 1;
}
