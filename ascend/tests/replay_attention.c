/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays the recorded attention scheduler cases through the front: memory from aclrtMalloc, both phases, a stream.
 * What was recorded must come out bit for bit, and a refusal must come at the stream, as 507018.
 *
 *     replay_attention attention_schedule.jsonl
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "vectors.h"

enum { INFO_BYTE = 0xA5, TOKEN_DATA_BYTES = 64, CONTEXT_BYTES = 1024, MICRO_BATCH_ID_OFFSET = 288 };

static size_t failure_num;
static aclrtStream stream;
static uint8_t *context;
static uint8_t *token_data;

static void must(int code, const char *what)
{
    if (code != 0) {
        const char *message = aclGetRecentErrMsg();
        (void)fprintf(stderr, "%s: %d %s\n", what, code, message != NULL ? message : "");
        exit(2);
    }
}

static void expect(const json_t *json, const char *what, uint64_t got, uint64_t recorded)
{
    if (got != recorded) {
        failure_num++;
        (void)printf("FAILED: %s: %s is 0x%" PRIx64 ", recorded was 0x%" PRIx64 "\n", vector_text(json, "id"), what,
                     got, recorded);
    }
}

static uint8_t *new_buffer(size_t byte_num, int fill)
{
    void *memory = NULL;
    must(aclrtMalloc(&memory, byte_num, ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
    must(aclrtMemset(memory, byte_num, fill, byte_num), "aclrtMemset");
    return memory;
}

/* ---- making the input ---- */

static void set(const char *field, uint64_t value)
{
    if (!vector_set_field(context, field, value)) {
        (void)fprintf(stderr, "broken vectors: no field %s\n", field);
        exit(2);
    }
}

static uint8_t *new_token_info(const json_t *json, size_t *byte_num)
{
    const uint64_t seed = vector_u64(json, "seed");
    const uint64_t micro_batch_num = (uint64_t)vector_int(json, "micro_batch_num");
    const uint64_t id_num = (uint64_t)(vector_int(json, "micro_batch_size") * vector_int(json, "selected_expert_num"));
    const uint64_t awaited = ((uint64_t)vector_int(json, "micro_batch_id") + 1) % micro_batch_num;
    const uint64_t flag_num = micro_batch_num * id_num;
    *byte_num = 4 * flag_num + (size_t)vector_int(json, "slack_token_info");
    uint8_t *info = new_buffer(*byte_num, INFO_BYTE);
    int32_t *flags = (int32_t *)(void *)info;
    for (uint64_t i = 0; i < flag_num; i++) {
        const bool all_ready = vector_int(json, "run_flag") != 0 && i / id_num == awaited;
        const int64_t draw = (int64_t)(vector_number(vector_number(seed, 2), i) & 255);
        const bool ready = all_ready || draw < vector_int(json, "p");
        flags[i] = ready ? 1 : vector_not_ready(vector_number(vector_number(seed, 3), i));
    }
    return info;
}

static void fill_context(const json_t *json, const uint8_t *info, size_t info_bytes)
{
    static const char *const counts[] = { "session_num", "micro_batch_num", "micro_batch_size", "selected_expert_num",
                                          "schedule_mode" };
    const json_t *patches = vector_list(json, "patch");
    vector_fill_context(context, vector_number(vector_u64(json, "seed"), 1));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char field[64];
        (void)snprintf(field, sizeof(field), "common.%s", counts[i]);
        set(field, (uint64_t)vector_int(json, counts[i]));
    }
    set("control.run_flag", (uint64_t)vector_int(json, "run_flag"));
    set("attention.micro_batch_id", (uint64_t)vector_int(json, "micro_batch_id"));
    set("attention.token_info_buf", (uint64_t)(uintptr_t)info);
    set("attention.token_info_buf_size", info_bytes);
    set("attention.token_data_buf", (uint64_t)(uintptr_t)token_data);
    set("attention.token_data_buf_size", TOKEN_DATA_BYTES);
    for (size_t i = 0; i < json_array_size(patches); i++) {
        const json_t *patch = json_array_get(patches, i);
        set(vector_text(patch, "f"), vector_u64(patch, "v"));
    }
}

/* ---- calling ---- */

static int call_front(void)
{
    const int64_t dim = CONTEXT_BYTES;
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    aclTensor *tensor = aclCreateTensor(&dim, 1, ACL_INT8, NULL, 0, ACL_FORMAT_ND, &dim, 1, context);
    must(aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize(tensor, &workspace_size, &executor), "the first phase");
    must(aclDestroyTensor(tensor), "aclDestroyTensor");
    must(aclnnInplaceAttentionWorkerScheduler(NULL, workspace_size, executor, stream), "the second phase");
    return aclrtSynchronizeStream(stream);
}

static void replay_case(const json_t *json, void *arg)
{
    size_t info_bytes = 0;
    uint32_t micro_batch_id = 0;
    (void)arg;
    uint8_t *info = new_token_info(json, &info_bytes);
    fill_context(json, info, info_bytes);
    expect(json, "h_token_info_before", vector_hash(info, info_bytes), vector_u64(json, "h_token_info_before"));
    expect(json, "h_ctx_before", vector_context_hash(context), vector_u64(json, "h_ctx_before"));
    /* The original's "invalid" and "internal" are one code here. */
    expect(json, "the code", (uint64_t)call_front(),
           vector_int(json, "rc") == 0 ? ACL_SUCCESS : ACL_ERROR_RT_AICPU_EXCEPTION);
    memcpy(&micro_batch_id, context + MICRO_BATCH_ID_OFFSET, sizeof(micro_batch_id));
    expect(json, "micro_batch_id_after", micro_batch_id, (uint64_t)vector_int(json, "micro_batch_id_after"));
    expect(json, "h_token_info", vector_hash(info, info_bytes), vector_u64(json, "h_token_info"));
    expect(json, "h_ctx", vector_context_hash(context), vector_u64(json, "h_ctx"));
    must(aclrtFree(info), "aclrtFree");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: replay_attention attention_schedule.jsonl\n");
        return 2;
    }
    must(aclInit(NULL), "aclInit");
    must(aclrtSetDevice(0), "aclrtSetDevice");
    must(aclrtCreateStream(&stream), "aclrtCreateStream");
    context = new_buffer(CONTEXT_BYTES, 0);
    token_data = new_buffer(TOKEN_DATA_BYTES, 0);
    const size_t case_num = vector_each_line(argv[1], replay_case, NULL);
    must(aclrtFree(context), "aclrtFree");
    must(aclrtFree(token_data), "aclrtFree");
    must(aclFinalize(), "aclFinalize");
    (void)printf("%zu cases, %zu differences\n", case_num, failure_num);
    return failure_num == 0 && case_num > 0 ? 0 : 1;
}
