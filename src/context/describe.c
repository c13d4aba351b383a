/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "afd/context.h"
#include "base/atomic.h"

/* Text that grows past its buffer only in length, as snprintf counts. */
typedef struct text_sink {
    char *text;
    size_t capacity;
    size_t length;
} text_sink;

__attribute__((format(printf, 2, 3))) static void append(text_sink *sink, const char *format, ...)
{
    size_t room = sink->length < sink->capacity ? sink->capacity - sink->length : 0;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(room > 0 ? sink->text + sink->length : NULL, room, format, arguments);
    va_end(arguments);
    if (written > 0) {
        sink->length += (size_t)written;
    }
}

static void append_buffer(text_sink *sink, const char *field, uint64_t address, uint64_t bytes)
{
    append(sink, "%s 0x%" PRIx64 " %" PRIu64 " bytes\n", field, address, bytes);
}

static void append_common(text_sink *sink, const afd_schedule_context *context)
{
    append(sink, "common.session_num %" PRIu32 "\n", context->common.session_num);
    append(sink, "common.micro_batch_num %" PRIu32 "\n", context->common.micro_batch_num);
    append(sink, "common.micro_batch_size %" PRIu32 "\n", context->common.micro_batch_size);
    append(sink, "common.selected_expert_num %" PRIu32 "\n", context->common.selected_expert_num);
    append(sink, "common.expert_num %" PRIu32 "\n", context->common.expert_num);
    append(sink, "common.attn_to_ffn_token_size %" PRIu32 "\n", context->common.attn_to_ffn_token_size);
    append(sink, "common.ffn_to_attn_token_size %" PRIu32 "\n", context->common.ffn_to_attn_token_size);
    append(sink, "common.schedule_mode %" PRId32 "\n", context->common.schedule_mode);
}

static void append_ffn(text_sink *sink, const afd_schedule_context *context)
{
    append_buffer(sink, "ffn.token_info_buf", context->ffn.window.token_info_buf,
                  context->ffn.window.token_info_buf_size);
    append_buffer(sink, "ffn.token_data_buf", context->ffn.window.token_data_buf,
                  context->ffn.window.token_data_buf_size);
    append(sink, "ffn.polling_index %" PRIu64 "\n", context->ffn.polling_index);
    append_buffer(sink, "ffn.layer_ids_buf", context->ffn.layer_ids_buf, context->ffn.layer_ids_buf_size);
    append_buffer(sink, "ffn.session_ids_buf", context->ffn.session_ids_buf, context->ffn.session_ids_buf_size);
    append_buffer(sink, "ffn.micro_batch_ids_buf", context->ffn.micro_batch_ids_buf,
                  context->ffn.micro_batch_ids_buf_size);
    append_buffer(sink, "ffn.expert_ids_buf", context->ffn.expert_ids_buf, context->ffn.expert_ids_buf_size);
    append(sink, "ffn.out_num %" PRIu32 "\n", context->ffn.out_num);
}

size_t afd_context_describe(const afd_schedule_context *context, char *text, size_t text_bytes)
{
    text_sink sink = { .text = text, .capacity = text_bytes };
    append_common(&sink, context);
    append(&sink, "control.run_flag %" PRId32 "\n", afd__load_relaxed_i32(&context->control.run_flag));
    append_buffer(&sink, "attention.token_info_buf", context->attention.window.token_info_buf,
                  context->attention.window.token_info_buf_size);
    append_buffer(&sink, "attention.token_data_buf", context->attention.window.token_data_buf,
                  context->attention.window.token_data_buf_size);
    append(&sink, "attention.micro_batch_id %" PRIu32 "\n", context->attention.micro_batch_id);
    append_ffn(&sink, context);
    return sink.length;
}
