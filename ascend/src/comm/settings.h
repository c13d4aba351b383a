/* SPDX-License-Identifier: Apache-2.0 */
/* The two variables of the environment that communicators look at, each time one is made. */
#ifndef AFD_ASCEND_COMM_SETTINGS_H
#define AFD_ASCEND_COMM_SETTINGS_H

#include <stdint.h>

#include "hccl/hccl_types.h"

#define AFD__ACL_COMM_BUFFSIZE_VARIABLE "HCCL_BUFFSIZE"         /* of a window, in MiB */
#define AFD__ACL_COMM_TIMEOUT_VARIABLE "HCCL_CONNECT_TIMEOUT" /* of waiting for other ranks, in seconds */

enum {
    AFD__ACL_COMM_BUFFSIZE_DEFAULT = 200,
    AFD__ACL_COMM_BUFFSIZE_MAX = 1 << 24, /* 16 TiB */
    AFD__ACL_COMM_BUFFSIZE_SHIFT = 20,    /* MiB */
    AFD__ACL_COMM_TIMEOUT_DEFAULT_S = 120,
    AFD__ACL_COMM_TIMEOUT_MAX_S = 7200
};

/* The bytes of a rank's buffer, 2 x HCCL_BUFFSIZE; HCCL_E_PARA, with a sentence, for a value that is none. */
HcclResult afd__acl_comm_buffer_bytes(uint64_t *bytes);

/* The same for HCCL_CONNECT_TIMEOUT, in nanoseconds. */
HcclResult afd__acl_comm_timeout_ns(uint64_t *timeout_ns);

#endif
