/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/segment.h"

#include <inttypes.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "runtime/message.h"

static bool map(int flags, int fd, uint64_t offset, uint64_t bytes, afd__acl_segment *segment)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, (off_t)offset);
    if (memory == MAP_FAILED) {
        afd__acl_say("no address space for %" PRIu64 " bytes of a rank's memory: %s", bytes, afd__acl_errno_text());
        return false;
    }
    *segment = (afd__acl_segment){ .memory = memory, .bytes = bytes };
    return true;
}

bool afd__acl_segment_reserve(uint64_t bytes, afd__acl_segment *segment)
{
    return map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, bytes, segment);
}

bool afd__acl_segment_map(int fd, uint64_t offset, uint64_t bytes, afd__acl_segment *segment)
{
    return map(MAP_SHARED, fd, offset, bytes, segment);
}

void afd__acl_segment_release(afd__acl_segment *segment)
{
    if (segment->memory != NULL) {
        (void)munmap(segment->memory, segment->bytes);
        *segment = (afd__acl_segment){ 0 };
    }
}
