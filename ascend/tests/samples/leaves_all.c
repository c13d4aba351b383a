/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends in the way that programs end which do not clean up: with memory, tensors, executors, events and streams alive,
 * and with a scheduler task that waits for tokens which never come. `leaves_all error` calls aclFinalize after an
 * error.
 */
#include <stdio.h>
#include <string.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "world.h"

static world waiting_world; /* must outlive main(): the task waits on it until the process is gone */

int main(int argc, char **argv)
{
    aclrtStream stream = NULL;
    aclrtEvent event = NULL;
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    aclOpExecutor *never_run = NULL;
    if (aclInit(NULL) != ACL_SUCCESS || aclrtSetDevice(3) != ACL_SUCCESS ||
        aclrtCreateStream(&stream) != ACL_SUCCESS || aclrtCreateEvent(&event) != ACL_SUCCESS ||
        world_create(&waiting_world, 2, 1) != 0) {
        return 1;
    }
    if (aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(waiting_world.tensor, 2, 0, &workspace_size, &executor) != 0 ||
        aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(waiting_world.tensor, 1, 0, &workspace_size, &never_run) != 0 ||
        aclnnInplaceFfnWorkerScheduler(NULL, workspace_size, executor, stream) != 0 ||
        aclrtRecordEvent(event, stream) != ACL_SUCCESS) {
        return 2;
    }
    if (argc > 1 && strcmp(argv[1], "error") == 0) {
        if (aclrtSynchronizeStreamWithTimeout(stream, 0) != ACL_ERROR_RT_STREAM_SYNC_TIMEOUT) {
            return 3;
        }
        printf("%s\n", aclGetRecentErrMsg());
        return aclFinalize() == ACL_SUCCESS ? 0 : 4;
    }
    return 0;
}
