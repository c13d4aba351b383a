/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into an open window of either kind: its parts, and binding a context to it. */
#include <inttypes.h>

#include "base/error.h"
#include "window/window.h"

void afd_window_describe(const afd_window *window, afd_window_info *info)
{
    *info = window->info;
    if (afd__window_has_header(window)) { /* the owner may have died since we came */
        info->owner = afd__owner_state(&window->identity);
    }
}

/* The number of a (session, micro_batch), or UINT64_MAX if out of range. */
static uint64_t desc_number(const afd_window *window, uint32_t session, uint32_t micro_batch)
{
    const afd_shape *shape = &window->info.shape;
    uint32_t session_num = window->info.kind == AFD_WINDOW_ATTENTION ? 1 : shape->session_num;
    if (session >= session_num || micro_batch >= shape->micro_batch_num) {
        return UINT64_MAX;
    }
    return (uint64_t)session * shape->micro_batch_num + micro_batch;
}

/* The token info of a (session, micro_batch) in a window of the kind; NULL if there is none. */
static void *token_info_of(const afd_window *window, afd_window_kind kind, uint32_t session, uint32_t micro_batch)
{
    uint64_t number = desc_number(window, session, micro_batch);
    if (window->info.kind != kind || number == UINT64_MAX) {
        return NULL;
    }
    return window->token_info + number * window->info.sizes.desc_bytes;
}

afd_ffn_desc *afd_window_desc(const afd_window *window, uint32_t session, uint32_t micro_batch)
{
    return token_info_of(window, AFD_WINDOW_FFN, session, micro_batch);
}

int32_t *afd_window_slot_flags(const afd_window *window, uint32_t micro_batch)
{
    return token_info_of(window, AFD_WINDOW_ATTENTION, 0, micro_batch);
}

void *afd_window_token_data(const afd_window *window, uint32_t session, uint32_t micro_batch)
{
    const afd_shape *shape = &window->info.shape;
    uint64_t number = desc_number(window, session, micro_batch);
    uint32_t slot_bytes = window->info.kind == AFD_WINDOW_ATTENTION ? shape->ffn_to_attn_token_size
                                                                    : shape->attn_to_ffn_token_size;
    if (number == UINT64_MAX || slot_bytes == 0) {
        return NULL;
    }
    /* Cannot overflow: the data of the whole window was measured to fit. */
    uint64_t bytes = (uint64_t)shape->micro_batch_size * shape->selected_expert_num * slot_bytes;
    return window->token_info + window->info.sizes.token_data_offset + number * bytes;
}

afd_status afd_window_bind(afd_window *window, afd_schedule_context *context, afd_error *error)
{
    const afd_shape *shape = &window->info.shape;
    const struct {
        const char *field;
        uint32_t value;
        uint32_t expected;
    } counts[] = {
        { "common.session_num", context->common.session_num, shape->session_num },
        { "common.micro_batch_num", context->common.micro_batch_num, shape->micro_batch_num },
        { "common.micro_batch_size", context->common.micro_batch_size, shape->micro_batch_size },
        { "common.selected_expert_num", context->common.selected_expert_num, shape->selected_expert_num },
        { "common.expert_num", context->common.expert_num, shape->expert_num },
        { "common.attn_to_ffn_token_size", context->common.attn_to_ffn_token_size, shape->attn_to_ffn_token_size },
        { "common.ffn_to_attn_token_size", context->common.ffn_to_attn_token_size, shape->ffn_to_attn_token_size },
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (counts[i].value != counts[i].expected) {
            return afd__fail(error, AFD_ERR_INVALID, counts[i].field, counts[i].value, counts[i].expected,
                             "%s is %" PRIu32 " in the context and %" PRIu32 " in the window", counts[i].field,
                             counts[i].value, counts[i].expected);
        }
    }
    if (!window->writable) {
        return afd__fail(error, AFD_ERR_INVALID, "window", 0, 0,
                         "the window was opened to look; a scheduler must be able to write it");
    }
    afd_window_fields *fields =
        window->info.kind == AFD_WINDOW_ATTENTION ? &context->attention.window : &context->ffn.window;
    fields->token_info_buf = (uint64_t)(uintptr_t)window->token_info;
    fields->token_info_buf_size = window->info.sizes.token_info_bytes;
    fields->token_data_buf = fields->token_info_buf + window->info.sizes.token_data_offset;
    fields->token_data_buf_size = window->info.sizes.token_data_bytes;
    return AFD_OK;
}
