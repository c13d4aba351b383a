/* SPDX-License-Identifier: Apache-2.0 */
#include "window/window.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/checked.h"
#include "base/error.h"
#include "context/shape.h"
#include "window/header.h"
#include "window/measure.h"
#include "window/registry.h"
#include "window/shm.h"
#include "window/stats.h"

static afd_status new_object(afd_window **window, afd_error *error)
{
    *window = calloc(1, sizeof(**window));
    if (*window == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "window", sizeof(**window), 0,
                         "no memory for a window object of %zu bytes", sizeof(**window));
    }
    return AFD_OK;
}

static afd_status map(afd_window *window, uint64_t bytes, int fd, int protection, int flags, afd_error *error)
{
    void *mapping = mmap(NULL, bytes, protection, flags, fd, 0);
    if (mapping == MAP_FAILED) {
        char what[64];
        (void)snprintf(what, sizeof(what), "map a window of %" PRIu64 " bytes", bytes);
        return afd__fail_system(error, errno, "window_bytes", what);
    }
    window->mapping = mapping;
    window->mapping_bytes = bytes;
    window->writable = (protection & PROT_WRITE) != 0;
    return AFD_OK;
}

/* Unmaps and frees; leaves the name alone. */
static void discard(afd_window *window)
{
    if (window->mapping != NULL) {
        (void)munmap(window->mapping, window->mapping_bytes);
    }
    free(window);
}

/* The end of every call that makes a window: hands it out, or undoes what there is of it. */
static afd_status finish_new(afd_status status, afd_window *made, afd_window **window)
{
    if (status == AFD_OK) {
        *window = made;
    } else if (made != NULL) {
        discard(made);
    }
    return status;
}

/* What a new window is to be. */
typedef struct creation {
    const char *name; /* NULL: in private memory */
    afd_window_kind kind;
    const afd_shape *shape;
    uint32_t member_num;
    afd_window_sizes sizes;
} creation;

typedef afd_status creator(creation wanted, afd_window **window, afd_error *error);

/* Measures the window, and all of the memory with `header_bytes` of header and counters in front of it. */
static afd_status measure_all(creation *wanted, uint64_t header_bytes, uint64_t *bytes, afd_error *error)
{
    afd_status status = afd__window_measure(wanted->kind, wanted->shape, &wanted->sizes, error);
    if (status == AFD_OK && !afd__add_u64(header_bytes, wanted->sizes.window_bytes, bytes)) {
        status = afd__shape_fail_overflow(wanted->shape, "the window", error);
    }
    return status;
}

/* ---- private memory ---- */

