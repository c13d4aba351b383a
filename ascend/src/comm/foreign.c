/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/foreign.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memfd.h"
#include "runtime/message.h"

enum { PATH_BYTES = 64 };

/* Before it is opened, because opening a device or a pipe can do something. */
static bool is_plain_file(const char *what, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        afd__acl_say("%s: %s cannot be reached, the process may have ended: %s", what, path, afd__acl_errno_text());
        return false;
    }
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
        afd__acl_say("%s: %s is no memory of user %u", what, path, geteuid());
        return false;
    }
    return true;
}

/* What was opened need not be what was looked at before: this is asked of the descriptor itself. */
static bool describe(const char *what, const char *path, afd__acl_foreign *foreign)
{
    struct stat status;
    const int seals = fcntl(foreign->fd, F_GET_SEALS);
    if (fstat(foreign->fd, &status) != 0 || seals < 0 || seals != afd__acl_memfd_seals() ||
        status.st_uid != geteuid() || status.st_size <= 0) {
        afd__acl_say("%s: %s is no memory that a rank would share", what, path);
        return false;
    }
    foreign->bytes = (uint64_t)status.st_size;
    foreign->device = (uint64_t)status.st_dev;
    foreign->inode = (uint64_t)status.st_ino;
    return true;
}

bool afd__acl_foreign_open(const char *what, int32_t pid, int32_t fd, afd__acl_foreign *foreign)
{
    char path[PATH_BYTES];
    if (pid < 1 || fd < 0) {
        afd__acl_say("%s: descriptor %" PRId32 " of process %" PRId32 " cannot be", what, fd, pid);
        return false;
    }
    (void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/fd/%" PRId32, pid, fd);
    if (!is_plain_file(what, path)) {
        return false;
    }
    afd__acl_foreign found = { .fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) };
    if (found.fd < 0) {
        afd__acl_say("%s: cannot open %s: %s", what, path, afd__acl_errno_text());
        return false;
    }
    if (!describe(what, path, &found)) {
        (void)close(found.fd);
        return false;
    }
    *foreign = found;
    return true;
}
