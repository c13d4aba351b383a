/* SPDX-License-Identifier: Apache-2.0 */
#include "window/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

enum { LOCK_ATTEMPT_NUM = 2000 }; /* a millisecond apart */

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

afd_status afd__shm_check_name(const char *name, afd_error *error)
{
    size_t length = name == NULL ? 0 : strnlen(name, AFD_WINDOW_NAME_MAX + 1);
    if (length == 0 || length > AFD_WINDOW_NAME_MAX) {
        return afd__fail(error, AFD_ERR_INVALID, "name", length, AFD_WINDOW_NAME_MAX,
                         "a window name has 1 to %d characters, this one has %s%zu", AFD_WINDOW_NAME_MAX,
                         length > AFD_WINDOW_NAME_MAX ? "at least " : "", length);
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_name_character(name[i]) || (i == 0 && name[i] == '.')) {
            return afd__fail(error, AFD_ERR_INVALID, "name", (unsigned char)name[i], i,
                             "character %zu of the window name is 0x%02x; a name is made of A-Z a-z 0-9 . _ - and does "
                             "not start with a dot",
                             i, (unsigned int)(unsigned char)name[i]);
        }
    }
    return AFD_OK;
}

void afd__shm_path(const char *name, char path[AFD_SHM_PATH_BYTES])
{
    (void)snprintf(path, AFD_SHM_PATH_BYTES, AFD_SHM_FOLDER "/" AFD_SHM_PREFIX "%s", name);
}

/* Reads the header with pread: what comes back is our own copy, which nobody can change between check and use. */
static afd_status read_header(int fd, const char *path, afd__window_header *header, afd_error *error)
{
    memset(header, 0, sizeof(*header));
    ssize_t length = pread(fd, header, sizeof(*header), 0);
    if (length < 0) {
        return afd__fail_system(error, errno, "path", "read the window header");
    }
    if ((size_t)length < sizeof(*header)) {
        return afd__fail(error, AFD_ERR_BAD_WINDOW, "file_bytes", (uint64_t)length, sizeof(*header),
                         "%.*s has %zd bytes, a window has at least its header of %zu",
                         AFD_ERROR_MESSAGE_BYTES / 2, path, length, sizeof(*header));
    }
    return AFD_OK;
}

static afd_status check_regular(const struct stat *status, const char *path, afd_error *error)
{
    if (!S_ISREG(status->st_mode)) {
        return afd__fail(error, AFD_ERR_BAD_WINDOW, "path", status->st_mode, S_IFREG, "%.*s is not a regular file",
                         AFD_ERROR_MESSAGE_BYTES / 2, path);
    }
    return AFD_OK;
}

/* Only a file that nobody but its user can reach is a live window. */
static afd_status check_private(const struct stat *status, const char *path, afd_error *error)
{
    if ((status->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return afd__fail(error, AFD_ERR_ACCESS, "mode", status->st_mode & 07777U, 0600,
                         "%s has mode %04o, a window has 0600: others must not reach it", path,
                         status->st_mode & 07777U);
    }
    if (geteuid() != 0 && status->st_uid != geteuid()) {
        return afd__fail(error, AFD_ERR_ACCESS, "uid", status->st_uid, geteuid(),
                         "%s belongs to user %u, this is user %u", path, status->st_uid, geteuid());
    }
    return AFD_OK;
}

static afd_status fail_open(int system_error, const char *path, afd_error *error)
{
    char what[AFD_ERROR_MESSAGE_BYTES / 2];
    if (system_error == ENOENT) {
        return afd__fail(error, AFD_ERR_NOT_FOUND, "path", 0, 0, "there is no %.*s", AFD_ERROR_MESSAGE_BYTES / 2, path);
    }
    (void)snprintf(what, sizeof(what), "open %s", path);
    return afd__fail_system(error, system_error, "path", what);
}

static int open_flags(afd__shm_purpose purpose)
{
    /* O_NONBLOCK: a pipe that somebody put under the name must not hold us up; for regular files it means nothing. */
    int flags = O_CLOEXEC | O_NONBLOCK | (purpose == AFD__SHM_WRITE ? O_RDWR : O_RDONLY);
    return purpose == AFD__SHM_DUMP ? flags : flags | O_NOFOLLOW;
}

afd_status afd__shm_open(const char *path, afd__shm_purpose purpose, afd__shm_file *file, afd_error *error)
{
    struct stat status;
    int fd = open(path, open_flags(purpose));
    if (fd < 0) {
        return fail_open(errno, path, error);
    }
    afd_status result = AFD_OK;
    if (fstat(fd, &status) != 0) {
        result = afd__fail_system(error, errno, "path", "look at the window's file");
    }
    if (result == AFD_OK) {
        result = check_regular(&status, path, error);
    }
    if (result == AFD_OK && purpose != AFD__SHM_DUMP) {
        result = check_private(&status, path, error);
    }
    if (result == AFD_OK) {
        result = read_header(fd, path, &file->header, error);
    }
    if (result != AFD_OK) {
        (void)close(fd);
        return result;
    }
    file->fd = fd;
    file->file_bytes = (uint64_t)status.st_size;
    return AFD_OK;
}

/* Past this limit the kernel would not return an error but send SIGXFSZ. */
static afd_status check_file_limit(uint64_t bytes, afd_error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur) {
        return afd__fail(error, AFD_ERR_NO_SPACE, "window_bytes", bytes, limit.rlim_cur,
                         "the window needs a file of %" PRIu64 " bytes, this process may write files of %" PRIu64
                         " (ulimit -f)",
                         bytes, (uint64_t)limit.rlim_cur);
    }
    return AFD_OK;
}

