/* SPDX-License-Identifier: Apache-2.0 */
/* `afd inspect` of the 1024 bytes of a ScheduleContext that somebody saved: its addresses are never followed. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "inspect.h"
#include "out.h"

typedef enum field_type { FIELD_U32, FIELD_I32, FIELD_U64 } field_type;

/* The names are those of afd_context_describe(), where a window's fields stand beside the others. */
#define CONTEXT_FIELD(name, member, type) { name, offsetof(afd_schedule_context, member), type }

static const struct {
    const char *name;
    size_t offset;
    field_type type;
} context_fields[] = {
    CONTEXT_FIELD("common.session_num", common.session_num, FIELD_U32),
    CONTEXT_FIELD("common.micro_batch_num", common.micro_batch_num, FIELD_U32),
    CONTEXT_FIELD("common.micro_batch_size", common.micro_batch_size, FIELD_U32),
    CONTEXT_FIELD("common.selected_expert_num", common.selected_expert_num, FIELD_U32),
    CONTEXT_FIELD("common.expert_num", common.expert_num, FIELD_U32),
    CONTEXT_FIELD("common.attn_to_ffn_token_size", common.attn_to_ffn_token_size, FIELD_U32),
    CONTEXT_FIELD("common.ffn_to_attn_token_size", common.ffn_to_attn_token_size, FIELD_U32),
    CONTEXT_FIELD("common.schedule_mode", common.schedule_mode, FIELD_I32),
    CONTEXT_FIELD("control.run_flag", control.run_flag, FIELD_I32),
    CONTEXT_FIELD("attention.token_info_buf", attention.window.token_info_buf, FIELD_U64),
    CONTEXT_FIELD("attention.token_info_buf_size", attention.window.token_info_buf_size, FIELD_U64),
    CONTEXT_FIELD("attention.token_data_buf", attention.window.token_data_buf, FIELD_U64),
    CONTEXT_FIELD("attention.token_data_buf_size", attention.window.token_data_buf_size, FIELD_U64),
    CONTEXT_FIELD("attention.micro_batch_id", attention.micro_batch_id, FIELD_U32),
    CONTEXT_FIELD("ffn.token_info_buf", ffn.window.token_info_buf, FIELD_U64),
    CONTEXT_FIELD("ffn.token_info_buf_size", ffn.window.token_info_buf_size, FIELD_U64),
    CONTEXT_FIELD("ffn.token_data_buf", ffn.window.token_data_buf, FIELD_U64),
    CONTEXT_FIELD("ffn.token_data_buf_size", ffn.window.token_data_buf_size, FIELD_U64),
    CONTEXT_FIELD("ffn.polling_index", ffn.polling_index, FIELD_U64),
    CONTEXT_FIELD("ffn.layer_ids_buf", ffn.layer_ids_buf, FIELD_U64),
    CONTEXT_FIELD("ffn.layer_ids_buf_size", ffn.layer_ids_buf_size, FIELD_U64),
    CONTEXT_FIELD("ffn.session_ids_buf", ffn.session_ids_buf, FIELD_U64),
    CONTEXT_FIELD("ffn.session_ids_buf_size", ffn.session_ids_buf_size, FIELD_U64),
    CONTEXT_FIELD("ffn.micro_batch_ids_buf", ffn.micro_batch_ids_buf, FIELD_U64),
    CONTEXT_FIELD("ffn.micro_batch_ids_buf_size", ffn.micro_batch_ids_buf_size, FIELD_U64),
    CONTEXT_FIELD("ffn.expert_ids_buf", ffn.expert_ids_buf, FIELD_U64),
    CONTEXT_FIELD("ffn.expert_ids_buf_size", ffn.expert_ids_buf_size, FIELD_U64),
    CONTEXT_FIELD("ffn.out_num", ffn.out_num, FIELD_U32),
};

static json_t *field_json(const void *field, field_type type)
{
    uint32_t u32;
    int32_t i32;
    uint64_t u64;
    switch (type) {
    case FIELD_U32:
        memcpy(&u32, field, sizeof(u32));
        return json_integer(u32);
    case FIELD_I32:
        memcpy(&i32, field, sizeof(i32));
        return json_integer(i32);
    case FIELD_U64:
        break;
    }
    memcpy(&u64, field, sizeof(u64));
    return afd_cli_json_u64(u64);
}

static json_t *context_json(const afd_schedule_context *context)
{
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof(context_fields) / sizeof(context_fields[0]); i++) {
        afd_cli_json_set(object, context_fields[i].name,
                         field_json((const char *)context + context_fields[i].offset, context_fields[i].type));
    }
    return object;
}

static void print_fields(const afd_schedule_context *context)
{
    size_t length = afd_context_describe(context, NULL, 0);
    char *text = afd_cli_alloc(length + 1, 1);
    (void)afd_context_describe(context, text, length + 1);
    (void)fputs(text, stdout);
    free(text);
}

/* What the FFN scheduler checks before it looks at a window; only the context's own bytes are read for it. */
static bool scheduler_accepts(const afd_schedule_context *context, afd_error *error)
{
    const afd_ffn_schedule_args all_sync = AFD_FFN_SCHEDULE_ARGS_INIT((int32_t)context->common.session_num);
    return afd_ffn_schedule_check(context, &all_sync, error) == AFD_OK;
}

int afd_cli_context_inspect(const afd_cli_source *source, bool json)
{
    const afd_schedule_context *context = &source->context;
    bool is_ffn = context->common.schedule_mode == AFD_SCHEDULE_MODE_FFN;
    afd_error error;
    bool refused = is_ffn && !scheduler_accepts(context, &error);
    int code = AFD_EXIT_DONE;
    if (json) {
        json_t *root = json_object();
        afd_cli_json_set(root, "kind", json_string("context"));
        afd_cli_json_set(root, "path", afd_cli_json_text(source->path));
        afd_cli_json_set(root, "context", context_json(context));
        afd_cli_json_set(root, "problem", refused ? afd_cli_json_text(error.message) : json_null());
        code = afd_cli_print_json(root);
    } else {
        print_fields(context);
        if (refused) {
            (void)printf("\nthe FFN scheduler refuses it: %s\n", error.message);
        } else if (is_ffn) {
            (void)printf("\nthe FFN scheduler accepts it in all-sync\n");
        }
    }
    return code == AFD_EXIT_DONE && refused ? AFD_EXIT_NO : code;
}
