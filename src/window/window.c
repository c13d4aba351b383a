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

#include "base/error.h"
#include "context/shape.h"
#include "window/header.h"
#include "window/measure.h"
#include "window/registry.h"
#include "window/shm.h"

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

/* ---- private memory ---- */

static afd_status fill_private(afd_window *window, afd_window_kind kind, const afd_shape *shape, afd_error *error)
{
    afd_window_info *info = &window->info;
    afd_status status = afd__window_measure(kind, shape, &info->sizes, error);
    if (status == AFD_OK) {
        status = map(window, info->sizes.window_bytes, -1, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, error);
    }
    if (status == AFD_OK) {
        status = afd__window_format(kind, shape, window->mapping, info->sizes.window_bytes, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    window->token_info = window->mapping;
    info->valid = true;
    info->kind = kind;
    info->shape = *shape;
    info->created_unix_ns = afd__header_time_ns();
    info->generation = (uint64_t)info->created_unix_ns;
    info->owner_pid = (uint32_t)getpid();
    info->owner = AFD_OWNER_ALIVE;
    return AFD_OK;
}

static afd_status create_private(afd_window_kind kind, const afd_shape *shape, afd_window **window, afd_error *error)
{
    afd_window *made = NULL;
    afd_status status = new_object(&made, error);
    if (status == AFD_OK) {
        status = fill_private(made, kind, shape, error);
    }
    return finish_new(status, made, window);
}

afd_status afd_ffn_window_create_private(const afd_shape *shape, afd_window **window, afd_error *error)
{
    return create_private(AFD_WINDOW_FFN, shape, window, error);
}

afd_status afd_attention_window_create_private(const afd_shape *shape, afd_window **window, afd_error *error)
{
    return create_private(AFD_WINDOW_ATTENTION, shape, window, error);
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
    window->token_info = (char *)window->mapping + AFD_WINDOW_HEADER_BYTES;
}

/* What a new window is to be. */
typedef struct creation {
    const char *name;
    afd_window_kind kind;
    const afd_shape *shape;
    afd_window_sizes sizes;
} creation;

/* Makes the mapped file a window and gives it its name. */
static afd_status fill_shared(afd_window *window, int fd, const creation *wanted, afd_error *error)
{
    afd__window_header header;
    afd_status status = afd__header_init(&header, wanted->kind, wanted->shape, &wanted->sizes, error);
    if (status == AFD_OK) {
        status = afd__window_format(wanted->kind, wanted->shape, (char *)window->mapping + AFD_WINDOW_HEADER_BYTES,
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
    afd_status status = afd__window_measure(wanted->kind, wanted->shape, &wanted->sizes, error);
    if (status == AFD_OK && wanted->sizes.window_bytes > UINT64_MAX - AFD_WINDOW_HEADER_BYTES) {
        status = afd__shape_fail_overflow(wanted->shape, "the window", error);
    }
    if (status != AFD_OK) {
        return status;
    }
    uint64_t file_bytes = AFD_WINDOW_HEADER_BYTES + wanted->sizes.window_bytes;
    status = afd__shm_create(file_bytes, &fd, error);
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

afd_status afd_ffn_window_create_shared(const char *name, const afd_shape *shape, afd_window **window, afd_error *error)
{
    return create_shared((creation){ .name = name, .kind = AFD_WINDOW_FFN, .shape = shape }, window, error);
}

afd_status afd_attention_window_create_shared(const char *name, const afd_shape *shape, afd_window **window,
                                              afd_error *error)
{
    return create_shared((creation){ .name = name, .kind = AFD_WINDOW_ATTENTION, .shape = shape }, window, error);
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