/* posix_fallocate, because ftruncate alone succeeds on a full /dev/shm and the first write is then a SIGBUS. */
static afd_status reserve(int fd, uint64_t bytes, afd_error *error)
{
    struct statvfs filesystem;
    uint64_t free_bytes = 0;
    if (fstatvfs(fd, &filesystem) == 0) {
        free_bytes = (uint64_t)filesystem.f_bavail * filesystem.f_frsize;
    }
    afd_status status = check_file_limit(bytes, error);
    if (status != AFD_OK) {
        return status;
    }
    int problem = EFBIG;
    if (bytes <= INT64_MAX) {
        do {
            problem = posix_fallocate(fd, 0, (off_t)bytes);
        } while (problem == EINTR);
    }
    if (problem == ENOSPC || problem == EFBIG) {
        return afd__fail(error, AFD_ERR_NO_SPACE, "window_bytes", bytes, free_bytes,
                         "the window needs %" PRIu64 " bytes of shared memory, " AFD_SHM_FOLDER " has %" PRIu64 " free",
                         bytes, free_bytes);
    }
    if (problem != 0) {
        return afd__fail_system(error, problem, "window_bytes", "reserve shared memory in " AFD_SHM_FOLDER);
    }
    return AFD_OK;
}

afd_status afd__shm_create(uint64_t bytes, int *fd, afd_error *error)
{
    int created = open(AFD_SHM_FOLDER, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (created < 0) {
        return afd__fail_system(error, errno, "path", "make a file in " AFD_SHM_FOLDER);
    }
    afd_status status = AFD_OK;
    if (fchmod(created, 0600) != 0) { /* whatever the umask took away */
        status = afd__fail_system(error, errno, "mode", "set the mode of shared memory");
    }
    if (status == AFD_OK) {
        status = reserve(created, bytes, error);
    }
    if (status != AFD_OK) {
        (void)close(created);
        return status;
    }
    *fd = created;
    return AFD_OK;
}

afd__shm_identity afd__shm_identify(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return (afd__shm_identity){ 0 };
    }
    return (afd__shm_identity){ .device = status.st_dev, .inode = status.st_ino };
}

/* Whether `path` still stands for the open file. */
static bool is_same_file(const char *path, int fd)
{
    struct stat by_name;
    afd__shm_identity by_fd = afd__shm_identify(fd);
    return lstat(path, &by_name) == 0 && by_name.st_dev == by_fd.device && by_name.st_ino == by_fd.inode;
}

/* Whoever holds the lock holds it for a few system calls; one that keeps it for seconds is stopped or means harm. */
static afd_status lock_file(int fd, const char *path, afd_error *error)
{
    const struct timespec pause = { .tv_nsec = 1000 * 1000 };
    for (int attempt = 0; attempt < LOCK_ATTEMPT_NUM; attempt++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return AFD_OK;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return afd__fail_system(error, errno, "name", "lock the window's file");
        }
        (void)nanosleep(&pause, NULL);
    }
    return afd__fail(error, AFD_ERR_EXISTS, "name", LOCK_ATTEMPT_NUM, LOCK_ATTEMPT_NUM,
                     "somebody has kept %s locked for more than %d ms", path, LOCK_ATTEMPT_NUM);
}

