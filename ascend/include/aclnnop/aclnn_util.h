/* SPDX-License-Identifier: Apache-2.0 */
/* What operator headers are marked with. */
#ifndef AFD_ASCEND_ACLNNOP_ACLNN_UTIL_H
#define AFD_ASCEND_ACLNNOP_ACLNN_UTIL_H

#include "acl/acl_base.h"

#define ACLNN_API __attribute__((visibility("default")))

#endif
