/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "out.h"

/* Of the file that is open, not of the name, which may be another file's a moment later. */
static bool is_private(const char *verb, const char *path, int fd)
{
    struct stat file;
    if (fstat(fd, &file) != 0) {
        afd_cli_note(verb, "cannot look at the token file %s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISREG(file.st_mode)) {
        afd_cli_note(verb, "the token file %s is not a regular file", path);
        return false;
    }
    if ((file.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        afd_cli_note(verb, "the token file %s has mode %04o, so others than its owner may read or change it; chmod 600 "
                     "takes that away", path, (unsigned)(file.st_mode & 07777));
        return false;
    }
    return true;
}

/* All of it, or as much as there is room for. */
static bool read_all(const char *verb, const char *path, int fd, afd_cli_secret *secret)
{
    ssize_t length = 1;
    while (secret->num < sizeof(secret->bytes) && length != 0) {
        length = read(fd, secret->bytes + secret->num, sizeof(secret->bytes) - secret->num);
        if (length < 0 && errno != EINTR) {
            afd_cli_note(verb, "cannot read the token file %s: %s", path, strerror(errno));
            return false;
        }
        secret->num += length > 0 ? (size_t)length : 0;
    }
    return true;
}

static bool has_a_size(const char *verb, const char *path, afd_cli_secret *secret)
{
    if (secret->num > 0 && secret->bytes[secret->num - 1] == '\n') {
        secret->num--;
    }
    if (secret->num == 0) {
        afd_cli_note(verb, "the token file %s is empty", path);
        return false;
    }
    if (secret->num > AFD_SECRET_BYTES_MAX) {
        afd_cli_note(verb, "the token file %s is too long: a token has at most %d bytes", path, AFD_SECRET_BYTES_MAX);
        return false;
    }
    return true;
}

bool afd_cli_secret_read(const char *verb, const char *path, afd_cli_secret *secret)
{
    *secret = (afd_cli_secret){ .num = 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* whatever it is, opening it does not wait */
    if (fd < 0) {
        afd_cli_note(verb, "cannot open the token file %s: %s", path, strerror(errno));
        return false;
    }
    bool good = is_private(verb, path, fd) && read_all(verb, path, fd, secret) && has_a_size(verb, path, secret);
    (void)close(fd);
    if (!good) {
        afd_cli_secret_forget(secret);
    }
    return good;
}

void afd_cli_secret_forget(afd_cli_secret *secret)
{
    explicit_bzero(secret, sizeof(*secret));
}
