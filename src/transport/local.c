/* SPDX-License-Identifier: Apache-2.0 */
/* The transport `local`: the peer's window is memory of this process already. */
#include <inttypes.h>

#include "base/check.h"
#include "base/error.h"
#include "transport/mapped.h"
#include "window/window.h"

static const afd_writer_ops local_ops = {
    .size = sizeof(afd_writer_ops),
    .name = "local",
    .is_free = afd__mapped_is_free,
    .put = afd__mapped_put,
    .stage = afd__mapped_stage,
    .publish = afd__mapped_publish,
    .discard = afd__mapped_discard,
    .progress = afd__mapped_progress,
    .is_idle = afd__mapped_is_idle,
    .peer = afd__mapped_peer,
    .close = afd__mapped_close,
};

afd_status afd_writer_local_create(afd_window *window, afd_writer **writer, afd_error *error)
{
    afd_status status = afd__check_not_null("window", window, error);
    if (status == AFD_OK) {
        status = afd__check_not_null("writer", writer, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    if (!window->writable) {
        return afd__fail(error, AFD_ERR_INVALID, "window", 0, 0,
                         "the window was opened to look; a writer must be able to write it");
    }
    afd__mapped_target target = afd__mapped_target_of(window, &local_ops);
    return afd__mapped_create(&target, writer, error);
}

afd_status afd__writer_local_adopt(afd_window *window, afd_writer **writer, afd_error *error)
{
    afd__mapped_target target = afd__mapped_target_of(window, &local_ops);
    target.joined = window;
    return afd__mapped_create(&target, writer, error);
}

static afd_status check_address(const char *field, uint64_t address, uint64_t alignment, afd_error *error)
{
    afd_status status = afd__check_not_null(field, (const void *)(uintptr_t)address, error);
    if (status != AFD_OK) {
        return status;
    }
    if (address % alignment != 0) {
        return afd__fail(error, AFD_ERR_INVALID, field, address, alignment,
                         "%s is 0x%" PRIx64 ", must be %" PRIu64 "-byte aligned", field, address, alignment);
    }
    return AFD_OK;
}

static afd_status check_bytes(const char *field, uint64_t bytes, uint64_t needed, afd_error *error)
{
    if (bytes < needed) {
        return afd__fail(error, AFD_ERR_INVALID, field, bytes, needed, "%s is %" PRIu64 ", must be at least %" PRIu64,
                         field, bytes, needed);
    }
    return AFD_OK;
}

static afd_status check_fields(const afd_window_fields *fields, const afd_window_sizes *sizes, afd_error *error)
{
    afd_status status = check_address("fields.token_info_buf", fields->token_info_buf, sizeof(int32_t), error);
    if (status == AFD_OK) {
        status = check_bytes("fields.token_info_buf_size", fields->token_info_buf_size, sizes->token_info_bytes, error);
    }
    if (status == AFD_OK && sizes->token_data_bytes > 0) {
        status = check_address("fields.token_data_buf", fields->token_data_buf, 1, error);
    }
    if (status == AFD_OK) {
        status = check_bytes("fields.token_data_buf_size", fields->token_data_buf_size, sizes->token_data_bytes, error);
    }
    return status;
}

static afd_status measure(afd_window_kind kind, const afd_shape *shape, afd_window_sizes *sizes, afd_error *error)
{
    switch (kind) {
    case AFD_WINDOW_FFN:
        return afd_ffn_window_measure(shape, sizes, error);
    case AFD_WINDOW_ATTENTION:
        return afd_attention_window_measure(shape, sizes, error);
    default:
        return afd__fail(error, AFD_ERR_INVALID, "kind", (uint64_t)(int64_t)kind, AFD_WINDOW_ATTENTION,
                         "kind is %d, must be %d (FFN) or %d (attention)", (int)kind, AFD_WINDOW_FFN,
                         AFD_WINDOW_ATTENTION);
    }
}

afd_status afd_writer_memory_create(afd_window_kind kind, const afd_shape *shape, const afd_window_fields *fields,
                                    afd_writer **writer, afd_error *error)
{
    afd__mapped_target target = { .ops = &local_ops, .kind = kind };
    afd_status status = afd__check_not_null("fields", fields, error);
    if (status == AFD_OK) {
        status = afd__check_not_null("writer", writer, error);
    }
    if (status == AFD_OK) {
        status = measure(kind, shape, &target.sizes, error);
    }
    if (status == AFD_OK) {
        status = check_fields(fields, &target.sizes, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    target.shape = *shape;
    target.token_info = (void *)(uintptr_t)fields->token_info_buf;
    target.token_data = (void *)(uintptr_t)fields->token_data_buf;
    return afd__mapped_create(&target, writer, error);
}
