/* SPDX-License-Identifier: Apache-2.0 */
/* The start and the end. Nothing but aclFinalize() asks whether there was a start: many programs have none. */
#include <pthread.h>
#include <stdbool.h>

#include "acl/acl.h"
#include "runtime/device.h"
#include "runtime/message.h"
#include "runtime/settings.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool initialized;

/* Sets the state and says whether that changed it. */
static bool change(bool to)
{
    (void)pthread_mutex_lock(&lock);
    bool changed = initialized != to;
    initialized = to;
    (void)pthread_mutex_unlock(&lock);
    return changed;
}

aclError aclInit(const char *configPath)
{
    (void)configPath; /* there is nothing to configure; a file that does not exist is no error */
    aclError code = afd__acl_settings_check();
    if (code != ACL_SUCCESS) {
        return code;
    }
    if (!change(true)) {
        return afd__acl_fail(ACL_ERROR_REPEAT_INITIALIZE, "aclInit() was called already");
    }
    return ACL_SUCCESS;
}

aclError aclFinalize(void)
{
    if (!change(false)) {
        return afd__acl_fail(ACL_ERROR_UNINITIALIZE, "aclInit() was not called");
    }
    afd__acl_devices_reset();
    return ACL_SUCCESS;
}
