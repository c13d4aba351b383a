/* SPDX-License-Identifier: Apache-2.0 */
/* Another name under which programs ask for the descriptions that operators take. */
#ifndef AFD_ASCEND_ACLNN_ACLNN_BASE_H
#define AFD_ASCEND_ACLNN_ACLNN_BASE_H

#include "aclnn/acl_meta.h"

#endif
