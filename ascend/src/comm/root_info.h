/* SPDX-License-Identifier: Apache-2.0 */
/* What is in an HcclRootInfo: where the table of a rendezvous is. */
#ifndef AFD_ASCEND_COMM_ROOT_INFO_H
#define AFD_ASCEND_COMM_ROOT_INFO_H

#include <stdint.h>

#include "comm/world.h"
#include "hccl/hccl_types.h"

typedef struct afd__acl_root_info {
    uint32_t magic;
    uint32_t version;
    int32_t pid;             /* of the process that made it */
    int32_t fd;              /* of the table, in that process */
    uint64_t pid_namespace;  /* in which pid is meant: the inode of /proc/self/ns/pid */
    uint32_t user;
    int32_t id[AFD__ACL_COMM_ID_WORDS]; /* which the table has too */
    uint32_t reserved;
} afd__acl_root_info;

/* Describes a table of this process. */
HcclResult afd__acl_root_info_write(int fd, const int32_t id[AFD__ACL_COMM_ID_WORDS], HcclRootInfo *info);

/* Takes it apart; HCCL_E_PARA for what is no root info, HCCL_E_UNAVAIL for one that cannot be reached from here. */
HcclResult afd__acl_root_info_read(const HcclRootInfo *info, afd__acl_root_info *read);

#endif
