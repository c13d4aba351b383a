/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/memfd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "runtime/message.h"

int afd__acl_memfd_seals(void)
{
    return F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
}

int afd__acl_memfd_new(const char *what, uint64_t bytes)
{
    const int fd = memfd_create("afd-ascend", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, afd__acl_memfd_seals()) == 0) {
        return fd;
    }
    afd__acl_say("%s: cannot make %" PRIu64 " bytes of memory to share: %s", what, bytes, afd__acl_errno_text());
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}
