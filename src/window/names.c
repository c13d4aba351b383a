/* SPDX-License-Identifier: Apache-2.0 */
/* The windows of this host by name: listing, removing, dumping. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "window/header.h"
#include "window/shm.h"
#include "window/window.h"

/* A file of our prefix whose rest is a name; the others in the folder are not ours. */
static int is_window_entry(const struct dirent *entry)
{
    size_t prefix_length = strlen(AFD_SHM_PREFIX);
    return strncmp(entry->d_name, AFD_SHM_PREFIX, prefix_length) == 0 &&
           afd__shm_check_name(entry->d_name + prefix_length, NULL) == AFD_OK;
}

/* Describes the window of a name; false if it is another user's or has gone since the folder was read. */
static bool describe_name(const char *name, afd_window_info *info)
{
    char path[AFD_SHM_PATH_BYTES];
    afd__shm_file file;
    afd_window_sizes sizes;
    afd_error error;
    memset(info, 0, sizeof(*info));
    (void)snprintf(info->name, sizeof(info->name), "%s", name);
    info->owner = AFD_OWNER_UNKNOWN;
    afd__shm_path(name, path);
    afd_status status = afd__shm_open(path, AFD__SHM_READ, &file, &error);
    if (status == AFD_ERR_NOT_FOUND || (status == AFD_ERR_ACCESS && error.system_error == EACCES)) {
        return false;
    }
    if (status == AFD_OK) {
        status = afd__header_check(&file.header, file.file_bytes, &sizes, &error);
        info->file_bytes = file.file_bytes;
        (void)close(file.fd);
    }
    if (status == AFD_OK) {
        afd__header_describe(&file.header, &sizes, info);
    } else {
        (void)snprintf(info->problem, sizeof(info->problem), "%s", error.message);
    }
    return true;
}

afd_status afd_window_list(void (*each)(void *arg, const afd_window_info *info), void *arg, afd_error *error)
{
    struct dirent **entries = NULL;
    int entry_num = scandir(AFD_SHM_FOLDER, &entries, is_window_entry, alphasort);
    if (entry_num < 0) {
        return afd__fail_system(error, errno, "path", "list " AFD_SHM_FOLDER);
    }
    for (int i = 0; i < entry_num; i++) {
        afd_window_info info;
        if (describe_name(entries[i]->d_name + strlen(AFD_SHM_PREFIX), &info)) {
            each(arg, &info);
        }
        free(entries[i]);
    }
    free(entries);
    return AFD_OK;
}

static afd_status may_remove(const char *name, const afd__shm_holder *holder, bool force, afd_error *error)
{
    if (force || (holder->valid && holder->owner == AFD_OWNER_DEAD)) {
        return AFD_OK;
    }
    if (!holder->valid) {
        return afd__fail(error, AFD_ERR_BAD_WINDOW, "name", 0, 0,
                         "%s is not a window of this version; remove it with force", name);
    }
    return afd__fail(error, AFD_ERR_EXISTS, "name", holder->file.header.owner.pid, 0,
                     "the owner of window %s, process %" PRIu32 ", %s; stop it, or remove the name with force", name,
                     holder->file.header.owner.pid,
                     holder->owner == AFD_OWNER_ALIVE ? "is alive" : "cannot be seen from here");
}

afd_status afd_window_remove(const char *name, bool force, afd_error *error)
{
    afd__shm_holder holder;
    afd_status status = afd__shm_check_name(name, error);
    if (status == AFD_OK) {
        status = afd__shm_hold(name, &holder, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    if (!holder.found) {
        return afd__fail(error, AFD_ERR_NOT_FOUND, "name", 0, 0, "there is no window %s on this host", name);
    }
    status = may_remove(name, &holder, force, error);
    if (status == AFD_OK) {
        status = afd__shm_drop_name(name, error);
    }
    afd__shm_release(&holder);
    return status;
}

static int write_whole(int fd, const char *bytes, uint64_t byte_num)
{
    uint64_t written = 0;
    while (written < byte_num) {
        ssize_t step = write(fd, bytes + written, byte_num - written);
        if (step == 0) {
            return EIO;
        }
        if (step < 0 && errno != EINTR) {
            return errno;
        }
        written += step > 0 ? (uint64_t)step : 0;
    }
    return 0;
}

afd_status afd_window_dump(const afd_window *window, const char *path, afd_error *error)
{
    if (path == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "path", 0, 0, "path is null");
    }
    if (!afd__window_has_header(window)) {
        return afd__fail(error, AFD_ERR_INVALID, "window", 0, 0,
                         "a window in private memory has no header, and so no file format");
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        char what[160];
        (void)snprintf(what, sizeof(what), "make the file %.120s", path);
        return afd__fail_system(error, errno, "path", what);
    }
    int problem = write_whole(fd, window->mapping, window->mapping_bytes);
    if (close(fd) != 0 && problem == 0) {
        problem = errno;
    }
    if (problem != 0) {
        (void)unlink(path);
        return afd__fail_system(error, problem, "path", "write the dump");
    }
    return AFD_OK;
}
