/* SPDX-License-Identifier: Apache-2.0 */
/* Here so that programs which include it compile. There are no offline models in this front. */
#ifndef AFD_ASCEND_ACL_ACL_MDL_H
#define AFD_ASCEND_ACL_ACL_MDL_H

#include "acl/acl_base.h"

#endif
