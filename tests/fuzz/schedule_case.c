/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule_case.h"

#include <string.h>

#include "afd/window.h"
#include "fuzz.h"

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    fuzz_expect(memory != NULL, "no memory for the case");
    return memory;
}

/* Takes the next bytes of the input; what is missing stays as it is. */
static void take_bytes(void *target, size_t bytes, const uint8_t **data, size_t *size)
{
    size_t there = *size < bytes ? *size : bytes;
    if (there > 0) {
        memcpy(target, *data, there);
    }
    *data += there;
    *size -= there;
}

/* The address and size field of a buffer in the context; the token data has a size that nobody looks at. */
typedef struct buffer_fields {
    uint64_t *address;
    uint64_t *bytes;
} buffer_fields;

static buffer_fields fields_of(afd_schedule_context *context, int buffer)
{
    const buffer_fields fields[CASE_BUFFER_NUM] = {
        [TOKEN_INFO] = { &context->ffn.window.token_info_buf, &context->ffn.window.token_info_buf_size },
        [TOKEN_DATA] = { &context->ffn.window.token_data_buf, &context->ffn.window.token_data_buf_size },
        [LAYER_IDS] = { &context->ffn.layer_ids_buf, &context->ffn.layer_ids_buf_size },
        [SESSION_IDS] = { &context->ffn.session_ids_buf, &context->ffn.session_ids_buf_size },
        [MICRO_BATCH_IDS] = { &context->ffn.micro_batch_ids_buf, &context->ffn.micro_batch_ids_buf_size },
        [EXPERT_IDS] = { &context->ffn.expert_ids_buf, &context->ffn.expert_ids_buf_size },
    };
    return fields[buffer];
}

/* ---- tame inputs ---- */

static void bend_counts(schedule_case *fuzzed)
{
    afd_schedule_context *context = fuzzed->context;
    context->common.schedule_mode = AFD_SCHEDULE_MODE_FFN;
    context->common.session_num = 1 + context->common.session_num % 8;
    context->common.micro_batch_num = 1 + context->common.micro_batch_num % 4;
    context->common.micro_batch_size = 1 + context->common.micro_batch_size % 5;
    context->common.selected_expert_num = 1 + context->common.selected_expert_num % 5;
    context->ffn.polling_index %= context->common.micro_batch_num;
    uint32_t group_size = (uint32_t)fuzzed->input.sync_group_size % context->common.session_num + 1;
    while (context->common.session_num % group_size != 0) {
        group_size--;
    }
    fuzzed->args.sync_group_size = (int32_t)group_size;
    fuzzed->args.execute_mode = 0;
}

/* Sizes that just suffice, and addresses that are aligned and not null. */
static void bend_sizes(schedule_case *fuzzed)
{
    const afd_schedule_context *context = fuzzed->context;
    uint64_t session_num = context->common.session_num;
    uint64_t ids_bytes = UINT64_C(4) * context->common.micro_batch_size * context->common.selected_expert_num;
    for (int i = 0; i < CASE_BUFFER_NUM; i++) {
        buffer_fields fields = fields_of(fuzzed->context, i);
        *fields.address = 4;
        *fields.bytes = 4 * session_num;
    }
    fuzzed->context->ffn.window.token_info_buf_size = session_num * context->common.micro_batch_num * (8 + ids_bytes);
    fuzzed->context->ffn.expert_ids_buf_size = session_num * ids_bytes;
}

static void set_flags(schedule_case *fuzzed)
{
    static const int32_t flags[4] = { 0, AFD_FLAG_READY, AFD_FLAG_FREE, 2 };
    const afd_schedule_context *context = fuzzed->context;
    uint32_t desc_num = context->common.session_num * context->common.micro_batch_num;
    uint64_t desc_bytes = 8 + UINT64_C(4) * context->common.micro_batch_size * context->common.selected_expert_num;
    for (uint32_t i = 0; i < desc_num; i++) {
        uint32_t choice = fuzzed->input.flags >> (2 * i) & 3;
        if (choice != 0) {
            memcpy(fuzzed->buffers[TOKEN_INFO].start + i * desc_bytes, &flags[choice], sizeof(int32_t));
        }
    }
}

/* ---- memory ---- */

/* Replaces an address of the input by memory of ours that is as large as its size says, or has the size say less. The
 * two low bits of the address are kept, so that misaligned buffers come up. */
