/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/root_info.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "comm/fail.h"

#define ROOT_INFO_MAGIC UINT32_C(0x52444641) /* "AFDR" */

enum { ROOT_INFO_VERSION = 1 };

_Static_assert(sizeof(afd__acl_root_info) <= HCCL_ROOT_INFO_BYTES, "it fits");

static HcclResult find_pid_namespace(uint64_t *inode)
{
    struct stat status;
    if (stat("/proc/self/ns/pid", &status) != 0) {
        return afd__acl_comm_fail(HCCL_E_SYSCALL, "cannot look at /proc/self/ns/pid: %s", afd__acl_errno_text());
    }
    *inode = (uint64_t)status.st_ino;
    return HCCL_SUCCESS;
}

HcclResult afd__acl_root_info_write(int fd, const int32_t id[AFD__ACL_COMM_ID_WORDS], HcclRootInfo *info)
{
    afd__acl_root_info written = {
        .magic = ROOT_INFO_MAGIC,
        .version = ROOT_INFO_VERSION,
        .pid = (int32_t)getpid(),
        .fd = fd,
        .user = geteuid(),
    };
    const HcclResult result = find_pid_namespace(&written.pid_namespace);
    if (result != HCCL_SUCCESS) {
        return result;
    }
    memcpy(written.id, id, sizeof(written.id));
    memset(info, 0, sizeof(*info));
    memcpy(info->internal, &written, sizeof(written));
    return HCCL_SUCCESS;
}

static HcclResult check_reach(const afd__acl_root_info *read)
{
    uint64_t pid_namespace = 0;
    const HcclResult result = find_pid_namespace(&pid_namespace);
    if (result != HCCL_SUCCESS) {
        return result;
    }
    if (read->pid_namespace != pid_namespace) {
        return afd__acl_comm_fail(HCCL_E_UNAVAIL,
                                  "rootInfo was made in pid namespace %" PRIu64 ", this is %" PRIu64
                                  ": ranks must be on one host and see each other's processes",
                                  read->pid_namespace, pid_namespace);
    }
    if (read->user != geteuid()) {
        return afd__acl_comm_fail(HCCL_E_UNAVAIL, "rootInfo is of user %" PRIu32 ", this is %" PRIu32
                                  ": ranks must be processes of one user", read->user, (uint32_t)geteuid());
    }
    return HCCL_SUCCESS;
}

HcclResult afd__acl_root_info_read(const HcclRootInfo *info, afd__acl_root_info *read)
{
    afd__acl_root_info found;
    memcpy(&found, info->internal, sizeof(found));
    if (found.magic != ROOT_INFO_MAGIC || found.version != ROOT_INFO_VERSION) {
        return afd__acl_comm_fail(HCCL_E_PARA, "rootInfo begins with 0x%08" PRIx32 ", 0x%08" PRIx32
                                  ", must begin with 0x%08" PRIx32 ", 0x%08x: it is not from HcclGetRootInfo()",
                                  found.magic, found.version, ROOT_INFO_MAGIC, ROOT_INFO_VERSION);
    }
    const HcclResult result = check_reach(&found);
    if (result == HCCL_SUCCESS) {
        *read = found;
    }
    return result;
}