/* Opens and locks the file that a name stands for now. AFD_NOT_YET: the name changed meanwhile, look again. */
static afd_status hold_once(const char *path, afd__shm_holder *holder, afd_error *error)
{
    struct stat status;
    *holder = (afd__shm_holder){ .found = false };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? AFD_OK : fail_open(errno, path, error);
    }
    afd_status result = fstat(fd, &status) == 0 ? AFD_OK : afd__fail_system(error, errno, "path", "look at a file");
    holder->valid = result == AFD_OK && check_regular(&status, path, NULL) == AFD_OK &&
                    check_private(&status, path, NULL) == AFD_OK;
    /* What is not a window of ours is not locked either: its owner could keep the lock for as long as it likes. */
    if (result == AFD_OK && holder->valid) {
        result = lock_file(fd, path, error);
    }
    if (result == AFD_OK && !is_same_file(path, fd)) {
        result = AFD_NOT_YET;
    }
    if (result != AFD_OK) {
        (void)close(fd);
        return result;
    }
    holder->found = true;
    holder->file.fd = fd;
    return AFD_OK;
}

afd_status afd__shm_hold(const char *name, afd__shm_holder *holder, afd_error *error)
{
    char path[AFD_SHM_PATH_BYTES];
    struct stat status;
    afd_window_sizes sizes;
    afd_status result;
    afd__shm_path(name, path);
    do {
        result = hold_once(path, holder, error);
    } while (result == AFD_NOT_YET);
    if (result != AFD_OK || !holder->found || !holder->valid) {
        return result;
    }
    holder->valid = fstat(holder->file.fd, &status) == 0 &&
                    read_header(holder->file.fd, path, &holder->file.header, NULL) == AFD_OK &&
                    afd__header_check(&holder->file.header, (uint64_t)status.st_size, &sizes, NULL) == AFD_OK;
    if (holder->valid) {
        holder->file.file_bytes = (uint64_t)status.st_size;
        holder->owner = afd__owner_state(&holder->file.header.owner);
    }
    return AFD_OK;
}

void afd__shm_release(afd__shm_holder *holder)
{
    if (holder->found) {
        /* Unlocked by name: a child that was forked meanwhile has the descriptor too, and would keep the lock. */
        (void)flock(holder->file.fd, LOCK_UN);
        (void)close(holder->file.fd);
        holder->found = false;
    }
}

afd_status afd__shm_take_name(int fd, const char *name, const afd__shm_holder *holder, afd_error *error)
{
    char path[AFD_SHM_PATH_BYTES];
    char by_fd[32];
    char heir[AFD_SHM_PATH_BYTES];
    afd__shm_path(name, path);
    (void)snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
    if (!holder->found) {
        /* A link fails when somebody else took the name first. */
        if (linkat(AT_FDCWD, by_fd, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0) {
            return errno == EEXIST ? AFD_NOT_YET : afd__fail_system(error, errno, "name", "name the window");
        }
        return AFD_OK;
    }
    /* The name must never be free in between: who then came first would know nothing of the owner it succeeds. A rename
     * replaces at once, and wants a name to start from; the lock on the holder keeps others away from this one, too. */
    (void)snprintf(heir, sizeof(heir), AFD_SHM_FOLDER "/.afd-heir.%s", name);
    (void)unlink(heir); /* of a process that died between the next two calls */
    if (linkat(AT_FDCWD, by_fd, AT_FDCWD, heir, AT_SYMLINK_FOLLOW) != 0 || rename(heir, path) != 0) {
        int problem = errno;
        (void)unlink(heir);
        return afd__fail_system(error, problem, "name", "replace the window of a dead owner");
    }
    return AFD_OK;
}

afd_status afd__shm_drop_name(const char *name, afd_error *error)
{
    char path[AFD_SHM_PATH_BYTES];
    afd__shm_path(name, path);
    if (unlink(path) != 0) {
        return afd__fail_system(error, errno, "name", "remove the window's name");
    }
    return AFD_OK;
}
