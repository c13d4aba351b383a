/* SPDX-License-Identifier: Apache-2.0 */
/* Here so that programs which include it compile. There are no single operators by name in this front. */
#ifndef AFD_ASCEND_ACL_ACL_OP_H
#define AFD_ASCEND_ACL_ACL_OP_H

#include "acl/acl_base.h"

#endif
