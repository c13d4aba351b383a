/* SPDX-License-Identifier: Apache-2.0 */
#include "window/header.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "window/measure.h"

#define AFD_HEADER_AT(field, offset) \
    static_assert(offsetof(afd__window_header, field) == (offset), #field " has moved: that is a new version")

static_assert(sizeof(afd__window_header) == AFD_WINDOW_HEADER_BYTES, "the header is one page");
AFD_HEADER_AT(magic, 0);
AFD_HEADER_AT(version, 8);
AFD_HEADER_AT(kind, 12);
AFD_HEADER_AT(header_bytes, 16);
AFD_HEADER_AT(file_bytes, 24);
AFD_HEADER_AT(generation, 32);
AFD_HEADER_AT(created_unix_ns, 40);
AFD_HEADER_AT(shape, 48);
AFD_HEADER_AT(token_info_bytes, 80);
AFD_HEADER_AT(token_data_offset, 88);
AFD_HEADER_AT(token_data_bytes, 96);
AFD_HEADER_AT(owner, 104);
AFD_HEADER_AT(owner.start_ticks, 112);
AFD_HEADER_AT(owner.pid_namespace, 120);
AFD_HEADER_AT(owner.boot_id, 128);
AFD_HEADER_AT(replaced_pid, 168);
AFD_HEADER_AT(reserved, 172);

int64_t afd__header_time_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

afd_status afd__header_init(afd__window_header *header, afd_window_kind kind, const afd_shape *shape,
                            const afd_window_sizes *sizes, afd_error *error)
{
    memset(header, 0, sizeof(*header));
    header->magic = AFD_WINDOW_MAGIC;
    header->version = AFD_WINDOW_VERSION;
    header->kind = (uint32_t)kind;
    header->header_bytes = AFD_WINDOW_HEADER_BYTES;
    header->file_bytes = AFD_WINDOW_HEADER_BYTES + sizes->window_bytes;
    header->created_unix_ns = afd__header_time_ns();
    /* The time of creation serves as the generation: it differs from the last one under this name even when nobody
     * remembers that, because the name was removed in between. */
    header->generation = (uint64_t)header->created_unix_ns;
    header->shape = *shape;
    header->token_info_bytes = sizes->token_info_bytes;
    header->token_data_offset = sizes->token_data_offset;
    header->token_data_bytes = sizes->token_data_bytes;
    return afd__owner_self(&header->owner, error);
}

/* One field of a header against the only value it may have. */
static afd_status expect(const char *field, uint64_t value, uint64_t expected, afd_error *error)
{
    if (value == expected) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_BAD_WINDOW, field, value, expected,
                     "%s is 0x%" PRIx64 " (%" PRIu64 "), must be 0x%" PRIx64 " (%" PRIu64 ")", field, value, value,
                     expected, expected);
}

static afd_status check_kind(uint32_t kind, afd_error *error)
{
    if (kind == AFD_WINDOW_FFN || kind == AFD_WINDOW_ATTENTION) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_BAD_WINDOW, "header.kind", kind, AFD_WINDOW_ATTENTION,
                     "header.kind is %" PRIu32 ", must be %d (FFN) or %d (attention)", kind, AFD_WINDOW_FFN,
                     AFD_WINDOW_ATTENTION);
}

/* Nobody was there before 1970; a reader that takes the difference to now may then do so without a care. */
static afd_status check_time(int64_t created_unix_ns, afd_error *error)
{
    if (created_unix_ns < 0) {
        return afd__fail(error, AFD_ERR_BAD_WINDOW, "header.created_unix_ns", (uint64_t)created_unix_ns, 0,
                         "header.created_unix_ns is %" PRId64 ", must not be negative", created_unix_ns);
    }
    return AFD_OK;
}

/* A process id is positive; 0 and -1 would be groups of processes to kill(). */
static afd_status check_owner(const afd__owner *owner, afd_error *error)
{
    if (owner->pid == 0 || owner->pid > INT32_MAX) {
        return afd__fail(error, AFD_ERR_BAD_WINDOW, "header.owner.pid", owner->pid, INT32_MAX,
                         "header.owner.pid is %" PRIu32 ", must be in [1, %d]", owner->pid, INT32_MAX);
    }
    return AFD_OK;
}

/* The counts can be anything, so what they measure is what the sizes in the header must be. */
static afd_status check_shape(const afd__window_header *header, afd_window_sizes *sizes, afd_error *error)
{
    afd_status status = afd__window_measure((afd_window_kind)header->kind, &header->shape, sizes, error);
    if (status == AFD_OK && sizes->window_bytes > UINT64_MAX - AFD_WINDOW_HEADER_BYTES) {
        status = AFD_ERR_OVERFLOW;
        (void)afd__fail(error, status, "header.shape", sizes->window_bytes, UINT64_MAX, "the window does not fit");
    }
    if (status != AFD_OK && error != NULL) {
        error->status = AFD_ERR_BAD_WINDOW; /* what is wrong is the window, not the caller's argument */
    }
    return status == AFD_OK ? AFD_OK : AFD_ERR_BAD_WINDOW;
}

afd_status afd__header_check(const afd__window_header *header, uint64_t file_bytes, afd_window_sizes *sizes,
                             afd_error *error)
{
    uint64_t boot_id_end = (unsigned char)header->owner.boot_id[AFD_OWNER_BOOT_ID_BYTES - 1];
    const struct {
        const char *field;
        uint64_t value;
        uint64_t expected;
    } fixed[] = {
        { "header.magic", header->magic, AFD_WINDOW_MAGIC },
        { "header.version", header->version, AFD_WINDOW_VERSION },
        { "header.header_bytes", header->header_bytes, AFD_WINDOW_HEADER_BYTES },
        { "header.file_bytes", header->file_bytes, file_bytes },
        { "header.owner.boot_id terminator", boot_id_end, 0 },
    };
    afd_status status = AFD_OK;
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && status == AFD_OK; i++) {
        status = expect(fixed[i].field, fixed[i].value, fixed[i].expected, error);
    }
    if (status == AFD_OK) {
        status = check_kind(header->kind, error);
    }
    if (status == AFD_OK) {
        status = check_owner(&header->owner, error);
    }
    if (status == AFD_OK) {
        status = check_time(header->created_unix_ns, error);
    }
    if (status == AFD_OK) {
        status = check_shape(header, sizes, error);
    }
    if (status == AFD_OK) {
        status = expect("header.token_info_bytes", header->token_info_bytes, sizes->token_info_bytes, error);
    }
    if (status == AFD_OK) {
        status = expect("header.token_data_offset", header->token_data_offset, sizes->token_data_offset, error);
    }
    if (status == AFD_OK) {
        status = expect("header.token_data_bytes", header->token_data_bytes, sizes->token_data_bytes, error);
    }
    if (status == AFD_OK) {
        status = expect("header.file_bytes", file_bytes, AFD_WINDOW_HEADER_BYTES + sizes->window_bytes, error);
    }
    return status;
}

void afd__header_describe(const afd__window_header *header, const afd_window_sizes *sizes, afd_window_info *info)
{
    info->valid = true;
    info->kind = (afd_window_kind)header->kind;
    info->shape = header->shape;
    info->sizes = *sizes;
    info->generation = header->generation;
    info->created_unix_ns = header->created_unix_ns;
    info->owner_pid = header->owner.pid;
    info->replaced_pid = header->replaced_pid;
    info->owner = afd__owner_state(&header->owner);
    info->file_bytes = header->file_bytes;
}
