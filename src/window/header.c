/* SPDX-License-Identifier: Apache-2.0 */
#include "window/header.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/error.h"
#include "window/measure.h"
#include "window/stats.h"

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
AFD_HEADER_AT(member_num, 172);
AFD_HEADER_AT(stats_offset, 176);
AFD_HEADER_AT(reserved, 184);

int64_t afd__header_time_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t afd__header_bytes(uint32_t member_num)
{
    return AFD_WINDOW_HEADER_BYTES + afd__stats_bytes(member_num);
}

afd_status afd__header_init(afd__window_header *header, const afd_window_sizes *sizes, afd_error *error)
{
    header->magic = AFD_WINDOW_MAGIC;
    header->version = AFD_WINDOW_VERSION;
    header->stats_offset = AFD_WINDOW_HEADER_BYTES;
    header->header_bytes = afd__header_bytes(header->member_num);
    header->file_bytes = header->header_bytes + sizes->window_bytes;
    header->created_unix_ns = afd__header_time_ns();
    /* The time of creation serves as the generation: it differs from the last one under this name even when nobody
     * remembers that, because the name was removed in between. */
    header->generation = (uint64_t)header->created_unix_ns;
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

/* Written out, because a window of another version is met where two releases of libafd share a host. */
static afd_status check_version(uint32_t version, afd_error *error)
{
    if (version == AFD_WINDOW_VERSION) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_BAD_WINDOW, "header.version", version, AFD_WINDOW_VERSION,
                     "the window has format version %" PRIu32 ", this libafd reads version %d only", version,
                     AFD_WINDOW_VERSION);
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
    if (status != AFD_OK) {
        if (error != NULL) {
            error->status = AFD_ERR_BAD_WINDOW; /* what is wrong is the window, not the caller's argument */
        }
        return AFD_ERR_BAD_WINDOW;
    }
    status = expect("header.token_info_bytes", header->token_info_bytes, sizes->token_info_bytes, error);
    if (status == AFD_OK) {
        status = expect("header.token_data_offset", header->token_data_offset, sizes->token_data_offset, error);
    }
    if (status == AFD_OK) {
        status = expect("header.token_data_bytes", header->token_data_bytes, sizes->token_data_bytes, error);
    }
    return status;
}

/* Whose counters there are: those of every session, or of as many FFN workers as the attention worker was made for. */
static afd_status check_members(const afd__window_header *header, afd_error *error)
{
    if (header->kind == AFD_WINDOW_FFN) {
        return expect("header.member_num", header->member_num, header->shape.session_num, error);
    }
    if (header->member_num > AFD_WINDOW_MEMBER_MAX) {
        return afd__fail(error, AFD_ERR_BAD_WINDOW, "header.member_num", header->member_num, AFD_WINDOW_MEMBER_MAX,
                         "header.member_num is %" PRIu32 ", must be in [0, %d]", header->member_num,
                         AFD_WINDOW_MEMBER_MAX);
    }
    return AFD_OK;
}

/* Header, counters and window follow each other and are the whole file. */
static afd_status check_parts(const afd__window_header *header, const afd_window_sizes *sizes, afd_error *error)
{
    uint64_t file_bytes = 0;
    uint64_t header_bytes = afd__header_bytes(header->member_num);
    afd_status status = check_members(header, error);
    if (status == AFD_OK) {
        status = expect("header.stats_offset", header->stats_offset, AFD_WINDOW_HEADER_BYTES, error);
    }
    if (status == AFD_OK) {
        status = expect("header.header_bytes", header->header_bytes, header_bytes, error);
    }
    if (status == AFD_OK && !afd__add_u64(header_bytes, sizes->window_bytes, &file_bytes)) {
        status = afd__fail(error, AFD_ERR_BAD_WINDOW, "header.shape", sizes->window_bytes, UINT64_MAX - header_bytes,
                           "a window of %" PRIu64 " bytes does not fit", sizes->window_bytes);
    }
    if (status == AFD_OK) {
        status = expect("header.file_bytes", header->file_bytes, file_bytes, error);
    }
    return status;
}

/* What does not depend on how large the window is. */
static afd_status check_identity(const afd__window_header *header, uint64_t file_bytes, afd_error *error)
{
    uint64_t boot_id_end = (unsigned char)header->owner.boot_id[AFD_OWNER_BOOT_ID_BYTES - 1];
    afd_status status = expect("header.magic", header->magic, AFD_WINDOW_MAGIC, error);
    if (status == AFD_OK) {
        status = check_version(header->version, error);
    }
    if (status == AFD_OK) {
        status = expect("header.file_bytes", header->file_bytes, file_bytes, error);
    }
    if (status == AFD_OK) {
        status = expect("header.owner.boot_id terminator", boot_id_end, 0, error);
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
    return status;
}

afd_status afd__header_check(const afd__window_header *header, uint64_t file_bytes, afd_window_sizes *sizes,
                             afd_error *error)
{
    afd_status status = check_identity(header, file_bytes, error);
    if (status == AFD_OK) {
        status = check_shape(header, sizes, error);
    }
    if (status == AFD_OK) {
        status = check_parts(header, sizes, error);
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
