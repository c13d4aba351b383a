/* SPDX-License-Identifier: Apache-2.0 */
/* The calls on streams; what a stream is stands in stream.c. */
#include <inttypes.h>
#include <stddef.h>

#include "acl/acl_rt.h"
#include "runtime/check.h"
#include "runtime/context.h"
#include "runtime/handle.h"
#include "runtime/message.h"
#include "runtime/stream.h"

aclError aclrtCreateStream(aclrtStream *stream)
{
    aclError code = afd__acl_check_given(stream, "stream");
    return code != ACL_SUCCESS ? code : afd__acl_context_new_stream(stream);
}

aclError aclrtCreateStreamWithConfig(aclrtStream *stream, uint32_t priority, uint32_t flag)
{
    (void)priority; /* the kernel shares the cores among the streams' threads */
    (void)flag;
    return aclrtCreateStream(stream);
}

static aclError destroy(aclrtStream stream, bool by_force)
{
    aclError code = afd__acl_check_given(stream, "stream");
    if (code != ACL_SUCCESS) {
        return code;
    }
    afd__acl_stream *retired = afd__acl_handle_retire(stream, AFD__ACL_STREAM);
    if (retired == NULL) {
        return afd__acl_handle_fail(ACL_ERROR_RT_INVALID_HANDLE, stream, AFD__ACL_STREAM);
    }
    afd__acl_stream_close(retired, by_force);
    afd__acl_object_release(retired);
    return ACL_SUCCESS;
}

aclError aclrtDestroyStream(aclrtStream stream)
{
    return destroy(stream, false);
}

aclError aclrtDestroyStreamForce(aclrtStream stream)
{
    return destroy(stream, true);
}

aclError aclrtSynchronizeStream(aclrtStream stream)
{
    return aclrtSynchronizeStreamWithTimeout(stream, -1);
}

aclError aclrtSynchronizeStreamWithTimeout(aclrtStream stream, int32_t timeout)
{
    if (timeout < -1) {
        return afd__acl_fail(ACL_ERROR_RT_PARAM_INVALID, "timeout is %" PRId32 " ms, must be at least -1", timeout);
    }
    aclError code = ACL_SUCCESS;
    afd__acl_stream *held = afd__acl_stream_hold(stream, &code);
    if (held == NULL) {
        return code;
    }
    code = afd__acl_stream_drain(held, timeout);
    if (code == ACL_SUCCESS) {
        code = afd__acl_stream_take_failure(held);
    }
    afd__acl_object_release(held);
    return code;
}

aclError aclrtStreamQuery(aclrtStream stream, aclrtStreamStatus *status)
{
    aclError code = afd__acl_check_given(status, "status");
    if (code != ACL_SUCCESS) {
        return code;
    }
    afd__acl_stream *held = afd__acl_stream_hold(stream, &code);
    if (held == NULL) {
        return code;
    }
    *status = afd__acl_stream_is_idle(held) ? ACL_STREAM_STATUS_COMPLETE : ACL_STREAM_STATUS_NOT_READY;
    afd__acl_object_release(held);
    return ACL_SUCCESS;
}