/* The counters come first, so that the token info starts on a page here, too. */
static afd_status map_private(afd_window *window, creation *wanted, afd_error *error)
{
    uint64_t bytes = 0;
    uint64_t stats_bytes = afd__stats_bytes(wanted->member_num);
    afd_status status = measure_all(wanted, stats_bytes, &bytes, error);
    if (status == AFD_OK) {
        status = map(window, bytes, -1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    window->stats = window->mapping;
    window->member_num = wanted->member_num;
    window->token_info = (char *)window->mapping + stats_bytes;
    return afd__window_format(wanted->kind, wanted->shape, window->token_info, wanted->sizes.window_bytes, error);
}

static void describe_private(afd_window *window, const creation *wanted)
{
    afd_window_info *info = &window->info;
    info->valid = true;
    info->kind = wanted->kind;
    info->shape = *wanted->shape;
    info->sizes = wanted->sizes;
    info->created_unix_ns = afd__header_time_ns();
    info->generation = (uint64_t)info->created_unix_ns;
    info->owner_pid = (uint32_t)getpid();
    info->owner = AFD_OWNER_ALIVE;
}

static afd_status create_private(creation wanted, afd_window **window, afd_error *error)
{
    afd_window *made = NULL;
    afd_status status = new_object(&made, error);
    if (status == AFD_OK) {
        status = map_private(made, &wanted, error);
    }
    if (status == AFD_OK) {
        describe_private(made, &wanted);
    }
    return finish_new(status, made, window);
}

/* ---- shared memory: creating ---- */

/* Whether a name that somebody has may be ours; a dead owner's generation and pid then go into our header. */
static afd_status succeed_holder(const char *name, const afd__shm_holder *holder, afd__window_header *header,
                                 afd_error *error)
{
    if (!holder->found) {
        return AFD_OK;
    }
    if (!holder->valid) {
        return afd__fail(error, AFD_ERR_EXISTS, "name", 0, 0,
                         "there is a file " AFD_SHM_FOLDER "/" AFD_SHM_PREFIX "%s that is not a window of this "
                         "version; `afd rm --force %s` removes it",
                         name, name);
    }
    const afd__window_header *theirs = &holder->file.header;
    if (holder->owner != AFD_OWNER_DEAD) {
        return afd__fail(error, AFD_ERR_EXISTS, "name", theirs->owner.pid, 0,
                         "the window name %s is in use by process %" PRIu32 "%s", name, theirs->owner.pid,
                         holder->owner == AFD_OWNER_UNKNOWN ? ", which cannot be seen from here" : "");
    }
    header->replaced_pid = theirs->owner.pid;
    if (header->generation <= theirs->generation) {
        header->generation = theirs->generation + 1; /* the clock was set back */
    }
    return AFD_OK;
}

/* Writes the header, now that it is known whom the window succeeds, and gives the file its name. */
static afd_status take_name(const afd_window *window, int fd, const char *name, afd__window_header *header,
                            afd_error *error)
{
    afd_status status;
    do {
        afd__shm_holder holder;
        status = afd__shm_hold(name, &holder, error);
        if (status != AFD_OK) {
            return status;
        }
        status = succeed_holder(name, &holder, header, error);
        if (status == AFD_OK) {
            memcpy(window->mapping, header, sizeof(*header));
            status = afd__shm_take_name(fd, name, &holder, error);
        }
        afd__shm_release(&holder);
    } while (status == AFD_NOT_YET);
    return status;
}

static void adopt_header(afd_window *window, const char *name, const afd__window_header *header,
                         const afd_window_sizes *sizes)
{
    (void)snprintf(window->info.name, sizeof(window->info.name), "%s", name);
    afd__header_describe(header, sizes, &window->info);
    window->identity = header->owner;
    window->member_num = header->member_num;
    window->stats = (afd_worker_stats *)(void *)((char *)window->mapping + header->stats_offset);
    window->token_info = (char *)window->mapping + header->header_bytes;
}

/* Makes the mapped file a window and gives it its name. Its counters are 0, as all of a new file. */
static afd_status fill_shared(afd_window *window, int fd, const creation *wanted, afd_error *error)
{
    afd__window_header header = { .kind = (uint32_t)wanted->kind, .shape = *wanted->shape,
                                  .member_num = wanted->member_num };
    afd_status status = afd__header_init(&header, &wanted->sizes, error);
    if (status == AFD_OK) {
        status = afd__window_format(wanted->kind, wanted->shape, (char *)window->mapping + header.header_bytes,
                                    wanted->sizes.window_bytes, error);
    }
    if (status == AFD_OK) {
        status = take_name(window, fd, wanted->name, &header, error);
    }
    if (status == AFD_OK) {
        adopt_header(window, wanted->name, &header, &wanted->sizes);
        window->creator = getpid();
        window->file = afd__shm_identify(fd);
    }
    return status;
}

static afd_status map_shared(afd_window *window, creation *wanted, afd_error *error)
{
    int fd = -1;
    uint64_t file_bytes = 0;
    afd_status status = measure_all(wanted, afd__header_bytes(wanted->member_num), &file_bytes, error);
    if (status == AFD_OK) {
        status = afd__shm_create(file_bytes, &fd, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    status = map(window, file_bytes, fd, PROT_READ | PROT_WRITE, MAP_SHARED, error);
    if (status == AFD_OK) {
        status = fill_shared(window, fd, wanted, error);
    }
    (void)close(fd);
    return status;
}

static afd_status create_shared(creation wanted, afd_window **window, afd_error *error)
{
    afd_window *made = NULL;
    afd_status status = afd__shm_check_name(wanted.name, error);
    if (status == AFD_OK) {
        status = new_object(&made, error);
    }
    if (status == AFD_OK) {
        status = map_shared(made, &wanted, error);
    }
    return finish_new(status, made, window);
}

/* ---- creating, of either kind ---- */

static afd_status create_ffn(const char *name, const afd_shape *shape, creator *create, afd_window **window,
                             afd_error *error)
{
    creation wanted = { .name = name, .kind = AFD_WINDOW_FFN, .shape = shape };
    wanted.member_num = shape == NULL ? 0 : shape->session_num; /* measuring refuses what is null */
    return create(wanted, window, error);
}

afd_status afd_ffn_window_create_private(const afd_shape *shape, afd_window **window, afd_error *error)
{
    return create_ffn(NULL, shape, create_private, window, error);
}

afd_status afd_ffn_window_create_shared(const char *name, const afd_shape *shape, afd_window **window, afd_error *error)
{
    return create_ffn(name, shape, create_shared, window, error);
}

static afd_status create_attention(const char *name, const afd_shape *shape, uint32_t member_num, creator *create,
                                   afd_window **window, afd_error *error)
{
    creation wanted = { .name = name, .kind = AFD_WINDOW_ATTENTION, .shape = shape, .member_num = member_num };
    return create(wanted, window, error);
}

afd_status afd_attention_window_create_private(const afd_shape *shape, afd_window **window, afd_error *error)
{
    return create_attention(NULL, shape, 0, create_private, window, error);
}

afd_status afd_attention_window_create_shared(const char *name, const afd_shape *shape, afd_window **window,
                                              afd_error *error)
{
    return create_attention(name, shape, 0, create_shared, window, error);
}

afd_status afd__attention_window_create(const char *name, const afd_shape *shape, uint32_t member_num,
                                        afd_window **window, afd_error *error)
{
    afd_status status = afd__check_range("member_num", member_num, 0, AFD_WINDOW_MEMBER_MAX, error);
    if (status != AFD_OK) {
        return status;
    }
    return create_attention(name, shape, member_num, name == NULL ? create_private : create_shared, window, error);
}

/* ---- shared memory: joining ---- */

static afd_status check_owner_lives(const afd__window_header *header, const char *name, afd_error *error)
{
    if (afd__owner_state(&header->owner) == AFD_OWNER_DEAD) {
        return afd__fail(error, AFD_ERR_OWNER_DEAD, "header.owner.pid", header->owner.pid, 0,
                         "the owner of window %s, process %" PRIu32 ", is dead", name, header->owner.pid);
    }
    return AFD_OK;
}

static afd_status open_path(afd_window *window, const char *path, const char *name, afd__shm_purpose purpose,
                            afd_error *error)
{
    afd__shm_file file;
    afd_window_sizes sizes;
    afd_status status = afd__shm_open(path, purpose, &file, error);
    if (status != AFD_OK) {
        return status;
    }
    status = afd__header_check(&file.header, file.file_bytes, &sizes, error);
    if (status == AFD_OK && purpose == AFD__SHM_WRITE) {
        status = check_owner_lives(&file.header, name, error);
    }
    if (status == AFD_OK) {
        int protection = purpose == AFD__SHM_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
        status = map(window, file.file_bytes, file.fd, protection, MAP_SHARED, error);
    }
    (void)close(file.fd);
    if (status == AFD_OK) {
        adopt_header(window, name, &file.header, &sizes);
    }
    return status;
}

static afd_status open_new(const char *path, const char *name, afd__shm_purpose purpose, afd_window **window,
                           afd_error *error)
{
    afd_window *opened = NULL;
    afd_status status = new_object(&opened, error);
    if (status == AFD_OK) {
        status = open_path(opened, path, name, purpose, error);
    }
    return finish_new(status, opened, window);
}

afd_status afd_window_join(const char *name, afd_window_access access, afd_window **window, afd_error *error)
{
    char path[AFD_SHM_PATH_BYTES];
    afd_status status = afd__shm_check_name(name, error);
    if (status != AFD_OK) {
        return status;
    }
    afd__shm_path(name, path);
    return open_new(path, name, access == AFD_WINDOW_WRITE ? AFD__SHM_WRITE : AFD__SHM_READ, window, error);
}

afd_status afd_window_open_file(const char *path, afd_window **window, afd_error *error)
{
    if (path == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "path", 0, 0, "path is null");
    }
    return open_new(path, "", AFD__SHM_DUMP, window, error);
}

/* ---- leaving ---- */

/* Removes our name, unless it stands for another window by now (somebody forced it away and took it). */
static void drop_own_name(const afd_window *window)
{
    afd__shm_holder holder;
    if (afd__shm_hold(window->info.name, &holder, NULL) != AFD_OK) {
        return;
    }
    if (holder.found) {
        afd__shm_identity found = afd__shm_identify(holder.file.fd);
        if (found.device == window->file.device && found.inode == window->file.inode) {
            (void)afd__shm_drop_name(window->info.name, NULL);
        }
    }
    afd__shm_release(&holder);
}

void afd_window_close(afd_window *window)
{
    if (window == NULL) {
        return;
    }
    if (window->creator != 0 && window->creator == getpid()) {
        drop_own_name(window);
    }
    if (afd__window_let_go(window)) {
        discard(window);
    }
}