static void make_buffer(schedule_case *fuzzed, int number)
{
    buffer_fields fields = fields_of(fuzzed->context, number);
    case_buffer *buffer = &fuzzed->buffers[number];
    if (*fields.bytes > CASE_BUFFER_BYTES_MAX) {
        *fields.bytes = CASE_BUFFER_BYTES_MAX;
    }
    if (*fields.address == 0) {
        return;
    }
    uint64_t shift = *fields.address % 4;
    buffer->bytes = *fields.bytes;
    buffer->block = allocate(shift + buffer->bytes);
    buffer->start = buffer->block + shift;
    buffer->before = allocate(buffer->bytes);
    *fields.address = (uint64_t)(uintptr_t)buffer->start;
}

static void make_scheduler(schedule_case *fuzzed)
{
    uint32_t session_num = 1 + (fuzzed->context->common.session_num - 1) % 64;
    uint32_t micro_batch_num = 1 + (fuzzed->context->common.micro_batch_num - 1) % 64;
    afd_ffn_scheduler_options options = AFD_FFN_SCHEDULER_OPTIONS_INIT;
    options.fair = (fuzzed->input.options & INPUT_FAIR) != 0;
    micro_batch_num += (fuzzed->input.options & INPUT_OTHER_OBJECT) != 0;
    uint64_t bytes = afd_ffn_scheduler_footprint(session_num, micro_batch_num);
    fuzzed->scheduler_memory = allocate(bytes);
    afd_status status = afd_ffn_scheduler_new(session_num, micro_batch_num, &options, fuzzed->scheduler_memory, bytes,
                                              &fuzzed->scheduler, NULL);
    fuzz_expect(status == AFD_OK, "the scheduler object can be made");
    for (uint32_t s = 0; s < session_num && s < 16; s++) {
        uint32_t choice = fuzzed->input.members >> (2 * s) & 3;
        if (choice == 1 || choice == 2) {
            status = afd_ffn_scheduler_drop(fuzzed->scheduler, s, NULL);
        }
        if (choice == 2 && status == AFD_OK) {
            status = afd_ffn_scheduler_admit(fuzzed->scheduler, s, NULL);
        }
        fuzz_expect(status == AFD_OK, "a session can be dropped and admitted");
    }
    fuzzed->args.scheduler = fuzzed->scheduler;
}

void case_make(schedule_case *fuzzed, const uint8_t *data, size_t size)
{
    memset(fuzzed, 0, sizeof(*fuzzed));
    fuzzed->context = allocate(sizeof(*fuzzed->context));
    take_bytes(&fuzzed->input, sizeof(fuzzed->input), &data, &size);
    take_bytes(fuzzed->context, sizeof(*fuzzed->context), &data, &size);
    fuzzed->args = (afd_ffn_schedule_args){ sizeof(fuzzed->args), fuzzed->input.sync_group_size,
                                            fuzzed->input.execute_mode, NULL, NULL };
    bool tame = (fuzzed->input.options & INPUT_TAME) != 0;
    if (tame) {
        bend_counts(fuzzed);
        bend_sizes(fuzzed);
    }
    for (int i = 0; i < CASE_BUFFER_NUM; i++) {
        make_buffer(fuzzed, i);
    }
    case_buffer *token_info = &fuzzed->buffers[TOKEN_INFO];
    if (token_info->start != NULL) {
        take_bytes(token_info->start, token_info->bytes, &data, &size);
    }
    if (tame) {
        set_flags(fuzzed);
    }
    if ((fuzzed->input.options & INPUT_OBJECT) != 0) {
        make_scheduler(fuzzed);
    }
}

void case_free(schedule_case *fuzzed)
{
    for (int i = 0; i < CASE_BUFFER_NUM; i++) {
        free(fuzzed->buffers[i].block);
        free(fuzzed->buffers[i].before);
    }
    free(fuzzed->scheduler_memory);
    free(fuzzed->context);
}

void case_copy(schedule_case *fuzzed)
{
    fuzzed->context_before = *fuzzed->context;
    for (int i = 0; i < CASE_BUFFER_NUM; i++) {
        if (fuzzed->buffers[i].start != NULL) {
            memcpy(fuzzed->buffers[i].before, fuzzed->buffers[i].start, fuzzed->buffers[i].bytes);
        }
    }
}

bool case_equals_copy(const schedule_case *fuzzed)
{
    bool equal = memcmp(fuzzed->context, &fuzzed->context_before, sizeof(*fuzzed->context)) == 0;
    for (int i = 0; i < CASE_BUFFER_NUM; i++) {
        const case_buffer *buffer = &fuzzed->buffers[i];
        equal = equal && (buffer->start == NULL || memcmp(buffer->start, buffer->before, buffer->bytes) == 0);
    }
    return equal;
}
