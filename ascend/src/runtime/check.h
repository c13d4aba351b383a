/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of arguments that many calls make. Each returns 0, or a code with its sentence recorded. */
#ifndef AFD_ASCEND_RUNTIME_CHECK_H
#define AFD_ASCEND_RUNTIME_CHECK_H

#include <stdint.h>

#include "acl/acl_base.h"

/* ACL_ERROR_INVALID_PARAM if the pointer is null. */
aclError afd__acl_check_given(const void *pointer, const char *name);

/* ACL_ERROR_RT_INVALID_DEVICEID if there is no such device. */
aclError afd__acl_check_device(int32_t device);

#endif
