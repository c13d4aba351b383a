/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/check.h"

#include <inttypes.h>
#include <stddef.h>

#include "runtime/message.h"
#include "runtime/settings.h"

aclError afd__acl_check_given(const void *pointer, const char *name)
{
    return pointer != NULL ? ACL_SUCCESS : afd__acl_fail(ACL_ERROR_INVALID_PARAM, "%s is null", name);
}

aclError afd__acl_check_device(int32_t device)
{
    const uint32_t device_num = afd__acl_device_num();
    if (device >= 0 && (uint32_t)device < device_num) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(ACL_ERROR_RT_INVALID_DEVICEID, "deviceId is %" PRId32 ", must be in [0, %" PRIu32 ")", device,
                         device_num);
}
